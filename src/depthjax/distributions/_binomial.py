"""The binomial distribution."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._beta_cdf import log_tails
from depthjax.distributions._count_masses import log_binomial_mass
from depthjax.distributions._count_support import floored, logits_from_probs, sample_binomial
from depthjax.distributions._not_nan import not_nan
from depthjax.numerics import log_binomial, log_sigmoid

_OFFSETS = np.arange(-128.0, 128.0)


@record
class Binomial(Elementwise, ExponentialFamily):
    """Number of successes in n independent trials, with independent coordinates.

    log p(x) = log C(n, x) + x log sigmoid(logits) + (n - x) log sigmoid(-logits).

    Args:
        total_count: n, (*event), a whole number.
        logits: log odds of a success, (*event); -inf and inf are certain outcomes.

    Numerics:
        By the saddle point -deviance(x, n p) - deviance(n - x, n q) with Stirling errors, whose terms do not grow with
        n; the rounding of p alone moves it, by eps |x - n p|. The entropy is the sum over the support, or over 256
        points spread evenly where the standard deviation exceeds 8, where that is as exact. The exponential-family view
        holds for fixed `total_count`.

    Source:
        Loader, Fast and Accurate Computation of Binomial Probabilities (2000), eq. 4.
    """

    total_count: jax.Array = param(constraints.nonnegative_integer)
    logits: jax.Array = param(not_nan)
    event_shape: tuple[int, ...] = derived()

    reparameterized = "none"

    @property
    def support(self):
        """The integers 0, ..., total_count."""
        return constraints.integer_interval(0, self.total_count)

    def _odds(self):
        """Log odds with 0 in the place of infinite ones, and where they are infinite."""
        certain = jnp.isinf(self.logits)
        return jnp.where(certain, 0.0, self.logits), certain

    def _sure(self):
        """The outcome of certain trials."""
        return jnp.where(self.logits > 0, self.total_count, 0.0)

    def _log_prob_terms(self, x):
        logits, certain = self._odds()
        value = log_binomial_mass(x, self.total_count, logits)
        return jnp.where(certain, jnp.where(x == self._sure(), 0.0, -jnp.inf), value)

    def _sample_many(self, key, sample_shape):
        shape = (*sample_shape, *self.event_shape)
        row = (1,) * len(sample_shape) + self.event_shape
        count, logits = (jnp.broadcast_to(v.reshape(row), shape) for v in (self.total_count, self.logits))
        return sample_binomial(key, count, logits)

    def _mean(self):
        return self.total_count * jax.nn.sigmoid(self.logits)

    def _variance(self):
        return self.total_count * jax.nn.sigmoid(self.logits) * jax.nn.sigmoid(-self.logits)

    def _mode(self):
        top = jnp.floor((self.total_count + 1.0) * jax.nn.sigmoid(self.logits))
        return jnp.minimum(top, self.total_count).astype(jnp.int32)

    def _entropy_terms(self):
        logits, certain = self._odds()
        n, p = self.total_count, jax.nn.sigmoid(logits)
        centre, stride = jax.lax.stop_gradient((jnp.round(n * p), jnp.sqrt(n * p * jax.nn.sigmoid(-logits)) / 8))
        stride = jnp.maximum(stride, 1.0)[None]
        offsets = jnp.asarray(_OFFSETS, n.dtype).reshape((-1,) + (1,) * n.ndim)
        x = centre[None] + offsets * stride
        inside = (x >= 0) & (x <= n[None])
        x = jnp.where(inside, x, centre[None])
        log_mass = log_binomial_mass(x, *(jnp.broadcast_to(v[None], x.shape) for v in (n, logits)))
        terms = jnp.where(inside, stride * jnp.exp(log_mass) * log_mass, 0.0)
        return jnp.where(certain, 0.0, -jnp.sum(terms, axis=0))

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        _, certain = self._odds()
        value = floored(x, lambda k: self._tails(k)[1], -jnp.inf, 0.0, last=self.total_count)
        step = jnp.where(x >= self._sure(), 0.0, -jnp.inf)
        return jnp.where(certain & ~jnp.isnan(x), step, value)

    def _log_survival(self, x):
        _, certain = self._odds()
        value = floored(x, lambda k: self._tails(k)[0], 0.0, -jnp.inf, last=self.total_count)
        step = jnp.where(x >= self._sure(), -jnp.inf, 0.0)
        return jnp.where(certain & ~jnp.isnan(x), step, value)

    def _tails(self, k):
        """Log survival and log cdf at 0 <= k < n, as beta tails."""
        logits, _ = self._odds()
        rest = jnp.maximum(self.total_count - k, 1.0)
        return log_tails(k + 1.0, rest, jax.nn.sigmoid(logits), jax.nn.sigmoid(-logits), logits)

    def natural_parameters(self):
        """Eta = {x: logits}, for fixed n."""
        return {"x": self.logits}

    def sufficient_statistics(self, x):
        """T(x) = {x: x}."""
        return {"x": x.astype(self.logits.dtype)}

    def log_base_measure(self, x):
        """Log h = log C(n, x), summed over coordinates."""
        return jnp.sum(log_binomial(self.total_count, x.astype(self.logits.dtype)))

    @classmethod
    def log_normalizer_of(cls, natural, *, total_count=1.0):
        """A = n softplus(eta), summed over coordinates."""
        return -jnp.sum(total_count * log_sigmoid(-natural["x"]))

    def _fixed_parameters(self):
        return {"total_count": self.total_count}

    @classmethod
    def from_natural(cls, natural, *, total_count=1.0):
        """The binomial distribution of this count with these log odds."""
        return cls(jnp.asarray(total_count, natural["x"].dtype), natural["x"])

    @classmethod
    def from_mean_parameters(cls, mean, *, total_count=1.0):
        """The binomial distribution of this count with this mean."""
        total_count = jnp.asarray(total_count, mean["x"].dtype)
        return cls(total_count, logits_from_probs(mean["x"] / total_count))


def binomial_from_probs(total_count: ArrayLike, probs: ArrayLike) -> Binomial:
    """The binomial distribution with success probability `probs`, (*event), in [0, 1]; else NaN throughout."""
    return Binomial(total_count, logits_from_probs(probs))
