"""Modified Bessel functions of any real order: logarithm and ratio of neighbours."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.numerics._bessel import _ratio
from depthjax.numerics._elementwise import elementwise
from depthjax.numerics._stirling import log_gamma

_NUM_SHIFTS = 24
_NUM_TERMS = 13
_SERIES_LIMIT = 8.0
_NODES = (0.5 + 0.5 * np.polynomial.legendre.leggauss(6)[0]).tolist()
_WEIGHTS = (0.5 * np.polynomial.legendre.leggauss(6)[1]).tolist()


def _debye_polynomials(num_terms):
    """Return the polynomials u_k of the uniform expansion over p^k, lowest power of p^2 first."""
    polynomials = [np.polynomial.Polynomial([1.0])]
    for _ in range(num_terms):
        last = polynomials[-1]
        slope_part = np.polynomial.Polynomial([0.0, 0.0, 0.5, 0.0, -0.5]) * last.deriv()
        polynomials.append(slope_part + (np.polynomial.Polynomial([0.125, 0.0, -0.625]) * last).integ())
    return [polynomial.coef[k::2] for k, polynomial in enumerate(polynomials)]


_DEBYE = _debye_polynomials(_NUM_TERMS)


def _correction(v, x):
    """Sum the uniform expansion beyond its leading term, small for large `hypot(v, x)`."""
    root = jnp.hypot(v, x)
    inverse, square = 1.0 / root, jnp.square(v / root)
    total = jnp.zeros_like(x)
    for coefficients in reversed(_DEBYE[1:]):
        poly = jnp.zeros_like(x)
        for value in reversed(coefficients.tolist()):
            poly = value + square * poly
        total = inverse * (poly + total)
    return jnp.log1p(total)


def _debye(v, x):
    """Return `log(exp(-x) I_v(x))` for large `hypot(v, x)`."""
    root = jnp.hypot(v, x)
    leading = v * (v / (root + x)) - v * jnp.arcsinh(v / x) - 0.5 * jnp.log(root)
    return leading - 0.5 * math.log(2.0 * math.pi) + _correction(v, x)


def _debye_ratio(v, x):
    """Return `I_(v+1) / I_v` for large `hypot(v, x)`; the leading terms are integrated, not subtracted."""
    angle = sum(weight * jnp.arcsinh((v + node) / x) for node, weight in zip(_NODES, _WEIGHTS, strict=True))
    root = jnp.hypot(v, x)
    spread = 0.25 * jnp.log1p((2.0 * v + 1.0) / root / root)
    return jnp.exp(-angle - spread + (_correction(v + 1.0, x) - _correction(v, x)))


def _chain(v, x):
    """Return `I_(v+1) / I_v` and `I_(v+n) / I_v` by downward recurrence from order v + n."""
    ratio = _debye_ratio(v + _NUM_SHIFTS, x)
    product = jnp.ones_like(x)
    for j in range(_NUM_SHIFTS, 0, -1):
        ratio = x / (2.0 * (v + j) + x * ratio)
        product = product * ratio
    return ratio, product


@elementwise
def _ratio_any(v, x):
    small = x < 1e-12
    x_safe = jnp.where(small, 1.0, x)
    direct = jnp.hypot(v - 1.0, x_safe) > 25.0
    # Far out the recurrence would cancel in the derivative, which falls like 1 / x^2.
    far = _debye_ratio(v - 1.0, jnp.where(direct, x_safe, 30.0))
    value = jnp.where(direct, far, _chain(v - 1.0, jnp.where(direct, 1.0, x_safe))[0])
    return jnp.where(small, jnp.where(x >= 0.0, x / (2.0 * v), jnp.nan), value)


def bessel_ratio(v: ArrayLike, x: ArrayLike) -> jax.Array:
    """Ratio of modified Bessel functions, `I_v(x) / I_(v-1)(x)`.

    Args:
        v: order, any shape, `v >= 1/2`.
        x: argument, a shape that broadcasts, `x >= 0`.

    Returns:
        Broadcast shape, in [0, 1); NaN for negative `x`. It is the mean resultant length of a von Mises-Fisher law.

    Numerics: downward recurrence `r_v = x / (2 v + x r_(v+1))` from order v + 24, where the uniform expansion
        starts it. The Python number `v = 1` takes a Chebyshev series of `I_1 / I_0` instead.

    Source: Olver, NIST Handbook, 10.41.3 (expansion) and 10.29.1 (recurrence).
    """
    if isinstance(v, (int, float)) and v == 1:
        return elementwise(lambda x: jnp.where(x < 0.0, jnp.nan, _ratio(x)))(x)
    return _ratio_any(v, x)


@elementwise
def log_ive(v: ArrayLike, x: ArrayLike) -> jax.Array:
    """Logarithm of the scaled modified Bessel function, `log(exp(-x) I_v(x))`.

    Args:
        v: order, any shape, `v >= 0`.
        x: argument, a shape that broadcasts, `x >= 0`.

    Returns:
        Broadcast shape, nats; -inf at `x = 0` for positive order, NaN for negative `x`.

    Numerics: the power series below 8; above, the uniform expansion at order v, or at v + 24 with the recurrence
        for `I_(v+24) / I_v` where `hypot(v, x) < 25`.

    Source: Olver, NIST Handbook, 10.25.2 (series), 10.41.3 (expansion).
    """
    near, zero = x < _SERIES_LIMIT, x == 0.0
    low = jnp.where(near & (x > 0.0), x, 1.0)
    quarter, series = 0.25 * low * low, jnp.zeros_like(low)
    for k in range(34, 0, -1):
        series = quarter / (k * (v + k)) * (1.0 + series)
    power = v * jnp.log(0.5 * low) - log_gamma(v + 1.0) + jnp.log1p(series) - low
    far = jnp.where(near, 2.0 * _SERIES_LIMIT, x)
    shift = jnp.hypot(v, far) < 25.0
    chained = _debye(v + _NUM_SHIFTS, far) - jnp.log(_chain(jnp.where(shift, v, 1.0), jnp.where(shift, far, 9.0))[1])
    value = jnp.where(near, power, jnp.where(shift, chained, _debye(v, far)))
    at_zero = jnp.where(v == 0.0, 0.0, -jnp.inf)
    return jnp.where(zero, at_zero, jnp.where(x < 0.0, jnp.nan, value))
