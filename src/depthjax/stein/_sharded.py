"""The direction of Stein variational gradient descent over particles that lie on several devices."""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jax.typing import ArrayLike

from depthjax.stein._arguments import accumulated, points_and_scores, require_kernel
from depthjax.stein._kernel import Kernel
from depthjax.stein._svgd import weighed
from depthjax.stein._tiles import over_row_tiles, rows_in_tile


def svgd_direction_sharded(
    particles: ArrayLike,
    scores: ArrayLike,
    kernel: Kernel,
    *,
    mesh: Mesh,
    axis_name: str,
    temperature: ArrayLike = 1.0,
    repulsion: ArrayLike = 1.0,
    block_size: int | None = None,
) -> jax.Array:
    """`svgd_direction` with the particles split over the devices of a mesh axis; blocks go round in a ring.

    Args:
        particles: (n, d), n a multiple of the number of devices.
        scores: (n, d).
        kernel: kernel record.
        mesh: device mesh.
        axis_name: the axis that particles are split over.
        temperature: () factor of the scores.
        repulsion: () factor of the kernel's gradient.
        block_size: static, rows of a tile on each device.

    Returns:
        (n, d), split as the particles; equal to `svgd_direction` up to the order of sums.

    Raises:
        ValueError: shapes, n not a multiple of the number of devices, an axis that the mesh lacks.

    Cost:
        Per device n/devices rows, one block of as many particles, and a tile.
    """
    name = "svgd_direction_sharded"
    require_kernel(name, kernel)
    particles, scores = points_and_scores(name, particles, scores, name="particles")
    if axis_name not in mesh.shape:
        raise ValueError(f"{name}: axis_name is {axis_name!r}, expected one of {', '.join(mesh.shape)}")
    devices = mesh.shape[axis_name]
    if particles.shape[0] % devices:
        raise ValueError(f"{name}: {particles.shape[0]} particles, expected a multiple of the {devices} devices")
    split, everywhere = PartitionSpec(axis_name, None), PartitionSpec()
    factors = jnp.asarray(temperature), jnp.asarray(repulsion)
    local = functools.partial(_local, devices=devices, axis_name=axis_name, block_size=block_size)
    specs = (split, split, everywhere, everywhere)
    if AxisType.Explicit in mesh.axis_types:
        particles, scores = (jax.sharding.reshard(a, NamedSharding(mesh, split)) for a in (particles, scores))
    mapped = jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=split, check_vma=False)
    return mapped(particles, scores, kernel, factors)


def _local(particles, scores, kernel, factors, *, devices, axis_name, block_size):
    rows, s = accumulated(particles, scores)
    size = rows_in_tile("svgd_direction_sharded", block_size, rows.shape[0], rows.shape[0], rows.dtype.itemsize)
    ring = [(i, (i + 1) % devices) for i in range(devices)]

    def visit(_, state):
        total, points, vectors, weights = state
        total = total + over_row_tiles(kernel._direction_fn(points, vectors, weights), (rows,), size)
        points, vectors, weights = (jax.lax.ppermute(a, axis_name, ring) for a in (points, vectors, weights))
        return total, points, vectors, weights

    start = (jnp.zeros_like(rows), rows, *weighed(s, *factors))
    total = jax.lax.fori_loop(0, devices, visit, start)[0]
    return (total / (rows.shape[0] * devices)).astype(particles.dtype)
