"""Modified Bessel functions of orders zero and one, in logarithms."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.numerics._bessel_tables import COMPLEMENT, CURVATURE, RATIO, SLOPE
from depthjax.numerics._chebyshev import chebyshev
from depthjax.numerics._elementwise import elementwise, with_partials


def _fitted(table, x):
    finite = jnp.minimum(x, 0.1 * jnp.finfo(x.dtype).max)
    return chebyshev(table, (finite - 5.0) / (finite + 5.0))


def _curvature(x):
    size = jnp.abs(x)
    inverse = 1.0 / (1.0 + size)
    return _fitted(CURVATURE, size) * (x * inverse) * inverse**3


@with_partials(_curvature)
def _slope(x):
    """Derivative of I_1 / I_0."""
    inverse = 1.0 / (1.0 + jnp.abs(x))
    return _fitted(SLOPE, jnp.abs(x)) * inverse * inverse


@with_partials(_slope)
def _ratio(x):
    """Evaluate I_1 / I_0, odd in `x`."""
    size = jnp.abs(x)
    return _fitted(RATIO, size) * jnp.where(jnp.isinf(x), jnp.sign(x), x / (1.0 + size))


@with_partials(lambda x: -jnp.sign(x) * _slope(x))
def _complement(x):
    """Evaluate `1 - I_1(|x|) / I_0(|x|)`, about `1 / (2 |x|)`."""
    return _fitted(COMPLEMENT, jnp.abs(x)) / (1.0 + jnp.abs(x))


@with_partials(lambda x: -jnp.sign(x) * _complement(x))
def _log_i0e(x):
    size = jnp.abs(x)
    quarter = 0.25 * jnp.square(jnp.minimum(size, 1.0))
    series = jnp.zeros_like(x)
    for k in range(12, 0, -1):
        series = quarter / (k * k) * (1.0 + series)
    return jnp.where(size < 1.0, jnp.log1p(series) - size, jnp.log(lax.bessel_i0e(size)))


def _log_i1e_slope(x):
    size = jnp.abs(x)
    return jnp.sign(x) * (_complement(size) / _ratio(size) - 1.0 / size)


@with_partials(_log_i1e_slope)
def _log_i1e(x):
    size = jnp.abs(x)
    near = size < 2.0
    log_ratio = jnp.where(
        near, jnp.log(_ratio(jnp.where(near, size, 1.0))), jnp.log1p(-_complement(jnp.where(near, 3.0, size)))
    )
    return _log_i0e(x) + log_ratio


@elementwise
def log_i0e(x: ArrayLike) -> jax.Array:
    """Logarithm of the scaled Bessel function, `log(exp(-|x|) I_0(x))`.

    Args:
        x: any shape, real.

    Returns:
        Same shape, never positive; about `-|x|` near zero and `-log(2 pi |x|) / 2` far out.

    Numerics: below one `log1p` of the power series minus |x|. The slope `I_1/I_0 - 1` and its derivatives are
        Chebyshev series of their own, since the difference cancels far out.
    """
    return _log_i0e(x)


@elementwise
def log_i1e(x: ArrayLike) -> jax.Array:
    """Logarithm of the scaled Bessel function, `log(exp(-|x|) |I_1(x)|)`.

    Args:
        x: any shape, real.

    Returns:
        Same shape; -inf at zero.

    Numerics: `log_i0e(x) + log(I_1/I_0)`, the latter by `log1p` of minus the complement from two on.
    """
    return _log_i1e(x)
