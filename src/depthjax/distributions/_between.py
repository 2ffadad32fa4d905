"""Probability of an interval under any elementwise distribution with a cdf, in log space."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise
from depthjax.numerics import log1m, log_sub

_LOG_HALF = -math.log(2.0)


def log_between(base: Elementwise, low: jax.Array, high: jax.Array) -> jax.Array:
    """Log P(low < X <= high) for each coordinate, low <= high, either of which may be infinite.

    Numerics:
        By the family's own closed form `_log_between` where it has one, whose relative error does not grow as the
        interval shrinks. Otherwise as the difference of the two log tails on the side of the median where the interval
        lies, or one minus both tails.
    """
    open_low, open_high = jnp.isneginf(low), jnp.isposinf(high)
    start = jnp.where(open_low, jnp.where(open_high, 0.0, high - 1.0), low)
    stop = jnp.where(open_high, start + 1.0, high)
    inner = getattr(base, "_log_between", lambda a, b: _tail_difference(base, a, b))(start, stop)
    half_open = jnp.where(open_low, base._log_cdf(stop), base._log_survival(start))
    return jnp.where(open_low & open_high, 0.0, jnp.where(open_low | open_high, half_open, inner))


def _tail_difference(base, low, high):
    lower, upper = base._log_cdf(low), base._log_cdf(high)
    beyond_low, beyond_high = base._log_survival(low), base._log_survival(high)
    above, below = lower > _LOG_HALF, beyond_high > _LOG_HALF
    larger = jnp.where(above, beyond_low, jnp.where(below, upper, 0.0))
    smaller = jnp.where(above, beyond_high, jnp.where(below, lower, -1.0))
    one_sided = above | below
    outside = jnp.exp(jnp.where(one_sided, -2.0, lower)) + jnp.exp(jnp.where(one_sided, -2.0, beyond_high))
    return jnp.where(one_sided, log_sub(larger, smaller), log1m(outside))
