"""The Pareto distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._half_line import above, at_least, exp_in_range
from depthjax.numerics import log1m, log1mexp, log_ratio, with_partials
from depthjax.numerics._log1p import log1p


@with_partials(lambda x, scale: 1.0 / x, lambda x, scale: -1.0 / scale)
def _log_growth(x, scale):
    """Log(x/scale) for finite x >= scale, by the root of the quotient, which cannot overflow."""
    return 2.0 * log1p((x - scale) / (scale + jnp.sqrt(x) * jnp.sqrt(scale)))


@record
class Pareto(Elementwise, ExponentialFamily):
    """Pareto distribution (type 1) with independent coordinates; log(x/scale) is exponential.

    log p(x) = log a - log(scale) - (a + 1) log(x/scale) for x >= scale.

    Args:
        scale: the smallest value, (*event), positive.
        concentration: a, the tail exponent, (*event), positive.

    Numerics:
        log(x/scale) keeps its digits at the end x = scale. The mean is inf for a <= 1, the variance for a <= 2. The
        exponential-family view holds for fixed scale.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1 (1994), ch. 20.
    """

    scale: jax.Array = param(constraints.positive)
    concentration: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    reparameterized = "explicit"

    @property
    def support(self):
        """The half line [scale, inf)."""
        return at_least(self.scale)

    def _hazard(self, x):
        return self.concentration * log_ratio(x, self.scale)

    def _log_prob_terms(self, x):
        return jnp.log(self.concentration / self.scale) - (self.concentration + 1.0) * _log_growth(x, self.scale)

    def _noise_many(self, key, shape):
        return jax.random.exponential(key, shape, self.scale.dtype)

    def _from_noise_terms(self, noise):
        step = noise / self.concentration
        return jnp.where(step < 1.0, self.scale * jnp.exp(jnp.minimum(step, 1.0)), self._far(step))

    def _far(self, step):
        return exp_in_range(jnp.log(self.scale) + jnp.maximum(step, 1.0))

    def _mean(self):
        return self.scale * tail_mean(self.concentration)

    def _variance(self):
        return self.scale**2 * tail_variance(self.concentration)

    def _entropy_terms(self):
        return jnp.log(self.scale / self.concentration) + 1.0 + 1.0 / self.concentration

    def _cdf(self, x):
        return above(x, lambda y: -jnp.expm1(-self._hazard(y)), 0.0, low=self.scale)

    def _survival(self, x):
        return above(x, lambda y: jnp.exp(-self._hazard(y)), 1.0, low=self.scale)

    def _log_cdf(self, x):
        return above(x, lambda y: log1mexp(-self._hazard(y)), -jnp.inf, low=self.scale)

    def _log_survival(self, x):
        return above(x, lambda y: -self._hazard(y), 0.0, low=self.scale)

    def _quantile(self, p):
        return self._quantile_from_log_survival(log1m(p))

    def _quantile_from_log(self, log_p):
        return self._quantile_from_log_survival(log1mexp(log_p))

    def _quantile_from_log_survival(self, log_q):
        return self.scale * jnp.exp(-log_q / self.concentration)

    def natural_parameters(self):
        """Eta = {log_ratio: -(a + 1)}, for fixed scale."""
        return {"log_ratio": -(self.concentration + 1.0)}

    def sufficient_statistics(self, x):
        """T(x) = {log_ratio: log(x/scale)}."""
        return {"log_ratio": log_ratio(x, self.scale)}

    def log_base_measure(self, x):
        """Log h = -log(scale), summed over coordinates."""
        del x
        return -jnp.sum(jnp.log(self.scale))

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = -log(-eta - 1), summed over coordinates."""
        return -jnp.sum(jnp.log(-natural["log_ratio"] - 1.0))

    @classmethod
    def from_natural(cls, natural, *, scale=1.0):
        """The Pareto distribution above `scale` with this natural parameter."""
        concentration = -natural["log_ratio"] - 1.0
        return cls(jnp.asarray(scale, concentration.dtype), concentration)

    @classmethod
    def from_mean_parameters(cls, mean, *, scale=1.0):
        """The Pareto distribution above `scale` with E log(x/scale)."""
        concentration = 1.0 / mean["log_ratio"]
        return cls(jnp.asarray(scale, concentration.dtype), concentration)


def tail_mean(a: jax.Array) -> jax.Array:
    """Mean a/(a - 1) of the standard Pareto distribution, inf for a <= 1."""
    return jnp.where(a > 1, a / jnp.where(a > 1, a - 1.0, 1.0), jnp.inf)


def tail_variance(a: jax.Array) -> jax.Array:
    """Variance a/((a - 1)^2 (a - 2)) of the standard Pareto distribution, inf for a <= 2."""
    safe = jnp.where(a > 2, a, 3.0)
    return jnp.where(a > 2, safe / (safe - 1.0) / (safe - 1.0) / (safe - 2.0), jnp.inf)
