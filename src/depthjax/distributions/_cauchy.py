"""The Cauchy distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions import _cauchy_tail as tail
from depthjax.numerics import clip_open, standardize


@record
class Cauchy(Elementwise):
    """Cauchy distribution with independent coordinates; it has no mean.

    log p(x) = -log(pi scale) - log(1 + z^2) with z = (x - loc)/scale.

    Args:
        loc: mode and median, (*event).
        scale: half-width at half maximum, (*event), positive; half the distance between the quartiles.

    Numerics:
        The cdf is arctan2(1, -z)/pi, which keeps its digits in both tails; log tails and quantiles go by the leading
        term beyond |z| = 1e15.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1 (1994), ch. 16.
    """

    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    def _standard(self, x):
        return standardize(x, self.loc, self.scale)

    def _log_prob_terms(self, x):
        return tail.log_density(self._standard(x)) - jnp.log(self.scale)

    def _noise_many(self, key, shape):
        return jax.random.cauchy(key, shape, self.loc.dtype)

    def _from_noise_terms(self, noise):
        return clip_open(self.loc + self.scale * noise, -jnp.inf, jnp.inf)

    def _mode(self):
        return self.loc

    def _entropy_terms(self):
        return jnp.log(self.scale) + math.log(4 * math.pi)

    def _cdf(self, x):
        return tail.upper(-self._standard(x))

    def _survival(self, x):
        return tail.upper(self._standard(x))

    def _log_cdf(self, x):
        return tail.log_upper(-self._standard(x))

    def _log_survival(self, x):
        return tail.log_upper(self._standard(x))

    def _quantile(self, p):
        return self.loc - self.scale * tail.from_upper(p)

    def _quantile_from_log(self, log_p):
        return self.loc - self.scale * tail.from_log_upper(log_p)

    def _quantile_from_log_survival(self, log_q):
        return self.loc + self.scale * tail.from_log_upper(log_q)
