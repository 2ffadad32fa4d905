"""The gamma distribution."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._mean_roots import gamma_concentration
from depthjax.numerics import (
    clip_open,
    gammainccinv_exp,
    gammaincinv,
    gammaincinv_exp,
    log_gammainc,
    log_gammaincc,
    stirling_error,
    with_partials,
)
from depthjax.numerics._beta_tail import product_minus
from depthjax.numerics._gamma import weighted_log_excess

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_LIFT = 2.0**100


@record
class Gamma(Elementwise, ExponentialFamily):
    """Gamma distribution with independent coordinates.

    log p(x) = a log r + (a - 1) log x - r x - log Gamma(a).

    Args:
        concentration: a, (*event), positive.
        rate: r, the inverse of the scale, (*event), positive.

    Numerics:
        Around the mean by the saddle point -stirling_error(a) - deviance(a, r x) + log(a)/2 - log(2 pi)/2 - log x,
        whose terms do not grow with a; one logarithm for each x. At x = 0 the density is r for a = 1, with finite
        gradient. `sample_log` and `log_prob_from_log` hold draws that underflow.

    Source:
        Loader, Fast and Accurate Computation of Binomial Probabilities (2000), sec. 4; implicit gradient, Figurnov et
        al. (2018).
    """

    concentration: jax.Array = param(constraints.positive)
    rate: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.positive
    _density_support = constraints.nonnegative
    reparameterized = "implicit"

    def _log_prob_terms(self, x):
        return log_density(self.concentration, self.rate, x)

    def log_prob_from_log(self, log_x: ArrayLike) -> jax.Array:
        """Log density of x with respect to dx, given log x; finite where x itself underflows.

        Args:
            log_x: (*batch, *event), as `sample_log` draws it.

        Returns:
            (*batch) nats.
        """
        return jnp.sum(self._terms_from_log(log_x), axis=tuple(range(-len(self.event_shape), 0)))

    def _terms_from_log(self, log_x):
        return self._coordinatewise("log_prob_from_log", "log_x", log_x, self._log_terms)

    def _log_terms(self, log_x):
        return log_density_from_log(self.concentration, self.rate, log_x)

    def sample_log(self, key: jax.Array, sample_shape: int | tuple[int, ...] = ()) -> jax.Array:
        """Logarithms of draws, (*sample_shape, *event); exact also where the draws underflow."""
        shape = (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)
        log_z = sample_log_gamma(key, self.concentration, shape)
        return log_z - jnp.log(self.rate).reshape((1,) * len(shape) + self.event_shape)

    def _sample_many(self, key, sample_shape):
        return clip_open(jnp.exp(self.sample_log(key, sample_shape)), 0.0, jnp.inf)

    def _mean(self):
        return self.concentration / self.rate

    def _variance(self):
        return self.concentration / self.rate / self.rate

    def _mode(self):
        return jnp.maximum(self.concentration - 1.0, 0.0) / self.rate

    def _entropy_terms(self):
        a = self.concentration
        error, slope = jax.jvp(stirling_error, (a,), (jnp.ones_like(a),))
        return 0.5 * jnp.log(a) + (_HALF_LOG_2PI + 0.5) - 0.5 / a + error + (1.0 - a) * slope - jnp.log(self.rate)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        inside = ~(x <= 0)
        y = self.rate * jnp.where(inside, x, 1.0)
        return jnp.where(inside, log_gammainc(self.concentration, y), -jnp.inf)

    def _log_survival(self, x):
        inside = ~(x <= 0)
        y = self.rate * jnp.where(inside, x, 1.0)
        return jnp.where(inside, log_gammaincc(self.concentration, y), 0.0)

    def _quantile(self, p):
        return gammaincinv(self.concentration, p) / self.rate

    def _quantile_from_log(self, log_p):
        return gammaincinv_exp(self.concentration, log_p) / self.rate

    def _quantile_from_log_survival(self, log_q):
        return gammainccinv_exp(self.concentration, log_q) / self.rate

    def natural_parameters(self):
        """Eta = {log_x: a - 1, x: -r}."""
        return {"log_x": self.concentration - 1.0, "x": -self.rate}

    def sufficient_statistics(self, x):
        """T(x) = {log_x: log x, x: x}."""
        return {"log_x": jnp.log(x), "x": x}

    def log_base_measure(self, x):
        """Log h = 0."""
        return jnp.zeros((), x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = log Gamma(a) - a log r, summed over coordinates."""
        a = natural["log_x"] + 1.0
        return jnp.sum(jax.lax.lgamma(a) - a * jnp.log(-natural["x"]))

    @classmethod
    def from_natural(cls, natural):
        """The gamma distribution with these natural parameters."""
        return cls(natural["log_x"] + 1.0, -natural["x"])

    @classmethod
    def from_mean_parameters(cls, mean):
        """The gamma distribution with E log x and E x, by a root in the concentration."""
        concentration = gamma_concentration(jnp.log(mean["x"]) - mean["log_x"])
        return cls(concentration, concentration / mean["x"])


def log_ratio_to_mean(a: jax.Array, rate: jax.Array, x: jax.Array) -> jax.Array:
    """Log of rate x/a for x > 0, also where the product underflows or overflows."""
    info, share = jnp.finfo(x.dtype), rate / a
    ratio = share * x
    small = ratio < info.tiny
    lifted = jnp.maximum(share * (x * _LIFT), info.tiny)
    return jnp.log(jnp.where(small, lifted, jnp.minimum(ratio, info.max))) - jnp.where(small, math.log(_LIFT), 0.0)


def log_scale(a: jax.Array) -> jax.Array:
    """Logarithm of Gamma(a + 1) (e/a)^a, what is left of the normaliser about the mean."""
    return 0.5 * jnp.log(a) + _HALF_LOG_2PI + stirling_error(a)


def digamma_gap(a: jax.Array) -> jax.Array:
    """Digamma(a) - log a."""
    return jax.jvp(stirling_error, (a,), (jnp.ones_like(a),))[1] - 0.5 / a


def _slope_in_concentration(a, rate, x):
    return log_ratio_to_mean(a, rate, jnp.where(x == 0, 1.0, x)) - digamma_gap(a)


def _slope_in_x(a, rate, x):
    zero = x == 0
    return jnp.where(zero & (a == 1), -rate, jnp.where(zero, 0.0, (a - 1.0) / jnp.where(zero, 1.0, x) - rate))


@with_partials(_slope_in_concentration, lambda a, rate, x: (a - rate * x) / rate, _slope_in_x)
def log_density(a: jax.Array, rate: jax.Array, x: jax.Array) -> jax.Array:
    """Log density of Gamma(a, rate) at x >= 0, arrays of one shape.

    With y = rate x it is log rate - log(a)/2 - log(2 pi)/2 - S(a) + (a - 1) log(y/a) - (y - a), S the error of
    Stirling's formula. Near the mean the last terms are -deviance(a, y) - log(y/a), each of which is small there.
    """
    zero = x == 0
    log_ratio = log_ratio_to_mean(a, rate, jnp.where(zero, 1.0, x))
    gap = product_minus(rate, x, a)
    value = jnp.log(rate) - log_scale(a) + weighted_log_excess(a, gap, log_ratio, less=1)
    at_zero = jnp.where(a == 1, jnp.log(rate), jnp.where(a < 1, jnp.inf, -jnp.inf))
    return jnp.where(zero, at_zero, value)


def log_density_from_log(a: jax.Array, rate: jax.Array, log_x: jax.Array) -> jax.Array:
    """Log density of Gamma(a, rate) with respect to dx, given log x; by its leading term where x underflows."""
    below = log_x < jnp.log(jnp.finfo(log_x.dtype).tiny)
    leading = a * jnp.log(rate) + (a - 1.0) * log_x - jax.lax.lgamma(a)
    return jnp.where(below, leading, log_density(a, rate, jnp.exp(jnp.where(below, 0.0, log_x))))
