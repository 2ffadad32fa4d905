"""The Dirichlet-multinomial distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, constraints, derived, param, record, require_rank
from depthjax.core._sums import sum_of_each
from depthjax.distributions._count_mass import complements, counts_of, sample_multinomial
from depthjax.distributions._count_masses import log_gamma_poisson_mass
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._masked import masked


@record
class DirichletMultinomial(Distribution):
    """Counts of n draws among K categories whose probabilities are Dirichlet: Polya's urn.

    log p(x) = log n! + log Gamma(A) - log Gamma(n + A) + sum_k [log Gamma(x_k + a_k) - log Gamma(a_k) - log x_k!]
    with A = sum_k a_k.

    Args:
        total_count: n, (), a nonnegative integer as a float.
        concentration: a, (K,), positive.

    Raises:
        ValueError: `total_count` is not a scalar, or `concentration` not a vector, or empty.

    Numerics:
        As K negative binomial masses with a common success probability n/(n + A), over that of the sum: each is a
        saddle point whose terms do not grow with n and a. Draws take the Dirichlet variable in logarithms, so
        concentrations near zero are held.

    Source:
        Johnson, Kotz and Balakrishnan, Discrete Multivariate Distributions (1997), sec. 35.13.
    """

    total_count: jax.Array = param(constraints.nonnegative_integer)
    concentration: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    reparameterized = "none"

    @classmethod
    def _complete(cls, fields):
        require_rank(cls.__name__, "total_count", fields["total_count"], 0)
        require_rank(cls.__name__, "concentration", fields["concentration"], 1)
        if fields["concentration"].size == 0:
            raise ValueError(f"{cls.__name__}: concentration is empty")
        return {**fields, "event_shape": fields["concentration"].shape}

    @property
    def support(self):
        """Counts that sum to `total_count`."""
        return counts_of(self.total_count, self.event_shape[0])

    def _log_prob(self, x):
        n, a = self.total_count, self.concentration
        total = jnp.sum(a)
        # The result does not depend on the common probability, so its derivative is left out.
        count = jnp.where(n > 0, n, 1.0)
        odds = jax.lax.stop_gradient(total / count)
        held = jnp.where((x >= 0) & (x < jnp.inf), x, 0.0)
        terms = log_gamma_poisson_mass(held, a, jnp.broadcast_to(odds, a.shape))
        value = jnp.where(n > 0, sum_of_each(terms) - log_gamma_poisson_mass(count, total, odds), 0.0)
        return masked(self.support.contains(x), value, x)

    def _sample_many(self, key, sample_shape):
        key_probs, key_counts = jax.random.split(key)
        log_probs = jax.nn.log_softmax(sample_log_gamma(key_probs, self.concentration, sample_shape), axis=-1)
        return sample_multinomial(key_counts, self.total_count, log_probs)

    def _probs(self):
        return self.concentration / jnp.sum(self.concentration)

    def _spread(self):
        """Ratio of the variance to that of a multinomial, (n + A)/(1 + A)."""
        total = jnp.sum(self.concentration)
        return (self.total_count + total) / (1.0 + total)

    def _mean(self):
        return self.total_count * self._probs()

    def _variance(self):
        return self.total_count * self._probs() * complements(self._probs()) * self._spread()

    def _covariance(self):
        probs = self._probs()
        off = -self.total_count * self._spread() * probs[:, None] * probs[None, :]
        return jnp.where(jnp.eye(probs.size, dtype=bool), jnp.diag(self._variance()), off)
