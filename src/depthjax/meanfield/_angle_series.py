"""The fixed angle from the power series of the correlation map, for a whole grid of networks.

At a fixed length f(c) = 1 - (1 - c) (sigma_w^2/q) P(c), P(c) = sum_j T_j c^j with T_j = sum_{k > j} a_k^2 and a_k the
Hermite coefficients of phi(sqrt(q) h). No T_j is negative, so that P increases, and c* < 1 is where P = q/sigma_w^2.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.meanfield._activation import Activation
from depthjax.meanfield._expectation import rule_for, safe_root
from depthjax.meanfield._newton import newton_in_bracket

_ORDERS = 128
_KNOTS = 160
_ANGLES = (np.arange(_KNOTS) + 0.5) * np.pi / _KNOTS


class Tails(NamedTuple):
    """E phi^2/q, T_0/q, ..., T_128/q at Chebyshev points of log q between `low` and `high`, (points, 130).

    All are functions of q alone, analytic where |arg q| < pi/2, whatever phi.
    """

    low: jax.Array
    high: jax.Array
    values: jax.Array


class SeriesAngle(NamedTuple):
    """1 - c*, the slope of the map there, and |f(c*) - c*| with the error of interpolated tails.

    The gap is 0 where the root lies so near c = 1 that 128 orders miss it; the slope then has no meaning.
    """

    gap: jax.Array
    slope: jax.Array
    residual: jax.Array


def _tails(activation: Activation, q: jax.Array) -> jax.Array:
    """E phi^2 and the T_j at one q; all beyond order 128 counts as of order 129."""
    nodes, weights = rule_for(activation, q)
    values = activation.fn(safe_root(q) * nodes)

    def step(state, order):
        before, now = state
        after = (nodes * now - jnp.sqrt(order) * before) / jnp.sqrt(order + 1.0)
        return (now, after), jnp.dot(weights, values * now, precision=lax.Precision.HIGHEST)

    start = (jnp.zeros_like(nodes), jnp.ones_like(nodes))
    _, coefficients = lax.scan(step, start, jnp.arange(_ORDERS + 1, dtype=q.dtype))
    squares = coefficients**2
    total = jnp.dot(weights, values**2, precision=lax.Precision.HIGHEST)
    rest = jnp.maximum(total - jnp.sum(squares), 0.0)
    tails = rest + jnp.concatenate([jnp.cumsum(squares[:0:-1])[::-1], jnp.zeros_like(squares[:1])])
    return jnp.concatenate([total[None], tails])


def tails_between(activation: Activation, log_q: jax.Array) -> Tails | None:
    """A table for many log q, NaN where they do not matter; None where it would hold more than they ask for."""
    if log_q.size <= _KNOTS:
        return None
    known = jnp.isfinite(log_q)
    # Wider than the values, so that the points differ; without any, one of no use.
    low = jnp.min(jnp.where(known, log_q, jnp.inf)) - 1e-2
    high = jnp.max(jnp.where(known, log_q, -jnp.inf)) + 1e-2
    low, high = jnp.where(low < high, low, -1.0), jnp.where(low < high, high, 1.0)
    knots = 0.5 * (low + high) + 0.5 * (high - low) * jnp.asarray(np.cos(_ANGLES), log_q.dtype)
    return Tails(low, high, jax.vmap(lambda q: _tails(activation, q) / q)(jnp.exp(knots)))


def _interpolated(table: Tails, q: jax.Array) -> jax.Array:
    x = (2.0 * jnp.log(q) - (table.low + table.high)) / (table.high - table.low)
    away = x - jnp.asarray(np.cos(_ANGLES), q.dtype)
    away = jnp.where(away == 0.0, jnp.finfo(q.dtype).tiny ** 0.5, away)
    shares = jnp.asarray(np.where(np.arange(_KNOTS) % 2, -1.0, 1.0) * np.sin(_ANGLES), q.dtype) / away
    return jnp.matmul(shares, table.values, precision=lax.Precision.HIGHEST) * (q / jnp.sum(shares))


def _series(gap, tails, q, sigma_w):
    """log(P sigma_w^2/q) with its derivative in the gap, and the slope of f where the former is zero."""
    c = 1.0 - gap

    def step(state, row):
        value, slope = state
        return (row + c * value, value + c * slope), None

    zero = jnp.zeros_like(c)
    (value, slope), _ = lax.scan(step, (zero, zero), tails[::-1])
    rate = slope / value
    return jnp.log(value * (sigma_w**2 / q)), -rate, 1.0 - gap * rate


@jax.custom_jvp
def angle_by_series(q, sigma_w, sigma_b, activation: Activation, table: Tails | None) -> SeriesAngle:
    """For scalars, of which sigma_w^2 E phi'^2 > 1 and q is fixed by the length map; derivatives without the table."""
    total, *_ = tails = _tails(activation, q) if table is None else _interpolated(table, q)
    length = sigma_w**2 * total + sigma_b**2

    def evaluate(gap):
        value, slope, _ = _series(gap, tails[1:], length, sigma_w)
        return -value, -slope

    zero, one = jnp.zeros_like(q), jnp.ones_like(q)
    # Cut off, the series may miss a root next to c = 1; from no number the search ends at once.
    crosses = jnp.sum(tails[1:]) * sigma_w**2 > length
    guess = jnp.where(crosses, 0.5, jnp.nan)
    gap = newton_in_bracket(evaluate, zero, one, guess, noise=64.0 * float(jnp.finfo(q.dtype).eps))
    gap = jnp.where(crosses, gap, 0.0)
    value, _, slope = _series(gap, tails[1:], length, sigma_w)
    error = jnp.where(crosses, gap * jnp.abs(value), 1.0 / _ORDERS)
    return SeriesAngle(gap, slope, error + jnp.abs(length - q) / q)


@angle_by_series.defjvp
def _angle_by_series_jvp(primals, tangents):
    *parameters, table = primals
    found = angle_by_series(*parameters, table)

    @jax.checkpoint
    def parts(gap, q, sigma_w, sigma_b, activation):
        tails = _tails(activation, q)
        value, _, slope = _series(gap, tails[1:], sigma_w**2 * tails[0] + sigma_b**2, sigma_w)
        return value, slope

    zero, one = jnp.zeros_like(found.gap), jnp.ones_like(found.gap)
    (_, (value, slope)) = jax.jvp(lambda *p: parts(found.gap, *p), tuple(parameters), tuple(tangents[:4]))
    (_, (rate, bend)) = jax.jvp(lambda g: parts(g, *parameters), (found.gap,), (one,))
    gap = jnp.where(found.gap > 0.0, -value / rate, 0.0)
    return found, SeriesAngle(gap, slope + bend * gap, zero)
