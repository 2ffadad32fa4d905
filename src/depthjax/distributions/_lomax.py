"""The Lomax distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions._half_line import above, exp_in_range
from depthjax.distributions._hazard import log_cdf_from_hazard
from depthjax.distributions._pareto import tail_mean, tail_variance
from depthjax.numerics import log1m, log1mexp, log_expm1
from depthjax.numerics._log1p import log1p

_LARGE = 1e30
# Below these, log(1 + y) and exp(y) - 1 are y to the last digit of every dtype.
_SMALL, _DEEP = 1e-20, -46.0


@record
class Lomax(Elementwise):
    """Lomax (Pareto type 2) distribution with independent coordinates: a Pareto variable moved to start at 0.

    log p(x) = log(a/scale) - (a + 1) log(1 + x/scale) for x >= 0.

    An exponential variable whose rate is Gamma(a, scale).

    Args:
        concentration: a, the tail exponent, (*event), positive.
        scale: (*event), positive.

    Numerics:
        The mean is inf for a <= 1, the variance for a <= 2. Where x/scale leaves the range of the dtype its logarithm
        takes over.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 1 (1994), sec. 20.3.
    """

    concentration: jax.Array = param(constraints.positive)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.nonnegative
    reparameterized = "explicit"

    def _log_growth(self, x):
        """Log(1 + x/scale)."""
        large = x > _LARGE * self.scale
        near = log1p(jnp.where(large, 1.0, x / self.scale))
        return jnp.where(large, jnp.log(jnp.where(large, x, 1.0)) - jnp.log(self.scale), near)

    def _log_prob_terms(self, x):
        return jnp.log(self.concentration / self.scale) - (self.concentration + 1.0) * self._log_growth(x)

    def _noise_many(self, key, shape):
        return jax.random.exponential(key, shape, self.scale.dtype)

    def _from_noise_terms(self, noise):
        step = noise / self.concentration
        near = self.scale * jnp.expm1(jnp.minimum(step, 1.0))
        return jnp.where(step < 1.0, near, exp_in_range(jnp.log(self.scale) + log_expm1(jnp.maximum(step, 1.0))))

    def _mean(self):
        # The mean excess of the standard Pareto variable over its start.
        return self.scale * tail_mean(self.concentration) / self.concentration

    def _variance(self):
        return self.scale**2 * tail_variance(self.concentration)

    def _entropy_terms(self):
        return jnp.log(self.scale / self.concentration) + 1.0 + 1.0 / self.concentration

    def _cdf(self, x):
        return above(x, lambda y: -jnp.expm1(-self.concentration * self._log_growth(y)), 0.0)

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        def inside(y):
            hazard = self.concentration * self._log_growth(y)
            tiny = y < _SMALL * self.scale
            logs = jnp.log(self.concentration) + jnp.log(y) - jnp.log(self.scale)
            return log_cdf_from_hazard(hazard, jnp.where(tiny, logs, jnp.log(jnp.where(tiny, 1.0, hazard))))

        return above(x, inside, -jnp.inf)

    def _log_survival(self, x):
        return above(x, lambda y: -self.concentration * self._log_growth(y), 0.0)

    def _quantile(self, p):
        return self._quantile_from_log_survival(log1m(p))

    def _quantile_from_log(self, log_p):
        deep = log_p - jnp.log(self.concentration) < _DEEP
        small = jnp.exp(jnp.where(deep, log_p, _DEEP) + jnp.log(self.scale) - jnp.log(self.concentration))
        regular = self._quantile_from_log_survival(log1mexp(jnp.where(deep, -1.0, log_p)))
        return jnp.where(deep, small, regular)

    def _quantile_from_log_survival(self, log_q):
        return self.scale * jnp.expm1(-log_q / self.concentration)
