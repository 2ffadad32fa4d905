"""Newton's method inside a bracket, stopped where rounding of the function says that nothing is left to gain."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

_STEPS = 100


def newton_in_bracket(
    evaluate: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
    lower: jax.Array,
    upper: jax.Array,
    guess: jax.Array,
    *,
    noise: float,
) -> jax.Array:
    """The root of an increasing function between `lower` and `upper`, where `guess` lies; NaN where steps run out.

    `evaluate(x)` returns value and slope. A step that would leave the bracket, or that follows one from which the value
    did not fall to half, is a bisection. From the first x where |value| <= `noise` one more step is taken.
    """

    def go_on(state):
        *_, done, count = state
        return jnp.any(~done) & (count < _STEPS)

    def body(state):
        low, high, x, last, done, count = state
        value, slope = evaluate(x)
        low, high = jnp.where(value > 0.0, low, x), jnp.where(value > 0.0, x, high)
        newton = x - value / jnp.where(slope > 0.0, slope, jnp.nan)
        inside = (newton >= low) & (newton <= high)
        close = jnp.abs(value) <= noise
        use = inside & (close | (jnp.abs(value) <= 0.5 * last))
        middle = 0.5 * low + 0.5 * high
        new = jnp.where(use, newton, jnp.where(close, x, middle))
        new = jnp.where(jnp.isnan(value), jnp.nan, new)
        stuck = (middle <= low) | (middle >= high) | jnp.isnan(value)
        keep = done
        moved = low, high, new, jnp.where(use, jnp.abs(value), jnp.inf)
        kept = (jnp.where(keep, old, now) for old, now in zip(state[:4], moved, strict=True))
        return (*kept, done | close | stuck, count + 1)

    start = (lower, upper, guess, jnp.full_like(guess, jnp.inf), jnp.zeros(guess.shape, bool), jnp.zeros((), jnp.int32))
    _, _, root, _, done, _ = lax.while_loop(go_on, body, start)
    return jnp.where(done, root, jnp.nan)
