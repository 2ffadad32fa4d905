"""The log-normal distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._half_line import above, exp_in_range
from depthjax.distributions._normal import Normal
from depthjax.numerics._draws import standard_normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class LogNormal(Elementwise, ExponentialFamily):
    """exp(Y) for a normal Y, with independent coordinates.

    log p(x) = -z^2/2 - log(scale) - log x - log(2 pi)/2 with z = (log x - loc)/scale.

    Args:
        loc: mean of log x, (*event).
        scale: standard deviation of log x, (*event), positive.

    Numerics:
        The rounding of log x moves z by eps |log x|/scale.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1 (1994), ch. 14.
    """

    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.positive
    reparameterized = "explicit"

    def _log_of(self):
        return Normal(self.loc, self.scale)

    def _log_prob_terms(self, x):
        log_x = jnp.log(x)
        return self._log_of()._log_prob_terms(log_x) - log_x

    def _noise_many(self, key, shape):
        return standard_normal(key, shape, self.loc.dtype)

    def _from_noise_terms(self, noise):
        return exp_in_range(self.loc + self.scale * noise)

    def _mean(self):
        return jnp.exp(self.loc + 0.5 * self.scale**2)

    def _variance(self):
        return self._mean() ** 2 * jnp.expm1(self.scale**2)

    def _entropy_terms(self):
        return self.loc + jnp.log(self.scale) + (_HALF_LOG_2PI + 0.5)

    def _cdf(self, x):
        return above(x, lambda y: self._log_of()._cdf(jnp.log(y)), 0.0)

    def _survival(self, x):
        return above(x, lambda y: self._log_of()._survival(jnp.log(y)), 1.0)

    def _log_cdf(self, x):
        return above(x, lambda y: self._log_of()._log_cdf(jnp.log(y)), -jnp.inf)

    def _log_survival(self, x):
        return above(x, lambda y: self._log_of()._log_survival(jnp.log(y)), 0.0)

    def _quantile(self, p):
        return jnp.exp(self._log_of()._quantile(p))

    def _quantile_from_log(self, log_p):
        return jnp.exp(self._log_of()._quantile_from_log(log_p))

    def _quantile_from_log_survival(self, log_q):
        return jnp.exp(self._log_of()._quantile_from_log_survival(log_q))

    def natural_parameters(self):
        """Eta = {log_x: loc/scale^2, log_x2: -1/(2 scale^2)}."""
        eta = self._log_of().natural_parameters()
        return {"log_x": eta["x"], "log_x2": eta["x2"]}

    def sufficient_statistics(self, x):
        """T(x) = {log_x: log x, log_x2: (log x)^2}."""
        log_x = jnp.log(x)
        return {"log_x": log_x, "log_x2": log_x * log_x}

    def log_base_measure(self, x):
        """Log h = -log x - log(2 pi)/2, summed over coordinates."""
        return -jnp.sum(jnp.log(x) + _HALF_LOG_2PI)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A of the normal distribution of log x."""
        return Normal.log_normalizer_of(_of_log(natural))

    @classmethod
    def from_natural(cls, natural):
        """The log-normal distribution with these natural parameters."""
        normal = Normal.from_natural(_of_log(natural))
        return cls(normal.loc, normal.scale)

    @classmethod
    def from_mean_parameters(cls, mean):
        """The log-normal distribution with E log x and E (log x)^2."""
        normal = Normal.from_mean_parameters(_of_log(mean))
        return cls(normal.loc, normal.scale)


def _of_log(values):
    return {"x": values["log_x"], "x2": values["log_x2"]}
