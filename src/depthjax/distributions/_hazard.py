"""Survival functions exp(-exp(v)) in terms of the log cumulative hazard v."""

import jax
import jax.numpy as jnp

from depthjax.numerics import log1mexp, with_partials

_SMALL = -10.0
_LARGE = 80.0


def _hazard(v):
    return jnp.exp(jnp.minimum(v, _LARGE))


def _log_cdf_slope(v):
    t = _hazard(v)
    regular = jnp.where(v < _SMALL, 1.0, t)
    return jnp.where(v < _SMALL, 1.0 - 0.5 * t + t * t / 12, -regular * jnp.exp(-regular) / jnp.expm1(-regular))


@with_partials(_log_cdf_slope)
def log_cdf_from_log_hazard(v: jax.Array) -> jax.Array:
    """Log(1 - exp(-exp(v))), which is v itself far to the left, where exp(v) underflows."""
    t = _hazard(v)
    return jnp.where(v < _SMALL, v - 0.5 * t + t * t / 24, log1mexp(-jnp.where(v < _SMALL, 1.0, t)))


def log_cdf_from_hazard(t: jax.Array, log_t: jax.Array) -> jax.Array:
    """Log(1 - exp(-t)) of a hazard whose logarithm is known too, where t itself underflows."""
    small = log_t < _SMALL
    near = log_t - 0.5 * t + t * t / 24
    return jnp.where(small, near, log1mexp(-jnp.where(small, 1.0, t)))


def log_hazard_from_log_cdf(log_p: jax.Array) -> jax.Array:
    """Log(-log(1 - exp(log_p))), the inverse of `log_cdf_from_log_hazard`."""
    small = log_p < _SMALL
    p = jnp.exp(log_p)
    near = log_p + p * (0.5 + p * (5 / 24 + p / 8))
    return jnp.where(small, near, jnp.log(-log1mexp(jnp.where(small, -1.0, log_p))))
