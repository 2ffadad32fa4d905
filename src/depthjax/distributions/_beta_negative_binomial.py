"""The beta negative binomial distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions._beta_negative_binomial_tail import log_mass, log_tails
from depthjax.distributions._count_support import floored, sample_mixed_poisson
from depthjax.distributions._gamma_sampling import sample_log_gamma


@record
class BetaNegativeBinomial(Elementwise):
    """Negative binomial counts whose success probability is Beta(a, b), with independent coordinates.

    log p(x) = log Gamma(x + r) - log x! - log Gamma(r) + log B(a + x, b + r) - log B(a, b).

    As in `NegativeBinomial`, x counts successes before the r-th failure, so `concentration1` is that of the event that
    is counted; the mean is r a/(b - 1).

    Args:
        total_count: r, (*event), positive; need not be whole.
        concentration1: a, (*event), positive.
        concentration0: b, the tail exponent, (*event), positive.

    Numerics:
        The mass is that of `BetaBinomial` among x + r trials times r/(x + r). Tails are sums of 64 masses and an
        integral with its end corrections, in log space. The mean is inf for b <= 1, the variance for b <= 2. Draws stay
        below 2^31.

    Source:
        Johnson, Kemp and Kotz, Univariate Discrete Distributions (2005), sec. 6.2.3.
    """

    total_count: jax.Array = param(constraints.positive)
    concentration1: jax.Array = param(constraints.positive)
    concentration0: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.nonnegative_integer
    reparameterized = "none"

    def _parameters(self):
        return self.total_count, self.concentration1, self.concentration0

    def _log_prob_terms(self, x):
        return log_mass(x, *self._parameters())

    def _sample_many(self, key, sample_shape):
        key1, key0, key_count = jax.random.split(key, 3)
        log_odds = sample_log_gamma(key1, self.concentration1, sample_shape)
        log_odds = log_odds - sample_log_gamma(key0, self.concentration0, sample_shape)
        return sample_mixed_poisson(key_count, self.total_count, log_odds, sample_shape)

    def _mean(self):
        r, a, b = self._parameters()
        return jnp.where(b > 1, r * a / jnp.where(b > 1, b - 1.0, 1.0), jnp.inf)

    def _variance(self):
        r, a, b = self._parameters()
        safe = jnp.where(b > 2, b, 3.0)
        ratio = (r * a / (safe - 1.0)) * ((r + safe - 1.0) / (safe - 1.0)) * ((a + safe - 1.0) / (safe - 2.0))
        return jnp.where(b > 2, ratio, jnp.inf)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return floored(x, lambda k: log_tails(k, *self._parameters())[0], -jnp.inf, 0.0)

    def _log_survival(self, x):
        return floored(x, lambda k: log_tails(k, *self._parameters())[1], 0.0, -jnp.inf)
