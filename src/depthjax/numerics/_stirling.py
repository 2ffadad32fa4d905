"""Stirling's series for the gamma function, resummed: the error term, its derivatives and their differences."""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.numerics._chebyshev import chebyshev, chebyshev_divided
from depthjax.numerics._elementwise import elementwise, with_partials
from depthjax.numerics._tables import LGAMMA1P_0, LGAMMA1P_1, LGAMMA1P_2, STIRLING_0, STIRLING_1, STIRLING_2

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def _fitted(table, power, x):
    x = jnp.maximum(x, 1.0)
    return chebyshev(table, jnp.where(jnp.isinf(x), 1.0, (x - 3.0) / (x + 1.0))) / x**power


def _near_zero(table, x):
    return chebyshev(table, 2.0 * jnp.clip(x, 0.0, 1.0) - 1.0)


@with_partials(lambda x: _error_2(x))
def _error_1(x):
    small = jnp.minimum(x, 1.0)
    direct = _near_zero(LGAMMA1P_1, x) - jnp.log(small) - 0.5 / small
    return jnp.where(x >= 1.0, _fitted(STIRLING_1, 2, x), direct)


def _error_2(x):
    small = jnp.minimum(x, 1.0)
    direct = _near_zero(LGAMMA1P_2, x) - (1.0 - 0.5 / small) / small
    return jnp.where(x >= 1.0, _fitted(STIRLING_2, 3, x), direct)


@with_partials(_error_1)
def _error_0(x):
    small = jnp.minimum(x, 1.0)
    direct = small * _near_zero(LGAMMA1P_0, x) - (small + 0.5) * jnp.log(small) + small - HALF_LOG_2PI
    return jnp.where(x >= 1.0, _fitted(STIRLING_0, 1, x), jnp.where(x >= 0.0, direct, jnp.nan))


@with_partials(lambda x: _error_1(x))
def stirling_error_of_count(x):
    """`stirling_error` for x >= 1, which costs one series."""
    return _fitted(STIRLING_0, 1, x)


@elementwise
def stirling_error(n: ArrayLike) -> jax.Array:
    """Error of Stirling's formula, `lgamma(n + 1) - (n + 1/2) log n + n - log(2 pi) / 2`.

    Args:
        n: any shape, `n >= 0`.

    Returns:
        Same shape, positive, about `1 / (12 n)`; inf at zero.

    Numerics: a Chebyshev series of `n` times the error in `(n - 3) / (n + 1)` from one on, and further ones for the
        first two derivatives; below one a series for `lgamma(1 + n) / n`.

    Source: Loader, "Fast and accurate computation of binomial probabilities", 2000, eq. 3.
    """
    return _error_0(n)


@with_partials(lambda x: digamma(x))
def log_gamma(x):
    """Logarithm of the gamma function of `x > 0`, whose derivatives keep their digits at large `x`."""
    return lax.lgamma(x)


@with_partials(lambda n: digamma(1.0 + n))
def log_gamma_1p(n):
    """Logarithm of `gamma(1 + n)` for `n >= 0`, proportional to `n` near zero."""
    small = jnp.minimum(n, 1.0)
    return jnp.where(n < 1.0, small * _near_zero(LGAMMA1P_0, small), lax.lgamma(1.0 + n))


@with_partials(lambda x: trigamma(x))
def digamma(x):
    """Derivative of `log_gamma` for `x > 0`."""
    shifted = jnp.where(x < 1.0, x + 1.0, x)
    value = jnp.log(shifted) - 0.5 / shifted + _fitted(STIRLING_1, 2, shifted)
    return jnp.where(x < 1.0, value - 1.0 / x, value)


@with_partials(lambda x: lax.polygamma(jnp.full_like(x, 2.0), x))
def trigamma(x):
    """Second derivative of `log_gamma` for `x > 0`."""
    shifted = jnp.where(x < 1.0, x + 1.0, x)
    value = (1.0 + 0.5 / shifted) / shifted + _fitted(STIRLING_2, 3, shifted)
    return jnp.where(x < 1.0, value + 1.0 / (x * x), value)


def _fitted_difference(table, power, x, step):
    """Return `f(x + step) - f(x)` for a fitted `f(x) = c(t) / x^power`, all of it proportional to `step`."""
    end = x + step
    t, s = (end - 3.0) / (end + 1.0), (x - 3.0) / (x + 1.0)
    value, slope = chebyshev_divided(table, t, s)
    change = slope * 4.0 * (step / (end + 1.0)) / (x + 1.0)
    ratio = x / end
    powers = sum(ratio**k for k in range(power))
    return (change * ratio**power - value * (step / end) * powers) / x**power


def _shift(a, b):
    """Move the pair up by one where either argument is below one."""
    low = jnp.minimum(a, a + b) < 1.0
    return low, jnp.where(low, a + 1.0, a)


@with_partials(lambda a, b: digamma_difference(a, b), lambda a, b: digamma(a + b))
def _log_gamma_difference(a, b):
    low, x = _shift(a, b)
    value = b * jnp.log(x + b) + (x - 0.5) * jnp.log1p(b / x) - b + _fitted_difference(STIRLING_0, 1, x, b)
    return jnp.where(low, value - jnp.log1p(b / a), value)


@with_partials(lambda a, b: trigamma_difference(a, b), lambda a, b: trigamma(a + b))
def digamma_difference(a, b):
    """Return `digamma(a + b) - digamma(a)`, proportional to `b` for small `b`."""
    low, x = _shift(a, b)
    value = jnp.log1p(b / x) + 0.5 * (b / x) / (x + b) + _fitted_difference(STIRLING_1, 2, x, b)
    return jnp.where(low, value + (b / a) / (a + b), value)


def trigamma_difference(a, b):
    """Return `trigamma(a + b) - trigamma(a)`, proportional to `b` for small `b`."""
    low, x = _shift(a, b)
    end = x + b
    value = -(b / end) / x * (1.0 + 0.5 / end + 0.5 / x) + _fitted_difference(STIRLING_2, 3, x, b)
    return jnp.where(low, value - (b / a) * (1.0 / (a + b)) * (1.0 / a + 1.0 / (a + b)), value)


@elementwise
def log_gamma_difference(a: ArrayLike, b: ArrayLike) -> jax.Array:
    """Difference of log-gamma functions, `lgamma(a + b) - lgamma(a)`.

    Args:
        a: any shape, positive.
        b: a shape that broadcasts, `a + b > 0`.

    Returns:
        Broadcast shape, nats.

    Numerics: Stirling's formula with `b log(a + b) + (a - 1/2) log1p(b / a) - b` in front and the divided
        difference of the error's Chebyshev series behind, so nothing cancels at large `a` or small `b`. The
        derivatives are differences of digamma and trigamma functions in the same form.
    """
    return _log_gamma_difference(a, b)
