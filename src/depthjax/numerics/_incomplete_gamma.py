"""Regularised incomplete gamma functions in logarithms, for every shape and both tails."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from depthjax.numerics._elementwise import elementwise, forward_mode, with_partials
from depthjax.numerics._gamma import _ATANH, _deviance
from depthjax.numerics._logs import _log1mexp
from depthjax.numerics._normal import _mills
from depthjax.numerics._stirling import HALF_LOG_2PI, _error_0, log_gamma_1p
from depthjax.numerics._temme_table import TEMME

_MAX_TERMS = 2000
_NUM_ALTERNATING = 20


def _log_prefactor(a, x):
    """Return `log(x^a exp(-x) / gamma(a + 1))`."""
    small = a < 1.0
    low, high = jnp.where(small, a, 0.5), jnp.where(small, 2.0, a)
    direct = low * jnp.log(x) - x - log_gamma_1p(low)
    saddle = -_deviance(high, x) - 0.5 * jnp.log(high) - HALF_LOG_2PI - _error_0(high)
    return jnp.where(small, direct, saddle)


def log_density(a, x):
    return _log_prefactor(a, x) + jnp.log(a) - jnp.log(x)


def _log_series(a, x):
    """Logarithm of `sum_n x^n / ((a + 1) ... (a + n))`; the derivatives need a few terms more than the value."""
    tol = 1e-3 * jnp.finfo(x.dtype).eps

    def cond(state):
        n, term, total = state
        return jnp.any(term > tol * total) & (n < _MAX_TERMS)

    def body(state):
        n, term, total = state
        term = term * x / (a + n)
        return n + 1.0, term, total + term

    start = (jnp.ones((), x.dtype), jnp.ones_like(x), jnp.ones_like(x))
    return jnp.log(lax.while_loop(cond, body, start)[2])


def _log_fraction(a, x, *, shadowed):
    """Logarithm of the continued fraction `1 / (x + 1 - a - (1 - a) / (x + 3 - a - ...))` by Lentz's method.

    The fraction ends early at integer shapes but its derivative does not: `shadowed` runs a shifted shape along and
    stops only when both have settled.
    """
    if shadowed:
        a, x = jnp.stack([a, a + 0.37]), jnp.stack([x, x])
    tol = 4.0 * jnp.finfo(x.dtype).eps

    def cond(state):
        n, _, _, _, change = state
        return jnp.any(jnp.abs(change) > tol) & (n < _MAX_TERMS)

    def body(state):
        n, c, d, total, change = state
        numerator, denominator = -n * (n - a), x + 2.0 * n + 1.0 - a
        d = 1.0 / (denominator + numerator * d)
        c = denominator + numerator / c
        # A settled element is frozen, or the rounding of many factors near one would pile up.
        active = jnp.abs(change) > tol
        active = jnp.broadcast_to(active.any(0), active.shape) if shadowed else active
        new = jnp.where(active, c * d - 1.0, change)
        return n + 1.0, c, d, jnp.where(active, total * (c * d), total), new

    first = x + 1.0 - a
    start = (jnp.ones((), x.dtype), first, jnp.zeros_like(x), first, jnp.ones_like(x))
    total = lax.while_loop(cond, body, start)[3]
    return -jnp.log(total[0] if shadowed else total)


def _temme_sum(a, eta):
    """Sum `d_kn eta^n a^-k`; the rows go together in one array, which compiles far faster than scalars."""
    table = np.array([row + (0.0,) * (len(TEMME[0]) - len(row)) for row in TEMME])
    shape = (len(TEMME), *a.shape)
    eta = jnp.broadcast_to(eta[None], shape)

    def step(rows, column):
        return jnp.broadcast_to(column.reshape(-1, *(1,) * a.ndim), shape) + eta * rows, None

    rows, _ = lax.scan(step, jnp.zeros(shape, a.dtype), jnp.asarray(table.T[::-1], a.dtype))
    return lax.scan(lambda total, row: (row + total / a, None), jnp.zeros_like(a), rows, reverse=True)[0]


def _temme_tails(a, x):
    """Return the logarithms of both tails by the uniform expansion, for `a > 20` and `|x - a| < 0.3 a`."""
    mu = (x - a) / a
    v = -mu / (2.0 + mu)
    series = jnp.zeros_like(v)
    for coefficient in reversed(_ATANH.tolist()):
        series = coefficient + v * v * series
    eta = mu * jnp.sqrt(2.0 * (1.0 + 2.0 * v * series / (2.0 + mu)) / (2.0 + mu))
    total = _temme_sum(a, eta)
    w, root = eta * jnp.sqrt(a), jnp.sqrt(a)
    upper = w >= 0.0
    scaled = _mills(jnp.where(upper, w, -w)) + jnp.where(upper, total, -total) / root
    tail = -_deviance(a, x) - HALF_LOG_2PI + jnp.log(scaled)
    other = _log1mexp(jnp.where(tail < 0.0, tail, -1.0))
    return jnp.where(upper, other, tail), jnp.where(upper, tail, other)


def _small_upper(a, x):
    """Return Q for `a < 1`, `x < 1`, where the lower series would cancel against one."""
    u = a * jnp.log(x) - log_gamma_1p(a)
    total, term = jnp.zeros_like(x), jnp.ones_like(x)
    for n in range(1, _NUM_ALTERNATING + 1):
        term = term * (-x / n)
        total = total + term / (a + n)
    return -jnp.expm1(u) - jnp.exp(u) * a * total


def log_tails(a, x, *, shadowed=False):
    """Return `(log P, log Q)` for positive finite `a` and `x`."""
    temme = (a > 20.0) & (jnp.abs(x - a) < 0.3 * a)
    small = ~temme & (a < 1.0) & (x < 1.0)
    lower = ~temme & ~small & (x < jnp.where(a < 1.0, 1.0, a + 1.0))
    upper = ~(temme | small | lower)
    temme_p, temme_q = _temme_tails(jnp.where(temme, a, 30.0), jnp.where(temme, x, 31.0))
    series_on = lower | small
    a_series, x_series = jnp.where(series_on, a, 1.0), jnp.where(series_on, x, 0.01)
    log_p = _log_prefactor(a_series, x_series) + _log_series(a_series, x_series)
    a_upper, x_upper = jnp.where(upper, a, 1.0), jnp.where(upper, x, 30.0)
    log_q = _log_prefactor(a_upper, x_upper) + jnp.log(a_upper) + _log_fraction(a_upper, x_upper, shadowed=shadowed)
    q = _small_upper(jnp.where(small, a, 0.5), jnp.where(small, x, 0.5))
    small_p = jnp.where(q < 0.5, jnp.log1p(-q), log_p)
    small_q = jnp.where(q > 0.5, _log1mexp(log_p), jnp.log(q))
    p = jnp.where(temme, temme_p, jnp.where(small, small_p, jnp.where(lower, log_p, _log1mexp(log_q))))
    q = jnp.where(temme, temme_q, jnp.where(small, small_q, jnp.where(lower, _log1mexp(log_p), log_q)))
    return p, q


def _slope_in_shape(which):
    def slope(a, x):
        return jax.jvp(lambda shape: log_tails(shape, x, shadowed=True)[which], (a,), (jnp.ones_like(a),))[1]

    return forward_mode(slope)


dlog_p_da, dlog_q_da = _slope_in_shape(0), _slope_in_shape(1)


@with_partials(dlog_p_da, lambda a, x: jnp.exp(log_density(a, x) - log_p(a, x)))
def log_p(a, x):
    return log_tails(a, x)[0]


@with_partials(dlog_q_da, lambda a, x: -jnp.exp(log_density(a, x) - log_q(a, x)))
def log_q(a, x):
    return log_tails(a, x)[1]


def _with_edges(tail, a, x, *, at_zero, at_inf):
    """Evaluate `tail` inside and return the limits at the ends of the support, NaN outside."""
    inside = (x > 0.0) & (x < jnp.inf) & (a > 0.0) & (a < jnp.inf)
    value = tail(jnp.where(inside, a, 1.0), jnp.where(inside, x, 1.0))
    edge = jnp.where(x == 0.0, at_zero, jnp.where(jnp.isposinf(x), at_inf, jnp.nan))
    return jnp.where(inside, value, jnp.where((a > 0.0) & (a < jnp.inf), edge, jnp.nan))


@elementwise
def log_gammainc(a: ArrayLike, x: ArrayLike) -> jax.Array:
    """Logarithm of the regularised lower incomplete gamma function, `log P(a, x)`.

    Args:
        a: shape, any shape, positive.
        x: argument, a shape that broadcasts, `x >= 0`.

    Returns:
        Broadcast shape, nats; -inf at zero.

    Numerics: the power series below `a + 1`, the continued fraction of Q above, Temme's uniform expansion for
        `a > 20` within 30% of `a`; Loader's saddle-point form in front of each. The derivative in `x` is the density;
        the one in `a` differentiates the same expansions term by term and is as accurate as they are.

    Source: Gil, Segura and Temme, "Efficient and accurate algorithms for incomplete gamma ratios", 2012; NIST
        Handbook 8.11.4, 8.9.2, 8.12.7.
    """
    return _with_edges(log_p, a, x, at_zero=-jnp.inf, at_inf=0.0)


@elementwise
def log_gammaincc(a: ArrayLike, x: ArrayLike) -> jax.Array:
    """Logarithm of the regularised upper incomplete gamma function, `log Q(a, x)`.

    Args:
        a: shape, any shape, positive.
        x: argument, a shape that broadcasts, `x >= 0`.

    Returns:
        Broadcast shape, nats; zero at `x = 0`, -inf at infinity.

    Numerics: as `log_gammainc`; for `a < 1`, `x < 1` an alternating series without the cancellation of `1 - P`.
    """
    return _with_edges(log_q, a, x, at_zero=0.0, at_inf=-jnp.inf)
