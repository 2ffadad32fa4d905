"""Checks of particles and scores, and the dtype that sums are taken in."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._shapes import check_unstacked
from depthjax.stein._kernel import Kernel


def points_and_scores(
    function: str, x: ArrayLike, scores: ArrayLike, *, name: str = "x"
) -> tuple[jax.Array, jax.Array]:
    """Points and scores (n, d) of one floating dtype.

    Raises:
        ValueError: other ranks, no points, or different shapes.
    """
    x, scores = jnp.asarray(x), jnp.asarray(scores)
    dtype = jnp.result_type(x, scores)
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(float)
    if x.ndim != 2 or x.shape[0] == 0:
        hint = f"; for scalars pass {name}[:, None]" if x.ndim == 1 else ""
        raise ValueError(f"{function}: {name} has shape {x.shape}, expected (n, d) with n >= 1{hint}")
    if scores.shape != x.shape:
        raise ValueError(f"{function}: scores have shape {scores.shape}, expected the shape {x.shape} of {name}")
    return x.astype(dtype), scores.astype(dtype)


def accumulated(*arrays: jax.Array) -> list[jax.Array]:
    """Arrays of half precision in float32, others as they are."""
    return [a.astype(jnp.float32) if jnp.finfo(a.dtype).bits < 32 else a for a in arrays]


def require_kernel(function: str, kernel: Any) -> None:
    """Raise `TypeError` unless `kernel` is one of this package's, `ValueError` for a stack of them without vmap."""
    if not isinstance(kernel, Kernel):
        raise TypeError(f"{function}: kernel is {type(kernel).__name__}, expected a kernel such as stein.RBF(1.0)")
    check_unstacked(kernel, function)
