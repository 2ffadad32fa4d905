"""Deviance, beta functions and binomial coefficients, without the cancellation of large log-gammas."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.numerics._elementwise import elementwise, promote, with_partials
from depthjax.numerics._stirling import (
    HALF_LOG_2PI,
    _error_0,
    _fitted_difference,
    _log_gamma_difference,
    digamma_difference,
    log_gamma,
    log_gamma_1p,
)
from depthjax.numerics._tables import STIRLING_0

# Taylor coefficients of (atanh(v) - v) / v^3 in v^2.
_ATANH = 1.0 / np.arange(3.0, 45.0, 2.0)


def atanh_excess(v: jax.Array) -> jax.Array:
    """Return `atanh(v) - v` for |v| <= 0.4, with as many terms as the dtype needs."""
    square, total = v * v, jnp.zeros_like(v)
    num_terms = math.ceil(math.log(float(jnp.finfo(v.dtype).eps)) / math.log(0.16))
    for coefficient in reversed(_ATANH[:num_terms].tolist()):
        total = coefficient + square * total
    return v * square * total


def weighted_log_excess(a: jax.Array, gap: jax.Array, log_ratio: jax.Array, *, less: int = 0) -> jax.Array:
    """Return `(a - less) log_ratio - gap` for log_ratio = log(1 + gap/a), without cancellation at gap = 0.

    For less = 0 it is minus the deviance of `a` from the mean `a + gap`, never positive. Only its value: it has no
    derivative of its own.
    """
    v = gap / (2.0 * a + gap)
    near = (2.0 * a) * atanh_excess(v) - gap * v
    if less:
        near = near - less * log_ratio
    return jnp.where(jnp.abs(v) < 0.4, near, (a - less) * log_ratio - gap)


def _half_log_ratio(x, m):
    """Return `log(x / m) / 2`, exact near `x = m`."""
    v = (x - m) / (x + m)
    near = jnp.abs(v) < 0.4
    v = jnp.where(near, v, 0.0)
    return jnp.where(near, v + atanh_excess(v), 0.5 * _log_ratio(jnp.where(near, 1.0, x), jnp.where(near, 3.0, m)))


def _log_ratio(x, m):
    """Return `log(x / m)` of positive numbers by one logarithm, also where the quotient leaves the dtype's range."""
    info = jnp.finfo(x.dtype)
    lift = 2.0 ** (info.maxexp - 28)
    ratio = x / m
    small, large = ratio < info.tiny, ratio > info.max
    scale = jnp.where(small, lift, jnp.where(large, 1.0 / lift, 1.0))
    shift = 2.0 * math.log(lift) * (large.astype(x.dtype) - small.astype(x.dtype))
    return jnp.log(jnp.where(small | large, (x * scale) * (scale / m), ratio)) + shift


def _deviance_slope(x, m):
    zero = x == 0.0
    return jnp.where(zero, 0.0, 2.0 * _half_log_ratio(jnp.where(zero, 1.0, x), jnp.where(zero, 1.0, m)))


@with_partials(_deviance_slope, lambda x, m: jnp.where(m == 0.0, jnp.where(x == 0.0, 1.0, -jnp.inf), (m - x) / m))
def _deviance(x, m):
    edge = (x == 0.0) | (m == 0.0)
    a, b = jnp.where(edge, 1.0, x), jnp.where(edge, 1.0, m)
    v = (a - b) / (a + b)
    near = jnp.abs(v) < 0.4
    v = jnp.where(near, v, 0.0)
    series = (a - b) * v + 2.0 * a * atanh_excess(v)
    direct = a * _log_ratio(a, b) + (b - a)
    boundary = jnp.where(x == 0.0, m, jnp.inf)
    value = jnp.where(edge, boundary, jnp.where(near, series, direct))
    return jnp.where(jnp.isnan(x) | jnp.isnan(m), jnp.nan, value)


@elementwise
def deviance(x: ArrayLike, m: ArrayLike) -> jax.Array:
    """Half the Poisson deviance, `x log(x / m) + m - x`.

    Args:
        x: observed value, any shape, `x >= 0`.
        m: mean, a shape that broadcasts, `m >= 0`.

    Returns:
        Broadcast shape, never negative, zero at `x = m`; `m` at `x = 0`, inf at `m = 0 < x`.

    Numerics: with v = (x - m) / (x + m), `(x - m) v + 2 x (atanh v - v)` by its Taylor series for |v| < 0.4. The
        derivatives are `log(x / m)` and `1 - x / m`; the one in `x` is taken as zero at `x = 0`, where it is infinite.

    Source: Loader, "Fast and accurate computation of binomial probabilities", 2000, eq. 5 (bd0).
    """
    return _deviance(x, m)


@with_partials(lambda a, b: -digamma_difference(a, b), lambda a, b: -digamma_difference(b, a))
def _log_beta(a, b):
    small, large = jnp.minimum(a, b), jnp.maximum(a, b)
    s = jnp.maximum(small, 1.0)
    t = jnp.maximum(large, 1.0)
    powers = (0.5 - s) * jnp.log1p(t / s) - t * jnp.log1p(s / t)
    stirling = HALF_LOG_2PI + powers - 0.5 * jnp.log(t)
    stirling = stirling + (_error_0(s) - _fitted_difference(STIRLING_0, 1, t, s))
    low = jnp.minimum(small, 1.0)
    return jnp.where(small >= 1.0, stirling, log_gamma_1p(low) - jnp.log(low) - _log_gamma_difference(large, low))


@elementwise
def log_beta(a: ArrayLike, b: ArrayLike) -> jax.Array:
    """Logarithm of the beta function, `lgamma(a) + lgamma(b) - lgamma(a + b)`.

    Args:
        a: any shape, positive.
        b: a shape that broadcasts, positive.

    Returns:
        Broadcast shape, nats.

    Numerics: Stirling's formula with its error terms when both arguments exceed one, `lgamma(s) -
        log_gamma_difference(l, s)` with the smaller s and larger l otherwise.
    """
    return _log_beta(a, b)


@with_partials(lambda n, k: digamma_difference(n - k + 1.0, k), lambda n, k: digamma_difference(k + 1.0, n - 2.0 * k))
def _log_binomial(n, k):
    small = jnp.minimum(k, n - k)
    inside = small >= 0.0
    small = jnp.where(inside, small, 0.0)
    rest = jnp.where(inside, n - small, 1.0)
    few = _log_gamma_difference(rest + 1.0, small) - log_gamma(small + 1.0)
    many = -jnp.log1p(rest + small) - _log_beta(rest + 1.0, jnp.maximum(small, 1.0) + 1.0)
    return jnp.where(inside, jnp.where(small < 1.0, few, many), jnp.where(jnp.isnan(n + k), jnp.nan, -jnp.inf))


@elementwise
def log_binomial(n: ArrayLike, k: ArrayLike) -> jax.Array:
    """Logarithm of the binomial coefficient `n! / (k! (n - k)!)`.

    Args:
        n: number of trials, any shape, `n >= 0`; need not be an integer.
        k: number of successes, a shape that broadcasts.

    Returns:
        Broadcast shape, nats; zero at `k = 0` and `k = n`, -inf for `k` outside `[0, n]`.
    """
    return _log_binomial(n, k)


def multigammaln(a: ArrayLike, d: int) -> jax.Array:
    """Logarithm of the multivariate gamma function, `d (d-1)/4 log pi + sum_{j<d} lgamma(a - j/2)`.

    Args:
        a: any shape, `a > (d - 1) / 2`.
        d: dimension, a static positive integer.

    Returns:
        Same shape as `a`; NaN where `a` is too small.

    Raises:
        ValueError: if `d` is not positive.

    Source: Muirhead, "Aspects of multivariate statistical theory", 1982, theorem 2.1.12.
    """
    if d < 1:
        raise ValueError(f"multigammaln: expected a positive dimension, got d={d}")
    (a,) = promote(a)
    work = a.astype(jnp.float32) if jnp.finfo(a.dtype).bits < 32 else a
    valid = work > 0.5 * (d - 1)
    work = jnp.where(valid, work, float(d))
    total = sum(log_gamma(work - 0.5 * j) for j in range(d)) + 0.25 * d * (d - 1) * math.log(math.pi)
    return jnp.where(valid, total, jnp.nan).astype(a.dtype)
