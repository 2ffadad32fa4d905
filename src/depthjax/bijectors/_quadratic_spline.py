"""Piecewise quadratic monotone maps: the integral of a piecewise linear slope."""

import jax
import jax.numpy as jnp

from depthjax.bijectors._bins import KnotSpline, bin_of, check_bins, check_boundary, check_knots, pick
from depthjax.bijectors._linear_spline import BOUNDARIES
from depthjax.bijectors._rqs_knots import partition, slope_from_raw
from depthjax.bijectors._transformers import Transformer
from depthjax.core import constraints, derived, param, record, require_shape, static


def _bin_heights(x_knots, slopes):
    return 0.5 * jnp.diff(x_knots) * (slopes[:-1] + slopes[1:])


@record
class QuadraticSpline(KnotSpline):
    """The scalar map whose slope interpolates given slopes linearly; tangent lines beyond the end knots.

    Args:
        x_knots: (K+1,), increasing.
        slopes: (K+1,), positive, dy/dx at the knots.
        y_low: (), value at the first knot.

    Raises:
        ValueError: sizes that do not agree, or fewer than two knots.

    Numerics:
        Within a bin the square of the slope is linear in y, so the inverse takes the root of a sum of positive terms;
        neither direction cancels.

    Source:
        Mueller et al., Neural Importance Sampling (2019), sec. 4.2.
    """

    x_knots: jax.Array = param(constraints.ordered)
    slopes: jax.Array = param(constraints.positive)
    y_low: jax.Array = param()
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        check_knots(cls.__name__, "x_knots", fields["x_knots"])
        require_shape(cls.__name__, "slopes", fields["slopes"], fields["x_knots"].shape)
        require_shape(cls.__name__, "y_low", fields["y_low"], ())
        return {**fields, "event_shape": ()}

    def y_knots(self) -> jax.Array:
        """Values at the knots, (K+1,)."""
        heights = _bin_heights(self.x_knots, self.slopes)
        return self.y_low + jnp.concatenate([jnp.zeros_like(heights[:1]), jnp.cumsum(heights)])

    def _cell(self, index, y_knots):
        """X and y at the left end of a bin, its width, and the slopes at both ends."""
        rows = (self.x_knots[:-1], y_knots[:-1], jnp.diff(self.x_knots), self.slopes[:-1], self.slopes[1:])
        return [pick(row, index) for row in rows]

    def _map(self, x):
        inner = jnp.clip(x, self.x_knots[0], self.x_knots[-1])
        x_low, y_low, width, left, right = self._cell(bin_of(inner, self.x_knots), self.y_knots())
        t = (inner - x_low) / width
        slope = left * (1.0 - t) + right * t
        return y_low + width * t * 0.5 * (left + slope) + slope * (x - inner), jnp.log(slope)

    def _inverse_map(self, y):
        y_knots = self.y_knots()
        inner = jnp.clip(y, y_knots[0], y_knots[-1])
        x_low, y_low, width, left, right = self._cell(bin_of(inner, y_knots), y_knots)
        part = jnp.clip((inner - y_low) / (0.5 * width * (left + right)), 0.0, 1.0)
        slope = jnp.sqrt(left * left * (1.0 - part) + right * right * part)
        x = x_low + 2.0 * (inner - y_low) / (left + slope)
        # Beyond the ends rounding of `part` would be seen in the slope, where that falls steeply in the last bin.
        above, outside = y > y_knots[-1], y != inner
        end, end_slope = (jnp.where(above, row[-1], row[0]) for row in (self.x_knots, self.slopes))
        x = jnp.where(outside, end + (y - inner) / end_slope, x)
        return x, -jnp.log(jnp.where(outside, end_slope, slope))


@record
class QuadraticSplineTransformer(Transformer):
    """Piecewise quadratic maps of raw parameters: K widths, then slopes, scaled so that the interval maps onto itself.

    Args:
        num_bins: K >= 1.
        interval: (low, high), mapped onto itself.
        min_bin: smallest width, as a fraction of the interval; K min_bin < 1.
        min_slope: smallest slope before scaling, in (0, 1).
        boundary: "identity" (slope one at the ends, the identity outside) or "linear" (free end slopes, which continue
            outside).

    Raises:
        ValueError: an option out of range, naming it and its limit.

    Source:
        Mueller et al., Neural Importance Sampling (2019), eq. 11-14.
    """

    num_bins: int = static(default=8)
    interval: tuple[float, float] = static(default=(-4.0, 4.0))
    min_bin: float = static(default=1e-3)
    min_slope: float = static(default=1e-3)
    boundary: str = static(default="identity")

    @classmethod
    def _complete(cls, fields):
        check_boundary(cls.__name__, fields["boundary"], BOUNDARIES)
        return check_bins(cls.__name__, fields)

    @property
    def num_params(self):
        """2K - 1 (identity) or 2K + 1 (linear)."""
        return 2 * self.num_bins + (-1 if self.boundary == "identity" else 1)

    def from_raw(self, raw):
        """The spline with the widths and slopes that `raw` stands for."""
        low, high = self.interval
        x_knots = partition(raw[: self.num_bins], self.interval, self.min_bin)
        slopes = slope_from_raw(raw[self.num_bins :], self.min_slope)
        # The end slopes of the identity boundary are fixed, so that only the area of the others can be scaled.
        free = jnp.pad(slopes, 1) if self.boundary == "identity" else slopes
        ends = 0.5 * (x_knots[1] - low + high - x_knots[-2]) if self.boundary == "identity" else 0.0
        if self.num_bins > 1 or self.boundary == "linear":
            free = free * ((high - low - ends) / jnp.sum(_bin_heights(x_knots, free)))
        if self.boundary == "identity":
            free = free.at[0].set(1.0).at[-1].set(1.0)
        return QuadraticSpline(x_knots, free, jnp.asarray(low, raw.dtype))
