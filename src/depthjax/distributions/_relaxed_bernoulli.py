"""The relaxed Bernoulli distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.numerics import clip_open, log1m, log1mexp, log_sigmoid, logit_from_logs


@record
class RelaxedBernoulli(Elementwise):
    """A coin toss relaxed to (0, 1), also known as the binary concrete distribution, with independent coordinates.

    sigmoid((logits + L)/temperature) for a standard logistic L; as the temperature falls to 0, Bernoulli(logits).

    log p(x) = log T + log sigmoid(u) + log sigmoid(-u) - log x - log(1 - x) with u = T logit x - logits.

    Args:
        temperature: T, (*event), positive.
        logits: log odds of the end 1, (*event).

    Numerics:
        Draws are in the open interval with a finite log density, at low temperatures too, where most of them round to
        one of its ends; there the density is that of the rounded draw.

    Source:
        Maddison, Mnih and Teh, The Concrete Distribution (2017), eq. 9; Jang, Gu and Poole (2017).
    """

    temperature: jax.Array = param(constraints.positive)
    logits: jax.Array = param(constraints.real)
    event_shape: tuple[int, ...] = derived()

    support = constraints.open_interval(0.0, 1.0)
    reparameterized = "explicit"

    def _log_prob_terms(self, x):
        return log_relaxed_density(jnp.log(x), log1m(x), self.temperature, self.logits)

    def _noise_many(self, key, shape):
        return jax.random.logistic(key, shape, self.logits.dtype)

    def _from_noise_terms(self, noise):
        return clip_open(self._at(noise), 0.0, 1.0)

    def _at(self, logistic):
        return jax.nn.sigmoid((self.logits + logistic) / self.temperature)

    def _level(self, x, fn, below, above):
        outside = (x <= 0) | (x >= 1)
        inner = jnp.where(outside, 0.5, x)
        value = fn(self.temperature * (jnp.log(inner) - log1m(inner)) - self.logits)
        return jnp.where(outside, jnp.where(x <= 0, below, above), value)

    def _cdf(self, x):
        return self._level(x, jax.nn.sigmoid, 0.0, 1.0)

    def _survival(self, x):
        return self._level(x, lambda u: jax.nn.sigmoid(-u), 1.0, 0.0)

    def _log_cdf(self, x):
        return self._level(x, log_sigmoid, -jnp.inf, 0.0)

    def _log_survival(self, x):
        return self._level(x, lambda u: log_sigmoid(-u), 0.0, -jnp.inf)

    def _quantile(self, p):
        return self._at(logit_from_logs(jnp.log(p), log1m(p)))

    def _quantile_from_log(self, log_p):
        return self._at(logit_from_logs(log_p, log1mexp(log_p)))

    def _quantile_from_log_survival(self, log_q):
        return self._at(logit_from_logs(log1mexp(log_q), log_q))


def log_relaxed_density(log_x: jax.Array, log_rest: jax.Array, temperature: jax.Array, logits: jax.Array) -> jax.Array:
    """Log density of the relaxed Bernoulli distribution from log x and log(1 - x)."""
    u = temperature * (log_x - log_rest) - logits
    size = jnp.abs(u)
    return jnp.log(temperature) - size - 2.0 * jnp.log1p(jnp.exp(-size)) - log_x - log_rest
