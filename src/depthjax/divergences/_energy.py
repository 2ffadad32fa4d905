"""Energy distance between samples, in tiles of rows."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.divergences._mmd import all_pairs
from depthjax.numerics import pairwise_squared_distance, safe_sqrt
from depthjax.numerics._arguments import samples, weights
from depthjax.numerics._safe import unit_of


def _distance(x, y):
    return safe_sqrt(pairwise_squared_distance(x, y))


def energy_distance_squared(
    x: ArrayLike,
    y: ArrayLike,
    *,
    x_weights: ArrayLike | None = None,
    y_weights: ArrayLike | None = None,
    unbiased: bool = False,
) -> jax.Array:
    """Squared energy distance of two samples, 2 E|X - Y| - E|X - X'| - E|Y - Y'|.

    Args:
        x: (n, d).
        y: (m, d).
        x_weights: (n,) that sum to one.
        y_weights: (m,) that sum to one.
        unbiased: leave out the pairs of a point with itself.

    Returns:
        (), never negative but for rounding unless `unbiased`; the gradient at coinciding points is 0.

    Raises:
        ValueError: wrong shapes or weights, or fewer than two points with `unbiased`.

    Cost:
        As `mmd_squared`.

    Source:
        Szekely and Rizzo, Energy Statistics (2013), eq. 5.
    """
    name = "energy_distance_squared"
    x, y = samples(name, x, y)
    if unbiased:
        for label, value in (("x", x), ("y", y)):
            at_least(name, f"the number of points of {label} with unbiased", value.shape[0], 2)
    a = weights(name, "x_weights", x_weights, x.shape[0], x.dtype)
    b = weights(name, "y_weights", y_weights, y.shape[0], x.dtype)
    zeros, unit = (lambda v: jnp.zeros(v.shape[0], v.dtype)), unit_of(x, y)
    return -unit * all_pairs(_distance, x / unit, y / unit, a, b, unbiased=unbiased, diagonal=zeros)


def energy_distance(
    x: ArrayLike,
    y: ArrayLike,
    *,
    x_weights: ArrayLike | None = None,
    y_weights: ArrayLike | None = None,
    unbiased: bool = False,
) -> jax.Array:
    """Energy distance of two samples, the square root of `energy_distance_squared`.

    Args:
        x: (n, d).
        y: (m, d).
        x_weights: (n,) that sum to one.
        y_weights: (m,) that sum to one.
        unbiased: leave out the pairs of a point with itself; a negative square then gives 0.

    Returns:
        (), with zero gradient at 0.

    Raises:
        ValueError: as `energy_distance_squared`.

    Source:
        Szekely and Rizzo (2013), eq. 5.
    """
    squared = energy_distance_squared(x, y, x_weights=x_weights, y_weights=y_weights, unbiased=unbiased)
    return safe_sqrt(jnp.where(squared > 0.0, squared, 0.0 * squared))
