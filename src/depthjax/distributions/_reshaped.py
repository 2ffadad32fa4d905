"""A distribution whose event has another shape."""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp

from depthjax.core import Constraint, Distribution, derived, record, static
from depthjax.distributions._cumulative import Cumulative
from depthjax.distributions._repeated import as_static_shape


@record
class Reshaped(Cumulative, Distribution):
    """The event of the base, read in row-major order into another shape.

    log p(x) = log p_base(reshape(x)).

    Args:
        base: distribution of the event.
        shape: static shape of the new event, of the same size.

    Raises:
        TypeError: `base` is not a distribution, or `shape` not a tuple of integers.
        ValueError: the sizes differ.

    Numerics:
        It has those of mean, variance, mode, covariance, entropy, cdf, quantile and noise that the base has.
    """

    base: Distribution
    shape: tuple[int, ...] = static()
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        base = fields["base"]
        if not isinstance(base, Distribution):
            raise TypeError(f"{cls.__name__} takes a distribution, got {type(base).__name__}")
        shape = as_static_shape(cls.__name__, fields["shape"])
        if math.prod(shape) != math.prod(base.event_shape):
            raise ValueError(
                f"{cls.__name__}: shape {shape} does not have the size of the base event {base.event_shape}"
            )
        return {**fields, "shape": shape, "event_shape": shape}

    @property
    def support(self):
        """That of the base, on the new shape."""
        base = self.base.support
        return base if base.event_ndim == 0 else _reshaped_support(base, self.base.event_shape, self.shape)

    @property
    def reparameterized(self):
        """That of the base."""
        return self.base.reparameterized

    def _fold(self, x):
        """(*batch, *base event) -> (*batch, *event)."""
        return x.reshape(x.shape[: x.ndim - len(self.base.event_shape)] + self.shape)

    def _unfold(self, x):
        return x.reshape(x.shape[: x.ndim - len(self.shape)] + self.base.event_shape)

    def _log_prob(self, x):
        return self.base.log_prob(self._unfold(x))

    def _sample_many(self, key, sample_shape):
        return self._fold(self.base.sample(key, sample_shape))

    def _sample_and_log_prob_many(self, key, sample_shape):
        x, log_prob = self.base.sample_and_log_prob(key, sample_shape)
        return self._fold(x), log_prob

    def _sample_noise(self, key, sample_shape):
        return self.base.sample_noise(key, sample_shape)

    @property
    def _from_noise(self):
        from_noise = self.base.from_noise

        def folded(noise):
            x, log_prob = from_noise(noise)
            return self._fold(x), log_prob

        return folded

    def _folded(self, name) -> Any:
        method = getattr(self.base, name)
        return lambda: self._fold(method())

    @property
    def _mean(self):
        return self._folded("mean")

    @property
    def _variance(self):
        return self._folded("variance")

    @property
    def _mode(self):
        return self._folded("mode")

    @property
    def _covariance(self):
        return self.base.covariance

    @property
    def _entropy(self):
        return self.base.entropy

    def _through(self, name) -> Any:
        method = getattr(self.base, name)
        return lambda value: self._fold(method(self._unfold(value)))

    @property
    def _cdf(self):
        return self._through("cdf")

    @property
    def _log_cdf(self):
        return self._through("log_cdf")

    @property
    def _survival(self):
        return self._through("survival")

    @property
    def _log_survival(self):
        return self._through("log_survival")

    @property
    def _quantile(self):
        return self._through("quantile")

    @property
    def _quantile_from_log(self):
        return self._through("quantile_from_log")

    @property
    def _quantile_from_log_survival(self):
        return self._through("quantile_from_log_survival")


def _reshaped_support(base: Constraint, old: tuple[int, ...], new: tuple[int, ...]) -> Constraint:
    """The constraint `base` on events of shape `old`, for the same events of shape `new`."""

    def unfold(x):
        x = jnp.asarray(x)
        return x.reshape(x.shape[: x.ndim - len(new)] + old)

    def contains(x):
        inside = base.contains(unfold(x))
        return jnp.all(inside, axis=tuple(range(-(len(old) - base.event_ndim), 0)))

    def from_raw(raw):
        value = base.from_raw(raw)
        return value.reshape(value.shape[: value.ndim - len(old)] + new)

    return dataclasses.replace(
        base,
        name=f"reshaped({base.name}, {new})",
        event_ndim=len(new),
        contains=contains,
        check=lambda x: jnp.all(contains(x)),
        to_raw=None if base.discrete else lambda x: base.to_raw(unfold(x)),
        from_raw=None if base.discrete else from_raw,
        raw_shape=lambda shape: base.raw_shape(shape[: len(shape) - len(new)] + old),
        bounds=None,
    )
