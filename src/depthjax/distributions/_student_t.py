"""Student's t distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._student_t_tail import log_kernel, log_peak, log_upper, magnitude_from_tail
from depthjax.numerics import clip_open, log1mexp, log_gamma_difference, standardize
from depthjax.numerics._draws import standard_normal

_LOG_2 = math.log(2.0)


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
        in df its sign. Beyond |z| = 1e15 the kernel is taken in logarithms. The tail is an integral of positive terms
        in asinh(z/sqrt(df)), and the quantile Newton's method in that variable, at every df.

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
        return standardize(x, self.loc, self.scale)

    def _log_prob_terms(self, x):
        z = self._standard(x)
        return log_peak(self.df) - jnp.log(self.scale) - 0.5 * (self.df + 1.0) * log_kernel(z, self.df)

    def _sample_many(self, key, sample_shape):
        key_normal, key_gamma = jax.random.split(key)
        row = (1,) * len(sample_shape) + self.event_shape
        normal = standard_normal(key_normal, (*sample_shape, *self.event_shape), self.loc.dtype)
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
        return 0.5 * (self.df + 1.0) * slope - log_peak(self.df) + jnp.log(self.scale)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return _log_lower(self._standard(x), self.df)

    def _log_survival(self, x):
        return _log_lower(-self._standard(x), self.df)

    def _quantile(self, p):
        upper = p > 0.5
        return self.loc + self.scale * _signed(jnp.log(jnp.where(upper, 1.0 - p, p)), self.df, upper)

    def _quantile_from_log(self, log_p):
        return self.loc + self.scale * _from_log(log_p, self.df)

    def _quantile_from_log_survival(self, log_q):
        return self.loc - self.scale * _from_log(log_q, self.df)


def _log_lower(z, df):
    """Log P(T <= z) from the tail on the side of z."""
    tail = log_upper(jnp.abs(z), df)
    return jnp.where(z > 0, log1mexp(jnp.where(z > 0, tail, -1.0)), tail)


def _from_log(log_p, df):
    upper = log_p > -_LOG_2
    return _signed(jnp.where(upper, log1mexp(jnp.where(upper, log_p, -1.0)), log_p), df, upper)


def _signed(log_tail, df, upper):
    size = magnitude_from_tail(log_tail, df)
    return jnp.where(upper, size, -size)
