"""The normal distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.numerics import integrate, log_ndtr, log_ndtr_difference, ndtri, ndtri_exp, standardize
from depthjax.numerics._draws import standard_normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class Normal(Elementwise, ExponentialFamily):
    """Normal distribution with independent coordinates.

    log p(x) = -z^2/2 - log(scale) - log(2 pi)/2 with z = (x - loc)/scale.

    Args:
        loc: mean, (*event).
        scale: standard deviation, (*event), positive.

    Numerics:
        `log(scale)`, never `log(scale^2)`: exact down to the smallest scale of the dtype.

    Source:
        Any textbook; natural form, Wainwright and Jordan (2008), table 3.1.
    """

    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    def _log_prob_terms(self, x):
        z = standardize(x, self.loc, self.scale)
        return -0.5 * jnp.square(z) - (jnp.log(self.scale) + _HALF_LOG_2PI)

    def _log_between(self, low, high):
        """Log P(low < X < high); where the interval is short, from its width, which two rounded ends would lose."""
        width = (high - low) / self.scale
        middle = (low + 0.5 * (high - low) - self.loc) / self.scale
        narrow = width * (1.0 + jnp.abs(middle)) < 1.0
        half = 0.5 * jnp.where(narrow, width, 0.5)
        centre = jnp.where(narrow, middle, 0.0)
        ratio = integrate(lambda y: jnp.exp(-y * (centre[None] + 0.5 * y)), -half, half, num_points=10)
        short = jnp.log(ratio) - 0.5 * centre * centre - _HALF_LOG_2PI
        start = (low - self.loc) / self.scale
        long = log_ndtr_difference(start, jnp.where(narrow, start + 1.0, (high - self.loc) / self.scale))
        return jnp.where(narrow, short, long)

    def _noise_many(self, key, shape):
        return standard_normal(key, shape, self.loc.dtype)

    def _from_noise_terms(self, noise):
        return self.loc + self.scale * noise

    def _mean(self):
        return self.loc

    def _mode(self):
        return self.loc

    def _variance(self):
        return self.scale**2

    def _entropy_terms(self):
        return jnp.log(self.scale) + (_HALF_LOG_2PI + 0.5)

    def _cdf(self, x):
        return 0.5 * jax.lax.erfc((self.loc - x) / self.scale * math.sqrt(0.5))

    def _survival(self, x):
        return 0.5 * jax.lax.erfc((x - self.loc) / self.scale * math.sqrt(0.5))

    def _log_cdf(self, x):
        return log_ndtr((x - self.loc) / self.scale)

    def _log_survival(self, x):
        return log_ndtr((self.loc - x) / self.scale)

    def _quantile(self, p):
        return self.loc + self.scale * ndtri(p)

    def _quantile_from_log(self, log_p):
        return self.loc + self.scale * ndtri_exp(log_p)

    def _quantile_from_log_survival(self, log_q):
        return self.loc - self.scale * ndtri_exp(log_q)

    def natural_parameters(self):
        """Eta = {x: loc/scale^2, x2: -1/(2 scale^2)}."""
        precision = self.scale**-2
        return {"x": self.loc * precision, "x2": -0.5 * precision}

    def sufficient_statistics(self, x):
        """T(x) = {x: x, x2: x^2}."""
        return {"x": x, "x2": x * x}

    def log_base_measure(self, x):
        """Log h = -log(2 pi)/2 for each coordinate."""
        return jnp.full((), -_HALF_LOG_2PI * x.size, x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = -eta_x^2/(4 eta_x2) - log(-2 eta_x2)/2, summed over coordinates."""
        return jnp.sum(-(natural["x"] ** 2) / (4 * natural["x2"]) - 0.5 * jnp.log(-2 * natural["x2"]))

    @classmethod
    def from_natural(cls, natural):
        """The normal with these natural parameters."""
        variance = -0.5 / natural["x2"]
        return cls(natural["x"] * variance, jnp.sqrt(variance))

    @classmethod
    def from_mean_parameters(cls, mean):
        """The normal with E x and E x^2."""
        return cls(mean["x"], jnp.sqrt(mean["x2"] - mean["x"] ** 2))
