"""Rational-quadratic splines straight from raw parameters: the fast path of spline flows."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from depthjax.bijectors._rqs_cell import Cell, locate, map_differentials
from depthjax.bijectors._rqs_knots import slope_from_raw, slope_offset


BOUNDARIES = ("identity", "linear", "circular")


class SplineSpec(NamedTuple):
    """Static facts of a spline: number of bins K, interval, floors and what happens at the ends."""

    num_bins: int = 8
    interval: tuple[float, float] = (-4.0, 4.0)
    min_bin: float = 1e-3
    min_slope: float = 1e-3
    boundary: str = "identity"

    @property
    def num_params(self) -> int:
        """Length P of the raw vector: 3K-1 (identity), 3K+1 (linear) or 3K (circular)."""
        return 3 * self.num_bins + {"identity": -1, "linear": 1, "circular": 0}[self.boundary]


class _Residual(NamedTuple):
    """What the tangent map needs: bin widths and heights as fractions (2, K, *), and arrays (*) that fix the cell."""

    fractions: jax.Array
    index: jax.Array
    position: jax.Array
    raw_left: jax.Array
    raw_right: jax.Array


def _rows(raw):
    """Parameters (*, P) as rows (P, *), by a product with the identity.

    A transpose would be fused into every reader of a row, which then reads with a stride; a product is done once, and
    under vmap puts the mapped axis behind the rows too, so that each loop below runs over the batch.
    """
    identity = jnp.eye(raw.shape[-1], dtype=raw.dtype)
    contract = (((1,), (raw.ndim - 1,)), ((), ()))
    return jax.lax.dot_general(identity, raw, contract, precision=jax.lax.Precision.HIGHEST)


def _sum(rows):
    return functools.reduce(jnp.add, rows)


def _fractions(u):
    """Softmax of the rows (2, K, *) over K."""
    largest = functools.reduce(jnp.maximum, [u[:, k] for k in range(u.shape[1])])
    exps = jnp.exp(u - jax.lax.stop_gradient(largest)[:, None])
    return exps / _sum([exps[:, k] for k in range(u.shape[1])])[:, None]


def _knot(left_sum, index, spec):
    """Knot number `index` from the sum of the fractions to its left, the end knots pinned."""
    low, high = spec.interval
    inner = low + (high - low) * (spec.min_bin * index + (1.0 - spec.num_bins * spec.min_bin) * left_sum)
    return jnp.where(jnp.asarray(index == spec.num_bins), high, inner)


def _bin(z, fractions, spec):
    """Number of the bin that holds z, as a float (*); running sums and comparisons vectorise, a search does not."""
    count, left_sum = jnp.zeros_like(z), jnp.zeros_like(z)
    for k in range(1, spec.num_bins):
        left_sum = left_sum + fractions[k - 1]
        count = count + (z >= _knot(left_sum, float(k), spec)).astype(z.dtype)
    return count


def _slope_numbers(index, spec):
    """For bin `index`: numbers of its left and right slope parameter; those that do not exist match none."""
    if spec.boundary == "identity":
        return index - 1.0, jnp.where(index == spec.num_bins - 1, -1.0, index)
    right = index + 1.0
    return index, jnp.where(right == spec.num_bins, 0.0, right) if spec.boundary == "circular" else right


def _pick(rows, number):
    return _sum([jnp.where(number == j, rows[j], 0.0) for j in range(rows.shape[0])])


def _below(rows, number):
    return _sum([jnp.where(number > j, rows[j], 0.0) for j in range(rows.shape[0])])


def _cell(residual, spec):
    """The cell of bin `index`, and the sums of fractions left of it and up to its right end, by axis."""
    index, corners, sums = residual.index, [], []
    for rows in residual.fractions:
        left = _below(rows, index)
        right = left + _pick(rows, index)
        corners += [_knot(left, index, spec), _knot(right, index + 1.0, spec)]
        sums.append((left, right))
    slopes = (slope_from_raw(raw, spec.min_slope) for raw in (residual.raw_left, residual.raw_right))
    return Cell(*corners, *slopes), sums


def _evaluate(z, raw, spec, inverse):
    """Spline and residual for points (*) and parameters (*, P)."""
    low, high = spec.interval
    k = spec.num_bins
    rows = _rows(raw)
    fractions = _fractions(rows[: 2 * k].reshape(2, k, *rows.shape[1:]))
    clipped = jnp.where((z >= low) & (z <= high), z, jax.lax.stop_gradient(jnp.where(z > high, high, low)))
    index = jax.lax.stop_gradient(_bin(clipped, fractions[1 if inverse else 0], spec))
    slopes = rows[2 * k :] if spec.num_params > 2 * k else jnp.zeros((1, *z.shape), z.dtype)
    residual = _Residual(fractions, index, z, *(_pick(slopes, number) for number in _slope_numbers(index, spec)))
    out, log, position = locate(z, clipped, _cell(residual, spec)[0], inverse=inverse)
    if spec.boundary == "identity":
        # Zero times the result carries a NaN among the parameters into the tails.
        out, log = (jnp.where(clipped == z, a, jnp.where(z == z, b + 0.0 * log, z)) for a, b in ((out, z), (log, 0.0)))
    return out, log, residual._replace(position=position)


def _tangent(residual, dz, draw, spec, inverse):
    """Linear map from the tangents of input (*) and parameters (*, P) to those of value and log-slope (*)."""
    k = spec.num_bins
    unit = (spec.interval[1] - spec.interval[0]) * (1.0 - k * spec.min_bin)
    rows = _rows(draw)
    cell, sums = _cell(residual, spec)
    moves = [dz]
    for axis, (left, right) in enumerate(sums):
        weighted = residual.fractions[axis] * rows[axis * k : (axis + 1) * k]
        below, every = _below(weighted, residual.index), _sum(weighted)
        moves += [unit * (below - left * every), unit * (below + _pick(weighted, residual.index) - right * every)]
    offset = slope_offset(spec.min_slope)
    raws = (residual.raw_left, residual.raw_right)
    for number, raw in zip(_slope_numbers(residual.index, spec), raws, strict=True):
        moves.append(jax.nn.sigmoid(raw + offset) * _pick(rows[2 * k :], number))
    differentials = map_differentials(residual.position, cell, inverse=inverse)
    return tuple(sum(c * move for c, move in zip(cs, moves, strict=True)) for cs in differentials)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _spline(z, raw, spec, inverse):
    return _evaluate(z, raw, spec, inverse)[:2]


@_spline.defjvp
def _(spec, inverse, primals, tangents):
    out, log, residual = _evaluate(*primals, spec, inverse)
    # The checkpoint keeps the residual, not the coefficients of the linear map, for the reverse pass.
    tangent = jax.checkpoint(functools.partial(_tangent, spec=spec, inverse=inverse), prevent_cse=False)
    return (out, log), tangent(residual, *tangents)


def rqs_forward(x: jax.Array, raw: jax.Array, spec: SplineSpec) -> tuple[jax.Array, jax.Array]:
    """Monotone rational-quadratic spline of `x` straight from unconstrained parameters.

    Args:
        x: points, any shape `(*)`.
        raw: `(*, P)`: K widths, K heights, then the slopes, with P = `spec.num_params`; zero gives the identity.
        spec: static facts of the spline.

    Returns:
        Value and natural log of dy/dx, both `(*)`. Outside the interval the map is the identity, or for the boundary
        "linear" the tangent line of the nearer end.

    Numerics: knots are chosen by comparing, never by a search or a gather, and the differential is written out; under
        `jax.vmap` the mapped axes become the innermost loop. Differentiable to any order in both modes.

    Source:
        Durkan, Bekasov, Murray, Papamakarios, Neural Spline Flows (2019), sec. 3.1.
    """
    return _spline(x, raw, spec, False)


def rqs_inverse(y: jax.Array, raw: jax.Array, spec: SplineSpec) -> tuple[jax.Array, jax.Array]:
    """Inverse of `rqs_forward`.

    Args:
        y: values, any shape `(*)`.
        raw: `(*, P)`, as for `rqs_forward`.
        spec: static facts of the spline.

    Returns:
        Point x and natural log of dx/dy, both `(*)`.

    Numerics: see `rqs_forward`; the derivative comes from that of the forward map at the solution.

    Source:
        Durkan et al., Neural Spline Flows (2019), eq. 6 to 8.
    """
    return _spline(y, raw, spec, True)
