"""The Kumaraswamy distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions._hazard import log_cdf_from_log_hazard, log_hazard_from_log_cdf
from depthjax.distributions._second_difference import second_difference
from depthjax.numerics import clip_open, log1mexp, log_gamma_difference
from depthjax.numerics._stirling import digamma_difference, log_gamma_1p, trigamma_difference


@record
class Kumaraswamy(Elementwise):
    """Kumaraswamy distribution on [0, 1] with independent coordinates; its cdf is 1 - (1 - x^a)^b.

    log p(x) = log(a b) + (a - 1) log x + (b - 1) log(1 - x^a).

    Args:
        a: the power of x, (*event), positive.
        b: the power of 1 - x^a, (*event), positive.

    Numerics:
        1 - x^a is taken from a log x. The density holds at the ends: Kumaraswamy(1, 1) is 1 there, with finite
        gradient. The log cdf and the quantile go through the log hazard log b + log(-log(1 - x^a)), which neither tail
        underflows.

    Source:
        Jones, Kumaraswamy's Distribution: A Beta-Type Distribution with Some Tractability Advantages (2009).
    """

    a: jax.Array = param(constraints.positive)
    b: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.unit_interval
    reparameterized = "explicit"

    def _log_prob_terms(self, x):
        a, b = self.a, self.b
        zero, one = x == 0, x == 1
        end = zero | one
        log_x = jnp.log(jnp.where(end, 0.5, x))
        powers = (a - 1.0) * log_x + (b - 1.0) * log1mexp(a * log_x)
        value = jnp.log(a) + jnp.log(b) + jnp.where(end, 0.0, powers)
        power = jnp.where(zero, a, b)
        limit = jnp.where(power < 1, jnp.inf, -jnp.inf).astype(x.dtype)
        return jnp.where(end & (power != 1), limit, value)

    def _noise_many(self, key, shape):
        return jax.random.gumbel(key, shape, self.a.dtype)

    def _from_noise_terms(self, noise):
        return clip_open(self._from_log_hazard(-noise), 0.0, 1.0)

    def _log_moment(self, h):
        """Log E x^n = log(b B(1 + n/a, b)) for h = n/a, proportional to b where b is small, to h where b is large."""
        small, large = jnp.minimum(self.b, 1.0), jnp.maximum(self.b, 1.0)
        few = log_gamma_1p(small) - log_gamma_difference(1.0 + h, small)
        return jnp.where(self.b < 1.0, few, log_gamma_1p(h) - log_gamma_difference(large + 1.0, h))

    def _mean(self):
        return jnp.exp(self._log_moment(1.0 / self.a))

    def _variance(self):
        def curvature(h):
            return -trigamma_difference(1.0 + h, jnp.broadcast_to(self.b[None], h.shape))

        return self._mean() ** 2 * jnp.expm1(second_difference(self._log_moment, curvature, 1.0 / self.a))

    def _entropy_terms(self):
        harmonic = digamma_difference(jnp.ones_like(self.b), self.b)
        return 1.0 - 1.0 / self.b + (1.0 - 1.0 / self.a) * harmonic - jnp.log(self.a) - jnp.log(self.b)

    def _log_hazard(self, x):
        return jnp.log(self.b) + log_hazard_from_log_cdf(self.a * jnp.log(x))

    def _inside(self, x, fn, below, above):
        outside = (x <= 0) | (x >= 1)
        value = fn(jnp.where(outside, 0.5, x))
        return jnp.where(outside, jnp.where(x <= 0, below, above), value)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return self._inside(x, lambda y: log_cdf_from_log_hazard(self._log_hazard(y)), -jnp.inf, 0.0)

    def _log_survival(self, x):
        return self._inside(x, lambda y: self.b * log1mexp(self.a * jnp.log(y)), 0.0, -jnp.inf)

    def _from_log_hazard(self, v):
        return jnp.exp(log_cdf_from_log_hazard(v - jnp.log(self.b)) / self.a)

    def _quantile(self, p):
        return self._from_log_hazard(jnp.log(-jnp.log1p(-p)))

    def _quantile_from_log(self, log_p):
        return self._from_log_hazard(log_hazard_from_log_cdf(log_p))

    def _quantile_from_log_survival(self, log_q):
        return self._from_log_hazard(jnp.log(-log_q))
