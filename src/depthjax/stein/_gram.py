"""Stein kernels of pairs of points, and products with their matrix that never form it."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.stein._arguments import accumulated, points_and_scores, require_kernel
from depthjax.stein._kernel import Kernel, matmul
from depthjax.stein._tiles import over_row_tiles, rows_in_tile


def stein_kernel(x: ArrayLike, y: ArrayLike, score_x: ArrayLike, score_y: ArrayLike, kernel: Kernel) -> jax.Array:
    """Stein kernel u_p(x, y) = s(x).s(y) k + s(x).grad_y k + s(y).grad_x k + tr grad_x grad_y k.

    Its mean over one argument from p is zero. For a matrix-valued kernel the operator acts on both sides likewise.

    Args:
        x: (d,).
        y: (d,).
        score_x: grad log p at x, (d,).
        score_y: grad log p at y, (d,).
        kernel: kernel record.

    Returns:
        ().

    Raises:
        ValueError: other shapes.

    Source:
        Liu, Lee and Jordan, A Kernelized Stein Discrepancy (2016), theorem 3.6.
    """
    one = [jnp.asarray(v)[None] for v in (x, y, score_x, score_y)]
    return stein_gram(one[0], one[2], kernel, y=one[1], scores_y=one[3])[0, 0]


def stein_gram(
    x: ArrayLike,
    scores: ArrayLike,
    kernel: Kernel,
    *,
    y: ArrayLike | None = None,
    scores_y: ArrayLike | None = None,
) -> jax.Array:
    """Matrix of Stein kernels u_p(x_i, y_j).

    Args:
        x: (n, d).
        scores: grad log p at x, (n, d).
        kernel: kernel record.
        y: (m, d); x by default.
        scores_y: (m, d), given with y.

    Returns:
        (n, m).

    Raises:
        ValueError: shapes, or y without scores_y.

    Source:
        Liu, Lee and Jordan (2016), theorem 3.6.
    """
    require_kernel("stein_gram", kernel)
    if (y is None) != (scores_y is None):
        raise ValueError("stein_gram: got one of y and scores_y, expected both or neither")
    x, scores = points_and_scores("stein_gram", x, scores)
    y, scores_y = (x, scores) if y is None else points_and_scores("stein_gram", y, scores_y, name="y")
    if y.shape[1] != x.shape[1]:
        raise ValueError(f"stein_gram: y has points of dimension {y.shape[1]}, expected {x.shape[1]} as in x")
    return kernel._stein_fn(*accumulated(y, scores_y))(*accumulated(x, scores)).astype(x.dtype)


def products(function, x, scores, kernel, v, block_size):
    """(n, b) in the dtype of accumulation: the Stein kernels of x times v (n, b)."""
    require_kernel(function, kernel)
    points, s = accumulated(*points_and_scores(function, x, scores))
    v = v.astype(points.dtype)
    size = rows_in_tile(function, block_size, points.shape[0], points.shape[0], points.dtype.itemsize)
    tile = kernel._stein_fn(points, s)
    return over_row_tiles(lambda rows, row_scores: matmul(tile(rows, row_scores), v), (points, s), size)


def diagonal(kernel, x, scores):
    """(n,) Stein kernels of points with themselves."""
    return jax.vmap(lambda row, score: kernel._stein_fn(row[None], score[None])(row[None], score[None])[0, 0])(
        x, scores
    )


def stein_gram_row_sums(x: ArrayLike, scores: ArrayLike, kernel: Kernel, *, block_size: int | None = None) -> jax.Array:
    """Row sums of `stein_gram(x, scores, kernel)` without the matrix.

    Args:
        x: (n, d).
        scores: (n, d).
        kernel: kernel record.
        block_size: static, rows of a tile; by default a tile has at most 16 MiB.

    Returns:
        (n,).

    Raises:
        ValueError: shapes, or a block size below 1.

    Cost:
        O(n^2 d) time, O(n block_size) memory.
    """
    ones = jnp.ones((jnp.shape(x)[0] if jnp.ndim(x) else 1, 1))
    return products("stein_gram_row_sums", x, scores, kernel, ones, block_size)[:, 0].astype(jnp.asarray(x).dtype)


def stein_gram_matvec(
    x: ArrayLike, scores: ArrayLike, kernel: Kernel, v: ArrayLike, *, block_size: int | None = None
) -> jax.Array:
    """Product of `stein_gram(x, scores, kernel)` with vectors, without the matrix.

    Args:
        x: (n, d).
        scores: (n, d).
        kernel: kernel record.
        v: (n,) or (n, b).
        block_size: static, rows of a tile; by default a tile has at most 16 MiB.

    Returns:
        The shape of v.

    Raises:
        ValueError: shapes, or a block size below 1.

    Cost:
        O(n^2 (d + b)) time, O(n (block_size + b)) memory.
    """
    v = jnp.asarray(v)
    if v.ndim not in (1, 2) or jnp.ndim(x) != 2 or v.shape[0] != jnp.shape(x)[0]:
        raise ValueError(f"stein_gram_matvec: v has shape {v.shape}, expected (n,) or (n, b) for x {jnp.shape(x)}")
    out = products("stein_gram_matvec", x, scores, kernel, v.reshape(v.shape[0], -1), block_size)
    return out.reshape(v.shape).astype(jnp.asarray(x).dtype)
