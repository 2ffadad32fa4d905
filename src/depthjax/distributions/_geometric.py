"""The geometric distribution."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._count_support import above_minus_infinity, floored, logits_from_probs
from depthjax.distributions._hazard import log_cdf_from_hazard
from depthjax.numerics import log1mexp, log_sigmoid

_LARGEST = 2147483520.0


@record
class Geometric(Elementwise, ExponentialFamily):
    """Number of failures before the first success, with independent coordinates.

    log p(x) = log sigmoid(logits) + x log sigmoid(-logits) for x = 0, 1, ...

    Args:
        logits: log odds of a success, (*event); inf is a count that is always 0.

    Numerics:
        Draws are the floor of an exponential variable and stay below 2^31.

    Source:
        Johnson, Kemp and Kotz, Univariate Discrete Distributions (2005), sec. 5.2.1.
    """

    logits: jax.Array = param(above_minus_infinity)
    event_shape: tuple[int, ...] = derived()

    support = constraints.nonnegative_integer
    reparameterized = "none"

    def _log_prob_terms(self, x):
        zero = x == 0
        certain = jnp.isposinf(self.logits)
        logits = jnp.where(certain, 0.0, self.logits)
        value = log_sigmoid(logits) + x * log_sigmoid(-logits)
        return jnp.where(certain, jnp.where(zero, 0.0, -jnp.inf), value)

    def _sample_many(self, key, sample_shape):
        shape = (*sample_shape, *self.event_shape)
        rate = -log_sigmoid(-self.logits).reshape((1,) * len(sample_shape) + self.event_shape)
        draws = jnp.floor(jax.random.exponential(key, shape, self.logits.dtype) / rate)
        return jnp.minimum(draws, _LARGEST).astype(jnp.int32)

    def _mean(self):
        return jnp.exp(-self.logits)

    def _variance(self):
        return jnp.exp(-self.logits) * (1.0 + jnp.exp(-self.logits))

    def _log_hazard(self, count):
        """The exponent -count log(1 - p), and its logarithm, which holds where p underflows."""
        rare = self.logits < -15.0
        logits = jnp.where(rare, -15.0, self.logits)
        regular = jnp.log(-log_sigmoid(-logits))
        rate = jnp.where(rare, self.logits - 0.5 * jnp.exp(self.logits), regular)
        return -count * log_sigmoid(-self.logits), jnp.log(count) + rate

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        return floored(x, lambda k: log_cdf_from_hazard(*self._log_hazard(k + 1.0)), -jnp.inf, 0.0)

    def _log_survival(self, x):
        return floored(x, lambda k: (k + 1.0) * log_sigmoid(-self.logits), 0.0, -jnp.inf)

    def natural_parameters(self):
        """Eta = {x: log(1 - p)}."""
        return {"x": log_sigmoid(-self.logits)}

    def sufficient_statistics(self, x):
        """T(x) = {x: x}."""
        return {"x": x.astype(self.logits.dtype)}

    def log_base_measure(self, x):
        """Log h = 0."""
        del x
        return jnp.zeros((), self.logits.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = -log(1 - exp(eta)), summed over coordinates."""
        return -jnp.sum(log1mexp(natural["x"]))

    @classmethod
    def from_natural(cls, natural):
        """The geometric distribution with this natural parameter."""
        return cls(log1mexp(natural["x"]) - natural["x"])

    @classmethod
    def from_mean_parameters(cls, mean):
        """The geometric distribution with this mean."""
        return cls(-jnp.log(mean["x"]))


def geometric_from_probs(probs: ArrayLike) -> Geometric:
    """The geometric distribution with probability `probs` of a success, (*event), in (0, 1]; else NaN throughout."""
    return Geometric(logits_from_probs(probs))
