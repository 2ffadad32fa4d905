"""The hard concrete distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions._relaxed_bernoulli import log_relaxed_density
from depthjax.numerics import log_sigmoid


@record
class HardConcrete(Elementwise):
    """A relaxed coin toss stretched to (low, high) and clipped to [0, 1], with independent coordinates.

    It has atoms at both ends, P(0) = sigmoid(T log(-low/high) - logits) and P(1) = sigmoid(logits - T log((1 -
    low)/(high - 1))), and between them the density of the stretched `RelaxedBernoulli`. `log_prob` is with respect to
    dx and a unit mass at each end.

    Args:
        temperature: T, (*event), positive.
        logits: log odds of the upper end, (*event).
        low: lower end of the stretched interval, (*event), negative.
        high: upper end of the stretched interval, (*event), above one.

    Numerics:
        x - low and high - x are taken as they are, never as one minus the other. The gradient of a clipped draw is
        zero.

    Source:
        Louizos, Welling and Kingma, Learning Sparse Neural Networks through L0 Regularization (2018), sec. 2.2.
    """

    temperature: jax.Array = param(constraints.positive)
    logits: jax.Array = param(constraints.real)
    low: jax.Array = param(constraints.less_than(0.0), default=-0.1)
    high: jax.Array = param(constraints.greater_than(1.0), default=1.1)
    event_shape: tuple[int, ...] = derived()

    support = constraints.unit_interval
    reparameterized = "explicit"

    def _log_prob_terms(self, x):
        zero, one = x <= 0, x >= 1
        inner = jnp.where(zero | one, 0.5, x)
        log_width = jnp.log(self.high - self.low)
        log_share, log_rest = jnp.log(inner - self.low) - log_width, jnp.log(self.high - inner) - log_width
        density = log_relaxed_density(log_share, log_rest, self.temperature, self.logits) - log_width
        at_zero = log_sigmoid(self.temperature * (jnp.log(-self.low) - jnp.log(self.high)) - self.logits)
        at_one = log_sigmoid(self.logits - self.temperature * (jnp.log(1.0 - self.low) - jnp.log(self.high - 1.0)))
        return jnp.where(zero, at_zero, jnp.where(one, at_one, density))

    def _noise_many(self, key, shape):
        return jax.random.logistic(key, shape, self.logits.dtype)

    def _from_noise_terms(self, noise):
        share = jax.nn.sigmoid((self.logits + noise) / self.temperature)
        return jnp.clip(self.low + (self.high - self.low) * share, 0.0, 1.0)
