"""The inverse gamma distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._gamma import Gamma, digamma_gap, log_scale
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._half_line import above, exp_in_range
from depthjax.distributions._mean_roots import gamma_concentration
from depthjax.numerics import (
    gammainccinv,
    gammainccinv_exp,
    gammaincinv_exp,
    log_gammainc,
    log_gammaincc,
    with_partials,
)
from depthjax.numerics._beta_tail import product_minus
from depthjax.numerics._gamma import weighted_log_excess
from depthjax.numerics._stirling import digamma


def _log_ratio(a, b, x):
    """Log of b/(a x), also where the quotient leaves the range of the dtype."""
    info = jnp.finfo(x.dtype)
    ratio = (b / a) / x
    inside = (ratio > info.tiny) & (ratio < info.max)
    return jnp.where(inside, jnp.log(jnp.where(inside, ratio, 1.0)), jnp.log(b / a) - jnp.log(x))


@with_partials(
    lambda a, b, x: _log_ratio(a, b, x) - digamma_gap(a),
    lambda a, b, x: (a * x - b) / b / x,
    lambda a, b, x: ((b - a * x) / x - 1.0) / x,
)
def _log_density(a, b, x):
    """Log density in y = b/x: log(a)/2 - log(2 pi)/2 - S(a) + a log(y/a) - (y - a) - log x, S of Stirling's formula.

    The last terms in y are -deviance(a, y), from the exact distance b - a x of x to the peak.
    """
    gap = -product_minus(a, x, b) / x
    return jnp.log(a) - log_scale(a) + weighted_log_excess(a, gap, _log_ratio(a, b, x)) - jnp.log(x)


@record
class InverseGamma(Elementwise, ExponentialFamily):
    """Inverse gamma distribution with independent coordinates: 1/y for y ~ Gamma(a, b).

    log p(x) = a log b - (a + 1) log x - b/x - log Gamma(a).

    Args:
        concentration: a, the tail exponent, (*event), positive.
        scale: b, (*event), positive.

    Numerics:
        By the saddle point, whose terms do not grow with a, from the exact distance a x - b to the peak.
        The mean is inf for a <= 1, the variance for a <= 2.

    Source:
        Gelman et al., Bayesian Data Analysis (2013), table A.1; saddle point, Loader (2000), sec. 4.
    """

    concentration: jax.Array = param(constraints.positive)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.positive
    reparameterized = "implicit"

    def _log_prob_terms(self, x):
        return _log_density(self.concentration, self.scale, x)

    def _sample_many(self, key, sample_shape):
        log_y = sample_log_gamma(key, self.concentration, sample_shape)
        return exp_in_range(jnp.log(self.scale).reshape((1,) * len(sample_shape) + self.event_shape) - log_y)

    def _mean(self):
        a = self.concentration
        return jnp.where(a > 1, self.scale / jnp.where(a > 1, a - 1.0, 1.0), jnp.inf)

    def _variance(self):
        a = self.concentration
        safe = jnp.where(a > 2, a, 3.0)
        return jnp.where(a > 2, (self.scale / (safe - 1.0)) ** 2 / (safe - 2.0), jnp.inf)

    def _mode(self):
        return self.scale / (self.concentration + 1.0)

    def _entropy_terms(self):
        # H(1/y) = H(y) - 2 E log y, with H(y) of Gamma(a, 1).
        a, one = self.concentration, jnp.ones_like(self.concentration)
        return Gamma(a, one)._entropy_terms() - 2.0 * digamma(a) + jnp.log(self.scale)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return above(x, lambda y: log_gammaincc(self.concentration, self.scale / y), -jnp.inf)

    def _log_survival(self, x):
        return above(x, lambda y: log_gammainc(self.concentration, self.scale / y), 0.0)

    def _quantile(self, p):
        return self.scale / gammainccinv(self.concentration, p)

    def _quantile_from_log(self, log_p):
        return self.scale / gammainccinv_exp(self.concentration, log_p)

    def _quantile_from_log_survival(self, log_q):
        return self.scale / gammaincinv_exp(self.concentration, log_q)

    def natural_parameters(self):
        """Eta = {inv_x: -b, log_x: -(a + 1)}."""
        return {"inv_x": -self.scale, "log_x": -(self.concentration + 1.0)}

    def sufficient_statistics(self, x):
        """T(x) = {inv_x: 1/x, log_x: log x}."""
        return {"inv_x": 1.0 / x, "log_x": jnp.log(x)}

    def log_base_measure(self, x):
        """Log h = 0."""
        return jnp.zeros((), x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = log Gamma(a) - a log b, summed over coordinates."""
        a = -natural["log_x"] - 1.0
        return jnp.sum(jax.lax.lgamma(a) - a * jnp.log(-natural["inv_x"]))

    @classmethod
    def from_natural(cls, natural):
        """The inverse gamma distribution with these natural parameters."""
        return cls(-natural["log_x"] - 1.0, -natural["inv_x"])

    @classmethod
    def from_mean_parameters(cls, mean):
        """The inverse gamma distribution with E 1/x and E log x, by a root in the concentration."""
        concentration = gamma_concentration(jnp.log(mean["inv_x"]) + mean["log_x"])
        return cls(concentration, concentration / mean["inv_x"])
