"""Smooth elementary functions that maps and their log-dets share."""

import jax
import jax.numpy as jnp

# log(1 + t)/t on [0, 1] within 0.2 eps of float32; Chebyshev nodes, the constant fixed at one.
_FRACTION = (
    -0.4999999698308403,
    0.33332841887371345,
    -0.24986526168187279,
    0.1985410623120243,
    -0.1584756572045947,
    0.11561845446366749,
    -0.06675772506317361,
    0.0252240543466626,
    -0.004466211601265708,
)


def log1p_fraction(t):
    """Log(1 + t) for 0 <= t <= 1; in float32 a polynomial, which processors compute several times faster."""
    if t.dtype != jnp.float32:
        return jnp.log1p(t)
    series = jnp.full_like(t, _FRACTION[-1])
    for coefficient in _FRACTION[-2::-1]:
        series = series * t + coefficient
    return t + t * (t * series)


def _excess(x):
    """Log(1 + exp(-|x|)): softplus(x) is this above max(x, 0), and -log sigmoid(x) this above max(-x, 0)."""
    return log1p_fraction(jnp.exp(-jnp.abs(x)))


@jax.custom_jvp
def softplus(x):
    """Log(1 + exp(x))."""
    return jnp.maximum(x, 0) + _excess(x)


@softplus.defjvp
def _softplus_jvp(primals, tangents):
    return softplus(*primals), jax.nn.sigmoid(primals[0]) * tangents[0]


@jax.custom_jvp
def log_sigmoid(x):
    """-log(1 + exp(-x)); beside `softplus` of the same x, it costs nothing more."""
    return jnp.minimum(x, 0) - _excess(x)


@log_sigmoid.defjvp
def _log_sigmoid_jvp(primals, tangents):
    return log_sigmoid(*primals), jax.nn.sigmoid(-primals[0]) * tangents[0]


@jax.custom_jvp
def log_kept(y):
    """Log(1 - exp(-y)) for positive y, which is log sigmoid(x) at y = softplus(x)."""
    # Half of the smallest normal number counts as zero.
    return jnp.log(jnp.where(y < 4 * jnp.finfo(y.dtype).tiny, y, jnp.tanh(0.5 * y) * (1 + jnp.exp(-y))))


@log_kept.defjvp
def _log_kept_jvp(primals, tangents):
    (y,) = primals
    return log_kept(y), jnp.exp(-y) / -jnp.expm1(-y) * tangents[0]


@jax.custom_jvp
def sech(x):
    """1/cosh(x)."""
    small = jnp.exp(-jnp.abs(x))
    return 2 * small / (1 + small * small)


@sech.defjvp
def _sech_jvp(primals, tangents):
    value = sech(*primals)
    return value, -value * jnp.tanh(primals[0]) * tangents[0]


@jax.custom_jvp
def arcsinh_ratio(y, x, norm):
    """Arcsinh(y/x) for positive x, given the norm sqrt(x^2 + y^2); its derivative is that in y and x.

    It is log(1 + t (1 + |y|/(x + norm))) with t = |y|/x, in which nothing overflows.
    """
    size = jnp.abs(y)
    return jnp.sign(y) * jnp.log1p(size / x * (1 + size / (x + norm)))


@arcsinh_ratio.defjvp
def _arcsinh_ratio_jvp(primals, tangents):
    y, x, norm = primals
    return arcsinh_ratio(*primals), (tangents[0] - y / x * tangents[1]) / norm


@jax.custom_jvp
def log_logistic_slope(x):
    """Log(sigmoid(x) sigmoid(-x))."""
    return -jnp.abs(x) - 2 * _excess(x)


@log_logistic_slope.defjvp
def _log_logistic_slope_jvp(primals, tangents):
    return log_logistic_slope(*primals), -jnp.tanh(0.5 * primals[0]) * tangents[0]
