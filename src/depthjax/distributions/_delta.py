"""A point mass."""

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, constraints, derived, param, record
from depthjax.distributions._masked import masked


@record
class Delta(Distribution):
    """All mass at one value.

    log p(x) = 0 at x = value and -inf elsewhere: a mass, not a density, so that products with it keep their value.

    Args:
        value: the event, any shape.

    Numerics:
        `log_prob` compares exactly and has zero gradient; draws are differentiable in `value`.
    """

    value: jax.Array = param(constraints.real)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    def _log_prob(self, x):
        return masked(jnp.all(x == self.value), jnp.zeros((), x.dtype), x)

    def _sample_many(self, key, sample_shape):
        del key
        return jnp.broadcast_to(self.value, (*sample_shape, *self.event_shape))

    def _mean(self):
        return self.value

    def _mode(self):
        return self.value

    def _variance(self):
        return jnp.zeros_like(self.value)

    def _entropy(self):
        return jnp.zeros((), self.value.dtype)
