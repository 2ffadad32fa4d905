"""Rational-quadratic splines: a scalar map with explicit knots, and the family indexed by raw parameters."""

import jax
import jax.numpy as jnp

from depthjax.bijectors._bins import KnotSpline
from depthjax.bijectors._rqs_kernel import BOUNDARIES, SplineSpec, rqs_forward, rqs_inverse
from depthjax.bijectors._rqs_knots import knots_from_raw, rqs_from_knots
from depthjax.bijectors._transformers import Transformer
from depthjax.core import constraints, derived, param, record, require_rank, require_shape, static


@record
class RationalQuadraticSpline(KnotSpline):
    """Monotone rational-quadratic interpolant of a scalar, with linear tails of the end slopes.

    Args:
        x_knots: (K+1,), increasing.
        y_knots: (K+1,), increasing.
        slopes: (K+1,), positive, dy/dx at the knots.

    Raises:
        ValueError: sizes that do not agree, or fewer than two knots.

    Numerics:
        The inverse takes the root of its quadratic that does not cancel, then one Newton step.

    Source:
        Gregory and Delbourgo (1982); Durkan et al., Neural Spline Flows (2019), eq. 4-8.
    """

    x_knots: jax.Array = param(constraints.ordered)
    y_knots: jax.Array = param(constraints.ordered)
    slopes: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        x_knots = fields["x_knots"]
        require_rank(cls.__name__, "x_knots", x_knots, 1)
        if len(x_knots) < 2:
            raise ValueError(f"{cls.__name__}: at least two knots, got {len(x_knots)}")
        require_shape(cls.__name__, "y_knots", fields["y_knots"], x_knots.shape)
        require_shape(cls.__name__, "slopes", fields["slopes"], x_knots.shape)
        return {**fields, "event_shape": ()}

    def _map(self, x):
        return rqs_from_knots(x, self.x_knots, self.y_knots, self.slopes, inverse=False)

    def _inverse_map(self, y):
        return rqs_from_knots(y, self.x_knots, self.y_knots, self.slopes, inverse=True)


@record
class RationalQuadraticTransformer(Transformer):
    """Rational-quadratic splines of raw parameters: K widths, K heights, then the slopes.

    Args:
        num_bins: K >= 1.
        interval: (low, high), where the spline acts.
        min_bin: smallest width and height, as a fraction of the interval; K min_bin < 1.
        min_slope: smallest slope at a knot, in (0, 1).
        boundary: "identity" (the identity outside), "linear" (free end slopes, which continue outside) or "circular"
            (equal end slopes; inputs are taken to lie in the interval).

    Raises:
        ValueError: an option out of range, naming it and its limit.

    Source:
        Durkan et al., Neural Spline Flows (2019), sec. 3.1; circular, Rezende et al. (2020), sec. 2.1.2.
    """

    num_bins: int = static(default=8)
    interval: tuple[float, float] = static(default=(-4.0, 4.0))
    min_bin: float = static(default=1e-3)
    min_slope: float = static(default=1e-3)
    boundary: str = static(default="identity")

    @classmethod
    def _complete(cls, fields):
        name, num_bins, (low, high) = cls.__name__, fields["num_bins"], fields["interval"]
        if num_bins < 1:
            raise ValueError(f"{name}: num_bins must be at least 1, got {num_bins}")
        if not low < high:
            raise ValueError(f"{name}: interval must increase, got ({low}, {high})")
        if not 0.0 < fields["min_bin"] * num_bins < 1.0:
            raise ValueError(f"{name}: min_bin * num_bins must lie in (0, 1), got {fields['min_bin']} * {num_bins}")
        if not 0.0 < fields["min_slope"] < 1.0:
            raise ValueError(f"{name}: min_slope must lie in (0, 1), got {fields['min_slope']}")
        if fields["boundary"] not in BOUNDARIES:
            raise ValueError(f"{name}: boundary is one of {', '.join(BOUNDARIES)}, got {fields['boundary']!r}")
        return {**fields, "interval": (float(low), float(high))}

    @property
    def spec(self) -> SplineSpec:
        """The static facts as the kernels take them."""
        return SplineSpec(self.num_bins, self.interval, self.min_bin, self.min_slope, self.boundary)

    @property
    def num_params(self):
        """3K - 1 (identity), 3K + 1 (linear) or 3K (circular)."""
        return self.spec.num_params

    def from_raw(self, raw):
        """The spline with the knots that `raw` stands for."""
        return RationalQuadraticSpline(*knots_from_raw(raw, **self.spec._asdict()))

    def forward_many(self, x, raw):
        """As of the base class, from the raw parameters in one kernel."""
        return rqs_forward(x, jnp.asarray(raw, x.dtype), self.spec)

    def inverse_many(self, y, raw):
        """As of the base class, from the raw parameters in one kernel."""
        return rqs_inverse(y, jnp.asarray(raw, y.dtype), self.spec)
