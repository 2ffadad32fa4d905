"""What mixtures of one family and of several families share."""

import abc
import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution
from depthjax.core._sums import sum_over_leading
from depthjax.distributions._cumulative import Cumulative
from depthjax.distributions._mixture_pathwise import attach_pathwise
from depthjax.numerics import find_root, log1mexp

_LOG_2 = math.log(2.0)


class MixtureBase(Cumulative, Distribution):
    """A mixture whose class knows how to evaluate a method of every component."""

    logits: jax.Array

    @abc.abstractmethod
    def _require(self, name: str) -> None:
        """Raise `AttributeError` unless every component has the method."""

    @abc.abstractmethod
    def _each(self, name: str, *args: Any) -> jax.Array:
        """The method of every component at the same arguments, (K, ...)."""

    @abc.abstractmethod
    def _draw_each(self, key: jax.Array, sample_shape: tuple[int, ...]) -> jax.Array:
        """Draws of every component, (K, *sample_shape, *event)."""

    def _log_weights(self):
        return jax.nn.log_softmax(self.logits)

    def _joint(self, x):
        """Log w_k + log p_k(x), (K,)."""
        return self._log_weights() + self._each("log_prob", x)

    def _log_prob(self, x):
        return log_sum(self._joint(x))

    def posterior_logits(self, x: ArrayLike) -> jax.Array:
        """Log probability of each component given x, normalised, (*batch, *event) -> (*batch, K)."""
        x = jnp.asarray(x)
        posterior = lambda event: jax.nn.log_softmax(self._joint(event))  # noqa: E731
        for _ in range(x.ndim - len(self.event_shape)):
            posterior = jax.vmap(posterior)
        return posterior(x)

    def _sample_many(self, key, sample_shape):
        implicit = self.reparameterized == "implicit"
        draw = _select_draws(self.detach() if implicit else self, key, sample_shape)
        return attach_pathwise(draw, self) if implicit else draw

    def _weighted(self, values):
        weights = jnp.exp(self._log_weights())
        return jnp.tensordot(weights, values, axes=1, precision=jax.lax.Precision.HIGHEST)

    @property
    def _mean(self):
        self._require("mean")
        return lambda: self._weighted(self._each("mean"))

    @property
    def _variance(self):
        self._require("mean")
        self._require("variance")

        def variance():
            means = self._each("mean")
            spread = means - self._weighted(means)[None]
            return self._weighted(self._each("variance") + spread**2)

        return variance

    def _scalar_method(self, name) -> Any:
        if self.event_shape != ():
            raise AttributeError(f"a mixture over events of shape {self.event_shape} has no {name}")
        self._require(name)
        return lambda value: self._each(name, value)

    @property
    def _cdf(self):
        parts = self._scalar_method("cdf")
        return lambda x: self._weighted(parts(x))

    @property
    def _survival(self):
        parts = self._scalar_method("survival")
        return lambda x: self._weighted(parts(x))

    @property
    def _log_cdf(self):
        parts = self._scalar_method("log_cdf")
        return lambda x: log_sum(self._log_weights() + parts(x))

    @property
    def _log_survival(self):
        parts = self._scalar_method("log_survival")
        return lambda x: log_sum(self._log_weights() + parts(x))

    @property
    def _quantile(self):
        parts = self._scalar_method("quantile")

        def quantile(p):
            low = p < 0.5
            level = jnp.where(low, jnp.log(jnp.where(low, p, 0.25)), -jnp.log1p(-jnp.where(low, 0.25, p)))
            return _solve(self, jax.lax.stop_gradient(parts(p)), level, low)

        return quantile

    @property
    def _quantile_from_log(self):
        parts = self._scalar_method("quantile_from_log")
        return lambda log_p: _solve(self, jax.lax.stop_gradient(parts(log_p)), *_signed_level(log_p, lower=True))

    @property
    def _quantile_from_log_survival(self):
        parts = self._scalar_method("quantile_from_log_survival")
        return lambda log_q: _solve(self, jax.lax.stop_gradient(parts(log_q)), *_signed_level(log_q, lower=False))


@jax.custom_jvp
def log_sum(terms: jax.Array) -> jax.Array:
    """Logsumexp over the leading axis; -inf with zero gradient where all terms are -inf."""
    top = jnp.max(terms, axis=0)
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    return top + jnp.log(sum_over_leading(jnp.exp(terms - top[None])))


@log_sum.defjvp
def _(primals, tangents):
    value = log_sum(*primals)
    shares = jnp.exp(primals[0] - jnp.where(jnp.isneginf(value), 0.0, value)[None])
    return value, jnp.sum(shares * tangents[0], axis=0)


def _select_draws(mixture, key, sample_shape):
    key_index, key_parts = jax.random.split(key)
    index = jax.random.categorical(key_index, mixture.logits, shape=sample_shape)
    draws = mixture._draw_each(key_parts, sample_shape)
    chosen = index.reshape((1, *index.shape) + (1,) * len(mixture.event_shape))
    return jnp.squeeze(jnp.take_along_axis(draws, chosen, axis=0), axis=0)


def _signed_level(log_level, *, lower):
    """The log of the smaller of the two tails, negated for the upper one, and whether it is the lower one."""
    small = log_level < -_LOG_2
    other = log1mexp(jnp.where(small, -1.0, log_level))
    log_tail = jnp.where(small, log_level, other)
    low = small if lower else ~small
    return jnp.where(low, log_tail, -log_tail), low


def _solve(mixture, ends, level, low):
    """Root of the signed log tail between the smallest and the largest quantile of the components."""
    lower, upper = jnp.min(ends, axis=0), jnp.max(ends, axis=0)
    apart = upper > lower
    pad = 1e-3 * (1.0 + jnp.abs(jnp.where(apart, lower, 0.0))), 1e-3 * (1.0 + jnp.abs(jnp.where(apart, upper, 0.0)))
    finite = jnp.isfinite(lower) & jnp.isfinite(upper)
    start, stop = jnp.where(finite, lower - pad[0], -1.0), jnp.where(finite, upper + pad[1], 1.0)

    def gap(x, dist, target):
        return jnp.where(low, dist._log_cdf(x), -dist._log_survival(x)) - target

    root = find_root(gap, start, stop, mixture, level).value
    return jnp.where(finite, root, lower)
