"""The Dirichlet-multinomial distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, constraints, derived, param, record, require_rank
from depthjax.distributions._count_mass import complements, counts_of, sample_multinomial
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.numerics import deviance, log_beta, stirling_error

_PLACEHOLDER = 2.0


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
        saddle point whose terms do not grow with n and a, and by the formula itself for a_k <= 1. Draws take the
        Dirichlet variable in logarithms, so concentrations near zero are held.

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
        inside = self.support.contains(x)
        n, a = self.total_count, self.concentration
        total = jnp.sum(a)
        # The result does not depend on the common probability, so its derivative is left out.
        count = jnp.where(n > 0, n, 1.0)
        odds = jax.lax.stop_gradient(total / count)
        terms = log_negative_binomial(jnp.where(inside, x, 0.0), a, jnp.broadcast_to(odds, a.shape))
        value = jnp.where(n > 0, jnp.sum(terms) - log_negative_binomial(count, total, odds), 0.0)
        return jnp.where(inside, value, jnp.where(jnp.any(jnp.isnan(x)), jnp.nan, -jnp.inf).astype(value.dtype))

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


@jax.jit
def log_negative_binomial(x: jax.Array, a: jax.Array, odds: jax.Array) -> jax.Array:
    """Log mass Gamma(x + a)/(Gamma(a) x!) q^a p^x at x >= 0, with odds = q/p = (1 - p)/p, arrays of one shape.

    Numerics:
        For a > 1 and x > 0 the binomial saddle point with a successes of probability q among a + x, times a/(a + x).
    """
    zero, few = x == 0, a <= 1.0
    log_q, log_p = -jnp.log1p(1.0 / odds), -jnp.log1p(odds)
    count = jnp.where(zero, 1.0, x)
    small = jnp.where(few, a, 1.0)
    direct = -jnp.log(count) - log_beta(small, count) + small * log_q + count * log_p
    large = jnp.where(few, _PLACEHOLDER, a)
    trials = large + count
    errors = stirling_error(trials) - stirling_error(large) - stirling_error(count)
    misfit = deviance(large, trials * (odds / (1.0 + odds))) + deviance(count, trials / (1.0 + odds))
    saddle = errors - misfit + 0.5 * (jnp.log(large / count) - jnp.log(trials)) - 0.5 * jnp.log(2 * jnp.pi)
    return jnp.where(zero, a * log_q, jnp.where(few, direct, saddle))
