"""The gamma-Poisson distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions._beta_cdf import log_tails
from depthjax.distributions._count_masses import log_gamma_poisson_mass
from depthjax.distributions._count_support import floored, sample_mixed_poisson


@record
class GammaPoisson(Elementwise):
    """Poisson counts whose rate is Gamma(concentration, rate), with independent coordinates.

    log p(x) = log Gamma(x + a) - log x! - log Gamma(a) + a log(r/(1 + r)) - x log(1 + r).

    The negative binomial distribution with `total_count` a and `logits` -log r.

    Args:
        concentration: a, of the gamma distribution, (*event), positive.
        rate: r, of the gamma distribution, (*event), positive; the mean is a/r.

    Numerics:
        As `NegativeBinomial`; the distance of x from its mean is exact in x, a and r.

    Source:
        Gelman et al., Bayesian Data Analysis (2013), sec. 2.6.
    """

    concentration: jax.Array = param(constraints.positive)
    rate: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.nonnegative_integer
    reparameterized = "none"

    def _log_prob_terms(self, x):
        return log_gamma_poisson_mass(x, self.concentration, self.rate)

    def _sample_many(self, key, sample_shape):
        return sample_mixed_poisson(key, self.concentration, -jnp.log(self.rate), sample_shape)

    def _mean(self):
        return self.concentration / self.rate

    def _variance(self):
        return self.concentration / self.rate * (1.0 + 1.0 / self.rate)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return floored(x, lambda k: self._tails(k)[1], -jnp.inf, 0.0)

    def _log_survival(self, x):
        return floored(x, lambda k: self._tails(k)[0], 0.0, -jnp.inf)

    def _tails(self, k):
        """Log survival and log cdf, as beta tails."""
        p, q = 1.0 / (1.0 + self.rate), 1.0 / (1.0 + 1.0 / self.rate)
        return log_tails(k + 1.0, self.concentration, p, q, -jnp.log(self.rate))
