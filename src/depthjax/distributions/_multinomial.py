"""The multinomial distribution."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution, ExponentialFamily, constraints, derived, param, record, require_rank
from depthjax.core._sums import sum_of_each
from depthjax.distributions._categorical import categorical_from_probs
from depthjax.distributions._count_mass import (
    binomial_expectation,
    complements,
    counts_of,
    log_poisson_at_mean,
    safe_log,
    sample_multinomial,
)
from depthjax.distributions._masked import masked
from depthjax.distributions._not_nan import not_nan
from depthjax.distributions._poisson import log_mass_at


@record
class Multinomial(Distribution, ExponentialFamily):
    """Counts of n independent draws among K categories with probabilities softmax(logits).

    log p(x) = log n! - sum_k log x_k! + sum_k x_k log p_k.

    Args:
        total_count: n, (), a nonnegative integer as a float.
        logits: unnormalised log probabilities, (K,); -inf entries never occur.

    Raises:
        ValueError: `total_count` is not a scalar, or `logits` not a vector, or empty.

    Numerics:
        As K Poisson masses of means n p_k, each by its saddle point, over the Poisson mass of the sum, whose terms do
        not grow with n; the entropy is the mean of the same terms. Exact for counts that the dtype holds (16777216 in
        float32). The exponential family is that of fixed n.

    Source:
        Loader, Fast and Accurate Computation of Binomial Probabilities (2000); Johnson, Kotz and Balakrishnan,
        Discrete Multivariate Distributions (1997), ch. 35; mode, Finucan (1964).
    """

    total_count: jax.Array = param(constraints.nonnegative_integer)
    logits: jax.Array = param(not_nan)
    event_shape: tuple[int, ...] = derived()

    reparameterized = "none"

    @classmethod
    def _complete(cls, fields):
        require_rank(cls.__name__, "total_count", fields["total_count"], 0)
        require_rank(cls.__name__, "logits", fields["logits"], 1)
        if fields["logits"].size == 0:
            raise ValueError(f"{cls.__name__}: logits is empty")
        return {**fields, "event_shape": fields["logits"].shape}

    @property
    def support(self):
        """Counts that sum to `total_count`."""
        return counts_of(self.total_count, self.event_shape[0])

    def _log_probs(self):
        return jax.nn.log_softmax(self.logits)

    def _rates(self):
        """N p_k and its logarithm."""
        log_probs = self._log_probs()
        return self.total_count * jnp.exp(log_probs), safe_log(self.total_count) + log_probs

    def _log_prob(self, x):
        rates, log_rates = self._rates()
        count = jnp.where((x >= 0) & (x < jnp.inf), x, 0.0)
        value = sum_of_each(log_mass_at(log_rates, rates, count)) - log_poisson_at_mean(self.total_count)
        return masked(self.support.contains(x), value, x)

    def _sample_many(self, key, sample_shape):
        log_probs = jnp.broadcast_to(self._log_probs(), (*sample_shape, *self.event_shape))
        return sample_multinomial(key, self.total_count, log_probs)

    def _mean(self):
        return self._rates()[0]

    def _variance(self):
        return self._rates()[0] * complements(jnp.exp(self._log_probs()))

    def _covariance(self):
        probs = jnp.exp(self._log_probs())
        off = -self.total_count * probs[:, None] * probs[None, :]
        return jnp.where(jnp.eye(probs.size, dtype=bool), jnp.diag(self._variance()), off)

    def _mode(self):
        """Seats by the method of D'Hondt: each further count goes to the largest p_k/(x_k + 1)."""
        probs = jnp.exp(self._log_probs())
        eps = jnp.finfo(probs.dtype).eps
        start = jnp.maximum(jnp.floor(self.total_count * probs * (1 - 4 * eps) - 1), 0.0)
        ranks = jnp.arange(probs.size, dtype=jnp.int32)

        def seat(_, state):
            x, left = state
            first = ranks == jnp.argmax(probs / (x + 1)).astype(jnp.int32)
            return jnp.where(first & (left > 0), x + 1, x), left - 1

        left = self.total_count - jnp.sum(start)
        return jax.lax.fori_loop(0, 3 * probs.size + 8, seat, (start, left))[0].astype(jnp.int32)

    def _entropy(self):
        probs, (rates, log_rates) = jnp.exp(self._log_probs()), self._rates()

        def mean_term(p, q, rate, log_rate):
            wide = lambda v, x: jnp.broadcast_to(v, x.shape)  # noqa: E731
            term = lambda x: log_mass_at(wide(log_rate, x), wide(rate, x), x)  # noqa: E731
            possible = rate > 0
            safe = lambda x: jnp.where(possible, term(x), 0.0)  # noqa: E731
            return binomial_expectation(safe, self.total_count, p, q)

        means = jax.vmap(mean_term)(probs, complements(probs), rates, log_rates)
        return log_poisson_at_mean(self.total_count) - jnp.sum(means)

    def natural_parameters(self):
        """Eta = {x: logits}, (K,), for fixed total count."""
        return {"x": self.logits}

    def sufficient_statistics(self, x):
        """T(x) = {x: x}, (K,)."""
        return {"x": x.astype(self.logits.dtype)}

    def log_base_measure(self, x):
        """Log h = log n! - sum_k log x_k!."""
        x = x.astype(self.logits.dtype)
        return jax.lax.lgamma(self.total_count + 1.0) - jnp.sum(jax.lax.lgamma(x + 1.0))

    def log_normalizer(self):
        """A = n logsumexp(eta)."""
        return self.log_normalizer_of(self.natural_parameters(), total_count=self.total_count)

    def mean_parameters(self):
        """E T = {x: n p}, (K,)."""
        return {"x": self._rates()[0]}

    def fisher_information(self):
        """Covariance of the counts, (K, K)."""
        return self._covariance()

    @classmethod
    def log_normalizer_of(cls, natural, *, total_count=1.0):
        """A = n logsumexp(eta)."""
        return total_count * jax.nn.logsumexp(natural["x"])

    @classmethod
    def from_natural(cls, natural, *, total_count):
        """The multinomial distribution of `total_count` draws with these logits."""
        return cls(total_count, natural["x"])

    @classmethod
    def from_mean_parameters(cls, mean, *, total_count):
        """The multinomial distribution of `total_count` draws with these mean counts."""
        return multinomial_from_probs(total_count, mean["x"])


def multinomial_from_probs(total_count: ArrayLike, probs: ArrayLike) -> Multinomial:
    """The multinomial distribution with the given probabilities.

    Args:
        total_count: (), nonnegative integer.
        probs: (K,), nonnegative; normalised if they are not. Exactly 0 becomes a constant logit of -inf.

    Returns:
        The distribution; NaN throughout for negative probabilities.
    """
    return Multinomial(total_count, categorical_from_probs(probs).logits)
