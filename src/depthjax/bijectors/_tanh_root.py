"""The scalar equation t + (c - 1) tanh(t) = target, c > 0, behind planar and Sylvester inverses."""

import jax
import jax.numpy as jnp

from depthjax.numerics import RootResult, find_root


def moved_log_slope(t: jax.Array, c: jax.Array) -> jax.Array:
    """log(1 + (c - 1) sech(t)^2) = log(tanh(t)^2 + c sech(t)^2), elementwise."""
    tanh = jnp.tanh(t)
    sech = 1.0 / jnp.cosh(jnp.clip(t, -40.0, 40.0))
    return jnp.log(tanh * tanh + c * sech * sech)


def solve_tanh(target: jax.Array, c: jax.Array) -> RootResult:
    """The t with t + (c - 1) tanh(t) = target; within |c - 1| of it, for |tanh| <= 1."""
    radius = jnp.abs(c - 1.0) * (1.0 + 1e-3) + jnp.finfo(target.dtype).tiny
    widened = radius + 4 * jnp.finfo(target.dtype).eps * jnp.abs(target)
    return find_root(_shifted_tanh, target - widened, target + widened, c - 1.0, target)


def _shifted_tanh(t, excess, target):
    return t + excess * jnp.tanh(t) - target
