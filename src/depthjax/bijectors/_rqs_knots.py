"""Rational-quadratic splines from explicit knots."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.bijectors._rqs_cell import Cell, locate, map_differentials


def slope_offset(min_slope: float) -> float:
    """Constant c for which min_slope + softplus(c) = 1."""
    return float(np.log(np.expm1(1.0 - min_slope)))


def slope_from_raw(raw: jax.Array, min_slope: float) -> jax.Array:
    """min_slope + softplus(raw + c), any shape; exactly one at zero, with the derivative of the formula."""
    slope = min_slope + jax.nn.softplus(raw + slope_offset(min_slope))
    return slope + jax.lax.stop_gradient(jnp.where(raw == 0.0, 1.0 - slope, 0.0))


def partition(raw: jax.Array, interval: tuple[float, float], min_bin: float) -> jax.Array:
    """Knots `(*, K+1)` that cut an interval into K bins; the end knots are exactly the interval.

    Args:
        raw: `(*, K)`; bin sizes are (high - low)(min_bin + (1 - K min_bin) softmax), equal at zero.
        interval: (low, high).
        min_bin: least size of a bin, as a fraction of the interval.
    """
    (low, high), num_bins = interval, raw.shape[-1]
    partial_sums = jnp.cumsum(jax.nn.softmax(raw, axis=-1), axis=-1)[..., :-1]
    floors = jnp.asarray(min_bin * np.arange(1, num_bins), raw.dtype).reshape((1,) * (raw.ndim - 1) + (-1,))
    inner = low + (high - low) * (floors + (1.0 - num_bins * min_bin) * partial_sums)
    return jnp.pad(inner, [(0, 0)] * (raw.ndim - 1) + [(1, 1)], constant_values=(low, high))


def knots_from_raw(
    raw: jax.Array,
    *,
    num_bins: int,
    interval: tuple[float, float] = (-4.0, 4.0),
    min_bin: float = 1e-3,
    min_slope: float = 1e-3,
    boundary: str = "identity",
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Knots and slopes from unconstrained parameters; zero gives the identity.

    Widths and heights are (high - low)(min_bin + (1 - K min_bin) softmax), slopes min_slope + softplus(raw + c) with c
    such that zero gives one.

    Args:
        raw: `(*, P)`: K widths, K heights, slopes; P = 3K-1 ("identity"), 3K+1 ("linear") or 3K ("circular").
        num_bins: K.
        interval: lower and upper end, of points and of values.
        min_bin: least width and height, as a fraction of the interval.
        min_slope: least slope at a knot.
        boundary: "identity" sets the end slopes to one, "linear" leaves them free, "circular" makes them equal.

    Returns:
        x knots, y knots and slopes, each `(*, K+1)`; the end knots are exactly the interval.

    Source:
        Durkan, Bekasov, Murray, Papamakarios, Neural Spline Flows (2019), sec. 3.1.
    """
    ends = [(0, 0)] * (raw.ndim - 1) + [(1, 1)]
    slopes = slope_from_raw(raw[..., 2 * num_bins :], min_slope)
    if boundary == "identity":
        slopes = jnp.pad(slopes, ends, constant_values=1.0)
    elif boundary == "circular":
        slopes = jnp.concatenate([slopes, slopes[..., :1]], axis=-1)
    widths, heights = (partition(raw[..., k * num_bins : (k + 1) * num_bins], interval, min_bin) for k in (0, 1))
    return widths, heights, slopes


@functools.partial(jax.custom_jvp, nondiff_argnums=(3,))
def _in_cell(z, clipped, cell, inverse):
    return locate(z, clipped, cell, inverse=inverse)[:2]


@_in_cell.defjvp
def _(inverse, primals, tangents):
    *out, position = locate(*primals, inverse=inverse)
    rows = map_differentials(position, primals[2], inverse=inverse)
    moves = (tangents[0], *tangents[2])
    return tuple(out), tuple(sum(c * t for c, t in zip(row, moves, strict=True)) for row in rows)


def rqs_from_knots(
    z: jax.Array, x_knots: jax.Array, y_knots: jax.Array, slopes: jax.Array, *, inverse: bool
) -> tuple[jax.Array, jax.Array]:
    """Monotone rational-quadratic spline through given knots, or its inverse.

    Args:
        z: points (forward) or values (inverse), any shape `(*)`.
        x_knots: increasing, `(K+1,)` or `(*, K+1)`.
        y_knots: increasing, same shape.
        slopes: positive slopes dy/dx at the knots, same shape.
        inverse: direction.

    Returns:
        Output and natural log of |d output / dz|, both `(*)`; beyond the end knots the tangent line.

    Numerics: differentiable to any order in both modes; derivatives are finite at the knots and beyond the ends.

    Source:
        Durkan et al., Neural Spline Flows (2019), eq. 4 to 8.
    """
    table = z.shape + x_knots.shape[-1:]
    rows = [a.reshape((1,) * (len(table) - a.ndim) + a.shape) for a in (x_knots, y_knots, slopes)]
    rows = [jnp.broadcast_to(row, table) for row in rows]
    grid = jax.lax.stop_gradient(rows[1] if inverse else rows[0])
    low, high = grid[..., 0], grid[..., -1]
    clipped = jnp.where((z >= low) & (z <= high), z, jax.lax.stop_gradient(jnp.where(z > high, high, low)))
    index = jnp.sum(clipped[..., None] >= grid[..., 1:-1], axis=-1)[..., None]
    number = jax.lax.broadcasted_iota(index.dtype, table, len(table) - 1)
    corners = [jnp.sum(jnp.where(number == index + side, row, 0.0), axis=-1) for row in rows for side in (0, 1)]
    return _in_cell(z, clipped, Cell(*corners), inverse)
