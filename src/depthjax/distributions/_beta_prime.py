"""The beta prime distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions._beta import entropy_terms
from depthjax.distributions._beta_cdf import log_odds_from_levels, log_tails
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._half_line import above, exp_in_range
from depthjax.numerics import log1mexp, log_beta, log_ratio, product_difference, stirling_error
from depthjax.numerics._beta_tail import offset_deviance
from depthjax.numerics._stirling import digamma_difference

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class BetaPrime(Elementwise):
    """Beta prime distribution with independent coordinates: scale u/v for u ~ Gamma(a, 1), v ~ Gamma(b, 1).

    log p(x) = a log(x/scale) - (a + b) log(1 + x/scale) - log B(a, b) - log x.

    Args:
        concentration1: a, (*event), positive; the power of x at 0.
        concentration0: b, the tail exponent, (*event), positive.
        scale: (*event), positive.

    Numerics:
        With a, b > 1 by the saddle point of the binomial mass, from the exact distance a scale - b x to the peak. The
        density holds at x = 0, where it is b/scale for a = 1. The mean is inf for b <= 1, the variance for b <= 2.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 2 (1995), sec. 25.7; implicit gradient,
        Figurnov et al. (2018).
    """

    concentration1: jax.Array = param(constraints.positive)
    concentration0: jax.Array = param(constraints.positive)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.positive
    _density_support = constraints.nonnegative
    reparameterized = "implicit"

    def _shares(self, x):
        """X/(x + scale) and its complement, from the smaller ratio of the two."""
        low = x < self.scale
        ratio = jnp.where(low, x, self.scale) / jnp.where(low, self.scale, x)
        small, large = ratio / (1.0 + ratio), 1.0 / (1.0 + ratio)
        return jnp.where(low, small, large), jnp.where(low, large, small)

    def _log_prob_terms(self, x):
        a, zero = self.concentration1, x == 0
        point = jnp.where(zero, self.scale, x)
        inner = self._log_kernel(point) - jnp.log(point)
        end = jnp.where(a < 1, jnp.inf, -jnp.inf).astype(x.dtype)
        limit = jnp.where(a == 1, jnp.log(self.concentration0 / self.scale), end)
        return jnp.where(zero, limit, inner)

    def _log_kernel(self, x):
        """Log of y^a (1 - y)^b/B(a, b) at y = x/(x + scale)."""
        a, b = self.concentration1, self.concentration0
        y, q = self._shares(x)
        total = a + b
        leading = ((a < 3.0) & (4.0 * total * y < a)) | ((b < 3.0) & (4.0 * total * q < b))
        saddle = (a > 1.0) & (b > 1.0) & ~leading
        log_odds = log_ratio(x, self.scale)
        log_y, log_q = -_softplus(-log_odds), -_softplus(log_odds)
        direct = a * log_y + b * log_q - log_beta(a, b)
        # Clamped, not masked by x: what depends on a and b alone is computed once for a batch of x.
        high1, high0 = jnp.maximum(a, 1.0), jnp.maximum(b, 1.0)
        safe = jnp.where(saddle, x, self.scale)
        around = _saddle(high1, high0, jnp.where(saddle, y, 0.5), jnp.where(saddle, q, 0.5), safe, self.scale)
        return jnp.where(saddle, around, direct)

    def _sample_many(self, key, sample_shape):
        key1, key0 = jax.random.split(key)
        log_u = sample_log_gamma(key1, self.concentration1, sample_shape)
        log_v = sample_log_gamma(key0, self.concentration0, sample_shape)
        row = (1,) * len(sample_shape) + self.event_shape
        return exp_in_range(jnp.log(self.scale).reshape(row) + (log_u - log_v))

    def _mean(self):
        b = self.concentration0
        return jnp.where(b > 1, self.scale * self.concentration1 / jnp.where(b > 1, b - 1.0, 1.0), jnp.inf)

    def _variance(self):
        a, b = self.concentration1, self.concentration0
        safe = jnp.where(b > 2, b, 3.0)
        ratio = a / (safe - 1.0) * ((a + safe - 1.0) / (safe - 1.0)) / (safe - 2.0)
        return jnp.where(b > 2, self.scale**2 * ratio, jnp.inf)

    def _entropy_terms(self):
        # H(x) = H(y) + E log dx/dy with dx/dy = scale/(1 - y)^2.
        a, b = self.concentration1, self.concentration0
        return entropy_terms(a, b) + jnp.log(self.scale) + 2.0 * digamma_difference(b, a)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return above(x, lambda point: self._tails(point)[0], -jnp.inf)

    def _log_survival(self, x):
        return above(x, lambda point: self._tails(point)[1], 0.0)

    def _tails(self, x):
        return log_tails(self.concentration1, self.concentration0, *self._shares(x), log_ratio(x, self.scale))

    def _from_levels(self, log_p, log_q):
        return self.scale * jnp.exp(log_odds_from_levels(self.concentration1, self.concentration0, log_p, log_q))

    def _quantile(self, p):
        return self._from_levels(jnp.log(p), jnp.log1p(-p))

    def _quantile_from_log(self, log_p):
        return self._from_levels(log_p, log1mexp(log_p))

    def _quantile_from_log_survival(self, log_q):
        return self._from_levels(log1mexp(log_q), log_q)


def _softplus(t):
    return jnp.maximum(t, 0.0) + jnp.log1p(jnp.exp(-jnp.abs(t)))


def _saddle(a, b, y, q, x, scale):
    """Log of y^a q^b/B(a, b) for a, b > 1, by the deviances of two counts from their shares of the total."""
    gap = product_difference(b, x, a, scale) / (x + scale)
    errors = stirling_error(a + b) - stirling_error(a) - stirling_error(b)

    total = a + b
    spread = 0.5 * (jnp.log(a) + jnp.log(b / total)) - _HALF_LOG_2PI
    return errors + spread - offset_deviance(a, gap, total * y) - offset_deviance(b, -gap, total * q)
