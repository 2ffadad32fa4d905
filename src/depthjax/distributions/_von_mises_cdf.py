"""Integrals of the von Mises density: cdf, and derivative of the cdf in the concentration."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.numerics import gauss_legendre_rule, log_add, log_i0e, log_sub, with_partials

_NUM_POINTS = 64
_DEPTH = 40.0
_LOG_2PI = math.log(2 * math.pi)
# 2 pi in three parts, the first two short enough that a few turns of them are exact.
_TURN = (6.28125, 0.001934051513671875, 2 * math.pi - 6.28125 - 0.001934051513671875 + 2.4492935982947064e-16)


def _half_sine_squared(angle):
    half = jnp.sin(0.5 * angle)
    return half * half


def _nodes(start, stop):
    """Gauss-Legendre points and weights on each [start, stop], along a new leading axis."""
    points, weights = (np.asarray(v) for v in gauss_legendre_rule(_NUM_POINTS))
    column = (-1,) + (1,) * start.ndim
    points, weights = (jnp.asarray(v, start.dtype).reshape(column) for v in (points, weights))
    half = 0.5 * (stop - start)
    return (0.5 * (stop + start))[None] + half[None] * points, half[None] * weights


def _reach(angle, k):
    """Where the density has fallen by exp(-40) from its value at `angle` in [0, pi], or pi."""
    depth = _half_sine_squared(angle) + _DEPTH / (2.0 * jnp.maximum(k, 1e-6))
    return jnp.maximum(2.0 * jnp.arcsin(jnp.sqrt(jnp.minimum(depth, 1.0))), angle)


def _integral(start, stop, anchor, k, factor=None):
    """Integral of factor(t) p(t)/p(anchor) over [start, stop]."""
    t, weights = _nodes(start, stop)
    fall = jnp.exp(-2.0 * k[None] * jnp.sin(0.5 * (t - anchor[None])) * jnp.sin(0.5 * (t + anchor[None])))
    values = fall if factor is None else fall * factor(t)
    return jnp.sum(weights * values, axis=0)


def slope_in_concentration(angle: jax.Array, k: jax.Array) -> jax.Array:
    """D angle/dk at fixed probability: -(dF/dk)/p = -int_0^angle (cos t - A) p(t)/p(angle) dt with A = I_1/I_0.

    Numerics:
        The integral up to pi vanishes, so beyond cos t = A it is taken from the other end, where its sign is constant.
    """
    size = jnp.abs(angle)
    gap = -jax.jvp(log_i0e, (k,), (jnp.ones_like(k),))[1]

    def excess(t):
        return gap[None] - 2.0 * _half_sine_squared(t)

    inner = 2.0 * _half_sine_squared(size) < gap
    start, stop = jnp.where(inner, 0.0, size), jnp.where(inner, size, _reach(size, k))
    value = _integral(start, stop, size, k, excess)
    return jnp.where(inner, -value, value) * jnp.sign(angle)


def _log_density(angle, k):
    return -2.0 * k * _half_sine_squared(angle) - _LOG_2PI - log_i0e(k)


def _log_tail_value(size, k):
    """Log P(T > size) for the centred angle T and size in [0, pi]."""
    mass = _integral(size, _reach(size, k), size, k)
    positive = mass > 0
    return jnp.where(positive, _log_density(size, k) + jnp.log(jnp.where(positive, mass, 1.0)), -jnp.inf)


def _tail_slope_in_size(size, k):
    return -jnp.exp(_log_density(size, k) - log_tail(size, k))


def _tail_slope_in_concentration(size, k):
    return slope_in_concentration(size, k) * jnp.exp(_log_density(size, k) - log_tail(size, k))


@with_partials(_tail_slope_in_size, _tail_slope_in_concentration)
def log_tail(size, k):
    """`_log_tail_value` with exact partial derivatives."""
    return _log_tail_value(size, k)


def _log_below(angle, k):
    """(log P(T <= angle), log P(T > angle)) for the centred angle in [-pi, pi]."""
    small = jnp.minimum(log_tail(jnp.minimum(jnp.abs(angle), math.pi), k), -math.log(2.0))
    large = jnp.log1p(-jnp.exp(small))
    return jnp.where(angle < 0, small, large), jnp.where(angle < 0, large, small)


@with_partials(lambda loc, x: -jnp.ones_like(x), lambda loc, x: jnp.ones_like(x))
def angle_between(loc: jax.Array, x: jax.Array) -> jax.Array:
    """X - loc less the whole turns in it, to the last digit also across the cut at pi."""
    gap = x - loc
    back = gap - x
    lost = (x - (gap - back)) - (loc + back)
    turns = jnp.round(gap / (2 * math.pi))
    return ((gap - turns * _TURN[0]) - turns * _TURN[1]) + (lost - turns * _TURN[2])


def log_mass_below(x: jax.Array, loc: jax.Array, k: jax.Array) -> jax.Array:
    """Log P(-pi <= X <= x) of the angle X in [-pi, pi] around `loc`.

    Numerics:
        The arc from -pi to x is a difference of two tails on one side of `loc`, or holds `loc` or its antipode.
    """
    inside = (x > -math.pi) & (x < math.pi)
    point = jnp.where(inside, x, 0.0)
    stop, start = point - loc, -math.pi - loc
    turns = jnp.round(start / (2 * math.pi)) * (2 * math.pi)
    start, stop = start - turns, stop - turns
    wraps = stop > math.pi
    exact = angle_between(loc, point)
    stop = exact + (2 * math.pi) * jnp.round((stop - exact) / (2 * math.pi) - jnp.where(wraps, 1.0, 0.0))
    below_start, above_start = _log_below(start, k)
    below_stop, above_stop = _log_below(stop, k)
    on_left = stop < 0
    lower = jnp.where(on_left, below_start, above_stop)
    upper = jnp.where(on_left, below_stop, above_start)
    plain = log_sub(jnp.where(wraps, 0.0, upper), jnp.where(wraps, -1.0, jnp.minimum(lower, upper)))
    value = jnp.where(wraps, log_add(above_start, below_stop), plain)
    value = jnp.where(inside, jnp.minimum(value, 0.0), jnp.where(x < 0, -jnp.inf, 0.0))
    return jnp.where(jnp.isnan(x), jnp.nan, value)
