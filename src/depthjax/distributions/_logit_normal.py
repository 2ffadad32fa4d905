"""The logit-normal distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.distributions._logit_normal_moments import log_sigmoid_mean, mean_below_half, variance
from depthjax.distributions._normal import Normal
from depthjax.numerics import clip_open, log1m
from depthjax.numerics._draws import standard_normal


@record
class LogitNormal(Elementwise):
    """sigmoid(Y) for a normal Y, with independent coordinates.

    log p(x) = log N(logit x; loc, scale^2) - log x - log(1 - x).

    Args:
        loc: mean of logit x, (*event).
        scale: standard deviation of logit x, (*event), positive.

    Numerics:
        Mean, variance and entropy are sums of positive terms, correct to rounding at every scale. The rounding of
        logit x moves its standardised value by eps |log x|/scale. Draws are in the open interval.

    Source:
        Atchison and Shen, Logistic-Normal Distributions: Some Properties and Uses (1980).
    """

    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.open_interval(0.0, 1.0)
    reparameterized = "explicit"

    def _logit_of(self):
        return Normal(self.loc, self.scale)

    def _log_prob_terms(self, x):
        log_x, log_rest = jnp.log(x), log1m(x)
        return self._logit_of()._log_prob_terms(log_x - log_rest) - log_x - log_rest

    def _noise_many(self, key, shape):
        return standard_normal(key, shape, self.loc.dtype)

    def _from_noise_terms(self, noise):
        return clip_open(jax.nn.sigmoid(self.loc + self.scale * noise), 0.0, 1.0)

    def _mean(self):
        below = mean_below_half(-jnp.abs(self.loc), self.scale)
        return jnp.where(self.loc > 0, 1.0 - below, below)

    def _variance(self):
        return variance(-jnp.abs(self.loc), self.scale)

    def _entropy_terms(self):
        return self._logit_of()._entropy_terms() + log_sigmoid_mean(-jnp.abs(self.loc), self.scale)

    def _of_logit(self, x, fn, below, above):
        outside = (x <= 0) | (x >= 1)
        inner = jnp.where(outside, 0.5, x)
        value = fn(jnp.log(inner) - log1m(inner))
        return jnp.where(outside, jnp.where(x <= 0, below, above), value)

    def _cdf(self, x):
        return self._of_logit(x, self._logit_of()._cdf, 0.0, 1.0)

    def _survival(self, x):
        return self._of_logit(x, self._logit_of()._survival, 1.0, 0.0)

    def _log_cdf(self, x):
        return self._of_logit(x, self._logit_of()._log_cdf, -jnp.inf, 0.0)

    def _log_survival(self, x):
        return self._of_logit(x, self._logit_of()._log_survival, 0.0, -jnp.inf)

    def _quantile(self, p):
        return jax.nn.sigmoid(self._logit_of()._quantile(p))

    def _quantile_from_log(self, log_p):
        return jax.nn.sigmoid(self._logit_of()._quantile_from_log(log_p))

    def _quantile_from_log_survival(self, log_q):
        return jax.nn.sigmoid(self._logit_of()._quantile_from_log_survival(log_q))
