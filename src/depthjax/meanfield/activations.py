"""Activation functions with their closed forms; each is an `Activation`, or a function that returns one."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf as _erf
from jax.scipy.special import ndtr
from jax.tree_util import Partial
from jax.typing import ArrayLike

from depthjax.meanfield._activation import Activation as _Activation
from depthjax.meanfield._activation import cast as _cast

_PI = math.pi
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


def _pdf(x):
    return jnp.exp(-0.5 * x * x) / math.sqrt(2.0 * _PI)


def _correlation(q_a, q_b, q_ab):
    """The cosine and sine of the angle; the sine from 1 - c^2 with a finite derivative at 0."""
    scale = jnp.sqrt(q_a) * jnp.sqrt(q_b)
    c = jnp.clip(q_ab / scale, -1.0, 1.0)
    square = (1.0 - c) * (1.0 + c)
    inside = square > 0.0
    return scale, c, jnp.where(inside, jnp.sqrt(jnp.where(inside, square, 1.0)), 0.0)


def _angle(c):
    """Arccos with derivative zero at the ends instead of an infinite one."""
    inside = jnp.abs(c) < 1.0
    return jnp.where(inside, jnp.arccos(jnp.where(inside, c, 0.0)), jnp.where(c > 0.0, 0.0, _PI))


def _relu_covariance(q_a, q_b, q_ab):
    scale, c, s = _correlation(q_a, q_b, q_ab)
    return scale * (s + c * (_PI - _angle(c))) / (2.0 * _PI)


def _relu_slope_covariance(q_a, q_b, q_ab):
    _, c, _ = _correlation(q_a, q_b, q_ab)
    return (_PI - _angle(c)) / (2.0 * _PI)


def _linear_moments(q, order):
    return jnp.ones((order,), q.dtype)


linear = _Activation(
    lambda x: x,
    jnp.ones_like,
    slopes=(1.0,),
    second_moment=lambda q: q,
    derivative_moments=_linear_moments,
    covariance=lambda q_a, q_b, q_ab: q_ab,
    derivative_covariance=lambda q_a, q_b, q_ab: jnp.ones_like(q_ab),
)

relu = _Activation(
    jax.nn.relu,
    breaks=(0.0,),
    slopes=(0.0, 1.0),
    second_moment=lambda q: 0.5 * q,
    derivative_moments=lambda q, order: jnp.full((order,), 0.5, q.dtype),
    covariance=_relu_covariance,
    derivative_covariance=_relu_slope_covariance,
)


def _leaky(slope, x):
    return jnp.where(x > 0.0, x, _cast(slope, x.dtype) * x)


def _leaky_second_moment(slope, q):
    return 0.5 * (1.0 + _cast(slope, q.dtype) ** 2) * q


def _leaky_moments(slope, q, order):
    return jnp.stack([0.5 * (1.0 + _cast(slope, q.dtype) ** (2 * k)) for k in range(1, order + 1)])


def _leaky_covariance(slope, q_a, q_b, q_ab):
    slope = _cast(slope, q_ab.dtype)
    return slope * q_ab + (1.0 - slope) ** 2 * _relu_covariance(q_a, q_b, q_ab)


def _leaky_slope_covariance(slope, q_a, q_b, q_ab):
    slope = _cast(slope, q_ab.dtype)
    return slope + (1.0 - slope) ** 2 * _relu_slope_covariance(q_a, q_b, q_ab)


def leaky_relu(slope: ArrayLike = 0.01) -> _Activation:
    """max(x, 0) + slope min(x, 0).

    Args:
        slope: the slope to the left of zero, (); a parameter, so derivatives in it exist.

    Returns:
        The activation.
    """
    if not isinstance(slope, jax.Array):
        slope = np.asarray(slope, np.float64)
    return _Activation(
        Partial(_leaky, slope),
        breaks=(0.0,),
        slopes=(slope, 1.0),
        second_moment=Partial(_leaky_second_moment, slope),
        derivative_moments=Partial(_leaky_moments, slope),
        covariance=Partial(_leaky_covariance, slope),
        derivative_covariance=Partial(_leaky_slope_covariance, slope),
    )


def _hard_tanh_second_moment(q):
    """1 - p + q p - sqrt(2 q/pi) exp(-1/(2q)), p = erf(1/sqrt(2q)), and q itself where the tail is below rounding."""
    small = q < 0.01
    safe = jnp.where(small, 1.0, q)
    outside = 2.0 * ndtr(-1.0 / jnp.sqrt(safe))
    value = outside + safe * (1.0 - outside) - jnp.sqrt(2.0 * safe / _PI) * jnp.exp(-0.5 / safe)
    return jnp.where(small, q, value)


def _hard_tanh_moments(q, order):
    safe = jnp.where(q > 0.0, q, 1.0)
    inside = jnp.where(q > 0.0, 1.0 - 2.0 * ndtr(-1.0 / jnp.sqrt(safe)), 1.0)
    inside = jnp.where(safe > 1.0, _erf(1.0 / jnp.sqrt(2.0 * safe)), inside)
    return jnp.broadcast_to(inside, (order,))


hard_tanh = _Activation(
    lambda x: jnp.clip(x, -1.0, 1.0),
    breaks=(-1.0, 1.0),
    slopes=(0.0, 1.0, 0.0),
    second_moment=_hard_tanh_second_moment,
    derivative_moments=_hard_tanh_moments,
)


def _sech2(x):
    small = jnp.exp(-2.0 * jnp.abs(x))
    return 4.0 * small / jnp.square(1.0 + small)


tanh = _Activation(jnp.tanh, _sech2, turning_points=(0.0,))


def _erf_slope(x):
    return (2.0 / math.sqrt(_PI)) * jnp.exp(-x * x)


def _erf_covariance(q_a, q_b, q_ab):
    a, b = 1.0 + 2.0 * q_a, 1.0 + 2.0 * q_b
    # arctan2 keeps the derivative finite where the arcsine's argument is close to one
    root = jnp.sqrt(a * b - 4.0 * q_ab * q_ab)
    return (2.0 / _PI) * jnp.arctan2(2.0 * q_ab, root)


def _erf_slope_covariance(q_a, q_b, q_ab):
    return (4.0 / _PI) / jnp.sqrt((1.0 + 2.0 * q_a) * (1.0 + 2.0 * q_b) - 4.0 * q_ab * q_ab)


def _erf_moments(q, order):
    return jnp.stack([(4.0 / _PI) ** k / jnp.sqrt(1.0 + 4.0 * k * q) for k in range(1, order + 1)])


erf = _Activation(
    _erf,
    _erf_slope,
    turning_points=(0.0,),
    second_moment=lambda q: (2.0 / _PI) * jnp.arctan2(2.0 * q, jnp.sqrt(1.0 + 4.0 * q)),
    derivative_moments=_erf_moments,
    covariance=_erf_covariance,
    derivative_covariance=_erf_slope_covariance,
)


def _sin_covariance(q_a, q_b, q_ab):
    return 0.5 * (jnp.exp(q_ab - 0.5 * (q_a + q_b)) - jnp.exp(-q_ab - 0.5 * (q_a + q_b)))


def _sin_slope_covariance(q_a, q_b, q_ab):
    return 0.5 * (jnp.exp(q_ab - 0.5 * (q_a + q_b)) + jnp.exp(-q_ab - 0.5 * (q_a + q_b)))


def _sin_moments(q, order):
    """E cos^(2k) x = 4^-k sum_j binom(2k, j) exp(-2 (k - j)^2 q)."""
    terms = [
        sum(math.comb(2 * k, j) / 4.0**k * jnp.exp(-2.0 * (k - j) ** 2 * q) for j in range(2 * k + 1))
        for k in range(1, order + 1)
    ]
    return jnp.stack(terms)


sin = _Activation(
    jnp.sin,
    jnp.cos,
    turning_points=(0.0,),
    second_moment=lambda q: -0.5 * jnp.expm1(-2.0 * q),
    derivative_moments=_sin_moments,
    covariance=_sin_covariance,
    derivative_covariance=_sin_slope_covariance,
)


def _gelu_second_moment(q):
    angle = jnp.arctan2(q, jnp.sqrt(1.0 + 2.0 * q))
    return 0.25 * q + q * angle / (2.0 * _PI) + q * q / (_PI * (1.0 + q) * jnp.sqrt(1.0 + 2.0 * q))


def _gelu_slope(x):
    return ndtr(x) + x * _pdf(x)


gelu = _Activation(
    lambda x: x * ndtr(x),
    _gelu_slope,
    turning_points=(-math.sqrt(2.0), -0.7517915246935645, math.sqrt(2.0)),
    second_moment=_gelu_second_moment,
)


def _silu_slope(x):
    s = jax.nn.sigmoid(x)
    return s * (1.0 + x * jax.nn.sigmoid(-x))


silu = _Activation(
    jax.nn.silu,
    _silu_slope,
    turning_points=(-2.399357280520547, -1.2784645427610738, 2.399357280520547),
)

softplus = _Activation(jax.nn.softplus, jax.nn.sigmoid)


def _exponential_unit(alpha, scale, x):
    return scale * jnp.where(x > 0.0, x, alpha * jnp.expm1(jnp.minimum(x, 0.0)))


def _exponential_unit_slope(alpha, scale, x):
    return scale * jnp.where(x > 0.0, jnp.ones_like(x), alpha * jnp.exp(jnp.minimum(x, 0.0)))


def _elu_slope(x):
    return _exponential_unit_slope(1.0, 1.0, x)


def _selu_slope(x):
    return _exponential_unit_slope(_SELU_ALPHA, _SELU_SCALE, x)


elu = _Activation(
    lambda x: _exponential_unit(1.0, 1.0, x),
    _elu_slope,
    breaks=(0.0,),
    slopes=(None, 1.0),
)
selu = _Activation(
    lambda x: _exponential_unit(_SELU_ALPHA, _SELU_SCALE, x),
    _selu_slope,
    breaks=(0.0,),
    slopes=(None, _SELU_SCALE),
)
