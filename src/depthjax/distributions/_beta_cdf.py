"""Tails of the beta distribution where x, 1 - x and their log-odds are known, and the inverse in log-odds."""

import jax
import jax.numpy as jnp

from depthjax.numerics import implicit_root, log1mexp, log_beta
from depthjax.numerics._incomplete_beta import _log_odds_root as search_log_odds
from depthjax.numerics._incomplete_beta import _log_tails as both_tails

_STEEP = 60.0


def log_tails(
    a: jax.Array, b: jax.Array, x: jax.Array, q: jax.Array, log_odds: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """(log I_x(a, b), log I_q(b, a)) for x = sigmoid(log_odds) and q = 1 - x.

    Numerics:
        Neither tail loses digits to the rounding of the other argument. Where the smaller one of x and q is below
        exp(-60) and may have underflowed, by its leading power x^a/(a B(a, b)).
    """
    below, steep = log_odds < 0, jnp.abs(log_odds) > _STEEP
    lower, upper = both_tails(a, b, jnp.where(steep, 0.5, x), jnp.where(steep, 0.5, q))
    one, zero = jnp.where(below, a, b), jnp.where(below, b, a)
    near = jnp.where(steep, -one * jnp.abs(log_odds) - jnp.log(one) - log_beta(one, zero), -1.0)
    far = log1mexp(near)
    lower = jnp.where(steep, jnp.where(below, near, far), lower)
    return lower, jnp.where(steep, jnp.where(below, far, near), upper)


def log_odds_from_levels(a: jax.Array, b: jax.Array, log_p: jax.Array, log_q: jax.Array) -> jax.Array:
    """Log(x/(1 - x)) at the x with log I_x(a, b) = log_p, given log_q = log(1 - p) too; infinite at the ends."""
    inside = (log_p > -jnp.inf) & (log_q > -jnp.inf)
    log_p_in, log_q_in = jnp.where(inside, log_p, -0.5), jnp.where(inside, log_q, -1.0)
    use_p = log_p_in < log_q_in

    def gap(y, a, b, log_p, log_q):
        tiny = jnp.finfo(y.dtype).tiny
        lower, upper = both_tails(a, b, *(jnp.maximum(jax.nn.sigmoid(s), tiny) for s in (y, -y)))
        return jnp.where(use_p, lower - log_p, log_q - upper)

    start = search_log_odds(*jax.lax.stop_gradient((a, b, log_p_in, log_q_in)))
    root = implicit_root(gap, start, a, b, log_p_in, log_q_in)
    end = jnp.where(jnp.isneginf(log_p), -jnp.inf, jnp.where(jnp.isneginf(log_q), jnp.inf, jnp.nan))
    return jnp.where(inside, root, end)
