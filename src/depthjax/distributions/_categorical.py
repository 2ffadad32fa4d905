"""The categorical distribution over integers."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, float_dtype, param, record, require_rank
from depthjax.distributions._not_nan import not_nan


@record
class Categorical(Elementwise, ExponentialFamily):
    """One of the integers 0, ..., K - 1, with probabilities softmax(logits).

    log p(k) = logits_k - logsumexp(logits).

    Args:
        logits: unnormalised log probabilities, (K,); -inf entries never occur (masked actions).

    Raises:
        ValueError: `logits` is not a vector, or is empty.

    Numerics:
        Entries of -inf contribute nothing to entropy, mean and variance and have zero gradient there. All entries
        -inf gives NaN.

    Source:
        Wainwright and Jordan (2008), sec. 3.1; draws by the Gumbel maximum, Maddison et al. (2014).
    """

    logits: jax.Array = param(not_nan)
    event_shape: tuple[int, ...] = derived()

    reparameterized = "none"

    @classmethod
    def _complete(cls, fields):
        if "logits" in fields:
            require_rank(cls.__name__, "logits", fields["logits"], 1)
            if fields["logits"].size == 0:
                raise ValueError(f"{cls.__name__}: logits is empty")
        return {**fields, "event_shape": ()}

    @property
    def support(self):
        """The integers 0, ..., K - 1."""
        return constraints.integer_interval(0, self.logits.shape[-1] - 1)

    def _log_probs(self):
        return jax.nn.log_softmax(self.logits)

    def _values(self):
        return jnp.arange(self.logits.shape[-1], dtype=self.logits.dtype)

    def _log_prob_terms(self, x):
        return self._log_probs()[x.astype(jnp.int32)]

    def _sample_many(self, key, sample_shape):
        return jax.random.categorical(key, self.logits, shape=sample_shape).astype(jnp.int32)

    def _enumerate_support(self):
        return jnp.arange(self.logits.shape[-1], dtype=jnp.int32)

    def _mean(self):
        return jnp.sum(jnp.exp(self._log_probs()) * self._values())

    def _variance(self):
        return jnp.sum(jnp.exp(self._log_probs()) * (self._values() - self._mean()) ** 2)

    def _mode(self):
        return jnp.argmax(self.logits).astype(jnp.int32)

    def _entropy_terms(self):
        log_probs = self._log_probs()
        impossible = jnp.isneginf(log_probs)
        return -jnp.sum(jnp.where(impossible, 0.0, jnp.exp(log_probs) * jnp.where(impossible, 0.0, log_probs)))

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return self._log_mass(self._values() <= x, x)

    def _log_survival(self, x):
        return self._log_mass(self._values() > x, x)

    def _log_mass(self, chosen, x):
        """Log probability of the chosen values; -inf, with zero gradient, where they cannot occur."""
        log_probs = self._log_probs()
        possible = jnp.any(chosen & (log_probs > -jnp.inf)) | jnp.any(jnp.isnan(log_probs))
        terms = jnp.where(chosen | ~possible, log_probs, -jnp.inf)
        mass = jnp.where(jnp.all(chosen), 0.0, jax.nn.logsumexp(terms))
        return jnp.where(jnp.isnan(x), jnp.nan, jnp.where(possible, mass, -jnp.inf))

    def natural_parameters(self):
        """Eta = {one_hot: logits}, (K,)."""
        return {"one_hot": self.logits}

    def sufficient_statistics(self, x):
        """T(x) = {one_hot: indicator of x}, (K,)."""
        return {"one_hot": jax.nn.one_hot(x.astype(jnp.int32), self.logits.shape[-1], dtype=self.logits.dtype)}

    def log_base_measure(self, x):
        """Log h = 0."""
        del x
        return jnp.zeros((), self.logits.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = logsumexp(eta)."""
        return jax.nn.logsumexp(natural["one_hot"])

    @classmethod
    def from_natural(cls, natural):
        """The categorical distribution with these logits."""
        return cls(natural["one_hot"])

    @classmethod
    def from_mean_parameters(cls, mean):
        """The categorical distribution with these probabilities."""
        return categorical_from_probs(mean["one_hot"])


def categorical_from_probs(probs: ArrayLike) -> Categorical:
    """The categorical distribution with the given probabilities.

    Args:
        probs: (K,), nonnegative; normalised if they are not.

    Returns:
        The distribution; NaN throughout for negative probabilities.

    Numerics:
        A probability of exactly 0 becomes a constant logit of -inf, with zero gradient.
    """
    probs = jnp.asarray(probs)
    probs = probs.astype(float_dtype(probs))
    zero = probs == 0
    logits = jnp.log(jnp.where(zero, 1.0, probs))
    return Categorical(jnp.where(zero, -jnp.inf, logits))
