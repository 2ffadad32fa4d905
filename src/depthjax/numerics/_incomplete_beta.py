"""The regularised incomplete beta function in logarithms, and its inverse."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.numerics._beta_tail import beta_deviance, log_mass_ratio
from depthjax.numerics._elementwise import elementwise, with_partials
from depthjax.numerics._gamma import _log_beta
from depthjax.numerics._logs import LOG_2, _log1mexp
from depthjax.numerics._roots import solve_increasing
from depthjax.numerics._stirling import HALF_LOG_2PI, _error_0, _fitted_difference
from depthjax.numerics._tables import STIRLING_0


def _log_prefactor(a, b, x, q):
    """Return `log(x^a q^b / B(a, b))` for `q = 1 - x`."""
    large = jnp.minimum(a, b) >= 1.0
    s, t = jnp.where(large, jnp.minimum(a, b), 1.0), jnp.where(large, jnp.maximum(a, b), 1.0)
    errors = _fitted_difference(STIRLING_0, 1, t, s) - _error_0(s)
    a_large, b_large = jnp.where(large, a, 1.0), jnp.where(large, b, 1.0)
    saddle = errors + 0.5 * jnp.log(s * (t / (s + t))) - HALF_LOG_2PI - beta_deviance(a_large, b_large, x, q)
    below = x < q
    log_x = jnp.where(below, jnp.log(x), jnp.log1p(-jnp.where(below, 0.25, q)))
    log_q = jnp.where(below, jnp.log1p(-jnp.where(below, x, 0.25)), jnp.log(q))
    return jnp.where(large, saddle, a * log_x + b * log_q - _log_beta(a, b))


def _log_tails(a, b, x, q):
    """Return `(log I, log(1 - I))` for `0 < x < 1` and `q = 1 - x`."""
    swap = x * (a + b + 2.0) > a + 1.0
    sides = (jnp.where(swap, *pair) for pair in ((b, a), (a, b), (q, x), (x, q)))
    near = _log_prefactor(a, b, x, q) + log_mass_ratio(*sides)
    near = jnp.minimum(near, -jnp.finfo(x.dtype).tiny)
    far = _log1mexp(near)
    return jnp.where(swap, far, near), jnp.where(swap, near, far)


def _slope(which, argument):
    def slope(a, b, x):
        def along(shape):
            return _log_tails(*((shape, b) if argument == 0 else (a, shape)), x, 1.0 - x)[which]

        point = a if argument == 0 else b
        return jax.jvp(along, (point,), (jnp.ones_like(point),))[1]

    return slope


_LOWER_SLOPES = (_slope(0, 0), _slope(0, 1))
_UPPER_SLOPES = (_slope(1, 0), _slope(1, 1))


def _log_density(a, b, x):
    return _log_prefactor(a, b, x, 1.0 - x) - jnp.log(x) - jnp.log1p(-x)


@with_partials(*_LOWER_SLOPES, lambda a, b, x: jnp.exp(_log_density(a, b, x) - _log_lower(a, b, x)))
def _log_lower(a, b, x):
    return _log_tails(a, b, x, 1.0 - x)[0]


@with_partials(*_UPPER_SLOPES, lambda a, b, x: -jnp.exp(_log_density(a, b, x) - _log_upper(a, b, x)))
def _log_upper(a, b, x):
    return _log_tails(a, b, x, 1.0 - x)[1]


@elementwise
def log_betainc(a: ArrayLike, b: ArrayLike, x: ArrayLike) -> jax.Array:
    """Logarithm of the regularised incomplete beta function, `log I_x(a, b)`.

    Args:
        a: first shape, any shape, positive.
        b: second shape, a shape that broadcasts, positive.
        x: argument, a shape that broadcasts, in [0, 1].

    Returns:
        Broadcast shape, nats; -inf at zero, zero at one, NaN outside.

    Numerics: the tail away from the mean is its density at `x` times an integral in the log-odds, taken by 64
        Gauss-Legendre nodes out to where the integrand has fallen to exp(-40); both factors keep their digits for
        shapes of any size, since `(a + b) x - a` is computed with twice the digits. The other tail is one minus it.
        The derivative in `x` is the density; those in `a` and `b` differentiate under the integral.

    Source: Loader, "Fast and accurate computation of binomial probabilities", 2000, for the density.
    """
    shapes = (a > 0.0) & (b > 0.0) & jnp.isfinite(a) & jnp.isfinite(b)
    inside = shapes & (x > 0.0) & (x < 1.0)
    value = _log_lower(jnp.where(inside, a, 1.0), jnp.where(inside, b, 1.0), jnp.where(inside, x, 0.5))
    edge = jnp.where(shapes & (x == 0.0), -jnp.inf, jnp.where(shapes & (x == 1.0), 0.0, jnp.nan))
    return jnp.where(inside, value, edge)


@elementwise
def log_betaincc(a, b, x):
    """Logarithm of one minus the incomplete beta function, `log(1 - I_x(a, b))`, for `0 < x < 1`."""
    shapes = (a > 0.0) & (b > 0.0) & jnp.isfinite(a) & jnp.isfinite(b)
    inside = shapes & (x > 0.0) & (x < 1.0)
    value = _log_upper(jnp.where(inside, a, 1.0), jnp.where(inside, b, 1.0), jnp.where(inside, x, 0.5))
    return jnp.where(inside, value, jnp.nan)


def _log_odds_root(a, b, log_p, log_q):
    """The log-odds of the x with `log I = log_p` and `log(1 - I) = log_q`, by Newton's method on the smaller tail."""
    use_p = log_p < log_q

    def evaluate(y):
        tiny = jnp.finfo(y.dtype).tiny
        x, q = jnp.maximum(jax.nn.sigmoid(y), tiny), jnp.maximum(jax.nn.sigmoid(-y), tiny)
        log_lower, log_upper = _log_tails(a, b, x, q)
        slope = jnp.exp(_log_prefactor(a, b, x, q) - jnp.where(use_p, log_lower, log_upper))
        return jnp.where(use_p, log_lower - log_p, log_q - log_upper), slope

    # Past these ends x or 1 - x is below the smallest number.
    end = jnp.full_like(log_p, 90.0 if jnp.finfo(log_p.dtype).bits == 32 else 750.0)
    return solve_increasing(evaluate, -end, end, jnp.clip(jnp.log(a) - jnp.log(b), 1.0 - end, end - 1.0))


def _inverse_slope(argument):
    def slope(a, b, log_p, log_q):
        x = log_inverse(a, b, log_p, log_q)
        density = _log_density(a, b, x)
        lower = -_LOWER_SLOPES[argument](a, b, x) * jnp.exp(log_p - density)
        upper = _UPPER_SLOPES[argument](a, b, x) * jnp.exp(log_q - density)
        return jnp.where(log_p < log_q, lower, upper)

    return slope


def _level_slope(a, b, log_p, log_q):
    return jnp.exp(log_p - _log_density(a, b, log_inverse(a, b, log_p, log_q)))


@with_partials(_inverse_slope(0), _inverse_slope(1), _level_slope, None)
def log_inverse(a, b, log_p, log_q):
    """The x with `log I = log_p`, whose complement is `log_q`; rounds to 0 or 1 where it must."""
    return jax.nn.sigmoid(_log_odds_root(a, b, log_p, log_q))


@elementwise
def log_betaincinv(a, b, log_p, log_q):
    """The x with `log I_x(a, b) = log_p` and `log(1 - I_x(a, b)) = log_q`; both are given so that neither cancels."""
    shapes = (a > 0.0) & (b > 0.0) & jnp.isfinite(a) & jnp.isfinite(b)
    inside = shapes & (log_p <= 0.0) & (log_q <= 0.0) & (log_p > -jnp.inf) & (log_q > -jnp.inf)
    inner = jnp.where(inside, log_p, -LOG_2), jnp.where(inside, log_q, -LOG_2)
    value = log_inverse(jnp.where(inside, a, 1.0), jnp.where(inside, b, 1.0), *inner)
    edge = jnp.where(log_p == -jnp.inf, 0.0, jnp.where(log_q == -jnp.inf, 1.0, jnp.nan))
    return jnp.where(inside, value, jnp.where(shapes, edge, jnp.nan))


@elementwise
def betaincinv(a: ArrayLike, b: ArrayLike, p: ArrayLike) -> jax.Array:
    """Inverse of the regularised incomplete beta function in its last argument: `I_x(a, b) = p`.

    Args:
        a: first shape, any shape, positive.
        b: second shape, a shape that broadcasts, positive.
        p: probability, a shape that broadcasts, in [0, 1].

    Returns:
        `x`, broadcast shape. Where the solution lies closer to an end than the dtype can tell, the number nearest to
        that end inside (0, 1) is returned.

    Numerics: safeguarded Newton on the logarithm of the smaller tail; derivatives are implicit.
    """
    shapes = (a > 0.0) & (b > 0.0) & jnp.isfinite(a) & jnp.isfinite(b)
    inside = shapes & (p > 0.0) & (p < 1.0)
    p_inner = jnp.where(inside, p, 0.5)
    levels = jnp.log(p_inner), jnp.log1p(-p_inner)
    value = log_inverse(jnp.where(inside, a, 1.0), jnp.where(inside, b, 1.0), *levels)
    value = jnp.clip(value, 2.0 * jnp.finfo(p.dtype).tiny, 1.0 - 0.5 * jnp.finfo(p.dtype).eps)
    edge = jnp.where(shapes & ((p == 0.0) | (p == 1.0)), p, jnp.nan)
    return jnp.where(inside, value, edge)
