"""Normaliser of the von Mises-Fisher distribution and its derivatives, by one quadrature of positive terms."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.numerics import gauss_legendre_rule

_REACH = 14.0
_POINTS, _WEIGHTS = gauss_legendre_rule(96)


def log_area(size: int) -> float:
    """Log of the surface area of the unit sphere in `size` dimensions."""
    return math.log(2.0) + 0.5 * size * math.log(math.pi) - math.lgamma(0.5 * size)


def _log_sine_integral(power):
    """Log of the integral of sin(t)^power over [0, pi], by Wallis' recurrence: gamma functions would cancel."""
    start = math.log(2.0) if power % 2 else math.log(math.pi)
    return start + math.fsum(math.log1p(-1.0 / j) for j in range(power, 1, -2))


def _log_terms(k, size):
    """Angles and the logarithms of weighted values of exp(k (cos t - 1)) sin(t)^(d-2) dt, for k ().

    Numerics:
        Ninety-six Gauss-Legendre nodes within 14 standard deviations of the mode, for which k sin^2 = (d-2) cos; the
        bell has no narrower feature, so the sum is exact to rounding for every k and d.
    """
    held, spare = jax.lax.stop_gradient(k), float(size - 2)
    whole = spare + jnp.sqrt(spare * spare + 4.0 * held * held) + jnp.finfo(k.dtype).tiny
    cosine, square = 2.0 * held / whole, 2.0 * spare / whole
    mode = jnp.arctan2(jnp.sqrt(square), cosine) if spare else jnp.zeros_like(held)
    curvature = held * cosine + (0.5 * whole if spare else 0.0)
    reach = jnp.minimum(_REACH / jnp.sqrt(curvature + 1e-30), math.pi)
    # In the plane the bell stands at the end of [0, pi], where the weights have the fewest digits: take both halves.
    low = jnp.maximum(mode - reach, 0.0 if spare else -math.pi)
    high = jnp.minimum(mode + reach, math.pi)
    points, weights = (jnp.asarray(np.asarray(v), k.dtype) for v in (0.5 + 0.5 * _POINTS, 0.5 * _WEIGHTS))
    angle = low + (high - low) * points
    logs = jnp.log((high - low) * weights) - 2.0 * k * jnp.sin(0.5 * angle) ** 2
    return angle, logs + spare * jnp.log(jnp.sin(angle)) if spare else logs


def _widened(k):
    return k if jnp.finfo(k.dtype).bits >= 32 else k.astype(jnp.float32)


def log_mean_exp(k: jax.Array, size: int) -> jax.Array:
    """Log of the mean of exp(k (x_1 - 1)) over the unit sphere in `size` dimensions, for k ()."""
    norm = _log_sine_integral(size - 2) + (math.log(2.0) if size == 2 else 0.0)
    return (jax.nn.logsumexp(_log_terms(_widened(k), size)[1]) - norm).astype(k.dtype)


def mean_cosine(k: jax.Array, size: int) -> jax.Array:
    """Mean of x_1, I_{d/2}(k)/I_{d/2-1}(k), as k/(d-1) times the mean of the squared sine, for k ()."""
    work = _widened(k)
    angle, logs = _log_terms(work, size)
    squares = jnp.sum(jax.nn.softmax(logs) * jnp.sin(angle) ** 2)
    return (work * squares / (size - 1)).astype(k.dtype)


def mean_cosine_deficit(k: jax.Array, size: int) -> jax.Array:
    """One minus the mean of x_1, without cancellation at large k, for k of any shape."""
    if k.ndim:
        return jax.vmap(lambda part: mean_cosine_deficit(part, size))(k)
    angle, logs = _log_terms(_widened(k), size)
    return jnp.sum(jax.nn.softmax(logs) * 2.0 * jnp.sin(0.5 * angle) ** 2).astype(k.dtype)
