"""Continuous distributions rounded up to whole numbers."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, constraints, derived, record, static
from depthjax.distributions._between import log_between
from depthjax.distributions._of_base import OfBase, require_base
from depthjax.distributions._static_count import require_integer

_LARGEST = 2147483520.0


@record
class Quantized(OfBase):
    """Y = ceil(X) for X of a continuous base, held in low, ..., high, with independent coordinates.

    P(Y = y) = P(y - 1 < X <= y); the levels low and high also take the tails below and above them.

    Args:
        base: a continuous elementwise distribution with a cdf.
        low: lowest level, a static integer, or None for no lower end.
        high: highest level, a static integer not below `low`, or None for no upper end.

    Raises:
        TypeError: the base is not elementwise and continuous or has no cdf; an end is not an integer.
        ValueError: high < low.

    Numerics:
        The mass is a difference of cdfs in log space, on the side of the median where the level lies; normal, logistic,
        exponential and Gumbel bases take the difference in closed form, so levels much finer than the scale keep their
        digits. `mean` and `variance` are sums over the levels, and exist where both ends do.

    Source:
        Salimans et al., PixelCNN++ (2017), sec. 2.1, for the edges.
    """

    base: Distribution
    low: int | None = static(default=None)
    high: int | None = static(default=None)
    event_shape: tuple[int, ...] = derived()

    reparameterized = "none"

    @classmethod
    def _complete(cls, fields):
        base: Any = fields.get("base")
        require_base(cls.__name__, base, ("cdf",), discrete=False)
        ends = {k: v if v is None else require_integer(cls.__name__, k, v) for k, v in fields.items() if k != "base"}
        if None not in ends.values() and ends["high"] < ends["low"]:
            raise ValueError(f"{cls.__name__}: high = {ends['high']} is below low = {ends['low']}")
        return {"base": base, **ends, "event_shape": base.event_shape}

    def _ends(self):
        return (-math.inf if self.low is None else float(self.low)), (
            math.inf if self.high is None else float(self.high)
        )

    @property
    def support(self):
        """The integers low, ..., high."""
        return constraints.integer if self.low is self.high is None else constraints.integer_interval(*self._ends())

    def _interior(self, x):
        ends = [end for end in self._ends() if math.isfinite(end)]
        return jnp.full_like(x, ends[0] if ends else 0.0)

    def _log_prob_terms(self, x):
        low, high = self._ends()
        return log_between(self.base, jnp.where(x <= low, -jnp.inf, x - 1.0), jnp.where(x >= high, jnp.inf, x))

    def _sample_many(self, key, sample_shape):
        low, high = self._ends()
        draws = jnp.ceil(self.base._sample_many(key, sample_shape))
        return jnp.clip(draws, max(low, -_LARGEST), min(high, _LARGEST)).astype(jnp.int32)

    def _levels(self, dtype):
        """All levels, (K, 1...), and the log masses there, (K, *event)."""
        low, high = (int(end) for end in self._ends())
        x = jnp.arange(low, high + 1, dtype=dtype).reshape((-1,) + (1,) * len(self.event_shape))
        wide = jnp.broadcast_to(x, (x.shape[0], *self.event_shape))
        return x, jnp.exp(jax.vmap(self._log_prob_terms)(wide))

    def _finite(self, method):
        if self.low is None or self.high is None:
            raise AttributeError(f"{type(self).__name__} without both ends has no {method}()")

    @property
    def _mean(self) -> Any:
        self._finite("mean")
        return lambda: self._moments()[0]

    @property
    def _variance(self) -> Any:
        self._finite("variance")
        return lambda: self._moments()[1]

    def _moments(self):
        x, masses = self._levels(jax.tree.leaves(self.base)[0].dtype)
        mean = jnp.sum(x * masses, axis=0)
        return mean, jnp.sum((x - mean[None]) ** 2 * masses, axis=0)

    def _cdf(self, x):
        return self._stepped(x, self.base._cdf, 0.0, 1.0)

    def _survival(self, x):
        return self._stepped(x, self.base._survival, 1.0, 0.0)

    def _log_cdf(self, x):
        return self._stepped(x, self.base._log_cdf, -jnp.inf, 0.0)

    def _log_survival(self, x):
        return self._stepped(x, self.base._log_survival, 0.0, -jnp.inf)

    def _stepped(self, x, fn, below, above):
        low, high = self._ends()
        start, end = (x < low) | jnp.isneginf(x), x >= high
        value = fn(jnp.floor(jnp.where(start | end, self._interior(x), x)))
        return jnp.where(start, below, jnp.where(end, above, value))
