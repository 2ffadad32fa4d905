"""The exponential distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._half_line import above, half_line
from depthjax.distributions._hazard import log_cdf_from_hazard
from depthjax.numerics import clip_open, log1mexp


@record
class Exponential(Elementwise, ExponentialFamily):
    """Exponential distribution with independent coordinates.

    log p(x) = log(rate) - rate x.

    Args:
        rate: inverse of the mean, (*event), positive.

    Numerics:
        The density holds at x = 0, where it is `rate`. The log cdf and its inverse go by logarithms where rate x or the
        level underflows.

    Source:
        Wainwright and Jordan (2008), table 3.1.
    """

    rate: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.positive
    _density_support = half_line
    reparameterized = "explicit"

    def _log_prob_terms(self, x):
        return jnp.log(self.rate) - self.rate * x

    def _log_between(self, low, high):
        """Log P(low < X < high)."""
        start = jnp.maximum(low, 0.0)
        return -self.rate * start + log1mexp(-self.rate * (jnp.maximum(high, 0.0) - start))

    def _noise_many(self, key, shape):
        return jax.random.exponential(key, shape, self.rate.dtype)

    def _from_noise_terms(self, noise):
        return clip_open(noise / self.rate, 0.0, jnp.inf)

    def _mean(self):
        return 1.0 / self.rate

    def _variance(self):
        return 1.0 / self.rate / self.rate

    def _mode(self):
        return jnp.zeros_like(self.rate)

    def _entropy_terms(self):
        return 1.0 - jnp.log(self.rate)

    def _cdf(self, x):
        return above(x, lambda y: -jnp.expm1(-self.rate * y), 0.0)

    def _survival(self, x):
        return above(x, lambda y: jnp.exp(-self.rate * y), 1.0)

    def _log_cdf(self, x):
        return above(x, lambda y: log_cdf_from_hazard(self.rate * y, jnp.log(self.rate) + jnp.log(y)), -jnp.inf)

    def _log_survival(self, x):
        return above(x, lambda y: -self.rate * y, 0.0)

    def _quantile(self, p):
        return -jnp.log1p(-p) / self.rate

    def _quantile_from_log(self, log_p):
        # Below exp(-46) a level is its own hazard to the last digit of every dtype.
        deep = log_p < -46.0
        small = jnp.exp(jnp.where(deep, log_p, -46.0) - jnp.log(self.rate))
        return jnp.where(deep, small, -log1mexp(jnp.where(deep, -1.0, log_p)) / self.rate)

    def _quantile_from_log_survival(self, log_q):
        return -log_q / self.rate

    def natural_parameters(self):
        """Eta = {x: -rate}."""
        return {"x": -self.rate}

    def sufficient_statistics(self, x):
        """T(x) = {x: x}."""
        return {"x": x}

    def log_base_measure(self, x):
        """Log h = 0."""
        return jnp.zeros((), x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = -log(-eta), summed over coordinates."""
        return -jnp.sum(jnp.log(-natural["x"]))

    @classmethod
    def from_natural(cls, natural):
        """The exponential distribution with this natural parameter."""
        return cls(-natural["x"])

    @classmethod
    def from_mean_parameters(cls, mean):
        """The exponential distribution with this mean."""
        return cls(1.0 / mean["x"])
