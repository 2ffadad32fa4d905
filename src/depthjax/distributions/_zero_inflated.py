"""Counts with extra zeros."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, derived, param, record
from depthjax.distributions._not_nan import not_nan
from depthjax.distributions._of_base import OfBase, like_event, require_base
from depthjax.numerics import log1mexp, log_add, log_sigmoid

_LOG_HALF = -math.log(2.0)


@record
class ZeroInflated(OfBase):
    """Zero with probability g = sigmoid(gate_logits), else a draw of the base, with independent coordinates.

    p(x) = g [x = 0] + (1 - g) p_base(x).

    Args:
        base: a discrete elementwise distribution with a cdf, mean and variance.
        gate_logits: log odds of an extra zero, a number or of the event shape of the base; -inf and inf are allowed.
            Taken in the dtype of the base.

    Raises:
        TypeError: the base is not elementwise and discrete.
        ValueError: `gate_logits` does not broadcast to the event shape of the base.

    Source:
        Lambert, Zero-Inflated Poisson Regression (1992), eq. 1.
    """

    base: Distribution
    gate_logits: jax.Array = param(not_nan)
    event_shape: tuple[int, ...] = derived()

    reparameterized = "none"

    @classmethod
    def _complete(cls, fields):
        base: Any = fields.get("base")
        require_base(cls.__name__, base, ("cdf", "mean", "variance"), discrete=True)
        gate = like_event(cls.__name__, base, "gate_logits", fields["gate_logits"])
        return {**fields, "gate_logits": gate, "event_shape": base.event_shape}

    @property
    def support(self):
        """That of the base."""
        return self.base.support

    def _log_keep(self):
        """Log(1 - g)."""
        return log_sigmoid(-self.gate_logits)

    def _log_prob_terms(self, x):
        kept = self._log_keep() + self.base._supported_terms(x)
        extra = jnp.where(x == 0, log_sigmoid(self.gate_logits), -jnp.inf)
        return jnp.where(x == 0, log_add(extra, kept), kept)

    def _sample_many(self, key, sample_shape):
        key_gate, key_base = jax.random.split(key)
        draws = self.base._sample_many(key_base, sample_shape)
        gate = jax.nn.sigmoid(self.gate_logits).reshape((1,) * len(sample_shape) + self.event_shape)
        extra = jax.random.bernoulli(key_gate, jnp.broadcast_to(gate, draws.shape))
        return jnp.where(extra, 0, draws).astype(jnp.int32)

    def _mean(self):
        return jax.nn.sigmoid(-self.gate_logits) * self.base._mean()

    def _variance(self):
        keep, extra = jax.nn.sigmoid(-self.gate_logits), jax.nn.sigmoid(self.gate_logits)
        return keep * (self.base._variance() + extra * self.base._mean() ** 2)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        """From whichever of the two tails is below one half."""
        kept = self._log_keep() + self.base._log_cdf(x)
        lower = jnp.where(x >= 0, log_add(log_sigmoid(self.gate_logits), kept), kept)
        upper = self._log_survival(x)
        large = upper < _LOG_HALF
        return jnp.where(large, log1mexp(jnp.where(large, upper, -1.0)), lower)

    def _log_survival(self, x):
        kept = self._log_keep() + self.base._log_survival(x)
        return jnp.where(x < 0, log_add(log_sigmoid(self.gate_logits), kept), kept)
