"""Independent copies of one distribution."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, derived, record, static
from depthjax.distributions._cumulative import Cumulative


@record
class Repeated(Cumulative, Distribution):
    """An array of independent, identically distributed events.

    log p(x) = sum_i log p_base(x_i).

    Args:
        base: distribution of one copy.
        shape: static shape of the array; the event has shape (*shape, *base.event_shape).

    Raises:
        TypeError: `base` is not a distribution, or `shape` not a tuple of integers.

    Numerics:
        It has those of mean, variance, mode, entropy, cdf, quantile and noise that the base has. The parameters are
        held once, and one draw of an array of copies costs one draw of an array of base events.
    """

    base: Distribution
    shape: tuple[int, ...] = static()
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        base, shape = fields["base"], fields["shape"]
        if not isinstance(base, Distribution):
            raise TypeError(f"{cls.__name__} takes a distribution, got {type(base).__name__}")
        shape = as_static_shape(cls.__name__, shape)
        return {**fields, "shape": shape, "event_shape": (*shape, *base.event_shape)}

    @property
    def support(self):
        """That of the base."""
        return self.base.support

    @property
    def reparameterized(self):
        """That of the base."""
        return self.base.reparameterized

    def _log_prob(self, x):
        return jnp.sum(self.base.log_prob(x))

    def _sample_many(self, key, sample_shape):
        return self.base.sample(key, (*sample_shape, *self.shape))

    def _sample_and_log_prob_many(self, key, sample_shape):
        x, log_prob = self.base.sample_and_log_prob(key, (*sample_shape, *self.shape))
        return x, jnp.sum(log_prob, axis=tuple(range(len(sample_shape), len(sample_shape) + len(self.shape))))

    def _sample_noise(self, key, sample_shape):
        return self.base.sample_noise(key, (*sample_shape, *self.shape))

    @property
    def _from_noise(self):
        one = self.base.from_noise
        for _ in self.shape:
            one = jax.vmap(one)

        def from_noise(noise):
            x, log_prob = one(noise)
            return x, jnp.sum(log_prob)

        return from_noise

    def _copied(self, name) -> Any:
        method = getattr(self.base, name)
        return lambda: jnp.broadcast_to(method(), self.event_shape)

    @property
    def _mean(self):
        return self._copied("mean")

    @property
    def _variance(self):
        return self._copied("variance")

    @property
    def _mode(self):
        return self._copied("mode")

    @property
    def _entropy(self):
        entropy = self.base.entropy
        return lambda: math.prod(self.shape) * entropy()

    @property
    def _cdf(self):
        return self.base.cdf

    @property
    def _log_cdf(self):
        return self.base.log_cdf

    @property
    def _survival(self):
        return self.base.survival

    @property
    def _log_survival(self):
        return self.base.log_survival

    @property
    def _quantile(self):
        return self.base.quantile

    @property
    def _quantile_from_log(self):
        return self.base.quantile_from_log

    @property
    def _quantile_from_log_survival(self):
        return self.base.quantile_from_log_survival


def as_static_shape(name: str, shape: Any) -> tuple[int, ...]:
    """A static shape given as an integer or a tuple of nonnegative integers.

    Raises:
        TypeError: it is neither.
    """
    items = (shape,) if isinstance(shape, int) else shape
    if not isinstance(items, (tuple, list)) or not all(isinstance(n, int) and n >= 0 for n in items):
        raise TypeError(f"{name}: shape is {shape!r}, expected a tuple of nonnegative integers")
    return tuple(items)
