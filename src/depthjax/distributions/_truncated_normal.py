"""The normal distribution truncated to an interval."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions._half_line import beyond
from depthjax.distributions._truncated_normal_quantile import offset_of_draw, quantile_from_levels
from depthjax.numerics import clip_open, gauss_legendre_rule, log1mexp

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_NUM_POINTS = 64
_DEPTH = 40.0


@record
class TruncatedNormal(Elementwise):
    """Normal(loc, scale) conditioned on [low, high], with independent coordinates.

    log p(x) = -z^2/2 - log(scale) - log(2 pi)/2 - log(Phi(beta) - Phi(alpha)), z = (x - loc)/scale.

    Args:
        loc: mean before truncation, (*event).
        scale: standard deviation before truncation, (*event), positive.
        low: lower end, (*event); may be -inf.
        high: upper end, (*event), above `low`; may be inf.

    Numerics:
        Everything is measured from c, the point of the interval with the largest density: with y = z - c the weight is
        exp(-c y - y^2/2), whose mass and moments are positive sums over a Gauss-Legendre rule, however far in a tail.
        `mean()` and `variance()` are those after truncation. Draws are inverse-cdf, in the open interval.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1 (1994), sec. 13.10.1.
    """

    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    low: jax.Array = param()
    high: jax.Array = param(lambda self: beyond(self.low))
    event_shape: tuple[int, ...] = derived()

    reparameterized = "explicit"

    @property
    def support(self):
        """The interval [low, high]."""
        return constraints.interval(self.low, self.high)

    def _interior(self, x):
        return jnp.clip(self.loc, self.low, self.high)

    def _standard(self, x):
        """(x - loc)/scale, whose derivative in the parameters is zero where x is infinite."""
        finite = jnp.isfinite(x)
        return jnp.where(finite, (jnp.where(finite, x, 0.0) - self.loc) / self.scale, x)

    def _ends(self):
        """Standardised ends and the point c between them where the density is largest."""
        lower, upper = self._standard(self.low), self._standard(self.high)
        return lower, upper, jnp.clip(jnp.zeros_like(lower), lower, upper)

    def _length(self, low, high):
        """(high - low)/scale, which the difference of two standardised ends would round."""
        finite = jnp.isfinite(low) & jnp.isfinite(high)
        return jnp.where(finite, (jnp.where(finite, high, 0.0) - jnp.where(finite, low, 0.0)) / self.scale, jnp.inf)

    def _whole(self):
        """The point c, the offsets of the two ends from it, and c in the coordinate of x."""
        lower, upper, peak = self._ends()
        length = self._length(self.low, self.high)
        below = jnp.where(peak > 0, 0.0, jnp.where(peak < 0, -length, lower))
        above = jnp.where(peak > 0, length, jnp.where(peak < 0, 0.0, upper))
        return peak, below, above, jnp.where(peak == 0, self.loc, jnp.where(peak > 0, self.low, self.high))

    def _log_mass(self, low, high, point):
        """Log of the mass between `low` and `high`, one of them `point`, relative to the density at c."""
        peak, _, _, anchor = self._whole()
        start, stop, length = self._standard(low), self._standard(high), self._length(low, high)
        own = jnp.clip(jnp.zeros_like(start), start, stop)
        below = jnp.where(own > 0, 0.0, jnp.where(own < 0, -length, start))
        above = jnp.where(own > 0, length, jnp.where(own < 0, 0.0, stop))
        moved = (own != 0) & (own == self._standard(point))
        offset = jnp.where(moved, (jnp.where(moved, point, 0.0) - jnp.where(moved, anchor, 0.0)) / self.scale, 0.0)
        return jnp.log(_moments(own, below, above)[0]) - offset * (peak + 0.5 * offset)

    def _log_prob_terms(self, x):
        peak, below, above, anchor = self._whole()
        y = (x - anchor) / self.scale
        return -y * (peak + 0.5 * y) - jnp.log(self.scale) - jnp.log(_moments(peak, below, above)[0])

    def _noise_many(self, key, shape):
        # Never 0, whose quantile may be -inf: the smallest uniform is moved to the middle of its cell.
        u = jax.random.uniform(key, shape, self.loc.dtype)
        return jnp.maximum(u, 0.25 * float(jnp.finfo(u.dtype).eps))

    def _from_noise_terms(self, noise):
        ends = self._ends()
        return clip_open(self._from_offset(ends[2], offset_of_draw(*ends, noise)), self.low, self.high)

    def _mean(self):
        peak, below, above, anchor = self._whole()
        return anchor + self.scale * _moments(peak, below, above)[1]

    def _variance(self):
        peak, below, above, _ = self._whole()
        return self.scale**2 * _moments(peak, below, above)[2]

    def _entropy_terms(self):
        peak, below, above, _ = self._whole()
        mass, first, central = _moments(peak, below, above)
        return jnp.log(self.scale) + jnp.log(mass) + peak * first + 0.5 * (central + first * first)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return self._log_share(x, x <= self.low, x >= self.high, upper=False)

    def _log_survival(self, x):
        return self._log_share(x, x >= self.high, x <= self.low, upper=True)

    def _log_share(self, x, empty, full, *, upper):
        peak, below, above, _ = self._whole()
        # Both ends may be infinite; a masked coordinate is evaluated at a finite point of the interval.
        point = jnp.where(empty | full, jnp.clip(self.loc, self.low, self.high), x)
        ends = (point, self.high) if upper else (self.low, point)
        share = self._log_mass(*ends, point) - jnp.log(_moments(peak, below, above)[0])
        return jnp.where(empty, -jnp.inf, jnp.where(full, 0.0, jnp.minimum(share, 0.0)))

    def _quantile(self, p):
        return self._from_levels(jnp.log(p), jnp.log1p(-p))

    def _quantile_from_log(self, log_p):
        return self._from_levels(log_p, log1mexp(log_p))

    def _quantile_from_log_survival(self, log_q):
        return self._from_levels(log1mexp(log_q), log_q)

    def _from_levels(self, log_p, log_q):
        ends = self._ends()
        return self._from_offset(ends[2], quantile_from_levels(*ends, log_p, log_q))

    def _from_offset(self, peak, offset):
        anchor = jnp.where(peak == 0, self.loc, jnp.where(peak > 0, self.low, self.high))
        return jnp.clip(anchor + self.scale * offset, self.low, self.high)


def _moments(peak, below, above):
    """Mass, mean and variance of y = z - peak under exp(-peak y - y^2/2) between two offsets from it.

    The interval is cut where the weight falls below exp(-40), beyond which it adds nothing in any dtype. Nodes are
    counted from the end nearer to the peak, so that in a tail, where that end is 0, small offsets keep their digits.
    """
    nodes, weights = (np.asarray(v) for v in gauss_legendre_rule(_NUM_POINTS))
    steep = jnp.abs(peak)
    reach = 2.0 * _DEPTH / (steep + jnp.sqrt(steep * steep + 2.0 * _DEPTH))
    start, stop = jnp.maximum(below, -reach), jnp.minimum(above, reach)
    column = (-1,) + (1,) * peak.ndim
    steps = jnp.asarray(1.0 + nodes, peak.dtype).reshape(column)
    weights = jnp.asarray(weights, peak.dtype).reshape(column)
    half = 0.5 * (stop - start)
    from_start, near_start = half[None] * steps, (jnp.abs(start) <= jnp.abs(stop))[None]
    y = jnp.where(near_start, start[None] + from_start, stop[None] - from_start)
    mass = weights * jnp.exp(-y * (peak[None] + 0.5 * y))
    total = jnp.sum(mass, axis=0)
    share = mass / total[None]
    mean = jnp.sum(share * y, axis=0)
    return half * total, mean, jnp.sum(share * (y - mean[None]) ** 2, axis=0)
