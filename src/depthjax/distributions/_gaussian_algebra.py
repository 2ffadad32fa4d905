"""Index and factor algebra shared by the Gaussian families."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core import require_rank, require_shape

HIGHEST = jax.lax.Precision.HIGHEST


def matvec(matrix: jax.Array, vectors: jax.Array) -> jax.Array:
    """Matrix (k, d) times vectors (..., d), in full precision on every device."""
    return jnp.einsum("ij,...j->...i", matrix, vectors, precision=HIGHEST)


def cholesky(matrix: jax.Array) -> jax.Array:
    """Lower Cholesky factor (..., d, d) of a symmetric positive definite matrix; half precision by way of float32."""
    return jnp.linalg.cholesky(at_least_single(matrix)).astype(matrix.dtype)


def thin_qr(matrix: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Q (m, n) and R (n, n) of a matrix (m, n), m >= n; half precision by way of float32."""
    orthogonal, upper = jnp.linalg.qr(at_least_single(matrix))
    return orthogonal.astype(matrix.dtype), upper.astype(matrix.dtype)


def at_least_single(x: jax.Array) -> jax.Array:
    """`x` in float32 where it has half precision."""
    return x.astype(jnp.float32) if jnp.finfo(x.dtype).bits < 32 else x


def solve_lower(tril: jax.Array, vector: jax.Array, *, transpose: bool = False) -> jax.Array:
    """Solve L x = v, or L^T x = v, for one vector (d,) or the columns of a matrix (d, k)."""
    return jax.scipy.linalg.solve_triangular(tril, vector, trans=1 if transpose else 0, lower=True)


def lower_factor(rows: jax.Array) -> jax.Array:
    """Lower Cholesky factor of A A^T for A (k, d), k <= d, of full rank.

    Numerics:
        By QR of A^T, so the condition number is not squared.

    Source:
        Golub and Van Loan, Matrix Computations (2013), sec. 5.2.
    """
    upper = jnp.linalg.qr(at_least_single(rows).mT, mode="r")
    flip = jnp.where(jnp.diagonal(upper) < 0, -1.0, 1.0).astype(upper.dtype)
    return jnp.tril((upper * flip[:, None]).mT).astype(rows.dtype)


def log_diagonal(tril: jax.Array) -> jax.Array:
    """Sum of the logarithms of the diagonal, () nats."""
    return jnp.sum(jnp.log(jnp.diagonal(tril)))


def split_indices(name: str, idx: Any, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The chosen coordinates, and the others in ascending order.

    Args:
        name: caller, for the message.
        idx: static integer or sequence of distinct integers; negative ones count from the end.
        size: number of coordinates.

    Raises:
        ValueError: an index is out of range or occurs twice.
        TypeError: `idx` is not integers known at trace time.
    """
    if isinstance(idx, jax.core.Tracer) or not _all_integers(idx):
        raise TypeError(f"{name}: idx must be integers known at trace time, got {idx!r}")
    chosen = np.atleast_1d(np.asarray(idx, int))
    if chosen.ndim != 1 or np.any(chosen < -size) or np.any(chosen >= size):
        raise ValueError(f"{name}: idx {idx!r} does not choose among {size} coordinates")
    chosen = chosen % size
    if len(np.unique(chosen)) != len(chosen):
        raise ValueError(f"{name}: idx {idx!r} has repeated coordinates")
    return chosen, np.setdiff1d(np.arange(size), chosen)


def _all_integers(idx: int | Sequence[int] | np.ndarray) -> bool:
    return np.size(idx) == 0 or np.issubdtype(np.asarray(idx).dtype, np.integer)


def observed_values(name: str, values: Any, count: int, dtype: Any) -> jax.Array:
    """The observed values of `condition` as an array (count,)."""
    values = jnp.asarray(values, dtype)
    values = values[None] if values.ndim == 0 else values
    require_shape(name, "values", values, (count,))
    return values


def map_arguments(name: str, matrix: Any, shift: Any, size: int, dtype: Any) -> tuple[jax.Array, jax.Array]:
    """The matrix (k, d) and shift (k,) of `linear_map`, checked; shift None means zero.

    Raises:
        ValueError: wrong shapes, or k > d, for which the image is degenerate and has no density.
    """
    matrix = jnp.asarray(matrix, dtype)
    require_rank(name, "A", matrix, 2)
    rows, columns = matrix.shape
    if columns != size or rows > size:
        raise ValueError(f"{name}: A has shape {matrix.shape}, expected (k, {size}) with k <= {size}")
    shift = jnp.zeros(rows, dtype) if shift is None else jnp.asarray(shift, dtype)
    require_shape(name, "b", shift, (rows,))
    return matrix, shift


def complete_factor(name: str, fields: dict[str, Any], factor: str, *, vector: str = "loc") -> dict[str, Any]:
    """Check a vector (d,) or () against a square factor (d, d) and fill in the event shape."""
    values, tril = fields[vector], fields[factor]
    if tril.ndim != 2 or tril.shape[0] != tril.shape[1]:
        raise ValueError(f"{name}: {factor} has shape {tril.shape}, expected a square matrix (d, d)")
    size = tril.shape[0]
    if values.ndim == 0:
        values = jnp.broadcast_to(values, (size,))
    if values.shape != (size,):
        raise ValueError(
            f"{name}: {vector} has shape {values.shape}, expected ({size},), for {factor} has shape {tril.shape}"
        )
    return {**fields, vector: values, "event_shape": (size,)}
