"""Inverses of the incomplete gamma functions, from probabilities and from their logarithms."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.numerics._elementwise import elementwise, with_partials
from depthjax.numerics._incomplete_gamma import dlog_p_da, dlog_q_da, log_density, log_p, log_q, log_tails
from depthjax.numerics._logs import _log1mexp
from depthjax.numerics._roots import solve_increasing
from depthjax.numerics._stirling import log_gamma_1p


def _solve_tail(a, level_p, level_q):
    """Solve in `log x` against the smaller tail, between rigorous bounds; both levels are logarithms."""
    lower = (level_p + log_gamma_1p(a)) / a
    depth = 1.0 - level_q
    upper = jnp.log(a + jnp.sqrt(2.0 * a * depth) + depth)
    use_p = level_p < level_q
    floor = 0.98 * math.log(float(jnp.finfo(a.dtype).tiny))

    def evaluate(y):
        x = jnp.exp(y)
        log_lower, log_upper = log_tails(a, x)
        tail = jnp.where(use_p, log_lower, log_upper)
        slope = jnp.exp(log_density(a, x) + y - tail)
        return jnp.where(use_p, log_lower - level_p, level_q - log_upper), slope

    # Below the floor the first term of the series is all there is, and `lower` is the answer.
    underflow = lower < floor
    start = jnp.maximum(lower - 1e-3 * (1.0 + jnp.abs(lower)), floor)
    end = jnp.maximum(upper, start + 1.0)
    middle = jnp.clip(jnp.where(a > 1.0, jnp.log(a), lower), start, end)
    root = solve_increasing(evaluate, start, end, middle)
    return jnp.exp(jnp.where(underflow, lower, root))


def _slope_in_shape(a, x, *, lower):
    """Return dx/da at fixed probability, from whichever tail is small."""
    below, above, density = log_p(a, x), log_q(a, x), log_density(a, x)
    from_p = -dlog_p_da(a, x) * jnp.exp(below - density)
    return jnp.where(lower, from_p, dlog_q_da(a, x) * jnp.exp(above - density))


def _inverse(levels, slope_in_level, lowest, highest, at_lowest, at_highest):
    """Build an inverse in the second argument, here called level.

    Args:
        levels: from the level to the logarithms of both tails.
        slope_in_level: from level and log density to dx / d level.
        lowest: end of the range of levels, excluded.
        highest: the other end.
        at_lowest: x there.
        at_highest: x at the other end.
    """

    def in_shape(a, level):
        level_p, level_q = levels(level)
        return _slope_in_shape(a, inverse(a, level), lower=level_p < level_q)

    def in_level(a, level):
        return slope_in_level(level, log_density(a, inverse(a, level)))

    @with_partials(in_shape, in_level)
    def inverse(a, level):
        return _solve_tail(a, *levels(level))

    def guarded(a, level):
        shape, inside = (a > 0.0) & (a < jnp.inf), (level > lowest) & (level < highest)
        value = inverse(jnp.where(shape & inside, a, 1.0), jnp.where(shape & inside, level, max(lowest, -1.0) + 0.5))
        edge = jnp.where(level == lowest, at_lowest, jnp.where(level == highest, at_highest, jnp.nan))
        return jnp.where(shape & inside, value, jnp.where(a > 0.0, edge, jnp.nan))

    return guarded


_OF_P = _inverse(lambda p: (jnp.log(p), jnp.log1p(-p)), lambda p, log_f: jnp.exp(-log_f), 0.0, 1.0, 0.0, jnp.inf)
_OF_Q = _inverse(lambda q: (jnp.log1p(-q), jnp.log(q)), lambda q, log_f: -jnp.exp(-log_f), 0.0, 1.0, jnp.inf, 0.0)
_OF_LOG_P = _inverse(lambda u: (u, _log1mexp(u)), lambda u, log_f: jnp.exp(u - log_f), -jnp.inf, 0.0, 0.0, jnp.inf)
_OF_LOG_Q = _inverse(lambda u: (_log1mexp(u), u), lambda u, log_f: -jnp.exp(u - log_f), -jnp.inf, 0.0, jnp.inf, 0.0)


@elementwise
def gammaincinv(a: ArrayLike, p: ArrayLike) -> jax.Array:
    """Inverse of the regularised lower incomplete gamma function in its second argument: `P(a, x) = p`.

    Args:
        a: shape, any shape, positive.
        p: probability, a shape that broadcasts, in [0, 1].

    Returns:
        `x`, broadcast shape; zero where `x` is below the smallest number (small `a`), NaN for invalid arguments.

    Numerics: safeguarded Newton in `log x` on the logarithm of the smaller tail. Derivatives are implicit,
        dx/dp = 1 / density and dx/da = -(dP/da) / density.
    """
    return _OF_P(a, p)


@elementwise
def gammainccinv(a: ArrayLike, q: ArrayLike) -> jax.Array:
    """Inverse of the regularised upper incomplete gamma function in its second argument: `Q(a, x) = q`.

    Args:
        a: shape, any shape, positive.
        q: upper-tail probability, a shape that broadcasts, in [0, 1].

    Returns:
        `x`, broadcast shape.

    Numerics: as `gammaincinv`; keeps its digits for tiny `q`.
    """
    return _OF_Q(a, q)


@elementwise
def gammaincinv_exp(a: ArrayLike, log_p: ArrayLike) -> jax.Array:
    """Inverse of `log_gammainc` in its second argument: `log P(a, x) = log_p`.

    Args:
        a: shape, any shape, positive.
        log_p: log probability, a shape that broadcasts, in [-inf, 0].

    Returns:
        `x`, broadcast shape; exact where `exp(log_p)` underflows.

    Numerics: as `gammaincinv`.
    """
    return _OF_LOG_P(a, log_p)


@elementwise
def gammainccinv_exp(a: ArrayLike, log_q: ArrayLike) -> jax.Array:
    """Inverse of `log_gammaincc` in its second argument: `log Q(a, x) = log_q`.

    Args:
        a: shape, any shape, positive.
        log_q: log of the upper-tail probability, a shape that broadcasts, in [-inf, 0].

    Returns:
        `x`, broadcast shape; exact where `exp(log_q)` underflows.

    Numerics: as `gammaincinv`.
    """
    return _OF_LOG_Q(a, log_q)
