"""A line search along a direction of descent, by secant steps in a bracket."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

_MAX_TRIALS = 20
_ARMIJO, _FLATTENS = 1e-4, 0.1


def line_search(
    objective: Callable[[jax.Array], tuple[jax.Array, jax.Array]],
    start: tuple[jax.Array, jax.Array, jax.Array],
    direction: jax.Array,
    slope: jax.Array,
    first: jax.Array,
) -> tuple[Any, ...]:
    """A length at which the value has fallen by Armijo's rule and the slope is a tenth of the first one.

    Args:
        objective: (d,) -> value and gradient of what is minimised.
        start: point (d,), value and gradient there.
        direction: (d,).
        slope: () of the value along the direction; without one below zero no trial is made.
        first: () length tried first.

    Returns:
        Length, 0 where the value never fell, and point, value, gradient and number of evaluations of the last trial.

    Source:
        Nocedal and Wright, Numerical Optimization (2006), sec. 3.5.
    """
    origin, level, _ = start

    def trial(carry):
        low, low_slope, high, high_slope, length, *_, count, _ = carry
        x = origin + length * direction
        value, gradient = objective(x)
        here = jnp.sum(gradient * direction)
        finite = jnp.isfinite(value) & jnp.all(jnp.isfinite(gradient))
        rounding = 4 * float(jnp.finfo(x.dtype).eps) * jnp.abs(level)
        fell = finite & (value <= level + _ARMIJO * length * slope + rounding)
        done = fell & (jnp.abs(here) <= -_FLATTENS * slope)
        forward = fell & (here < 0)
        low, low_slope = jnp.where(forward, length, low), jnp.where(forward, here, low_slope)
        high, high_slope = jnp.where(forward, high, length), jnp.where(forward, high_slope, jnp.where(fell, here, 0.0))
        again = _next_length(low, low_slope, high, high_slope, slope)
        return (
            low,
            low_slope,
            high,
            high_slope,
            jnp.where(done, length, again),
            x,
            value,
            gradient,
            fell,
            count + 1,
            done,
        )

    def unfinished(carry):
        return ~carry[-1] & (carry[-2] < _MAX_TRIALS)

    zero, infinite = jnp.zeros_like(slope), jnp.full_like(slope, jnp.inf)
    carry = (
        zero, slope, infinite, zero, first, *start, jnp.zeros((), bool),
        jnp.zeros((), jnp.int32), ~(slope < 0),
    )  # fmt: skip
    *_, length, x, value, gradient, fell, count, _ = jax.lax.while_loop(unfinished, trial, carry)
    return jnp.where(fell, length, 0.0), x, value, gradient, count


def _next_length(low, low_slope, high, high_slope, slope):
    """The secant root within the bracket [low, high]; beyond low while there is no upper end."""
    rises = high_slope > low_slope
    inside = low + (high - low) * jnp.where(rises, -low_slope / jnp.where(rises, high_slope - low_slope, 1.0), 0.5)
    inside = jnp.where(high_slope > 0, inside, 0.5 * (low + high))
    inside = jnp.clip(inside, low + 0.1 * (high - low), high - 0.1 * (high - low))
    flatter = low_slope > slope
    beyond = low * jnp.where(flatter, slope / jnp.where(flatter, slope - low_slope, 1.0), 10.0)
    return jnp.where(jnp.isinf(high), jnp.clip(beyond, 1.1 * low, 10.0 * low), inside)
