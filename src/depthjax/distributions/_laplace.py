"""The Laplace distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.numerics import log1mexp, standardize

_LOG_2 = math.log(2.0)


@record
class Laplace(Elementwise, ExponentialFamily):
    """Laplace (double exponential) distribution with independent coordinates.

    log p(x) = -|x - loc|/scale - log(2 scale).

    Args:
        loc: mean and median, (*event).
        scale: mean absolute deviation, (*event), positive.

    Numerics:
        The cdf and its inverses are written with minima and maxima, whose two halves share the derivative at the kink,
        so that d cdf/dx is the density at `loc` too. The exponential-family view holds for fixed `loc`.

    Source:
        Kotz, Kozubowski and Podgorski, The Laplace Distribution and Generalizations (2001), sec. 2.1.
    """

    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    def _log_prob_terms(self, x):
        return -jnp.abs(standardize(x, self.loc, self.scale)) - (jnp.log(self.scale) + _LOG_2)

    def _noise_many(self, key, shape):
        return jax.random.laplace(key, shape, self.loc.dtype)

    def _from_noise_terms(self, noise):
        return self.loc + self.scale * noise

    def _mean(self):
        return self.loc

    def _mode(self):
        return self.loc

    def _variance(self):
        return 2 * self.scale**2

    def _entropy_terms(self):
        return jnp.log(self.scale) + (1.0 + _LOG_2)

    def _cdf(self, x):
        return _standard_cdf((x - self.loc) / self.scale)

    def _survival(self, x):
        return _standard_cdf((self.loc - x) / self.scale)

    def _log_cdf(self, x):
        return _standard_log_cdf((x - self.loc) / self.scale)

    def _log_survival(self, x):
        return _standard_log_cdf((self.loc - x) / self.scale)

    def _quantile(self, p):
        z = jnp.log(2.0 * jnp.minimum(p, 0.5)) - jnp.log(2.0 * jnp.minimum(1.0 - p, 0.5))
        return self.loc + self.scale * z

    def _quantile_from_log(self, log_p):
        return self.loc + self.scale * _standard_quantile_from_log(log_p)

    def _quantile_from_log_survival(self, log_q):
        return self.loc - self.scale * _standard_quantile_from_log(log_q)

    def natural_parameters(self):
        """Eta = {distance: -1/scale}, for fixed loc."""
        return {"distance": -1.0 / self.scale}

    def sufficient_statistics(self, x):
        """T(x) = {distance: |x - loc|}."""
        return {"distance": jnp.abs(x - self.loc)}

    def log_base_measure(self, x):
        """Log h = 0."""
        return jnp.zeros((), x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = log(-2/eta), summed over coordinates."""
        return jnp.sum(_LOG_2 - jnp.log(-natural["distance"]))

    @classmethod
    def from_natural(cls, natural, *, loc=0.0):
        """The Laplace distribution around `loc` with this natural parameter."""
        scale = -1.0 / natural["distance"]
        return cls(jnp.asarray(loc, scale.dtype), scale)

    @classmethod
    def from_mean_parameters(cls, mean, *, loc=0.0):
        """The Laplace distribution around `loc` with E|x - loc|."""
        scale = mean["distance"]
        return cls(jnp.asarray(loc, scale.dtype), scale)


def _standard_cdf(z):
    return 0.5 * jnp.exp(jnp.minimum(z, 0.0)) + (0.5 - 0.5 * jnp.exp(-jnp.maximum(z, 0.0)))


def _standard_log_cdf(z):
    return jnp.minimum(z, 0.0) + jnp.log1p(-0.5 * jnp.exp(-jnp.maximum(z, 0.0)))


def _standard_quantile_from_log(log_p):
    lower, upper = jnp.minimum(log_p, -_LOG_2) + _LOG_2, jnp.maximum(log_p, -_LOG_2)
    return lower - (log1mexp(upper) + _LOG_2)
