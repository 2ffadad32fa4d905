"""The categorical distribution over unit vectors."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution, ExponentialFamily, constraints, derived, param, record, require_rank
from depthjax.distributions._categorical import categorical_from_probs
from depthjax.distributions._count_mass import complements
from depthjax.distributions._masked import masked
from depthjax.distributions._not_nan import not_nan


@record
class OneHotCategorical(Distribution, ExponentialFamily):
    """One of the unit vectors e_1, ..., e_K, with probabilities softmax(logits).

    log p(x) = sum_k x_k (logits_k - logsumexp(logits)).

    Args:
        logits: unnormalised log probabilities, (K,); -inf entries never occur (masked actions).

    Raises:
        ValueError: `logits` is not a vector, or is empty.

    Numerics:
        As `Categorical`: entries of -inf contribute nothing and have zero gradient. Draws are int32.

    Source:
        Wainwright and Jordan (2008), sec. 3.1.
    """

    logits: jax.Array = param(not_nan)
    event_shape: tuple[int, ...] = derived()

    support = constraints.one_hot
    reparameterized = "none"

    @classmethod
    def _complete(cls, fields):
        if "logits" not in fields:
            return fields
        require_rank(cls.__name__, "logits", fields["logits"], 1)
        if fields["logits"].size == 0:
            raise ValueError(f"{cls.__name__}: logits is empty")
        return {**fields, "event_shape": fields["logits"].shape}

    def _log_probs(self):
        return jax.nn.log_softmax(self.logits)

    def _log_prob(self, x):
        inside = constraints.one_hot.contains(x)
        hot = jnp.where(inside, x, jnp.zeros_like(x).at[0].set(1)) == 1
        value = jnp.sum(jnp.where(hot, self._log_probs(), 0.0))
        return masked(inside, value, x)

    def _one_hot(self, index):
        return jax.nn.one_hot(index, self.logits.shape[-1], dtype=jnp.int32)

    def _sample_many(self, key, sample_shape):
        return self._one_hot(jax.random.categorical(key, self.logits, shape=sample_shape))

    def _enumerate_support(self):
        return jnp.eye(self.logits.shape[-1], dtype=jnp.int32)

    def _mean(self):
        return jnp.exp(self._log_probs())

    def _variance(self):
        return self._mean() * complements(self._mean())

    def _covariance(self):
        probs = self._mean()
        return jnp.where(jnp.eye(probs.size, dtype=bool), jnp.diag(self._variance()), -probs[:, None] * probs[None, :])

    def _mode(self):
        return self._one_hot(jnp.argmax(self.logits))

    def _entropy(self):
        log_probs = self._log_probs()
        impossible = jnp.isneginf(log_probs)
        return -jnp.sum(jnp.where(impossible, 0.0, jnp.exp(log_probs) * jnp.where(impossible, 0.0, log_probs)))

    def natural_parameters(self):
        """Eta = {x: logits}, (K,)."""
        return {"x": self.logits}

    def sufficient_statistics(self, x):
        """T(x) = {x: x}, (K,)."""
        return {"x": x.astype(self.logits.dtype)}

    def log_base_measure(self, x):
        """Log h = 0."""
        del x
        return jnp.zeros((), self.logits.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = logsumexp(eta)."""
        return jax.nn.logsumexp(natural["x"])

    @classmethod
    def from_natural(cls, natural):
        """The distribution with these logits."""
        return cls(natural["x"])

    @classmethod
    def from_mean_parameters(cls, mean):
        """The distribution with these probabilities."""
        return one_hot_categorical_from_probs(mean["x"])


def one_hot_categorical_from_probs(probs: ArrayLike) -> OneHotCategorical:
    """The one-hot categorical distribution with the given probabilities.

    Args:
        probs: (K,), nonnegative; normalised if they are not.

    Returns:
        The distribution; NaN throughout for negative probabilities.

    Numerics:
        A probability of exactly 0 becomes a constant logit of -inf, with zero gradient.
    """
    return OneHotCategorical(categorical_from_probs(probs).logits)
