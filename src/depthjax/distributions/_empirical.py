"""The distribution of weighted samples."""

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, constraints, derived, param, record
from depthjax.distributions._mixture_base import log_sum
from depthjax.distributions._not_nan import not_nan


@record
class Empirical(Distribution):
    """Mass softmax(log_weights)_i at each of n samples.

    log p(x) = logsumexp over the samples equal to x of log softmax(log_weights)_i, and -inf where there is none.

    Args:
        samples: (n, *event).
        log_weights: unnormalised log weights, (n,) or (); -inf entries never occur.

    Raises:
        ValueError: `samples` has no leading axis of positive length, or `log_weights` another length.

    Numerics:
        `log_prob` compares exactly and costs O(n). Draws are samples chosen at random, hence without a pathwise
        gradient.

    Source:
        Owen, Monte Carlo Theory, Methods and Examples (2013), ch. 9, for self-normalised weights.
    """

    samples: jax.Array = param(constraints.real)
    log_weights: jax.Array = param(not_nan, default=0.0)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "none"

    @classmethod
    def _complete(cls, fields):
        samples, log_weights = fields["samples"], fields["log_weights"]
        if samples.ndim == 0 or samples.shape[0] == 0:
            raise ValueError(f"{cls.__name__}: samples has shape {samples.shape}, expected (n, *event) with n >= 1")
        count = samples.shape[0]
        log_weights = jnp.broadcast_to(log_weights, (count,)) if log_weights.ndim == 0 else log_weights
        if log_weights.shape != (count,):
            raise ValueError(
                f"{cls.__name__}: log_weights has shape {log_weights.shape}, expected ({count},), for samples has "
                f"shape {samples.shape}"
            )
        return {**fields, "log_weights": log_weights, "event_shape": samples.shape[1:]}

    def _log_prob(self, x):
        same = jnp.all((self.samples == x[None]).reshape(self.samples.shape[0], -1), axis=1)
        value = log_sum(jnp.where(same, jax.nn.log_softmax(self.log_weights), -jnp.inf))
        return jnp.where(jnp.any(jnp.isnan(x)), jnp.nan, value)

    def _sample_many(self, key, sample_shape):
        return self.samples[jax.random.categorical(key, self.log_weights, shape=sample_shape)]

    def _weighted(self, values):
        weights = jax.nn.softmax(self.log_weights)
        return jnp.tensordot(weights, values, axes=1, precision=jax.lax.Precision.HIGHEST)

    def _mean(self):
        return self._weighted(self.samples)

    def _variance(self):
        return self._weighted((self.samples - self._mean()[None]) ** 2)
