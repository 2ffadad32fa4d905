"""The Bernoulli distribution."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._count_support import logits_from_probs
from depthjax.distributions._not_nan import not_nan
from depthjax.numerics import log_sigmoid


def _rare(key, p, shape):
    """Events of probability p <= 1/2, p of the rank of `shape`; by the bits of one integer unless some p < 2^-8."""
    wide = p if jnp.finfo(p.dtype).bits >= 32 else p.astype(jnp.float32)
    integer = jnp.uint32 if wide.dtype == jnp.float32 else jnp.uint64
    level = (wide * 2.0 ** jnp.iinfo(integer).bits).astype(integer)
    return jax.lax.cond(
        jnp.all(wide >= 2.0**-8),
        lambda: jax.random.bits(key, shape, integer) < level,
        lambda: jax.random.bernoulli(key, p, shape, mode="high"),
    )


@record
class Bernoulli(Elementwise, ExponentialFamily):
    """Independent coin tosses: P(x = 1) = sigmoid(logits).

    log p(x) = log sigmoid(logits) at 1 and log sigmoid(-logits) at 0.

    Args:
        logits: log odds, (*event); -inf and inf are certain outcomes.

    Numerics:
        log p is -inf, not a clamped number, for an impossible outcome; the entropy of a certain outcome is 0 with zero
        gradient. Draws compare with the smaller of the two probabilities, so rare outcomes of either kind keep their
        frequency down to 2^-40 or so.

    Source:
        Wainwright and Jordan (2008), table 3.1.
    """

    logits: jax.Array = param(not_nan)
    event_shape: tuple[int, ...] = derived()

    support = constraints.boolean
    reparameterized = "none"

    def _log_prob_terms(self, x):
        return log_sigmoid(self._signed(x))

    def _supported_terms(self, x):
        outside = jnp.where(jnp.isnan(x), jnp.nan, -jnp.inf).astype(self.logits.dtype)
        if not self.event_shape:
            # One logit for a batch of outcomes: its logarithm is taken once.
            soft = jnp.log1p(jnp.exp(jnp.minimum(self.logits, -self.logits)))
            success, failure = (jnp.minimum(signed, 0.0) - soft for signed in (self.logits, -self.logits))
            outside = jnp.minimum(jax.lax.stop_gradient(failure), outside)
            return jnp.where(x == 1, success, jnp.where(x == 0, failure, outside))
        # What is no outcome gets its -inf or NaN by way of the argument, chosen by x alone: choices made after the
        # logarithm, or by the logits of every draw, keep the compiler from summing the terms as it computes them. The
        # minimum passes on a NaN of the logits.
        signed = self._signed(x)
        fixed = jax.lax.stop_gradient(signed)
        return log_sigmoid(jnp.where(self.support.contains(x), signed, jnp.minimum(fixed, outside)))

    def _signed(self, x):
        """The log odds of the outcome x."""
        return jnp.where(x == 1, 1, -1).astype(self.logits.dtype) * self.logits

    def _sample_many(self, key, sample_shape):
        logits = self.logits.reshape((1,) * len(sample_shape) + self.event_shape)
        rare = _rare(key, jax.nn.sigmoid(-jnp.abs(logits)), (*sample_shape, *self.event_shape))
        return (rare ^ (logits > 0)).astype(jnp.int32)

    def _enumerate_support(self):
        codes = jnp.arange(2 ** self._size())
        bits = (codes[:, None] >> jnp.arange(self._size())[None, :]) & 1
        return bits.reshape((-1, *self.event_shape)).astype(jnp.int32)

    def _size(self):
        return self.logits.size

    def _mean(self):
        return jax.nn.sigmoid(self.logits)

    def _variance(self):
        return jax.nn.sigmoid(self.logits) * jax.nn.sigmoid(-self.logits)

    def _mode(self):
        return (self.logits > 0).astype(jnp.int32)

    def _entropy_terms(self):
        certain = jnp.isinf(self.logits)
        logits = jnp.where(certain, 0.0, self.logits)
        inner = jax.nn.sigmoid(logits) * log_sigmoid(logits) + jax.nn.sigmoid(-logits) * log_sigmoid(-logits)
        return jnp.where(certain, 0.0, -inner)

    def _cdf(self, x):
        return _steps(x, 0.0, jax.nn.sigmoid(-self.logits), 1.0)

    def _survival(self, x):
        return _steps(x, 1.0, jax.nn.sigmoid(self.logits), 0.0)

    def _log_cdf(self, x):
        return _steps(x, -jnp.inf, log_sigmoid(-self.logits), 0.0)

    def _log_survival(self, x):
        return _steps(x, 0.0, log_sigmoid(self.logits), -jnp.inf)

    def natural_parameters(self):
        """Eta = {x: logits}."""
        return {"x": self.logits}

    def sufficient_statistics(self, x):
        """T(x) = {x: x}."""
        return {"x": x.astype(self.logits.dtype)}

    def log_base_measure(self, x):
        """Log h = 0."""
        del x
        return jnp.zeros((), self.logits.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = softplus(eta), summed over coordinates."""
        return -jnp.sum(log_sigmoid(-natural["x"]))

    @classmethod
    def from_natural(cls, natural):
        """The Bernoulli distribution with these log odds."""
        return cls(natural["x"])

    @classmethod
    def from_mean_parameters(cls, mean):
        """The Bernoulli distribution with P(x = 1)."""
        return bernoulli_from_probs(mean["x"])


def bernoulli_from_probs(probs: ArrayLike) -> Bernoulli:
    """The Bernoulli distribution with P(x = 1) = probs.

    Args:
        probs: (*event), in [0, 1].

    Returns:
        The distribution; NaN throughout for probabilities outside [0, 1].

    Numerics:
        At exactly 0 and 1 the logits are infinite constants, and the gradient in `probs` is zero.
    """
    return Bernoulli(logits_from_probs(probs))


def _steps(x, below, between, above):
    """A right-continuous step function of x with steps at 0 and 1."""
    value = jnp.where(x < 0, below, jnp.where(x < 1, between, above))
    return jnp.where(jnp.isnan(x), jnp.nan, value)
