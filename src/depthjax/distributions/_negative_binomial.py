"""The negative binomial distribution."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._beta_cdf import log_tails
from depthjax.distributions._count_masses import log_coefficient, log_negative_binomial_mass
from depthjax.distributions._count_support import below_infinity, floored, logits_from_probs, sample_mixed_poisson
from depthjax.numerics import log1mexp, log_sigmoid, promote


@record
class NegativeBinomial(Elementwise, ExponentialFamily):
    """Number of successes before the r-th failure, with independent coordinates; a Poisson count of gamma rate.

    log p(x) = log Gamma(x + r) - log x! - log Gamma(r) + x log sigmoid(logits) + r log sigmoid(-logits).

    The mean is r exp(logits), the variance exceeds it by mean^2/r.

    Args:
        total_count: r, the concentration of the gamma rate, (*event), positive; need not be whole.
        logits: log odds of a success, of the event that is counted, (*event); -inf is a count that is always 0.

    Numerics:
        For r >= 1 by the saddle point of a binomial mass, whose terms do not grow with x and r: the Poisson limit r =
        1e7 keeps its digits. The exponential-family view holds for fixed `total_count`.

    Source:
        Loader, Fast and Accurate Computation of Binomial Probabilities (2000), sec. 4; Johnson, Kemp and Kotz,
        Univariate Discrete Distributions (2005), ch. 5.
    """

    total_count: jax.Array = param(constraints.positive)
    logits: jax.Array = param(below_infinity)
    event_shape: tuple[int, ...] = derived()

    support = constraints.nonnegative_integer
    reparameterized = "none"

    def _odds(self):
        """Log odds with 0 in the place of -inf, and where that is."""
        never = jnp.isneginf(self.logits)
        return jnp.where(never, 0.0, self.logits), never

    def _log_prob_terms(self, x):
        logits, never = self._odds()
        value = log_negative_binomial_mass(x, self.total_count, logits)
        return jnp.where(never, jnp.where(x == 0, 0.0, -jnp.inf), value)

    def _sample_many(self, key, sample_shape):
        return sample_mixed_poisson(key, self.total_count, self.logits, sample_shape)

    def _mean(self):
        return self.total_count * jnp.exp(self.logits)

    def _variance(self):
        odds = jnp.exp(self.logits)
        return self.total_count * odds * (1.0 + odds)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        _, never = self._odds()
        value = floored(x, lambda k: self._tails(k)[1], -jnp.inf, 0.0)
        return jnp.where(never & (x >= 0), 0.0, value)

    def _log_survival(self, x):
        _, never = self._odds()
        value = floored(x, lambda k: self._tails(k)[0], 0.0, -jnp.inf)
        return jnp.where(never & (x >= 0), -jnp.inf, value)

    def _tails(self, k):
        """Log survival and log cdf, as beta tails."""
        logits, _ = self._odds()
        return log_tails(k + 1.0, self.total_count, jax.nn.sigmoid(logits), jax.nn.sigmoid(-logits), logits)

    def natural_parameters(self):
        """Eta = {x: log sigmoid(logits)}, for fixed r."""
        return {"x": log_sigmoid(self.logits)}

    def sufficient_statistics(self, x):
        """T(x) = {x: x}."""
        return {"x": x.astype(self.logits.dtype)}

    def log_base_measure(self, x):
        """Log h = log Gamma(x + r) - log x! - log Gamma(r), summed over coordinates."""
        return jnp.sum(log_coefficient(x.astype(self.logits.dtype), self.total_count))

    @classmethod
    def log_normalizer_of(cls, natural, *, total_count=1.0):
        """A = -r log(1 - exp(eta)), summed over coordinates."""
        return -jnp.sum(total_count * log1mexp(natural["x"]))

    def _fixed_parameters(self):
        return {"total_count": self.total_count}

    @classmethod
    def from_natural(cls, natural, *, total_count=1.0):
        """The negative binomial distribution of this count with this natural parameter."""
        eta = natural["x"]
        return cls(jnp.asarray(total_count, eta.dtype), eta - log1mexp(eta))

    @classmethod
    def from_mean_parameters(cls, mean, *, total_count=1.0):
        """The negative binomial distribution of this count with this mean."""
        return negative_binomial_from_mean(mean["x"], jnp.asarray(total_count, mean["x"].dtype))


def negative_binomial_from_mean(mean: ArrayLike, concentration: ArrayLike) -> NegativeBinomial:
    """The negative binomial distribution with a given mean and variance mean + mean^2/concentration.

    Args:
        mean: (*event), positive.
        concentration: (*event), positive; inf-like values give the Poisson distribution.

    Returns:
        The distribution with `total_count = concentration`.
    """
    mean, concentration = promote(mean, concentration)
    return NegativeBinomial(concentration, jnp.log(mean) - jnp.log(concentration))


def negative_binomial_from_probs(total_count: ArrayLike, probs: ArrayLike) -> NegativeBinomial:
    """The negative binomial distribution with success probability `probs`, (*event), in [0, 1); else NaN throughout."""
    return NegativeBinomial(total_count, logits_from_probs(probs))
