"""Rational-quadratic splines straight from raw parameters: the fast path of spline flows."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp

from depthjax.bijectors._rqs_cell import Cell, cell_map
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


def _exps(raw, spec):
    """Exponentials of the width and height parameters, (2, K, n), and their totals, (2, n)."""
    k = spec.num_bins
    u = raw[: 2 * k].reshape(2, k, -1)
    largest = functools.reduce(jnp.maximum, [u[:, j] for j in range(k)])
    exps = jnp.exp(u - jax.lax.stop_gradient(largest)[:, None])
    return exps, functools.reduce(jnp.add, [exps[:, j] for j in range(k)])


def _knot(partial_sum, index, total, spec):
    """Knot number `index` from the sum of the exponentials to its left, the end knots pinned."""
    low, high = spec.interval
    free = (high - low) * (1.0 - spec.num_bins * spec.min_bin)
    inner = low + ((high - low) * spec.min_bin * index + (free / total) * partial_sum)
    return jnp.where(jnp.asarray(index == spec.num_bins), high, inner)


def _bin(z, exps, total, spec):
    """Number of the bin that holds z, as a float (n,); running sums and comparisons vectorise, a search does not."""
    count, partial_sum = jnp.zeros_like(z), jnp.zeros_like(z)
    for k in range(1, spec.num_bins):
        partial_sum = partial_sum + exps[k - 1]
        count = count + (z >= _knot(partial_sum, float(k), total, spec)).astype(z.dtype)
    return count


def _slope_numbers(index, spec):
    """For bin `index`: numbers of its left and right slope parameter; those that do not exist match none."""
    if spec.boundary == "identity":
        return index - 1.0, jnp.where(index == spec.num_bins - 1, -1.0, index)
    right = index + 1.0
    return index, jnp.where(right == spec.num_bins, 0.0, right) if spec.boundary == "circular" else right


def _masked_sum(rows, keep):
    return functools.reduce(jnp.add, [jnp.where(keep(k), row, 0.0) for k, row in enumerate(rows)])


def _select(index, exps, total, raw, spec):
    """The cell of bin `index`, and the raw parameters of its two slopes."""
    k = spec.num_bins
    x_left, y_left = (_masked_sum([e[j] for j in range(k)], lambda j: j < index) for e in exps)
    x_right, y_right = (_masked_sum([e[j] for j in range(k)], lambda j: j <= index) for e in exps)
    rows = [raw[j] for j in range(2 * k, spec.num_params)]
    slopes = [_masked_sum(rows, lambda j, number=number: number == j) for number in _slope_numbers(index, spec)]
    cell = Cell(
        _knot(x_left, index, total[0], spec),
        _knot(x_right, index + 1.0, total[0], spec),
        _knot(y_left, index, total[1], spec),
        _knot(y_right, index + 1.0, total[1], spec),
        *(slope_from_raw(slope, spec.min_slope) for slope in slopes),
    )
    return cell, ((x_left, x_right), (y_left, y_right)), slopes


class _Residual(NamedTuple):
    """What the tangent map needs: bin number (*), exponentials 2 x (*, K), and arrays (*) for its linear coefficients.

    `value` and `log_slope` hold the coefficients of (input, (left, right, all) x (x sums, y sums), left and right slope).
    """

    index: jax.Array
    exps: tuple[jax.Array, jax.Array]
    totals: tuple[jax.Array, jax.Array]
    slope_rates: tuple[jax.Array, jax.Array]
    value: tuple[jax.Array, ...]
    log_slope: tuple[jax.Array, ...]


def _coefficients(differential, sums, total, spec):
    """Turn a `Differential` in the corners into coefficients of normalised sums of exponential times tangent."""
    d = differential
    unit = (spec.interval[1] - spec.interval[0]) * (1.0 - spec.num_bins * spec.min_bin)
    knots = []
    for axis, (left, right) in enumerate(((d.x_left, d.x_right), (d.y_left, d.y_right))):
        common = (left * sums[axis][0] + right * sums[axis][1]) / total[axis]
        knots += [left * unit, right * unit, -unit * common]
    return d.x, *knots, d.slope_left, d.slope_right


def _evaluate_flat(z, raw, spec, inverse):
    """Spline and residual for points (n,) and parameters (P, n): bins first, so that every loop runs over points."""
    low, high = spec.interval
    exps, total = _exps(raw, spec)
    clipped = jnp.where((z >= low) & (z <= high), z, jax.lax.stop_gradient(jnp.where(z > high, high, low)))
    axis = 1 if inverse else 0
    index = _bin(clipped, exps[axis], total[axis], spec)
    cell, sums, slopes = _select(index, exps, total, raw, spec)
    out, log, of_value, of_log = cell_map(z, clipped, cell, inverse=inverse)
    if spec.boundary == "identity":
        # Zero times the result carries a NaN among the parameters into the tails.
        out, log = (jnp.where(clipped == z, a, jnp.where(z == z, b + 0.0 * log, z)) for a, b in ((out, z), (log, 0.0)))
    offset = slope_offset(spec.min_slope)
    rates = tuple(1.0 + jnp.exp(-(slope + offset)) for slope in slopes)
    linear = (_coefficients(d, sums, total, spec) for d in (of_value, of_log))
    return out, log, _Residual(index, (exps[0], exps[1]), (total[0], total[1]), rates, *linear)


def _evaluate(z, raw, spec, inverse):
    """`_evaluate_flat` for points (*) and parameters (*, P)."""
    shape = z.shape
    out = _evaluate_flat(z.reshape(-1), raw.reshape(-1, spec.num_params).T, spec, inverse)
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


def _tangent(residual, dz, draw, spec):
    """Linear map from the tangents of input (*) and parameters (*, P) to those of value and log-slope (*).

    Written for its transpose: splits become one concatenation, and the divisions, which XLA evaluates once per point
    rather than once per parameter, come first.
    """
    k = spec.num_bins
    *knots, slopes = jax.lax.split(draw, (k, k, spec.num_params - 2 * k), axis=draw.ndim - 1)
    numbers = [jax.lax.broadcasted_iota(draw.dtype, a.shape, a.ndim - 1) for a in (knots[0], slopes)]
    index = residual.index[..., None]
    tangents = [dz]
    for exps, tangent, total in zip(residual.exps, knots, residual.totals, strict=True):
        weighted = exps * tangent
        for part in (jnp.where(numbers[0] < index, weighted, 0.0), jnp.where(numbers[0] <= index, weighted, 0.0), weighted):
            tangents.append(jnp.sum(part, -1) / total)
    for number, rate in zip(_slope_numbers(index, spec), residual.slope_rates, strict=True):
        tangents.append(jnp.sum(jnp.where(numbers[1] == number, slopes, 0.0), -1) / rate)
    return tuple(sum(c * t for c, t in zip(cs, tangents, strict=True)) for cs in (residual.value, residual.log_slope))


@functools.partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _spline(z, raw, spec, inverse):
    return _batched(spec, inverse)(z, raw)[:2]


@_spline.defjvp
def _(spec, inverse, primals, tangents):
    out, log, residual = _batched(spec, inverse)(*primals)
    return (out, log), _tangent(residual, *tangents, spec)


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
