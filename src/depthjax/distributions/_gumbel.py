"""The Gumbel distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions._hazard import log_cdf_from_log_hazard, log_hazard_from_log_cdf
from depthjax.numerics import log1mexp, standardize

EULER_GAMMA = 0.5772156649015329


@record
class Gumbel(Elementwise):
    """Gumbel distribution of maxima, with independent coordinates; its cdf is exp(-exp(-z)).

    log p(x) = -z - exp(-z) - log(scale) with z = (x - loc)/scale.

    Args:
        loc: mode, (*event); the mean is loc + 0.5772... scale.
        scale: (*event), positive; the standard deviation is pi scale/sqrt(6).

    Numerics:
        Below z = -88 in float32 the log density itself overflows, to -inf.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 2 (1995), sec. 22.2.
    """

    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    def _standard(self, x):
        return standardize(x, self.loc, self.scale)

    def _log_prob_terms(self, x):
        z = self._standard(x)
        return -z - jnp.exp(-z) - jnp.log(self.scale)

    def _log_between(self, low, high):
        """Log P(low < X < high), from the difference of the two hazards."""
        log_hazard = log1mexp(-(high - low) / self.scale) - self._standard(low)
        return log_cdf_from_log_hazard(log_hazard) - jnp.exp(-self._standard(high))

    def _noise_many(self, key, shape):
        return jax.random.gumbel(key, shape, self.loc.dtype)

    def _from_noise_terms(self, noise):
        return self.loc + self.scale * noise

    def _mean(self):
        return self.loc + EULER_GAMMA * self.scale

    def _mode(self):
        return self.loc

    def _variance(self):
        return self.scale**2 * (math.pi**2 / 6)

    def _entropy_terms(self):
        return jnp.log(self.scale) + (1.0 + EULER_GAMMA)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return -jnp.expm1(self._log_cdf(x))

    def _log_cdf(self, x):
        return -jnp.exp(-self._standard(x))

    def _log_survival(self, x):
        return log_cdf_from_log_hazard(-self._standard(x))

    def _quantile(self, p):
        return self._quantile_from_log(jnp.log(p))

    def _quantile_from_log(self, log_p):
        return self.loc - self.scale * jnp.log(-log_p)

    def _quantile_from_log_survival(self, log_q):
        return self.loc - self.scale * log_hazard_from_log_cdf(log_q)
