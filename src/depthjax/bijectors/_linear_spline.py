"""Piecewise linear monotone maps: a scalar map with explicit knots, and the family of equal bins."""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.bijectors._bins import KnotSpline, bin_of, check_bins, check_boundary, check_knots, pick
from depthjax.bijectors._rqs_knots import partition
from depthjax.bijectors._transformers import Transformer
from depthjax.core import constraints, derived, param, record, require_shape, static

BOUNDARIES = ("identity", "linear")


@record
class LinearSpline(KnotSpline):
    """Piecewise linear interpolant of a scalar; the end pieces continue beyond the end knots.

    Args:
        x_knots: (K+1,), increasing.
        y_knots: (K+1,), increasing.

    Raises:
        ValueError: sizes that do not agree, or fewer than two knots.

    Source:
        Mueller et al., Neural Importance Sampling (2019), sec. 4.1.
    """

    x_knots: jax.Array = param(constraints.ordered)
    y_knots: jax.Array = param(constraints.ordered)
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        check_knots(cls.__name__, "x_knots", fields["x_knots"])
        require_shape(cls.__name__, "y_knots", fields["y_knots"], fields["x_knots"].shape)
        return {**fields, "event_shape": ()}

    def _map(self, x):
        return _interpolate(x, self.x_knots, self.y_knots)

    def _inverse_map(self, y):
        return _interpolate(y, self.y_knots, self.x_knots)


def _interpolate(x, x_knots, y_knots):
    index = bin_of(x, x_knots)
    x_low, y_low = pick(x_knots[:-1], index), pick(y_knots[:-1], index)
    width, height = pick(jnp.diff(x_knots), index), pick(jnp.diff(y_knots), index)
    return y_low + (x - x_low) * (height / width), jnp.log(height) - jnp.log(width)


@record
class LinearSplineTransformer(Transformer):
    """Piecewise linear maps with equal bins in x, whose heights are a softmax: slope K softmax(raw) within floors.

    Args:
        num_bins: K >= 1.
        interval: (low, high), mapped onto itself.
        min_bin: smallest height, as a fraction of the interval; K min_bin < 1.
        boundary: "identity" (the identity outside) or "linear" (the end slopes continue outside).

    Raises:
        ValueError: an option out of range, naming it and its limit.

    Source:
        Mueller et al., Neural Importance Sampling (2019), eq. 9 and 10.
    """

    num_bins: int = static(default=8)
    interval: tuple[float, float] = static(default=(-4.0, 4.0))
    min_bin: float = static(default=1e-3)
    boundary: str = static(default="identity")

    @classmethod
    def _complete(cls, fields):
        check_boundary(cls.__name__, fields["boundary"], BOUNDARIES)
        return check_bins(cls.__name__, fields)

    @property
    def num_params(self):
        """K."""
        return self.num_bins

    def from_raw(self, raw):
        """The spline with the heights that `raw` stands for."""
        low, high = self.interval
        x_knots = jnp.asarray(np.linspace(low, high, self.num_bins + 1), raw.dtype)
        y_knots = partition(raw, self.interval, self.min_bin)
        if self.boundary == "identity":
            x_knots, y_knots = (jnp.pad(k, 1, constant_values=(low - 1.0, high + 1.0)) for k in (x_knots, y_knots))
        return LinearSpline(x_knots, y_knots)
