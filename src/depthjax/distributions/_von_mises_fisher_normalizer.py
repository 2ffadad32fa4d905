"""Normaliser of the von Mises-Fisher distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.numerics import log_ive

_SMALL = 1e-2


def log_area(size: int) -> float:
    """Log of the surface area of the unit sphere in `size` dimensions."""
    return math.log(2.0) + 0.5 * size * math.log(math.pi) - math.lgamma(0.5 * size)


def log_mean_exp(k: jax.Array, size: int) -> jax.Array:
    """Log of the mean of exp(k (x_1 - 1)) over the sphere: log Gamma(v+1) (2/k)^v exp(-k) I_v(k) with v = d/2 - 1."""
    order = 0.5 * size - 1.0
    small = k < _SMALL
    near, far = jnp.where(small, k, 0.0), jnp.where(small, 1.0, k)
    quarter = 0.25 * near * near
    series = jnp.log1p(quarter / (order + 1) * (1 + quarter / (2 * (order + 2)) * (1 + quarter / (3 * (order + 3)))))
    power = order * jnp.log(0.5 * far) if order else 0.0
    direct = log_ive(order, far) - power + math.lgamma(order + 1.0)
    return jnp.where(small, series - near, direct)


def mean_cosine_deficit(k: jax.Array, size: int) -> jax.Array:
    """One minus the mean of x_1, without cancellation at large k."""
    return -jax.jvp(lambda k: log_mean_exp(k, size), (k,), (jnp.ones_like(k),))[1]
