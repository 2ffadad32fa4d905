"""The Weibull distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._gumbel import EULER_GAMMA
from depthjax.distributions._half_line import above, exp_in_range
from depthjax.distributions._hazard import log_cdf_from_log_hazard, log_hazard_from_log_cdf
from depthjax.distributions._second_difference import second_difference
from depthjax.numerics import log_ratio
from depthjax.numerics._stirling import log_gamma_1p, trigamma


@record
class Weibull(Elementwise, ExponentialFamily):
    """Weibull distribution with independent coordinates; (x/scale)^k is exponential.

    log p(x) = log k - log x + v - exp(v) with v = k log(x/scale), the log cumulative hazard.

    Args:
        concentration: k, (*event), positive.
        scale: the quantile of 1 - 1/e, (*event), positive.

    Numerics:
        log(x/scale) keeps its digits near one, where a large k would amplify their loss. At x = 0 the density is
        1/scale for k = 1, with finite gradient. The exponential-family view holds for fixed concentration.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1 (1994), ch. 21.
    """

    concentration: jax.Array = param(constraints.positive)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.positive
    _density_support = constraints.nonnegative
    reparameterized = "explicit"

    def _log_hazard(self, x):
        return self.concentration * log_ratio(x, self.scale)

    def _log_prob_terms(self, x):
        k, zero = self.concentration, x == 0
        point = jnp.where(zero, self.scale, x)
        v = self._log_hazard(point)
        inner = jnp.log(k) - jnp.log(point) + v - jnp.exp(v)
        limit = jnp.where(k == 1, -jnp.log(self.scale), jnp.where(k < 1, jnp.inf, -jnp.inf).astype(x.dtype))
        return jnp.where(zero, limit, inner)

    def _noise_many(self, key, shape):
        return jax.random.gumbel(key, shape, self.scale.dtype)

    def _from_noise_terms(self, noise):
        return exp_in_range(jnp.log(self.scale) - noise / self.concentration)

    def _mean(self):
        return self.scale * jnp.exp(log_gamma_1p(1.0 / self.concentration))

    def _variance(self):
        excess = second_difference(log_gamma_1p, lambda h: trigamma(1.0 + h), 1.0 / self.concentration)
        return self._mean() ** 2 * jnp.expm1(excess)

    def _entropy_terms(self):
        k = self.concentration
        return EULER_GAMMA * (1.0 - 1.0 / k) + jnp.log(self.scale / k) + 1.0

    def _cdf(self, x):
        return above(x, lambda y: -jnp.expm1(-jnp.exp(self._log_hazard(y))), 0.0)

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return above(x, lambda y: log_cdf_from_log_hazard(self._log_hazard(y)), -jnp.inf)

    def _log_survival(self, x):
        return above(x, lambda y: -jnp.exp(self._log_hazard(y)), 0.0)

    def _from_log_hazard(self, v):
        return self.scale * jnp.exp(v / self.concentration)

    def _quantile(self, p):
        return self._from_log_hazard(jnp.log(-jnp.log1p(-p)))

    def _quantile_from_log(self, log_p):
        return self._from_log_hazard(log_hazard_from_log_cdf(log_p))

    def _quantile_from_log_survival(self, log_q):
        return self._from_log_hazard(jnp.log(-log_q))

    def natural_parameters(self):
        """Eta = {power: -scale^-k}, for fixed k."""
        return {"power": -(self.scale**-self.concentration)}

    def sufficient_statistics(self, x):
        """T(x) = {power: x^k}."""
        return {"power": x**self.concentration}

    def log_base_measure(self, x):
        """Log h = log k + (k - 1) log x, summed over coordinates."""
        return jnp.sum(jnp.log(self.concentration) + (self.concentration - 1.0) * jnp.log(x))

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = -log(-eta), summed over coordinates."""
        return -jnp.sum(jnp.log(-natural["power"]))

    @classmethod
    def from_natural(cls, natural, *, concentration=1.0):
        """The Weibull distribution of this concentration with this natural parameter."""
        concentration = jnp.asarray(concentration, natural["power"].dtype)
        return cls(concentration, (-natural["power"]) ** (-1.0 / concentration))

    @classmethod
    def from_mean_parameters(cls, mean, *, concentration=1.0):
        """The Weibull distribution of this concentration k with E x^k."""
        return cls.from_natural({"power": -1.0 / mean["power"]}, concentration=concentration)
