"""The uniform distribution on an interval."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.numerics import clip_open, safe_where

_LOG_HALF = -0.6931471805599453


@record
class Uniform(Elementwise):
    """Uniform distribution on [low, high] with independent coordinates.

    log p(x) = -log(high - low) for low <= x <= high.

    Args:
        low: lower end, (*event).
        high: upper end, (*event), above `low`.

    Numerics:
        Draws are in the open interval, whatever the rounding; cdf and quantile are measured from the nearer end.
    """

    low: jax.Array = param(constraints.real)
    high: jax.Array = param(lambda self: constraints.greater_than(self.low))
    event_shape: tuple[int, ...] = derived()

    reparameterized = "explicit"

    @property
    def support(self):
        """The interval [low, high]."""
        return constraints.interval(self.low, self.high)

    def _width(self):
        return self.high - self.low

    def _log_prob_terms(self, x):
        return jnp.zeros_like(x) - jnp.log(self._width())

    def _noise_many(self, key, shape):
        return jax.random.uniform(key, shape, self.low.dtype)

    def _from_noise_terms(self, noise):
        return clip_open(self._quantile(noise), self.low, self.high)

    def _mean(self):
        return 0.5 * self.low + 0.5 * self.high

    def _variance(self):
        return self._width() ** 2 / 12

    def _entropy_terms(self):
        return jnp.log(self._width())

    def _fraction(self, distance):
        """Share of the interval, from 0 to 1 with zero slope outside; NaN stays NaN."""
        share = distance / self._width()
        return jnp.where(share < 0, 0.0, jnp.where(share > 1, 1.0, share))

    def _cdf(self, x):
        return self._fraction(x - self.low)

    def _survival(self, x):
        return self._fraction(self.high - x)

    def _log_cdf(self, x):
        return _log_share(self._cdf(x), self._survival(x))

    def _log_survival(self, x):
        return _log_share(self._survival(x), self._cdf(x))

    def _quantile(self, p):
        near = jnp.where(p <= 0.5, self.low + self._width() * p, self.high - self._width() * (1.0 - p))
        return jnp.where((p >= 0) & (p <= 1), near, jnp.nan)

    def _quantile_from_log(self, log_p):
        low, high = self.low + self._width() * jnp.exp(log_p), self.high + self._width() * jnp.expm1(log_p)
        return jnp.where(log_p <= 0, jnp.where(log_p < _LOG_HALF, low, high), jnp.nan)

    def _quantile_from_log_survival(self, log_q):
        low, high = self.low - self._width() * jnp.expm1(log_q), self.high - self._width() * jnp.exp(log_q)
        return jnp.where(log_q <= 0, jnp.where(log_q < _LOG_HALF, high, low), jnp.nan)


def _log_share(share, complement):
    """Log of `share`, accurate near one, where it is read off the complement."""
    small = share < 0.5
    near_zero = safe_where(small & (share > 0), jnp.log, share, -jnp.inf)
    near_one = jnp.log1p(-jnp.where(small, 0.5, complement))
    value = jnp.where(small, near_zero, near_one)
    return jnp.where(jnp.isnan(share), jnp.nan, value)
