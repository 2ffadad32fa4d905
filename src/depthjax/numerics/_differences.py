"""Differences of nearly equal numbers: of logarithms, and of products."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.numerics._beta_tail import split
from depthjax.numerics._elementwise import elementwise, with_partials
from depthjax.numerics._gamma import _half_log_ratio


@with_partials(lambda x, y: 1.0 / x, lambda x, y: -1.0 / y)
def _log_ratio(x, y):
    return 2.0 * _half_log_ratio(x, y)


@elementwise
def log_ratio(x: ArrayLike, y: ArrayLike) -> jax.Array:
    """Logarithm of a quotient, `log(x / y)`.

    Args:
        x: numerator, any shape, positive.
        y: denominator, a shape that broadcasts, positive.

    Returns:
        Broadcast shape.

    Numerics: relative accuracy also where `x` and `y` nearly agree, by the series of atanh in (x - y) / (x + y), and
        where the quotient overflows.
    """
    return _log_ratio(x, y)


@with_partials(lambda x: -1.0 / (1.0 - x))
def _log1m(x):
    wide = x > 0.25
    return jnp.where(wide, jnp.log(1.0 - jnp.where(wide, x, 0.5)), jnp.log1p(-jnp.where(wide, 0.25, x)))


@elementwise
def log1m(x: ArrayLike) -> jax.Array:
    """Logarithm of a complement, `log(1 - x)`.

    Args:
        x: any shape, `x <= 1`.

    Returns:
        Same shape; -inf at one.

    Numerics: the library's `log1p` loses digits far below zero in float64, where `1 - x` has none to lose.
    """
    return _log1m(x)


@with_partials(lambda a, x, b, y: x, lambda a, x, b, y: a, lambda a, x, b, y: -y, lambda a, x, b, y: -b)
def _product_difference(a, x, b, y):
    (a1, a0), (x1, x0), (b1, b0), (y1, y0) = (split(v) for v in (a, x, b, y))
    small = (a1 * x0 - b1 * y0) + (a0 * x1 - b0 * y1) + (a0 * x0 - b0 * y0)
    return (a1 * x1 - b1 * y1) + small


@elementwise
def product_difference(a: ArrayLike, x: ArrayLike, b: ArrayLike, y: ArrayLike) -> jax.Array:
    """Difference of two products, `a x - b y`.

    Args:
        a: any shape.
        x: a shape that broadcasts.
        b: a shape that broadcasts.
        y: a shape that broadcasts.

    Returns:
        Broadcast shape.

    Numerics: factors are split in two halves whose products are exact, so the error is of the order of eps^1.5 |a x|,
        not eps |a x|, when the products nearly agree.

    Source: Dekker, "A floating-point technique for extending the available precision", 1971.
    """
    return _product_difference(a, x, b, y)
