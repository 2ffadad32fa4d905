"""Student's t distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.numerics import betaincinv, clip_open, log_betainc, log_gamma_difference
from depthjax.numerics._incomplete_beta import _log_upper

_LOG_2 = math.log(2.0)
_HUGE = 1e15


@record
class StudentT(Elementwise):
    """Student's t distribution with independent coordinates.

    log p(x) = log Gamma((df+1)/2) - log Gamma(df/2) - log(pi df)/2 - log(scale) - (df+1)/2 log1p(z^2/df) with
    z = (x - loc)/scale.

    Args:
        df: degrees of freedom, (*event), positive.
        loc: location, (*event); the mean for df > 1.
        scale: (*event), positive; not the standard deviation.

    Numerics:
        The gamma functions enter as one difference, so the normal limit (df = 1e8) keeps its digits, and the derivative
        in df its sign. Beyond |z| = 1e15 the kernel is taken in logarithms.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Univariate Distributions 2 (1995), ch. 28.
    """

    df: jax.Array = param(constraints.positive)
    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "implicit"

    def _standard(self, x):
        return (x - self.loc) / self.scale

    def _log_prob_terms(self, x):
        z = self._standard(x)
        return _log_peak(self.df) - jnp.log(self.scale) - 0.5 * (self.df + 1.0) * _log_kernel(z, self.df)

    def _sample_many(self, key, sample_shape):
        key_normal, key_gamma = jax.random.split(key)
        row = (1,) * len(sample_shape) + self.event_shape
        normal = jax.random.normal(key_normal, (*sample_shape, *self.event_shape), self.loc.dtype)
        half = 0.5 * self.df
        log_ratio = jnp.log(half).reshape(row) - sample_log_gamma(key_gamma, half, sample_shape)
        standard = clip_open(normal * jnp.exp(0.5 * log_ratio), -jnp.inf, jnp.inf)
        return clip_open(self.loc.reshape(row) + self.scale.reshape(row) * standard, -jnp.inf, jnp.inf)

    def _mean(self):
        return jnp.where(self.df > 1, self.loc, jnp.nan)

    def _variance(self):
        finite = self.df > 2
        df = jnp.where(finite, self.df, 3.0)
        return jnp.where(finite, self.scale**2 * (df / (df - 2.0)), jnp.where(self.df > 1, jnp.inf, jnp.nan))

    def _entropy_terms(self):
        half = 0.5 * self.df
        slope = jax.jvp(lambda a: log_gamma_difference(a, 0.5), (half,), (jnp.ones_like(half),))[1]
        return 0.5 * (self.df + 1.0) * slope - _log_peak(self.df) + jnp.log(self.scale)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return _log_lower(self._standard(x), self.df)

    def _log_survival(self, x):
        return _log_lower(-self._standard(x), self.df)

    def _quantile(self, p):
        return self.loc + self.scale * _standard_quantile(jnp.minimum(p, 1.0 - p), self.df, p > 0.5)

    def _quantile_from_log(self, log_p):
        upper = log_p > -_LOG_2
        tail = jnp.where(upper, -jnp.expm1(jnp.where(upper, log_p, -1.0)), jnp.exp(log_p))
        return self.loc + self.scale * _standard_quantile(tail, self.df, upper)

    def _quantile_from_log_survival(self, log_q):
        upper = log_q > -_LOG_2
        tail = jnp.where(upper, -jnp.expm1(jnp.where(upper, log_q, -1.0)), jnp.exp(log_q))
        return self.loc - self.scale * _standard_quantile(tail, self.df, upper)


def _log_peak(df):
    """Log density of the standard distribution at 0."""
    return log_gamma_difference(0.5 * df, 0.5) - 0.5 * jnp.log(math.pi * df)


def _log_kernel(z, df):
    """Log(1 + z^2/df), without overflow of the square."""
    huge = jnp.abs(z) > _HUGE
    inner = jnp.where(huge, 1.0, z)
    outer = jnp.where(huge, jnp.abs(z), 1.0)
    return jnp.where(huge, 2.0 * jnp.log(outer) - jnp.log(df), jnp.log1p(inner * (inner / df)))


def _log_lower(z, df):
    """Log P(T <= z) by the incomplete beta function whose argument is below one half."""
    magnitude = jnp.abs(z)
    odds = jnp.minimum(magnitude, _HUGE) * (jnp.minimum(magnitude, _HUGE) / df)
    central = odds < 1.0
    half, inside = jnp.full_like(df, 0.5), jnp.where(central & (z != 0), odds / (1.0 + odds), 0.25)
    # The complement, for 1 - I loses the tail and 1 - x the argument when df is large.
    middle = jnp.where(z == 0, 0.0, _log_upper(half, 0.5 * df, inside))
    beyond = log_betainc(0.5 * df, half, jnp.where(central, 0.25, 1.0 / (1.0 + jnp.where(central, 1.0, odds))))
    # Past the cap the tail is a power: P(T > z) ~ z^-df.
    excess = df * jnp.log(jnp.where(magnitude > _HUGE, magnitude, _HUGE) / _HUGE)
    log_tail = jnp.where(central, middle, beyond) - excess - _LOG_2
    return jnp.where(z > 0, jnp.log1p(-jnp.exp(log_tail)), log_tail)


def _standard_quantile(tail, df, upper):
    """The z with P(T > |z|) = tail, of the sign that `upper` says."""
    half = jnp.full_like(df, 0.5)
    outer = tail < 0.25
    share = betaincinv(0.5 * df, half, 2.0 * jnp.where(outer, tail, 0.2))
    central = betaincinv(half, 0.5 * df, 1.0 - 2.0 * jnp.where(outer, 0.3, tail))
    odds = jnp.where(outer, (1.0 - share) / share, central / (1.0 - central))
    magnitude = jnp.sqrt(df) * jnp.sqrt(jnp.where(odds > 0, odds, 1.0))
    magnitude = jnp.where(odds > 0, magnitude, jnp.where(jnp.isnan(odds), jnp.nan, 0.0))
    return jnp.where(upper, magnitude, -magnitude)
