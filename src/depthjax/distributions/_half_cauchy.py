"""The half-Cauchy distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions import _cauchy_tail as tail
from depthjax.distributions._half_line import above, half_line
from depthjax.numerics import clip_open, log1mexp, standardize

_LOG_2 = math.log(2.0)


@record
class HalfCauchy(Elementwise):
    """Absolute value of a centred Cauchy variable, with independent coordinates.

    log p(x) = log 2 - log(pi scale) - log(1 + (x/scale)^2) for x >= 0.

    Args:
        scale: median, (*event), positive.

    Numerics:
        `mean` and `variance` are infinite. Tails as in `Cauchy`.

    Source:
        Gelman, Prior Distributions for Variance Parameters in Hierarchical Models (2006), sec. 4.3.
    """

    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.nonnegative
    _density_support = half_line
    reparameterized = "explicit"

    def _log_prob_terms(self, x):
        z = standardize(x, jnp.zeros_like(x), self.scale)
        return tail.log_density(z) - jnp.log(0.5 * self.scale)

    def _noise_many(self, key, shape):
        return jax.random.cauchy(key, shape, self.scale.dtype)

    def _from_noise_terms(self, noise):
        return clip_open(self.scale * jnp.abs(noise), -jnp.inf, jnp.inf)

    def _mean(self):
        return jnp.full_like(self.scale, jnp.inf)

    def _variance(self):
        return jnp.full_like(self.scale, jnp.inf)

    def _entropy_terms(self):
        return jnp.log(self.scale) + math.log(2 * math.pi)

    def _cdf(self, x):
        return above(x, lambda y: jnp.arctan(y / self.scale) * (2 / math.pi), 0.0)

    def _survival(self, x):
        return above(x, lambda y: 2.0 * tail.upper(y / self.scale), 1.0)

    def _log_cdf(self, x):
        def inside(y):
            # Above the median from the other tail, below it from the angle.
            wide = y > self.scale
            near = jnp.log(jnp.arctan(jnp.where(wide, 1.0, y / self.scale)) * (2 / math.pi))
            return jnp.where(wide, log1mexp(jnp.where(wide, self._log_tail(y), -1.0)), near)

        return above(x, inside, -jnp.inf)

    def _log_survival(self, x):
        return above(x, self._log_tail, 0.0)

    def _log_tail(self, y):
        return jnp.minimum(_LOG_2 + tail.log_upper(y / self.scale), 0.0)

    def _quantile(self, p):
        low = p < 0.5
        near = jnp.tan(0.5 * math.pi * jnp.where(low, p, 0.25))
        return self.scale * jnp.where(low, near, tail.from_upper(0.5 * (1.0 - p)))

    def _quantile_from_log(self, log_p):
        high = log_p > -_LOG_2
        deep = log_p < -20.0
        near = self.scale * jnp.tan(0.5 * math.pi * jnp.exp(jnp.where(high | deep, -1.0, log_p)))
        far = self.scale * tail.from_log_upper(log1mexp(jnp.where(high, log_p, -0.1)) - _LOG_2)
        small = jnp.exp(jnp.where(deep, log_p, -20.0) + jnp.log(self.scale) + math.log(math.pi / 2))
        return jnp.where(deep, small, jnp.where(high, far, near))

    def _quantile_from_log_survival(self, log_q):
        low = log_q > -_LOG_2
        near = jnp.tan(-0.5 * math.pi * jnp.expm1(jnp.where(low, log_q, -0.1)))
        return self.scale * jnp.where(low, near, tail.from_log_upper(jnp.where(low, -1.0, log_q) - _LOG_2))
