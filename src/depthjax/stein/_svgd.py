"""The direction of Stein variational gradient descent."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.stein._arguments import accumulated, points_and_scores, require_kernel
from depthjax.stein._kernel import Kernel
from depthjax.stein._tiles import over_row_tiles, rows_in_tile


def weighed(scores: jax.Array, temperature: ArrayLike, repulsion: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Vectors (n, d) and weights (n,) of the sum over particles."""
    weights = jnp.broadcast_to(jnp.asarray(repulsion).astype(scores.dtype), scores.shape[:1])
    return jnp.asarray(temperature).astype(scores.dtype) * scores, weights


def svgd_direction(
    particles: ArrayLike,
    scores: ArrayLike,
    kernel: Kernel,
    *,
    temperature: ArrayLike = 1.0,
    repulsion: ArrayLike = 1.0,
    block_size: int | None = None,
) -> jax.Array:
    """Direction that lowers KL(particles || p) fastest in the unit ball of the kernel's space.

    phi(x_i) = (1/n) sum_j [temperature k(x_j, x_i) s(x_j) + repulsion grad_{x_j} k(x_j, x_i)].

    Args:
        particles: (n, d).
        scores: grad log p at the particles, (n, d).
        kernel: kernel record.
        temperature: () factor of the scores, 1 for the target itself and 0 for repulsion alone.
        repulsion: () factor of the kernel's gradient; 0 lets the particles collapse onto modes.
        block_size: static, rows of a tile; by default a tile has at most 16 MiB.

    Returns:
        (n, d), in the particles' dtype; half precision is summed in float32.

    Raises:
        ValueError: shapes, or a block size below 1.
        TypeError: `kernel` is no kernel.

    Numerics:
        One particle gives its score, coincident particles a finite direction. At the fixed point the variances of the
        particles are below the target's, the more so the fewer they are (`svgd_fixed_point_report`).

    Cost:
        O(n^2 d) time, O(n block_size + n d) memory, in the reverse pass too.

    Source:
        Liu and Wang, Stein Variational Gradient Descent (2016), eq. 8.
    """
    require_kernel("svgd_direction", kernel)
    particles, scores = points_and_scores("svgd_direction", particles, scores, name="particles")
    x, s = accumulated(particles, scores)
    size = rows_in_tile("svgd_direction", block_size, x.shape[0], x.shape[0], x.dtype.itemsize)
    direction = over_row_tiles(kernel._direction_fn(x, *weighed(s, temperature, repulsion)), (x,), size)
    return (direction / x.shape[0]).astype(particles.dtype)


def sliced_svgd_direction(
    particles: ArrayLike, scores: ArrayLike, directions: ArrayLike, slices: ArrayLike, kernel: Kernel
) -> jax.Array:
    """Sliced direction: one-dimensional kernels along slices g_r, one for each direction r of an orthonormal basis.

    phi(x_i) = sum_r r (1/n) sum_j [s(x_j).r k(x_j.g_r, x_i.g_r) + (r.g_r) k'(x_j.g_r, x_i.g_r)].

    Args:
        particles: (n, d).
        scores: grad log p at the particles, (n, d).
        directions: (d, d), a row for each direction.
        slices: (d, d), a row for the slice of each direction.
        kernel: kernel record, used in one dimension.

    Returns:
        (n, d).

    Raises:
        ValueError: shapes.

    Cost:
        O(n^2 d) time, O(n^2) memory.

    Source:
        Gong, Li and Hernandez-Lobato, Sliced Kernelized Stein Discrepancy (2021), eq. 14.
    """
    name = "sliced_svgd_direction"
    require_kernel(name, kernel)
    particles, scores = points_and_scores(name, particles, scores, name="particles")
    x, s = accumulated(particles, scores)
    dim = x.shape[1]
    directions, slices = (jnp.asarray(v).astype(x.dtype) for v in (directions, slices))
    for label, value in (("directions", directions), ("slices", slices)):
        if value.shape != (dim, dim):
            raise ValueError(f"{name}: {label} have shape {value.shape}, expected ({dim}, {dim})")

    def add(total, pair):
        r, g = pair
        along = (x @ g)[:, None]
        weights = jnp.broadcast_to(r @ g, along.shape[:1])
        part = kernel._direction_fn(along, (s @ r)[:, None], weights)(along)
        return total + part * r[None, :], None

    total, _ = jax.lax.scan(add, jnp.zeros_like(x), (directions, slices))
    return (total / x.shape[0]).astype(particles.dtype)
