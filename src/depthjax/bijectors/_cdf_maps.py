"""Cumulative distribution functions as maps onto the open unit interval."""

import math

import jax

from depthjax.bijectors._terms import Pointwise, Terms
from depthjax.core import Elementwise, constraints, derived, record, static
from depthjax.numerics import clip_open, ndtri

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class NormalCDF(Pointwise):
    """y = Phi(x), the standard normal distribution function, onto (0, 1).

    Args:
        event_shape: shape of one event.

    Numerics:
        log slope = -x^2/2 - log(2 pi)/2. Outputs stay strictly inside (0, 1); the left tail keeps its relative
        precision until it underflows, the right tail saturates within eps of one, and the log-det of such a y alone is
        finite but inexact.
    """

    event_shape: tuple[int, ...] = static(default=())
    codomain = constraints.open_interval(0.0, 1.0)

    def _terms(self, x):
        y = 0.5 * jax.lax.erfc(-math.sqrt(0.5) * x)
        return clip_open(y, 0.0, 1.0), -0.5 * x * x - _HALF_LOG_2PI

    def _inverse_terms(self, y):
        x = ndtri(y)
        return x, 0.5 * x * x + _HALF_LOG_2PI


@record
class DistributionCDF(Terms):
    """y = F(x), the distribution function of each coordinate of a continuous law, onto (0, 1).

    Args:
        dist: distribution with independent coordinates that has a cdf and a quantile function.

    Raises:
        TypeError: a distribution without cdf or quantile, or a discrete one.

    Numerics:
        The log slope is the log density at x. Outputs stay strictly inside (0, 1); the log-det of a saturated y alone
        is finite but inexact.

    Source:
        Probability integral transform; Papamakarios et al., Normalizing Flows (2021), sec. 2.2.
    """

    dist: Elementwise
    event_shape: tuple[int, ...] = derived()
    codomain = constraints.open_interval(0.0, 1.0)

    @classmethod
    def _complete(cls, fields):
        dist = fields["dist"]
        missing = [name for name in ("log_prob_terms", "cdf", "quantile") if not hasattr(dist, name)]
        if missing or dist.support.discrete:
            reason = f"has no {' or '.join(missing)}" if missing else "is discrete"
            raise TypeError(f"{cls.__name__}: {type(dist).__name__} {reason}")
        return {**fields, "event_shape": dist.event_shape}

    @property
    def domain(self):
        """The support of the distribution."""
        return self.dist.support

    def _terms(self, x):
        return clip_open(self.dist.cdf(x), 0.0, 1.0), self.dist.log_prob_terms(x)

    def _inverse_terms(self, y):
        x = self.dist.quantile(y)
        return x, -self.dist.log_prob_terms(x)
