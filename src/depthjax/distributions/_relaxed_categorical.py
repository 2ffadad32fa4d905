"""Relaxed categorical distributions on the simplex and on its logarithm."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, constraints, derived, param, record, require_rank, require_shape
from depthjax.core._sums import sum_of_each
from depthjax.distributions._log_simplex import log_simplex
from depthjax.distributions._masked import masked
from depthjax.numerics import clip_open


class _Relaxed(Distribution):
    """A scalar temperature and K logits."""

    temperature: jax.Array
    logits: jax.Array

    reparameterized = "explicit"

    @classmethod
    def _complete(cls, fields):
        if "logits" not in fields:
            return fields
        require_shape(cls.__name__, "temperature", fields["temperature"], ())
        require_rank(cls.__name__, "logits", fields["logits"], 1)
        if fields["logits"].size < 2:
            raise ValueError(f"{cls.__name__}: logits has shape {fields['logits'].shape}, expected (K,), K >= 2")
        return {**fields, "event_shape": fields["logits"].shape}

    def _log_terms(self, y):
        """Log density of y = log x with respect to dx_1 ... dx_(K-1)/prod_k x_k."""
        count = self.logits.size
        scaled = jax.nn.log_softmax(self.logits - self.temperature * y)
        return jnp.sum(scaled) + (math.lgamma(count) + (count - 1) * jnp.log(self.temperature))

    def _draw_log(self, noise):
        logits = self.logits.reshape((1,) * (noise.ndim - 1) + self.event_shape)
        return jax.nn.log_softmax((logits + noise) / self.temperature, axis=-1)

    def _sample_noise(self, key, sample_shape):
        return jax.random.gumbel(key, (*sample_shape, *self.event_shape), self.logits.dtype)


@record
class ExpRelaxedCategorical(_Relaxed):
    """Logarithm of a relaxed one-hot vector: log_softmax((logits + G)/T) for independent Gumbel G.

    log p(y) = log (K-1)! + (K-1) log T + sum_k log_softmax(logits - T y)_k

    Args:
        temperature: T, (), positive.
        logits: unnormalised log probabilities, (K,).

    Raises:
        ValueError: `temperature` is not a number, or `logits` not a vector of at least two entries.

    Numerics:
        Draws and densities are exact at any temperature. The density is with respect to dx_1 ... dx_(K-1)/prod_k x_k at
        x = exp(y), which singles out no coordinate; log p(x) of `RelaxedCategorical` is log p(y) - sum_k y_k.

    Source:
        Maddison, Mnih and Teh, The Concrete Distribution (2017), appendix C.3.
    """

    temperature: jax.Array = param(constraints.positive)
    logits: jax.Array = param(constraints.real)
    event_shape: tuple[int, ...] = derived()

    support = log_simplex

    def _log_prob(self, x):
        value = self._log_terms(jnp.where(x < jnp.inf, jnp.maximum(x, jnp.finfo(x.dtype).min), 0.0))
        return masked(log_simplex.contains(x), value, x)

    def _sample_many(self, key, sample_shape):
        return self._draw_log(self._sample_noise(key, sample_shape))

    def _from_noise(self, noise):
        y = self._draw_log(noise)
        return y, self._log_terms(y)


@record
class RelaxedCategorical(_Relaxed):
    """A relaxed one-hot vector, also known as the concrete or Gumbel-softmax distribution.

    softmax((logits + G)/T) for independent Gumbel G; as T falls to 0, a one-hot vector of Categorical(logits).

    log p(x) = log (K-1)! + (K-1) log T + sum_k [log_softmax(logits - T log x)_k - log x_k]

    Args:
        temperature: T, (), positive.
        logits: unnormalised log probabilities, (K,).

    Raises:
        ValueError: `temperature` is not a number, or `logits` not a vector of at least two entries.

    Numerics:
        The density is with respect to the first K - 1 coordinates. Draws are in the open simplex with a finite log
        density; where coordinates underflow, `ExpRelaxedCategorical` holds their logarithms.

    Source:
        Maddison, Mnih and Teh, The Concrete Distribution (2017), eq. 10; Jang, Gu and Poole (2017), eq. 5.
    """

    temperature: jax.Array = param(constraints.positive)
    logits: jax.Array = param(constraints.real)
    event_shape: tuple[int, ...] = derived()

    support = constraints.simplex

    def _log_prob(self, x):
        inside = constraints.simplex.contains(x) & jnp.all(x > 0)
        log_x = jnp.log(jnp.where((x > 0) & (x < jnp.inf), x, 1.0))
        return masked(inside, self._log_terms(log_x) - sum_of_each(log_x), x)

    def _sample_many(self, key, sample_shape):
        return self._draw(self._sample_noise(key, sample_shape))

    def _draw(self, noise):
        return clip_open(jnp.exp(self._draw_log(noise)), 0.0, 1.0)

    def _from_noise(self, noise):
        x = self._draw(noise)
        return x, self._log_prob(x)
