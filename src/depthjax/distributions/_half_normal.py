"""The half-normal distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._half_line import above, half_line
from depthjax.numerics import log1m, log1mexp, log_ndtr, ndtri_exp, standardize
from depthjax.numerics._draws import standard_normal

_LOG_2 = math.log(2.0)
_HALF_LOG_2_OVER_PI = 0.5 * math.log(2 / math.pi)
_SQRT_2 = math.sqrt(2.0)


@record
class HalfNormal(Elementwise, ExponentialFamily):
    """Absolute value of a centred normal variable, with independent coordinates.

    log p(x) = log(2/pi)/2 - log(scale) - z^2/2 with z = x/scale, for x >= 0.

    Args:
        scale: standard deviation of the normal variable, (*event), positive.

    Numerics:
        Tails from the nearer end: erf and its inverse below the median, the normal log tail above it.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1 (1994), sec. 13.10.2.
    """

    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.nonnegative
    _density_support = half_line
    reparameterized = "explicit"

    def _log_prob_terms(self, x):
        z = standardize(x, jnp.zeros_like(x), self.scale)
        return -0.5 * jnp.square(z) - (jnp.log(self.scale) - _HALF_LOG_2_OVER_PI)

    def _noise_many(self, key, shape):
        return standard_normal(key, shape, self.scale.dtype)

    def _from_noise_terms(self, noise):
        return self.scale * jnp.abs(noise)

    def _mean(self):
        return self.scale * math.sqrt(2 / math.pi)

    def _variance(self):
        return self.scale**2 * (1 - 2 / math.pi)

    def _entropy_terms(self):
        return jnp.log(self.scale) + (0.5 - _HALF_LOG_2_OVER_PI)

    def _cdf(self, x):
        return above(x, lambda y: jax.lax.erf(y / self.scale / _SQRT_2), 0.0)

    def _survival(self, x):
        return above(x, lambda y: jax.lax.erfc(y / self.scale / _SQRT_2), 1.0)

    def _log_cdf(self, x):
        def inside(y):
            z = y / self.scale
            wide = z > 0.5
            near = jnp.log(jax.lax.erf(jnp.where(wide, 0.5, z) / _SQRT_2))
            return jnp.where(wide, log1m(jax.lax.erfc(jnp.where(wide, z, 0.5) / _SQRT_2)), near)

        return above(x, inside, -jnp.inf)

    def _log_survival(self, x):
        return above(x, lambda y: jnp.minimum(_LOG_2 + log_ndtr(-y / self.scale), 0.0), 0.0)

    def _quantile(self, p):
        low = p < 0.5
        near = _SQRT_2 * jax.lax.erf_inv(jnp.where(low, p, 0.25))
        return self.scale * jnp.where(low, near, -ndtri_exp(jnp.log(0.5 * jnp.where(low, 0.75, 1.0 - p))))

    def _quantile_from_log(self, log_p):
        high = log_p > -_LOG_2
        deep = log_p < -20.0
        near = self.scale * (_SQRT_2 * jax.lax.erf_inv(jnp.exp(jnp.where(high | deep, -1.0, log_p))))
        far = -self.scale * ndtri_exp(log1mexp(jnp.where(high, log_p, -0.1)) - _LOG_2)
        small = jnp.exp(jnp.where(deep, log_p, -20.0) + jnp.log(self.scale) - _HALF_LOG_2_OVER_PI)
        return jnp.where(deep, small, jnp.where(high, far, near))

    def _quantile_from_log_survival(self, log_q):
        low = log_q > -_LOG_2
        near = _SQRT_2 * jax.lax.erf_inv(-jnp.expm1(jnp.where(low, log_q, -0.1)))
        return self.scale * jnp.where(low, near, -ndtri_exp(jnp.where(low, -1.0, log_q) - _LOG_2))

    def natural_parameters(self):
        """Eta = {x2: -1/(2 scale^2)}."""
        return {"x2": -0.5 * self.scale**-2}

    def sufficient_statistics(self, x):
        """T(x) = {x2: x^2}."""
        return {"x2": x * x}

    def log_base_measure(self, x):
        """Log h = log(2/pi)/2 for each coordinate."""
        return jnp.full((), _HALF_LOG_2_OVER_PI * x.size, x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = -log(-2 eta)/2, summed over coordinates."""
        return -0.5 * jnp.sum(jnp.log(-2.0 * natural["x2"]))

    @classmethod
    def from_natural(cls, natural):
        """The half-normal distribution with this natural parameter."""
        return cls(jnp.sqrt(-0.5 / natural["x2"]))

    @classmethod
    def from_mean_parameters(cls, mean):
        """The half-normal distribution with E x^2."""
        return cls(jnp.sqrt(mean["x2"]))
