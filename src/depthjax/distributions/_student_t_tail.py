"""Tails of the standard Student t distribution and their inverse, for every number of degrees of freedom."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.numerics import elementwise, implicit_root, log_gamma_difference, with_partials
from depthjax.numerics._quadrature import one_sided_rule

_HUGE = 1e15
_DEPTH = 40.0
_NUM_STEPS = 8
_LOG_2 = math.log(2.0)
_NUM_POINTS = 64


def log_peak(df):
    """Log density of the standard distribution at 0."""
    return log_gamma_difference(0.5 * df, 0.5) - 0.5 * jnp.log(math.pi * df)


def _near(z, df):
    """Df/(df + z^2)."""
    return 1.0 / (1.0 + z * (z / df))


def _far(z, df):
    """z^2/(df + z^2); at zero the inner quotients are inf."""
    return 1.0 / (1.0 + df / z / z)


def _curvature(z, df):
    near = _near(z, df)
    return 2.0 * near * (2.0 * near - 1.0) / df


def _cross(z, df):
    return -_slope_in_z(z, df) * _near(z, df) / df


@with_partials(_curvature, _cross)
def _slope_in_z(z, df):
    """2 z/(df + z^2), without overflow."""
    return 2.0 / (z + df / z)


@with_partials(_cross, lambda z, df: _far(z, df) * (1.0 + _near(z, df)) / df / df)
def _slope_in_df(z, df):
    """-z^2/(df (df + z^2)), without overflow."""
    return -_far(z, df) / df


@with_partials(_slope_in_z, _slope_in_df)
def log_kernel(z, df):
    """Log(1 + z^2/df), without overflow of the square."""
    huge = jnp.abs(z) > _HUGE
    log = jnp.log1p(jnp.where(huge, jnp.abs(z), z * (z / df)))
    return jnp.where(huge, 2.0 * log - jnp.log(df), log)


def _log_growth(slope, s):
    """Log of cosh(y + s)/cosh(y) for s >= 0 and slope = tanh(y) >= 0."""
    small = jnp.minimum(s, 1.0)
    half = jnp.sinh(0.5 * small)
    near = jnp.log1p(2.0 * half * half + slope * jnp.sinh(small))
    large = jnp.maximum(s, 1.0)
    return jnp.where(s < 1.0, near, large - _LOG_2 + jnp.log1p(slope + (1.0 - slope) * jnp.exp(-2.0 * large)))


def _reach(df, slope):
    """Where cosh(y + s)^-df has fallen by exp(-40): log-growth is at least s - log 2, and log cosh s + slope s / 2."""
    depth = _DEPTH / df
    return jnp.minimum(depth + _LOG_2, depth + jnp.log1p(jnp.sqrt(-jnp.expm1(-2.0 * depth))))


def _log_mass(slope, df):
    """Log of the integral of (cosh(y + s)/cosh(y))^-df over s >= 0."""
    reach = _reach(*jax.lax.stop_gradient((df, slope)))
    column = (-1,) + (1,) * df.ndim
    steps, weights = (jnp.asarray(np.asarray(v), df.dtype).reshape(column) for v in one_sided_rule(_NUM_POINTS))
    shape = (_NUM_POINTS, *df.shape)
    rows, powers = jnp.broadcast_to(slope[None], shape), jnp.broadcast_to(df[None], shape)
    values = jnp.exp(-powers * _log_growth(rows, steps * reach[None]))
    return jnp.log(reach) + jnp.log(jnp.sum(weights * values, axis=0))


def _log_tail(log_cosh, slope, df):
    head = log_gamma_difference(0.5 * df, 0.5) - 0.5 * math.log(math.pi) - df * log_cosh
    return jnp.minimum(head + _log_mass(slope, df), -_LOG_2)


@elementwise
def log_upper(z, df):
    """Log P(T > z) for z >= 0.

    Numerics:
        With z = sqrt(df) sinh(y) the tail is a constant times the integral of cosh^-df from y on, taken relative to
        its integrand at y by 64 Gauss-Legendre nodes: a sum of positive terms at every df and z.
    """
    root = jnp.sqrt(df)
    capped = jnp.minimum(z, _HUGE) / root
    slope = capped / jnp.hypot(jnp.ones_like(capped), capped)
    return _log_tail(0.5 * log_kernel(z, df), slope, df)


def _gap(y, log_tail, df):
    log_cosh = jnp.logaddexp(y, -y) - _LOG_2
    half = jnp.sinh(0.5 * jnp.minimum(y, 1.0))
    log_cosh = jnp.where(y < 1.0, jnp.log1p(2.0 * half * half), log_cosh)
    head = log_gamma_difference(0.5 * df, 0.5) - 0.5 * math.log(math.pi) - df * log_cosh
    return head + _log_mass(jnp.tanh(y), df) - log_tail


@elementwise
def magnitude_from_tail(log_tail, df):
    """The z >= 0 with log P(T > z) = log_tail <= log(1/2).

    Numerics:
        Newton's method in y = asinh(z/sqrt(df)), in which the log tail is concave: from log cosh y = -(log_tail +
        log 2)/df, which lies beyond the root, it descends without safeguards.
    """
    certain = jnp.isneginf(log_tail)
    target = jnp.where(certain, -1.0, log_tail)
    level, fixed = jax.lax.stop_gradient((jnp.minimum(target, -_LOG_2), df))
    drop = -(level + _LOG_2) / fixed
    start = drop + jnp.log1p(jnp.sqrt(-jnp.expm1(-2.0 * drop)))

    def newton(_, y):
        value, slope = jax.jvp(lambda y: _gap(y, level, fixed), (y,), (jnp.ones_like(y),))
        return jnp.maximum(y - value / slope, 0.0)

    y = implicit_root(_gap, jax.lax.fori_loop(0, _NUM_STEPS, newton, start), target, df)
    z = jnp.sqrt(df) * jnp.sinh(y)
    return jnp.where(certain, jnp.inf, jnp.where(jnp.isnan(log_tail), jnp.nan, z))
