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
    """What the tangent map needs: bin widths and heights as fractions 2 x (*, K), and arrays (*) that fix the cell.

    `below` and `here` are, for x and for y, the sum of the fractions left of the bin and the fraction of the bin.
    """

    fractions: tuple[jax.Array, jax.Array]
    index: jax.Array
    position: jax.Array
    below: tuple[jax.Array, jax.Array]
    here: tuple[jax.Array, jax.Array]
    raw_slopes: tuple[jax.Array, jax.Array]


def _rows(raw):
    """Parameters (n, P) as rows (P, n), by a product with the identity.

    XLA fuses a transpose into every reader of a row, which then reads with a stride; a product is done once.
    """
    identity = jnp.eye(raw.shape[1], dtype=raw.dtype)
    return jax.lax.dot_general(identity, raw, (((1,), (1,)), ((), ())), precision=jax.lax.Precision.HIGHEST)


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
    """Number of the bin that holds z, as a float (*); running sums and comparisons vectorise, a search does not.

    XLA repeats cheap arithmetic in every reader but evaluates a root once; n odd numbers sum to n squared.
    """
    square = jnp.zeros(z.shape, jnp.float32)
    left_sum = jnp.zeros_like(z)
    for k in range(1, spec.num_bins):
        left_sum = left_sum + fractions[k - 1]
        square = square + jnp.where(z >= _knot(left_sum, float(k), spec), 2.0 * k - 1.0, 0.0).astype(jnp.float32)
    return jnp.round(jnp.sqrt(jax.lax.stop_gradient(square))).astype(z.dtype)


def _slope_numbers(index, spec):
    """For bin `index`: numbers of its left and right slope parameter; those that do not exist match none."""
    if spec.boundary == "identity":
        return index - 1.0, jnp.where(index == spec.num_bins - 1, -1.0, index)
    right = index + 1.0
    return index, jnp.where(right == spec.num_bins, 0.0, right) if spec.boundary == "circular" else right


def _pick(rows, number):
    return _sum([jnp.where(number == j, row, 0.0) for j, row in enumerate(rows)]) if len(rows) else 0.0 * number


def _below(rows, number):
    return _sum([jnp.where(number > j, row, 0.0) for j, row in enumerate(rows)])


def _cell(residual, spec):
    """The cell of the bin."""
    corners = []
    for below, here in zip(residual.below, residual.here, strict=True):
        corners += [_knot(below, residual.index, spec), _knot(below + here, residual.index + 1.0, spec)]
    return Cell(*corners, *(slope_from_raw(raw, spec.min_slope) for raw in residual.raw_slopes))


def _evaluate_flat(z, rows, spec, inverse):
    """Spline and residual for points (n,) and parameters (P, n): bins first, so that every loop runs over points."""
    low, high = spec.interval
    k = spec.num_bins
    fractions = _fractions(rows[: 2 * k].reshape(2, k, -1))
    clipped = jnp.where((z >= low) & (z <= high), z, jax.lax.stop_gradient(jnp.where(z > high, high, low)))
    index = _bin(clipped, fractions[1 if inverse else 0], spec)
    below, here = (tuple(choose(part, index) for part in fractions) for choose in (_below, _pick))
    raw_slopes = tuple(_pick(rows[2 * k :], number) for number in _slope_numbers(index, spec))
    residual = _Residual((fractions[0], fractions[1]), index, z, below, here, raw_slopes)
    out, log, position = locate(z, clipped, _cell(residual, spec), inverse=inverse)
    if spec.boundary == "identity":
        # Zero times the result carries a NaN among the parameters into the tails.
        out, log = (jnp.where(clipped == z, a, jnp.where(z == z, b + 0.0 * log, z)) for a, b in ((out, z), (log, 0.0)))
    return out, log, residual._replace(position=position)


def _evaluate(z, raw, spec, inverse):
    """`_evaluate_flat` for points (*) and parameters (*, P)."""
    shape = z.shape
    out = _evaluate_flat(z.reshape(-1), _rows(raw.reshape(-1, spec.num_params)), spec, inverse)
    return jax.tree.map(lambda a: jnp.moveaxis(a, -1, 0).reshape(shape + a.shape[:-1]), out)


@functools.lru_cache(maxsize=64)
def _batched(spec, inverse):
    """`_evaluate` that takes mapped axes as leading axes, so that under vmap the batch is still the innermost loop."""

    @jax.custom_batching.custom_vmap
    def mapped(z, raw):
        return _evaluate(z, raw, spec, inverse)

    @mapped.def_vmap
    def _(axis_size, in_batched, z, raw):
        z, raw = (
            a if is_batched else jnp.broadcast_to(a[None], (axis_size, *a.shape))
            for a, is_batched in zip((z, raw), in_batched, strict=True)
        )
        out = mapped(z, raw)
        return out, jax.tree.map(lambda _: True, out)

    @jax.custom_jvp
    def call(z, raw):
        return mapped(z, raw)

    @call.defjvp
    def _(primals, tangents):
        return jax.jvp(functools.partial(_evaluate, spec=spec, inverse=inverse), primals, tangents)

    return call


def _tangent(residual, dz, draw, spec, inverse):
    """Linear map from the tangents of input (*) and parameters (*, P) to those of value and log-slope (*).

    Written for its transpose: splits become one concatenation, and the divisions, which XLA evaluates once per point
    rather than once per parameter, come first.
    """
    k = spec.num_bins
    unit = (spec.interval[1] - spec.interval[0]) * (1.0 - k * spec.min_bin)
    *bins, slopes = jax.lax.split(draw, (k, k, spec.num_params - 2 * k), axis=draw.ndim - 1)
    numbers = [jax.lax.broadcasted_iota(draw.dtype, a.shape, a.ndim - 1) for a in (bins[0], slopes)]
    index = residual.index[..., None]
    moves = [dz]
    for axis in range(2):
        weighted = residual.fractions[axis] * bins[axis]
        before, at = (jnp.sum(jnp.where(keep, weighted, 0.0), -1) for keep in (numbers[0] < index, numbers[0] == index))
        every, below = jnp.sum(weighted, -1), residual.below[axis]
        moves += [unit * (before - below * every), unit * (before + at - (below + residual.here[axis]) * every)]
    offset = slope_offset(spec.min_slope)
    for number, raw in zip(_slope_numbers(index, spec), residual.raw_slopes, strict=True):
        move = jnp.sum(jnp.where(numbers[1] == number, slopes, 0.0), -1)
        moves.append(move / (1.0 + jnp.exp(-(raw + offset))))
    differentials = map_differentials(residual.position, _cell(residual, spec), inverse=inverse)
    return tuple(sum(c * move for c, move in zip(cs, moves, strict=True)) for cs in differentials)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _spline(z, raw, spec, inverse):
    return _batched(spec, inverse)(z, raw)[:2]


@_spline.defjvp
def _(spec, inverse, primals, tangents):
    out, log, residual = _batched(spec, inverse)(*primals)
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
    return _spline(x, raw, spec, inverse=False)


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
    return _spline(y, raw, spec, inverse=True)
