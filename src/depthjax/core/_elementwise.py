"""Distributions whose coordinates are independent, and their coordinatewise functions."""

import abc
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._distribution import Distribution
from depthjax.core._offers import offers
from depthjax.core._shapes import Shape, check_unstacked, event_argument, over_batch
from depthjax.core._validity import poisoned, valid_terms, where_valid
from depthjax.core.constraints import Constraint, real


class Elementwise(Distribution):
    """A random array with independent coordinates.

    A subclass writes `_log_prob_terms(x)` for x inside the support, elementwise on one event, and `_sample_many`, or
    `_noise_many(key, shape)` with `_from_noise_terms(noise)` where a draw is an explicit function of noise. It may
    write `_entropy_terms`, `_cdf`, `_survival`, `_log_cdf`, `_log_survival` (all four or none), `_quantile`,
    `_quantile_from_log`, `_quantile_from_log_survival` (all three or none).

    This class adds the support: -inf outside, with zero gradient, and NaN for NaN. Parameters that do not satisfy their
    constraints reach `_log_prob_terms` as NaN, which its arithmetic must pass on.
    """

    @abc.abstractmethod
    def _log_prob_terms(self, x: jax.Array) -> jax.Array:
        """Log density of each coordinate for `x` in the support, event -> event."""

    @property
    def _density_support(self) -> Constraint:
        """Where `_log_prob_terms` is defined; a family whose density extends to an end of its support widens it."""
        return self.support

    def _interior(self, x: jax.Array) -> jax.Array:
        """A point of the support for each coordinate, at which masked-out terms are evaluated."""
        support = self._density_support
        return jnp.zeros_like(x) if support.from_raw is None else support.from_raw(jnp.zeros_like(x))

    def _supported_terms(self, x):
        support = self._density_support
        if support is real:
            return poisoned(self)._log_prob_terms(x)
        inside = support.contains(x)
        terms = poisoned(self)._log_prob_terms(jnp.where(inside, x, self._interior(x)))
        lowest = where_valid(valid_terms(self), jnp.asarray(-jnp.inf, terms.dtype))
        # The minimum passes on NaN.
        return jnp.where(inside, terms, jnp.minimum(jax.lax.stop_gradient(x), lowest))

    def _log_prob(self, x):
        return jnp.sum(self._supported_terms(x))

    def _guarded_log_prob(self, x):
        return self._log_prob(x)

    def _guard(self, value):
        rank = len(self.event_shape)
        if value.ndim < rank or value.shape[value.ndim - rank :] != self.event_shape:
            return super()._guard(value)
        ok = valid_terms(self)
        return value if ok is None else where_valid(jnp.broadcast_to(ok, value.shape), value)

    def log_prob_terms(self, x: ArrayLike) -> jax.Array:
        """Log density of each coordinate; `log_prob` is its sum.

        Args:
            x: (*batch, *event).

        Returns:
            (*batch, *event) nats.
        """
        return self._coordinatewise("log_prob_terms", "x", x, self._supported_terms)

    @offers("_entropy_terms")
    def entropy_terms(self) -> jax.Array:
        """Entropy of each coordinate, (*event) nats; `entropy` is its sum."""
        return self._moment("_entropy_terms", "entropy_terms")

    @offers("_entropy_terms")
    def entropy(self) -> jax.Array:
        """Joint entropy, () nats."""
        return jnp.sum(self._moment("_entropy_terms", "entropy"))

    @offers("_cdf")
    def cdf(self, x: ArrayLike) -> jax.Array:
        """P(X <= x) for each coordinate, (*batch, *event) -> (*batch, *event)."""
        return self._coordinatewise("cdf", "x", x, self._cdf)

    @offers("_log_cdf")
    def log_cdf(self, x: ArrayLike) -> jax.Array:
        """P(X <= x) in log space, (*batch, *event) -> (*batch, *event) nats; accurate where the cdf underflows."""
        return self._coordinatewise("log_cdf", "x", x, self._log_cdf)

    @offers("_survival")
    def survival(self, x: ArrayLike) -> jax.Array:
        """P(X > x) for each coordinate, (*batch, *event) -> (*batch, *event)."""
        return self._coordinatewise("survival", "x", x, self._survival)

    @offers("_log_survival")
    def log_survival(self, x: ArrayLike) -> jax.Array:
        """Log P(X > x) for each coordinate, (*batch, *event) -> (*batch, *event) nats."""
        return self._coordinatewise("log_survival", "x", x, self._log_survival)

    @offers("_quantile")
    def quantile(self, p: ArrayLike) -> jax.Array:
        """The x with cdf(x) = p for each coordinate, (*batch, *event) -> (*batch, *event); NaN for p outside [0, 1]."""
        return self._coordinatewise("quantile", "p", p, self._quantile)

    @offers("_quantile_from_log")
    def quantile_from_log(self, log_p: ArrayLike) -> jax.Array:
        """The x with log_cdf(x) = log_p for each coordinate, (*batch, *event) -> (*batch, *event)."""
        return self._coordinatewise("quantile_from_log", "log_p", log_p, self._quantile_from_log)

    @offers("_quantile_from_log_survival")
    def quantile_from_log_survival(self, log_q: ArrayLike) -> jax.Array:
        """The x with log_survival(x) = log_q for each coordinate, (*batch, *event) -> (*batch, *event)."""
        return self._coordinatewise("quantile_from_log_survival", "log_q", log_q, self._quantile_from_log_survival)

    def _coordinatewise(self, method, name, value, half):
        value = event_argument(self, method, name, value, self.event_shape)
        return over_batch(lambda event: self._guard(half(event)), value, len(self.event_shape))

    def _sample_many(self, key, sample_shape):
        noise = self._noise_many(key, (*sample_shape, *self.event_shape))
        return over_batch(self._from_noise_terms, noise, len(self.event_shape))

    def _noise_many(self, key: jax.Array, shape: Shape) -> jax.Array:
        """Parameter-free noise of the given shape."""
        raise TypeError(f"{type(self).__name__} writes neither _sample_many nor _noise_many")

    @property
    def _from_noise(self) -> Any:
        if not hasattr(self, "_from_noise_terms"):
            raise AttributeError("no explicit noise")
        return self._draw_from_noise

    def _draw_from_noise(self, noise):
        x = self._from_noise_terms(noise)
        return x, self._log_prob(x)

    def _sample_noise(self, key, sample_shape):
        check_unstacked(self, "sample_noise")
        return self._noise_many(key, (*sample_shape, *self.event_shape))
