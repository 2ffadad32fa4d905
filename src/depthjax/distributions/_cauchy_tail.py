"""Tails of the standard Cauchy distribution and their inverse."""

import math

import jax
import jax.numpy as jnp

from depthjax.numerics import log1m, with_partials

_LOG_PI = math.log(math.pi)
_FAR = 1e15
_DEEP = -20.0


def _curvature(z):
    near = 1.0 / (1.0 + z * z)
    return -2.0 * near * (2.0 * near - 1.0)


@with_partials(_curvature)
def _slope(z):
    """-2z/(1 + z^2), whose square does not overflow here; at zero the inner quotient is inf."""
    return -2.0 / (z + 1.0 / z)


@with_partials(_slope)
def log_density(z: jax.Array) -> jax.Array:
    """-log(pi) - log(1 + z^2), by one logarithm of the root, without overflow and without a choice that parts loops."""
    size = jnp.abs(z)
    small = jnp.minimum(size, 1.0 / size)
    return -_LOG_PI - 2.0 * jnp.log(jnp.maximum(size, 1.0) * jnp.sqrt(1.0 + small * small))


def upper(z: jax.Array) -> jax.Array:
    """P(Z > z), relative at both ends."""
    return jnp.arctan2(jnp.ones_like(z), z) / math.pi


def log_upper(z: jax.Array) -> jax.Array:
    """Log P(Z > z)."""
    far, below = z > _FAR, z < 0
    middle = jnp.log(upper(jnp.where(far | below, 1.0, z)))
    distant = -jnp.log(jnp.where(far, z, _FAR)) - _LOG_PI
    opposite = log1m(upper(-jnp.where(below, z, -1.0)))
    return jnp.where(far, distant, jnp.where(below, opposite, middle))


def from_upper(p: jax.Array) -> jax.Array:
    """The z with P(Z > z) = p."""
    central = jnp.abs(p - 0.5) < 0.25
    middle = -jnp.tan(math.pi * (jnp.where(central, p, 0.5) - 0.5))
    low = p < 0.5
    tail = jnp.where(central, 0.25, jnp.where(low, p, 1.0 - p))
    end = 1.0 / jnp.tan(math.pi * tail)
    return jnp.where(central, middle, jnp.where(low, end, -end))


def from_log_upper(log_p: jax.Array) -> jax.Array:
    """The z with log P(Z > z) = log_p; in logarithms where p underflows."""
    deep = log_p < _DEEP
    high = log_p > math.log(0.75)
    regular = from_upper(jnp.exp(jnp.where(deep | high, -1.0, log_p)))
    opposite = -from_upper(-jnp.expm1(jnp.where(high, log_p, -0.1)))
    distant = jnp.exp(-jnp.where(deep, log_p, _DEEP) - _LOG_PI)
    return jnp.where(deep, distant, jnp.where(high, opposite, regular))
