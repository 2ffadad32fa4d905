"""The Poisson distribution."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, float_dtype, param, record
from depthjax.distributions._not_nan import not_nan
from depthjax.numerics import log_gammainc, log_gammaincc, with_partials
from depthjax.numerics._gamma import atanh_excess
from depthjax.numerics._stirling import stirling_error_of_count

_LOG_2PI = math.log(2 * math.pi)


@record
class Poisson(Elementwise, ExponentialFamily):
    """Independent Poisson counts.

    log p(x) = x log_rate - exp(log_rate) - log x!.

    Args:
        log_rate: log of the mean, (*event); -inf is a count that is always 0.

    Numerics:
        For x > 0 by the saddle point -stirling_error(x) - deviance(x, rate) - log(2 pi x)/2, whose terms do not grow
        with the rate, and whose deviance far from the rate is taken from the log rate, since the rate may underflow.
        Draws need JAX's default (threefry) keys.

    Source:
        Loader, Fast and Accurate Computation of Binomial Probabilities (2000), eq. 4.
    """

    log_rate: jax.Array = param(not_nan)
    event_shape: tuple[int, ...] = derived()

    support = constraints.nonnegative_integer
    reparameterized = "none"

    def _log_prob_terms(self, x):
        return log_mass(self.log_rate, x)

    def _sample_many(self, key, sample_shape):
        shape = (*sample_shape, *self.event_shape)
        rate = jnp.exp(self.log_rate).reshape((1,) * len(sample_shape) + self.event_shape)
        return jax.random.poisson(key, jnp.broadcast_to(rate, shape), shape, dtype=jnp.int32)

    def _mean(self):
        return jnp.exp(self.log_rate)

    def _variance(self):
        return jnp.exp(self.log_rate)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return self._log_tail(x, log_gammaincc, -jnp.inf, 0.0)

    def _log_survival(self, x):
        return self._log_tail(x, log_gammainc, 0.0, -jnp.inf)

    def _log_tail(self, x, tail, below, above):
        outside = (x < 0) | jnp.isposinf(x)
        value = tail(jnp.floor(jnp.where(outside, 0.0, x)) + 1.0, jnp.exp(self.log_rate))
        return jnp.where(outside, jnp.where(x < 0, below, above), value)

    def natural_parameters(self):
        """Eta = {x: log_rate}."""
        return {"x": self.log_rate}

    def sufficient_statistics(self, x):
        """T(x) = {x: x}."""
        return {"x": x.astype(self.log_rate.dtype)}

    def log_base_measure(self, x):
        """Log h = -log x!, summed over coordinates."""
        return -jnp.sum(jax.lax.lgamma(x.astype(self.log_rate.dtype) + 1.0))

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = exp(eta), summed over coordinates."""
        return jnp.sum(jnp.exp(natural["x"]))

    @classmethod
    def from_natural(cls, natural):
        """The Poisson distribution with this log rate."""
        return cls(natural["x"])

    @classmethod
    def from_mean_parameters(cls, mean):
        """The Poisson distribution with this mean."""
        return poisson_from_rate(mean["x"])


def _slope_in_log_rate(log_rate, rate, x):
    return jnp.where(jnp.isneginf(log_rate), 0.0, x - rate)


def _slope_in_count(log_rate, rate, x):
    del rate
    zero = x == 0
    count = jnp.where(zero, 1.0, x)
    slope = jax.jvp(stirling_error_of_count, (count,), (jnp.ones_like(count),))[1]
    return jnp.where(zero | jnp.isneginf(log_rate), 0.0, log_rate - jnp.log(count) - 0.5 / count - slope)


@with_partials(_slope_in_log_rate, None, _slope_in_count)
def log_mass_at(log_rate: jax.Array, rate: jax.Array, x: jax.Array) -> jax.Array:
    """Log mass of a Poisson law at counts x >= 0, arrays of one shape, given its rate and the logarithm of it.

    Its derivative is taken along the log rate, whose derivative that of the rate should be. The one in x is that of the
    smooth extension, with log Gamma(x + 1) for log x!, and zero at 0.
    """
    zero, never = x == 0, jnp.isneginf(log_rate)
    count = jnp.where(zero, 1.0, x)
    log_count = jnp.log(count)
    v = (count - rate) / (count + rate)
    near = jnp.abs(v) < 0.4
    v = jnp.where(near, v, 0.0)
    around = (count - rate) * v + 2.0 * count * atanh_excess(v)
    far = count * (log_count - jnp.where(never, 0.0, log_rate)) + (rate - count)
    value = -stirling_error_of_count(count) - jnp.where(near, around, far) - 0.5 * (log_count + _LOG_2PI)
    return jnp.where(zero, -rate, jnp.where(never, -jnp.inf, value))


def log_mass(log_rate: jax.Array, x: jax.Array) -> jax.Array:
    """Log mass of a Poisson law of given log rate at counts x >= 0, arrays of one shape."""
    return log_mass_at(log_rate, jnp.exp(log_rate), x)


def poisson_from_rate(rate: ArrayLike) -> Poisson:
    """The Poisson distribution with a given mean.

    Args:
        rate: (*event), nonnegative; at exactly 0 the log rate is a constant -inf, with zero gradient.

    Returns:
        The distribution; NaN throughout for a negative rate.
    """
    rate = jnp.asarray(rate)
    rate = rate.astype(float_dtype(rate))
    zero = rate == 0
    return Poisson(jnp.where(zero, -jnp.inf, jnp.log(jnp.where(zero, 1.0, rate))))
