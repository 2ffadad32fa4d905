"""The image of a random variable under a bijector."""

from typing import Any

import jax
import jax.numpy as jnp

from depthjax.core import Bijector, Distribution, constraints, derived, record
from depthjax.distributions._cumulative import Cumulative


@record
class Transformed(Cumulative, Distribution):
    """Y = f(X) for X of the base distribution and f a bijector.

    log p(y) = log p_X(f^-1(y)) + log|det d f^-1/dy|.

    Args:
        base: distribution of X.
        bijector: f; its input is an event of the base.

    Raises:
        ValueError: the event shape of the base is not the input shape of the bijector, or the support of the base is
            not known to lie in the domain of the bijector.
        TypeError: the arguments are not a distribution and a bijector.

    Numerics:
        `sample_and_log_prob` carries the density of x through f and never inverts a draw. `log_prob` of a value at
        which f has lost digits (a saturated sigmoid) is finite but inexact. Where the base has a cdf and the bijector
        is elementwise, so has this distribution, whether f increases or decreases.

    Source:
        Rezende and Mohamed, Variational Inference with Normalizing Flows (2015), eq. 5; Papamakarios et al.,
        Normalizing Flows for Probabilistic Modeling and Inference (2021), eq. 1.
    """

    base: Distribution
    bijector: Bijector
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        base, bijector = fields.get("base"), fields.get("bijector")
        if not isinstance(base, Distribution) or not isinstance(bijector, Bijector):
            raise TypeError(
                f"Transformed takes a distribution and a bijector, got {type(base).__name__} and "
                f"{type(bijector).__name__}"
            )
        names = f"base {type(base).__name__}", f"bijector {type(bijector).__name__}"
        if base.event_shape != bijector.event_shape:
            raise ValueError(
                f"Transformed: {names[0]} has event shape {base.event_shape}, {names[1]} takes {bijector.event_shape}"
            )
        if not constraints.compatible(base.support, bijector.domain):
            raise ValueError(
                f"Transformed: {names[0]} has support {base.support}, which is not within {bijector.domain}, the "
                f"domain of {names[1]}"
            )
        return {**fields, "event_shape": bijector.event_shape_out}

    @property
    def support(self):
        """The codomain of the bijector."""
        return self.bijector.codomain

    @property
    def reparameterized(self):
        """That of the base."""
        return self.base.reparameterized

    def _log_prob(self, y):
        inside, safe = self._inside(y)
        x, log_det = self.bijector.inverse_and_log_det(safe)
        outside = jnp.where(jnp.any(jnp.isnan(y)), jnp.nan, -jnp.inf).astype(y.dtype)
        return jnp.where(jnp.all(inside), self.base.log_prob(x) + log_det, outside)

    def _inside(self, y):
        """Membership in the codomain, and `y` with an interior point in the place of what lies outside."""
        codomain = self.bijector.codomain
        inside = codomain.contains(y)
        spread = inside.reshape(inside.shape + (1,) * codomain.event_ndim)
        interior = codomain.from_raw(jnp.ones(codomain.raw_shape(y.shape), y.dtype))
        return inside, jnp.where(jnp.broadcast_to(spread, y.shape), y, interior.astype(y.dtype))

    def _sample_many(self, key, sample_shape):
        return self.bijector.forward(self.base.sample(key, sample_shape))

    def _sample_and_log_prob_many(self, key, sample_shape):
        x, log_prob = self.base.sample_and_log_prob(key, sample_shape)
        y, log_det = self.bijector.forward_and_log_det(x)
        return y, log_prob - log_det

    def _sample_noise(self, key, sample_shape):
        return self.base.sample_noise(key, sample_shape)

    @property
    def _from_noise(self) -> Any:
        from_noise = self.base.from_noise

        def transformed(noise):
            x, log_prob = from_noise(noise)
            y, log_det = self.bijector.forward_and_log_det(x)
            return y, log_prob - log_det

        return transformed

    @property
    def _cdf(self):
        return self._image_of("cdf", "survival", 0.0, 1.0)

    @property
    def _survival(self):
        return self._image_of("survival", "cdf", 1.0, 0.0)

    @property
    def _log_cdf(self):
        return self._image_of("log_cdf", "log_survival", -jnp.inf, 0.0)

    @property
    def _log_survival(self):
        return self._image_of("log_survival", "log_cdf", 0.0, -jnp.inf)

    @property
    def _quantile(self):
        increasing = self._base_method("quantile")
        decreasing = self._base_method("quantile_from_log_survival")
        return lambda p: self._quantile_of(increasing, lambda level: decreasing(jnp.log(level)), p, 0.5)

    @property
    def _quantile_from_log(self):
        halves = self._base_method("quantile_from_log"), self._base_method("quantile_from_log_survival")
        return lambda log_p: self._quantile_of(*halves, log_p, -1.0)

    @property
    def _quantile_from_log_survival(self):
        halves = self._base_method("quantile_from_log_survival"), self._base_method("quantile_from_log")
        return lambda log_q: self._quantile_of(*halves, log_q, -1.0)

    def _base_method(self, name):
        if not getattr(self.bijector, "elementwise", False):
            raise AttributeError(f"{type(self.bijector).__name__} is not elementwise")
        return getattr(self.base, name)

    def _is_increasing(self, dtype):
        """Sign of d f/dx in each coordinate at one point of the domain; a monotone map has it everywhere."""
        point = self.bijector.domain.from_raw(jnp.zeros(self.event_shape, dtype))
        slope = jax.jvp(self.bijector.forward, (point,), (jnp.ones_like(point),))[1]
        return slope > 0

    def _image_of(self, increasing, decreasing, below, above):
        """The function of y that is `increasing` of x where f increases, `decreasing` of x where it decreases."""
        increasing, decreasing = self._base_method(increasing), self._base_method(decreasing)

        def image(y):
            inside, safe = self._inside(y)
            x = self.bijector.inverse(safe)
            value = jnp.where(self._is_increasing(y.dtype), increasing(x), decreasing(x))
            end = jnp.where(y < safe, below, above).astype(value.dtype)
            return jnp.where(inside, value, jnp.where(jnp.isnan(y), jnp.nan, end))

        return image

    def _quantile_of(self, increasing, decreasing, level, placeholder):
        rising = self._is_increasing(level.dtype)
        up = increasing(jnp.where(rising, level, placeholder))
        down = decreasing(jnp.where(rising, placeholder, level))
        return self.bijector.forward(jnp.where(rising, up, down))
