"""Draws from the von Mises-Fisher distribution: the angle to the mean direction, and the turn to it."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._rejection import accepted_draws
from depthjax.distributions._von_mises_fisher_normalizer import mean_cosine_deficit
from depthjax.numerics import gauss_legendre_rule, with_partials

_DEPTH = 40.0
_POINTS, _WEIGHTS = gauss_legendre_rule(64)
# Squares put the nodes densely at the near end, where the integrand of a tail is largest.
_STEPS, _STEP_WEIGHTS = (0.5 + 0.5 * _POINTS) ** 2, (0.5 + 0.5 * _POINTS) * _WEIGHTS


def sample_angle(key: jax.Array, concentration: jax.Array, size: int) -> jax.Array:
    """One angle in [0, pi] for each concentration k, of density proportional to exp(k cos t) sin(t)^(d-2).

    In three dimensions by the inverse cdf. Else Wood's rejection, written in q = tan^2(t/2)/b with
    b = (d-1)/(2k + sqrt(4k^2 + (d-1)^2)): q is a ratio of two gamma variables of shape (d-1)/2, and no term of the
    acceptance grows with k.

    Source:
        Wood, Simulation of the von Mises Fisher Distribution (1994), algorithm VM*; Fisher, Lewis and Embleton,
        Statistical Analysis of Spherical Data (1987), sec. 3.6.2; gradient, Figurnov et al. (2018).
    """
    dtype = concentration.dtype
    work = concentration if jnp.finfo(dtype).bits >= 32 else concentration.astype(jnp.float32)
    k, freedom = jax.lax.stop_gradient(work), float(size - 1)
    if size == 3:
        return _pathwise(size)(_angle_on_sphere(key, k), work).astype(dtype)
    ratio = accepted_draws(key, (k.reshape(-1),), functools.partial(_propose, freedom), rounds=3).reshape(k.shape)
    angle = 2.0 * jnp.arctan(jnp.sqrt(_base(k, freedom) * ratio))
    return _pathwise(size)(angle, work).astype(dtype)


def _angle_on_sphere(key, k):
    """The angle whose squared half sine is -log(1 - u (1 - exp(-2 k)))/(2 k) for a uniform u."""
    level = jax.random.uniform(key, k.shape, k.dtype)
    uniform = k == 0
    twice = 2.0 * jnp.where(uniform, 1.0, k)
    share = jnp.where(uniform, level, -jnp.log1p(level * jnp.expm1(-twice)) / twice)
    return 2.0 * jnp.arctan2(jnp.sqrt(share), jnp.sqrt(jnp.maximum(1.0 - share, 0.0)))


def _base(k, freedom):
    return freedom / (2.0 * k + jnp.sqrt(4.0 * k * k + freedom * freedom))


def _propose(freedom, key, k):
    """Ratios q and which are accepted; where the test is NaN there is nothing to wait for."""
    *keys, key_accept = jax.random.split(key, 3)
    base, half = _base(k, freedom), jnp.full(k.shape, 0.5 * freedom, k.dtype)
    above, below = (sample_log_gamma(one, half, ()) for one in keys)
    ratio = jnp.exp(jnp.clip(above - below, -60.0, 60.0))
    level = jnp.log1p(-jax.random.uniform(key_accept, k.shape, k.dtype))
    share = ratio / (1.0 + base * ratio)
    growth = jnp.log(0.5 * (1.0 + base)) + jnp.log1p((1.0 - base) * share)
    refused = 2.0 * k * base * (1.0 / (1.0 + base) - share) + freedom * growth < level
    return ratio, ~refused


def turn_to(direction: jax.Array, angle: jax.Array, side: jax.Array) -> jax.Array:
    """Unit vectors (*shape, d) at the given angles (*shape) from `direction` (d,), towards `side` (*shape, d - 1).

    (cos, sin side/|side|) around the first axis, carried by the reflection that takes minus or plus that axis,
    whichever is farther, to `direction`.
    """
    squares = jnp.sum(side * side, axis=-1, keepdims=True)
    ahead = jnp.zeros_like(side).at[..., 0].set(1)
    side = jnp.where(squares > 0, side / jnp.sqrt(jnp.where(squares > 0, squares, 1.0)), ahead)
    sign = jnp.where(direction[0] < 0, -1.0, 1.0).astype(direction.dtype)
    normal = direction.at[0].add(sign)
    half = jnp.sin(0.5 * angle)
    # The reflection takes the first axis to -sign times the direction, so only the sideways part is reflected.
    around = jnp.concatenate([jnp.zeros_like(angle)[..., None], jnp.sin(angle)[..., None] * side], axis=-1)
    row = (1,) * (around.ndim - 1) + direction.shape
    along = jnp.sum(around * normal.reshape(row), axis=-1, keepdims=True) * (2.0 / jnp.sum(normal * normal))
    turned = around - along * normal.reshape(row)
    return direction.reshape(row) * (1.0 - 2.0 * half * half)[..., None] + turned


def _pathwise(size):
    return with_partials(None, lambda angle, k: angle_slope(angle, k, size))(lambda angle, k: angle)


def angle_slope(angle: jax.Array, k: jax.Array, size: int) -> jax.Array:
    """Derivative of the angle in the concentration, -(dF/dk)/f, by quadrature of the tail on the side of the angle.

    dF/dk is the integral of (cos t - A) f(t) up to the angle, with A = E cos t, and minus that beyond it; on either
    side of the mean cosine all terms of one of the two have one sign.
    """
    deficit = mean_cosine_deficit(k, size)
    near = 2.0 * jnp.sin(0.5 * angle) ** 2 < deficit
    fall = jnp.sqrt(angle * angle + 2.5 * 2.0 * _DEPTH / jnp.maximum(k, 1e-6)) - angle
    reach = jnp.where(near, -angle, jnp.minimum(math.pi - angle, fall))
    column = (-1,) + (1,) * angle.ndim
    steps, weights = (jnp.asarray(np.asarray(v), k.dtype).reshape(column) for v in (_STEPS, _STEP_WEIGHTS))
    shape = (len(_STEPS), *angle.shape)
    wide = lambda v: jnp.broadcast_to(v[None], shape)  # noqa: E731
    step = steps * wide(reach)
    t = wide(angle) + step
    drop = -2.0 * jnp.sin(wide(angle) + 0.5 * step) * jnp.sin(0.5 * step)
    log_ratio = wide(k) * drop
    if size > 2:
        log_ratio = log_ratio + (size - 2) * (jnp.log(jnp.sin(t)) - jnp.log(wide(jnp.sin(angle))))
    excess = wide(deficit) - 2.0 * jnp.sin(0.5 * t) ** 2
    total = jnp.sum(weights * excess * jnp.exp(log_ratio), axis=0)
    return reach * total
