"""Scalar functions of a log ratio that keep their digits and their derivatives everywhere."""

import jax
import jax.numpy as jnp

from depthjax.numerics import elementwise, log_cosh, log_sech2, with_partials

LOG_2 = 0.6931471805599453
_TERMS = 18


@with_partials(lambda d: -jnp.expm1(-d))
def _exp_gap(d):
    near = jnp.abs(d) < 1.0
    small = jnp.where(near, d, 0.5)
    series = jnp.full_like(small, 1.0)
    for k in range(_TERMS, 2, -1):
        series = 1.0 - small / k * series
    return jnp.where(near, 0.5 * small * small * series, jnp.expm1(-jnp.where(near, 1.0, d)) + d)


@elementwise
def exp_gap(d):
    """exp(-d) - 1 + d, never negative; by its series near zero, where the sum cancels."""
    return _exp_gap(d)


@with_partials(lambda t: t * jnp.exp(log_sech2(t)))
def _js_gap(t):
    size = jnp.abs(t)
    near = size < 1.0
    small, large = jnp.where(near, t, 0.5), jnp.where(near, 1.0, size)
    tail = jnp.exp(-2.0 * large)
    far = LOG_2 - jnp.log1p(tail) - 2.0 * large * tail / (1.0 + tail)
    return jnp.where(near, small * jnp.tanh(small) - log_cosh(small), far)


def js_gap(log_ratio: jax.Array) -> jax.Array:
    """Gap g such that the Jensen-Shannon divergence is sum (p + q)/2 g(log p - log q).

    It is t tanh t - log cosh t at t = log_ratio/2, between 0 and log 2.
    """
    return _js_gap(0.5 * log_ratio)


@with_partials(lambda u: _log_tilt(u) - jax.nn.sigmoid(u))
def _log_tilt(u):
    left = jnp.exp(jnp.minimum(u, 0.0)) * jax.nn.softplus(-jnp.minimum(u, 0.0))
    x = jnp.exp(-jnp.maximum(u, 0.0))
    gone = x == 0.0
    right = jnp.where(gone, 1.0, jnp.log1p(jnp.where(gone, 0.5, x)) / jnp.where(gone, 0.5, x))
    return jnp.where(u > 0.0, right, left)


@with_partials(lambda u: -0.5 * _log_tilt(u))
def js_shifted(u: jax.Array) -> jax.Array:
    """Log 2 - softplus(u)/2 - e^u log1p(e^-u)/2."""
    return LOG_2 - 0.5 * jax.nn.softplus(u) - 0.5 * _log_tilt(u)


@with_partials(lambda z: wright_omega(z) / (1.0 + wright_omega(z)))
def wright_omega(z: jax.Array) -> jax.Array:
    """The s > 0 with s + log s = z, by Newton's method for log s."""
    low = z <= 1.0
    y = jnp.where(low, z, jnp.log(jnp.where(low, 1.0, z)))
    for _ in range(8):
        grown = jnp.exp(y)
        y = y - (grown + y - z) / (grown + 1.0)
    return jnp.exp(y)
