"""Rational-quadratic splines as array functions: raw parameters or explicit knots, forward and inverse."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.bijectors._rqs_cell import Cell, Differential, differentials, evaluate, locate, solve

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


def _slope(raw, spec):
    """min_slope + softplus(raw + c), equal to one at zero."""
    offset = float(np.log(np.expm1(1.0 - spec.min_slope)))
    return jnp.where(raw == 0.0, 1.0, spec.min_slope + jax.nn.softplus(raw + offset)), jax.nn.sigmoid(raw + offset)


def _exps(raw, spec):
    """Exponentials of the width and height parameters, (2, K, n), and what their sums are multiplied by, (2, n)."""
    k = spec.num_bins
    u = raw[: 2 * k].reshape(2, k, -1)
    exps = jnp.exp(u - jax.lax.stop_gradient(jnp.max(u, axis=1, keepdims=True)))
    low, high = spec.interval
    return exps, (high - low) * (1.0 - k * spec.min_bin) / jnp.sum(exps, axis=1)


def _knot(partial_sum, index, scale, spec):
    """Knot number `index` from the sum of the exponentials to its left, the end knots pinned."""
    low, high = spec.interval
    inner = low + ((high - low) * spec.min_bin * index + scale * partial_sum)
    return jnp.where(index == spec.num_bins, high, inner)


def _bin(z, exps, scale, spec):
    """Number of the bin that holds z, as a float (n,); running sums and comparisons vectorise, a search does not."""
    count, total = jnp.zeros_like(z), jnp.zeros_like(z)
    for k in range(1, spec.num_bins):
        total = total + exps[k - 1]
        knot = spec.interval[0] + ((spec.interval[1] - spec.interval[0]) * spec.min_bin * k + scale * total)
        count = count + (z >= knot).astype(z.dtype)
    return count


def _slope_knots(index, spec):
    """For bin `index`: numbers of its left and right slope parameter; those that do not exist match none."""
    if spec.boundary == "identity":
        return index - 1.0, jnp.where(index == spec.num_bins - 1, -1.0, index)
    right = index + 1.0
    return index, jnp.where(right == spec.num_bins, 0.0, right) if spec.boundary == "circular" else right


def _select(index, exps, scale, raw, spec):
    """The cell of bin `index`, and the derivative of its two slopes in their raw parameters."""
    bins = jnp.arange(spec.num_bins, dtype=raw.dtype)[None, :, None]
    below = bins < index[None, None, :]
    upto = bins <= index[None, None, :]
    left = jnp.sum(jnp.where(below, exps, 0.0), axis=1)
    right = jnp.sum(jnp.where(upto, exps, 0.0), axis=1)
    slopes = raw[2 * spec.num_bins :]
    number = jnp.arange(slopes.shape[0], dtype=raw.dtype)[:, None]
    (at_left, rate_left), (at_right, rate_right) = (
        _slope(jnp.sum(jnp.where(number == k[None, :], slopes, 0.0), axis=0), spec) for k in _slope_knots(index, spec)
    )
    cell = Cell(
        _knot(left[0], index, scale[0], spec),
        _knot(right[0], index + 1.0, scale[0], spec),
        _knot(left[1], index, scale[1], spec),
        _knot(right[1], index + 1.0, scale[1], spec),
        at_left,
        at_right,
    )
    return cell, (left, right), (rate_left, rate_right)


class _Residual(NamedTuple):
    """What the tangent map needs: bin number (*), softmax (*, 2, K) and, for both outputs, linear coefficients (*)."""

    index: jax.Array
    softmax: jax.Array
    value: tuple[jax.Array, ...]
    log_slope: tuple[jax.Array, ...]


def _tails(z, spec):
    """Inside mask and the point moved into the interval; a NaN goes to the lower end."""
    low, high = spec.interval
    return (z >= low) & (z <= high), jnp.clip(jnp.where(jnp.isnan(z), low, z), low, high)


def _linear_tail(of_value, of_log, inside, beyond, cell, rates):
    """Differentials outside the interval, where y = y_end + slope_end (x - x_end)."""
    right = beyond > 0.0
    zero = jnp.zeros_like(beyond)
    none = Differential(*([zero] * 7))
    inverse_left, inverse_right = 1.0 / cell.slope_left, 1.0 / cell.slope_right
    tail_value = none._replace(
        x=of_value.x, slope_left=jnp.where(right, 0.0, beyond), slope_right=jnp.where(right, beyond, 0.0)
    )
    tail_log = none._replace(
        slope_left=jnp.where(right, 0.0, inverse_left), slope_right=jnp.where(right, inverse_right, 0.0)
    )
    pick = functools.partial(jax.tree.map, lambda a, b: jnp.where(inside, a, b))
    return [
        d._replace(slope_left=d.slope_left * rates[0], slope_right=d.slope_right * rates[1])
        for d in (pick(of_value, tail_value), pick(of_log, tail_log))
    ]
