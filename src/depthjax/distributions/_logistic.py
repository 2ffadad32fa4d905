"""The logistic distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record
from depthjax.numerics import log1mexp, log_sigmoid, logit_from_logs, standardize, with_partials


@with_partials(lambda z: -jnp.tanh(0.5 * z))
def _log_kernel(z):
    distance = jnp.abs(z)
    return -distance - 2.0 * jnp.log1p(jnp.exp(-distance))


@record
class Logistic(Elementwise):
    """Logistic distribution with independent coordinates; its cdf is the sigmoid.

    log p(x) = log sech^2(z/2) - log(4 scale) with z = (x - loc)/scale.

    Args:
        loc: mean and median, (*event).
        scale: (*event), positive; the standard deviation is pi scale/sqrt(3).

    Source:
        Balakrishnan, Handbook of the Logistic Distribution (1992), eq. 1.1 to 1.3.
    """

    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    def _log_prob_terms(self, x):
        return _log_kernel(standardize(x, self.loc, self.scale)) - jnp.log(self.scale)

    def _log_between(self, low, high):
        """Log P(low < X < high), a product in logarithms: sigmoid(u) - sigmoid(v) = s(u) s(-v) (1 - exp(v - u))."""
        width = (high - low) / self.scale
        return self._log_cdf(high) + self._log_survival(low) + log1mexp(-width)

    def _noise_many(self, key, shape):
        return jax.random.logistic(key, shape, self.loc.dtype)

    def _from_noise_terms(self, noise):
        return self.loc + self.scale * noise

    def _mean(self):
        return self.loc

    def _mode(self):
        return self.loc

    def _variance(self):
        return self.scale**2 * (math.pi**2 / 3)

    def _entropy_terms(self):
        return jnp.log(self.scale) + 2.0

    def _cdf(self, x):
        return jax.nn.sigmoid((x - self.loc) / self.scale)

    def _survival(self, x):
        return jax.nn.sigmoid((self.loc - x) / self.scale)

    def _log_cdf(self, x):
        return log_sigmoid((x - self.loc) / self.scale)

    def _log_survival(self, x):
        return log_sigmoid((self.loc - x) / self.scale)

    def _quantile(self, p):
        return self.loc + self.scale * logit_from_logs(jnp.log(p), jnp.log1p(-p))

    def _quantile_from_log(self, log_p):
        return self.loc + self.scale * logit_from_logs(log_p, log1mexp(log_p))

    def _quantile_from_log_survival(self, log_q):
        return self.loc - self.scale * logit_from_logs(log_q, log1mexp(log_q))
