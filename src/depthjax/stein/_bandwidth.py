"""Length scales from the distances between points, by the names of the conventions in use."""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least, chosen
from depthjax.numerics import pairwise_squared_distance
from depthjax.numerics._safe import unit_of
from depthjax.stein._arguments import accumulated, points_and_scores

CONVENTIONS = ("liu_wang", "numpyro", "median", "half_median")


def median_bandwidth(x: ArrayLike, *, convention: str, max_points: int = 2048) -> jax.Array:
    """Length scale h of `RBF` from the median distance between points.

    With r the distances between points: "liu_wang" h^2 = med(r^2)/(2 log(n + 1)) over all n^2 pairs, a point with
    itself among them; "numpyro" h^2 = med(r)^2/(2 log n) over the same; "median" h = med(r) over pairs of different
    points; "half_median" h^2 = med(r)^2/2 over those.

    Args:
        x: (n, d).
        convention: static, one of the four names.
        max_points: above it every k-th point is used, with the least k that leaves no more.

    Returns:
        () without gradient; 1 for one point or a median of zero, NaN for points that are.

    Raises:
        ValueError: another convention or shape.

    Source:
        Liu and Wang, Stein Variational Gradient Descent (2016), sec. 5; Garreau, Jitkrittum and Kanagawa, Large Sample
        Analysis of the Median Heuristic (2018).
    """
    chosen("median_bandwidth", "convention", convention, CONVENTIONS)
    at_least("median_bandwidth", "max_points", max_points, 2)
    x, _ = points_and_scores("median_bandwidth", x, x)
    n, dtype = x.shape[0], x.dtype
    if n < 2:
        return jnp.ones((), dtype)
    (some,) = accumulated(jax.lax.stop_gradient(x[:: -(-n // max_points)]))
    unit = unit_of(some)
    r2 = pairwise_squared_distance(some / unit, some / unit)
    if convention == "liu_wang":
        square = jnp.median(r2) / (2.0 * math.log(n + 1))
    elif convention == "numpyro":
        square = jnp.square(jnp.median(jnp.sqrt(r2))) / (2.0 * math.log(n))
    else:
        upper = jnp.triu_indices(some.shape[0], 1)
        square = jnp.square(jnp.median(jnp.sqrt(r2[upper]))) * (1.0 if convention == "median" else 0.5)
    return jnp.where(square == 0.0, 1.0, unit * jnp.sqrt(square)).astype(dtype)


def with_length_scale(kernel: Any, length_scale: jax.Array) -> tuple[Any, bool]:
    """The kernel with the length scales in it replaced, and whether there were any."""
    found = False
    changes = {}
    for field in dataclasses.fields(kernel):
        value = getattr(kernel, field.name)
        if field.name == "length_scale":
            changes[field.name], found = length_scale.astype(value.dtype), True
        elif field.name == "base":
            changes[field.name], inner = with_length_scale(value, length_scale)
            found = found or inner
        elif field.name == "kernels":
            parts = [with_length_scale(part, length_scale) for part in value]
            changes[field.name] = tuple(part for part, _ in parts)
            found = found or any(inner for _, inner in parts)
    return dataclasses.replace(kernel, **changes), found
