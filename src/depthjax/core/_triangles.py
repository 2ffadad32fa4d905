"""Triangles of square matrices on trailing axes: their entries, their rows' norms, and back."""

import math

import jax
import jax.numpy as jnp
import numpy as np


def entries(matrix, rows, cols):
    """Entries at static places, as one axis; of each matrix by itself, so that what follows is one loop over all."""
    n = matrix.shape[-1]
    return _taken(matrix.reshape(*matrix.shape[:-2], n * n), rows * n + cols)


def _taken(flat, places):
    return jax.lax.optimization_barrier(flat.at[..., places].get(mode="promise_in_bounds"))


def diagonal_of(matrix):
    """Diagonal entries, as a slice."""
    n = matrix.shape[-1]
    return matrix.reshape(*matrix.shape[:-2], n * n)[..., :: n + 1]


def raw_diagonal(flat):
    """The diagonal of the triangle that the entries fill row by row."""
    n = (math.isqrt(8 * flat.shape[-1] + 1) - 1) // 2
    return _taken(flat, np.cumsum(np.arange(1, n + 1)) - 1)


def fill_triangle(flat, diagonal=0, *, shift=0, elsewhere=0):
    """Entries row by row on and below a diagonal (0 or -1) of a square matrix, `shift` columns to the right.

    The other places hold `elsewhere`.
    """
    n = (math.isqrt(8 * flat.shape[-1] + 1) - 1) // 2 - diagonal
    lower = np.tri(n, k=diagonal + shift, dtype=bool)
    lower[:, :shift] = False
    places = np.where(lower, np.cumsum(lower).reshape(n, n) - 1, 0)
    square = _taken(flat, places.reshape(-1)).reshape(*flat.shape[:-1], n, n)
    return jnp.where(jnp.broadcast_to(lower, square.shape), square, elsewhere)


def trailing_norms(tril):
    """Norms of (L_ij, ..., L_ii) for every j, neither over- nor underflowing."""
    return jax.lax.associative_scan(_hypot, jnp.abs(tril), reverse=True, axis=tril.ndim - 1)


def _hypot(a, b):
    """The root of a^2 + b^2 for numbers that are not negative; derivatives finite at zero."""
    large, small = jnp.maximum(a, b), jnp.minimum(a, b)
    ratio = small / jnp.where(large > 0, large, 1)
    return large * jnp.sqrt(1 + ratio * ratio)
