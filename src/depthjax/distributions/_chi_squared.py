"""The chi-squared distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._gamma import Gamma
from depthjax.distributions._mean_roots import inverse_digamma

_LOG_2 = math.log(2.0)


@record
class ChiSquared(Elementwise, ExponentialFamily):
    """Chi-squared distribution with independent coordinates: Gamma(df/2, 1/2).

    log p(x) = (df/2 - 1) log x - x/2 - (df/2) log 2 - log Gamma(df/2).

    Args:
        df: degrees of freedom, (*event), positive; also the mean.

    Numerics:
        That of `Gamma`.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1 (1994), ch. 18.
    """

    df: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.positive
    _density_support = constraints.nonnegative
    reparameterized = "implicit"

    def _gamma(self):
        return Gamma(0.5 * self.df, jnp.full_like(self.df, 0.5))

    def _log_prob_terms(self, x):
        return self._gamma()._log_prob_terms(x)

    def _sample_many(self, key, sample_shape):
        return self._gamma()._sample_many(key, sample_shape)

    def _mean(self):
        return self.df

    def _variance(self):
        return 2.0 * self.df

    def _mode(self):
        return jnp.maximum(self.df - 2.0, 0.0)

    def _entropy_terms(self):
        return self._gamma()._entropy_terms()

    def _cdf(self, x):
        return self._gamma()._cdf(x)

    def _survival(self, x):
        return self._gamma()._survival(x)

    def _log_cdf(self, x):
        return self._gamma()._log_cdf(x)

    def _log_survival(self, x):
        return self._gamma()._log_survival(x)

    def _quantile(self, p):
        return self._gamma()._quantile(p)

    def _quantile_from_log(self, log_p):
        return self._gamma()._quantile_from_log(log_p)

    def _quantile_from_log_survival(self, log_q):
        return self._gamma()._quantile_from_log_survival(log_q)

    def natural_parameters(self):
        """Eta = {log_x: df/2 - 1}."""
        return {"log_x": 0.5 * self.df - 1.0}

    def sufficient_statistics(self, x):
        """T(x) = {log_x: log x}."""
        return {"log_x": jnp.log(x)}

    def log_base_measure(self, x):
        """Log h = -x/2, summed over coordinates."""
        return -0.5 * jnp.sum(x)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = log Gamma(eta + 1) + (eta + 1) log 2, summed over coordinates."""
        a = natural["log_x"] + 1.0
        return jnp.sum(jax.lax.lgamma(a) + a * _LOG_2)

    @classmethod
    def from_natural(cls, natural):
        """The chi-squared distribution with this natural parameter."""
        return cls(2.0 * (natural["log_x"] + 1.0))

    @classmethod
    def from_mean_parameters(cls, mean):
        """The chi-squared distribution with E log x."""
        return cls(2.0 * inverse_digamma(mean["log_x"] - _LOG_2))
