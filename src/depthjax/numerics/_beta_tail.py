"""Density and tails of the beta distribution, from the exact distance of x to the mean."""

import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.numerics._elementwise import with_partials
from depthjax.numerics._gamma import atanh_excess
from depthjax.numerics._quadrature import one_sided_rule

_DEPTH = 40.0
_NUM_POINTS = 64
_FACTORIALS = 1.0 / np.cumprod(np.arange(2.0, 20.0))


def split(x):
    """Return two parts of half the digits each that add up to `x`; products of such parts are exact."""
    single = jnp.finfo(x.dtype).bits == 32
    high = lax.reduce_precision(x, *((8, 11) if single else (11, 25)))
    return high, x - high


def product_minus(a, x, b):
    """Return `a x - b`, with an error of the order of eps^1.5 b where the two nearly agree. Only its value."""
    (a1, a0), (x1, x0) = split(a), split(x)
    fine = (a1 * x1 - b) + (a1 * x0 + a0 * x1 + a0 * x0)
    return jnp.where(jnp.isfinite(fine), fine, a * x - b)


def _gap_below_half(a, b, x):
    """Return `b x - a (1 - x)` for `x <= 1/2`, with an error of the order of eps^1.5 a."""
    rest = 1.0 - x
    lost = (1.0 - rest) - x
    (a1, a0), (b1, b0), (x1, x0), (y1, y0) = (split(v) for v in (a, b, x, rest))
    small = (b1 * x0 - a1 * y0) + (b0 * x1 - a0 * y1) + (b0 * x0 - a0 * y0)
    return (b1 * x1 - a1 * y1) + (small - a * lost)


@with_partials(lambda a, b, x, q: -q, lambda a, b, x, q: x, lambda a, b, x, q: a + b, None)
def beta_gap(a, b, x, q):
    """Return `(a + b) x - a` where `q = 1 - x`; the smaller of `x` and `q` is taken as exact."""
    flip = x > q
    gap = _gap_below_half(jnp.where(flip, b, a), jnp.where(flip, a, b), jnp.where(flip, q, x))
    return jnp.where(flip, -gap, gap)


@with_partials(lambda w: -w / (1.0 + w))
def log1p_excess(w):
    """Return `log(1 + w) - w` without cancellation."""
    v = w / (2.0 + w)
    near = jnp.abs(v) < 0.4
    v, inner = jnp.where(near, v, 0.0), jnp.where(near, w, 0.0)
    return jnp.where(near, 2.0 * atanh_excess(v) - inner * v, jnp.log1p(w) - w)


@with_partials(jnp.expm1)
def expm1_excess(s):
    """Return `exp(s) - 1 - s` for `|s| <= 1`."""
    total = jnp.zeros_like(s)
    for value in reversed(_FACTORIALS.tolist()):
        total = value + s * total
    return s * s * total


def offset_deviance(count, offset, mean):
    """Return `deviance(count, mean)` from the exact difference `offset = mean - count`."""
    near = offset > -0.5 * count
    inner = -count * log1p_excess(jnp.where(near, offset, 0.0) / count)
    return jnp.where(near, inner, offset - count * jnp.log(jnp.where(near, count, mean) / count))


def beta_deviance(a, b, x, q):
    """Return `deviance(a, n x) + deviance(b, n q)` for `n = a + b` and `q = 1 - x`."""
    gap = beta_gap(a, b, x, q)
    return offset_deviance(a, gap, (a + b) * x) + offset_deviance(b, -gap, (a + b) * q)


def _drop(a, b, x, q, gap, s):
    """Minus the logarithm of the density in log-odds at distance `s >= 0` below x, over that at x."""
    flip = x > q
    sign, m = jnp.where(flip, 1.0, -1.0), jnp.minimum(x, q)
    close = s < 1.0
    t = sign * jnp.where(close, s, 0.0)
    w = m * (t + expm1_excess(t))
    inner = (a + b) * (log1p_excess(w) + m * expm1_excess(t)) - gap * jnp.where(close, s, 0.0)
    wide = jnp.where(close, 1.0, s)
    flipped = flip & (wide < 20.0)
    tilt, rate = jnp.where(flipped, jnp.minimum(wide, 20.0), -wide), jnp.where(flipped, -b, a)
    outer = rate * wide + (a + b) * jnp.log1p(jnp.where(flipped, q, x) * jnp.expm1(tilt))
    return jnp.where(close, inner, outer)


def _reach(a, b, x, q, gap):
    """The distance at which `_drop` is about 40, by Newton's method on a convex function."""
    curvature = (a + b) * x * q
    s = 2.0 * _DEPTH / (jnp.sqrt(gap * gap + 2.0 * _DEPTH * curvature) - gap)

    def step(_, s):
        drop = _drop(a, b, x, q, gap, s)
        below = x * jnp.exp(-s)
        slope = jnp.maximum(a - (a + b) * (below / (q + below)), drop / s)
        return s + (_DEPTH - drop) / slope

    return lax.fori_loop(0, 5, step, s)


def log_mass_ratio(a, b, x, q):
    """Logarithm of the lower tail over `x^a q^b / B(a, b)`, for x up to about the mean.

    The integral of the density in log-odds, relative to its value at x, over a Gauss-Legendre rule: a sum of positive
    terms whatever the shapes.
    """
    gap = beta_gap(a, b, x, q)
    reach = _reach(*lax.stop_gradient((a, b, x, q, gap)))
    column = (-1,) + (1,) * x.ndim
    steps, weights = (jnp.asarray(v, x.dtype).reshape(column) for v in one_sided_rule(_NUM_POINTS))
    shape = (_NUM_POINTS, *x.shape)
    rows = (jnp.broadcast_to(v[None], shape) for v in (a, b, x, q, gap))
    values = jnp.exp(-_drop(*rows, steps * reach[None]))
    return jnp.log(reach) + jnp.log(jnp.sum(weights * values, axis=0))
