"""Draws from the von Mises distribution at every concentration, with their implicit derivative."""

import math

import jax
import jax.numpy as jnp

from depthjax.core.constraints import circular
from depthjax.distributions._rejection import accepted_draws
from depthjax.distributions._von_mises_cdf import slope_in_concentration
from depthjax.numerics import with_partials


def wrap(angle: jax.Array) -> jax.Array:
    """The same direction in [-pi, pi]."""
    return circular.from_raw(angle)


@with_partials(None, lambda angle, k: slope_in_concentration(angle, k))
def _pathwise(angle, concentration):
    return angle


def sample_centred(key: jax.Array, concentration: jax.Array) -> jax.Array:
    """One angle in (-pi, pi) around 0 for each concentration.

    Best and Fisher's rejection from a wrapped Cauchy, written in T = tan(angle/2): with s = (1 + sqrt(1 + 4k^2))/(2k)
    the proposal is T = tan(pi u/2) sqrt((s-1)/(s+1)), and k(s - cos) = k(s-1) + 2k sin^2(angle/2), where
    k(s-1) = (1 + 1/(2k + sqrt(1 + 4k^2)))/2 cancels nowhere. At k = 0 every proposal is accepted.

    Source:
        Best and Fisher, Efficient Simulation of the von Mises Distribution (1979); gradient, Figurnov et al. (2018).
    """
    dtype = concentration.dtype
    work = concentration if jnp.finfo(dtype).bits >= 32 else concentration.astype(jnp.float32)
    k = jax.lax.stop_gradient(work)
    angle = 2.0 * jnp.arctan(accepted_draws(key, (k.reshape(-1),), _propose, rounds=3)).reshape(k.shape)
    return _pathwise(angle, work).astype(dtype)


def _propose(key, k):
    """Tangents of half the angle and which are accepted; where the test is NaN there is nothing to wait for."""
    key_angle, key_accept = jax.random.split(key)
    base = 0.5 + 0.5 / (2.0 * k + jnp.sqrt(1.0 + 4.0 * k * k))
    u = jax.random.uniform(key_angle, k.shape, k.dtype, -1.0, 1.0)
    level = jax.random.uniform(key_accept, k.shape, k.dtype)
    tangent = jnp.sqrt(base / (base + 2.0 * k)) * jnp.tan((0.5 * math.pi) * u)
    square = tangent * tangent
    c = base + 2.0 * k * (square / (1.0 + square))
    return tangent, ~(jnp.log(c) - jnp.log(level) + 1.0 < c)
