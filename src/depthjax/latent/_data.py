"""The one check of data matrices."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.numerics._arguments import samples


def points(function: str, x: ArrayLike, size: int | None = None) -> jax.Array:
    """Data (n, d) of floating dtype.

    Raises:
        ValueError: another rank, no point, no coordinate, or another d than `size`.
        TypeError: integer data, which have no density.
    """
    if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
        raise TypeError(
            f"{function}: x has dtype {jnp.result_type(x)}, expected a floating dtype; integer data have no density: "
            f"dequantise them (depthjax.flows.dequantize_uniform), or convert measurements by x.astype(float)"
        )
    x = samples(function, x, x)[0]
    at_least(function, "the number of coordinates of x", x.shape[1], 1)
    if size is not None and x.shape[1] != size:
        raise ValueError(f"{function}: x has events of shape {x.shape[1:]}, expected ({size},) as the model has")
    return x


def centred(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Mean (d,) and deviations (n, d); the second pass removes the rounding of the first mean."""
    loc = jnp.mean(x, axis=0)
    rest = x - loc[None]
    shift = jnp.mean(rest, axis=0)
    return loc + shift, rest - shift[None]


def principal_axes(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Singular values (r,) and right singular vectors (r, d), r = min(n, d), each with its largest entry positive."""
    if rows.shape[0] > rows.shape[1]:
        rows = jnp.linalg.qr(rows, mode="r")
    _, values, axes = jnp.linalg.svd(rows, full_matrices=False)
    largest = jnp.take_along_axis(axes, jnp.argmax(jnp.abs(axes), axis=1)[:, None], axis=1)
    return values, jnp.where(largest < 0, -axes, axes)
