"""The discretised logistic distribution."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, constraints, derived, param, record, static
from depthjax.distributions._static_count import require_integer
from depthjax.numerics import log1mexp, log_sigmoid


@record
class DiscretizedLogistic(Elementwise):
    """A logistic variable rounded to the levels 0, ..., K - 1, with independent coordinates.

    P(x) = sigmoid(u) - sigmoid(v), u = (x + 1/2 - loc)/scale and v = (x - 1/2 - loc)/scale; the end levels also take
    the tails below and above them.

    Args:
        loc: (*event), in units of levels: a pixel y in [-1, 1] of K levels is at (y + 1)(K - 1)/2.
        scale: (*event), positive, in units of levels.
        num_levels: K, a static positive integer.

    Raises:
        TypeError: `num_levels` is not an integer.
        ValueError: `num_levels` is not positive.

    Numerics:
        The difference is a product, sigmoid(u) sigmoid(-v) (1 - exp(-1/scale)), so neither far levels nor large scales
        cancel. Mean and variance are sums over the levels.

    Source:
        Salimans, Karpathy, Chen and Kingma, PixelCNN++ (2017), eq. 2.
    """

    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    num_levels: int = static(default=256)
    event_shape: tuple[int, ...] = derived()

    reparameterized = "none"

    @classmethod
    def _complete(cls, fields):
        count = require_integer(cls.__name__, "num_levels", fields["num_levels"])
        if count < 1:
            raise ValueError(f"{cls.__name__}: num_levels is {count}, expected at least 1")
        return {**super()._complete(fields), "num_levels": count}

    @property
    def support(self):
        """The integers 0, ..., num_levels - 1."""
        return constraints.integer_interval(0, self.num_levels - 1)

    def _edge(self, x):
        """The upper edge of a level, standardised."""
        return (x + 0.5 - self.loc) / self.scale

    def _log_prob_terms(self, x):
        first, last = x == 0, x == self.num_levels - 1
        below = jnp.where(first, 0.0, log_sigmoid(-self._edge(x - 1.0)))
        above = jnp.where(last, 0.0, log_sigmoid(self._edge(x)))
        return below + above + jnp.where(first | last, 0.0, log1mexp(-1.0 / self.scale))

    def _sample_many(self, key, sample_shape):
        shape = (*sample_shape, *self.event_shape)
        row = (1,) * len(sample_shape) + self.event_shape
        noise = jax.random.logistic(key, shape, self.loc.dtype)
        draws = jnp.round(self.loc.reshape(row) + self.scale.reshape(row) * noise)
        return jnp.clip(draws, 0.0, self.num_levels - 1.0).astype(jnp.int32)

    def _moments(self):
        levels = jnp.arange(self.num_levels, dtype=self.loc.dtype).reshape((-1,) + (1,) * self.loc.ndim)
        wide = jnp.broadcast_to(levels, (self.num_levels, *self.event_shape))
        masses = jnp.exp(jax.vmap(self._log_prob_terms)(wide))
        mean = jnp.sum(levels * masses, axis=0)
        return mean, jnp.sum((levels - mean[None]) ** 2 * masses, axis=0)

    def _mean(self):
        return self._moments()[0]

    def _variance(self):
        return self._moments()[1]

    def _cdf(self, x):
        return self._stepped(x, jax.nn.sigmoid, 0.0, 1.0)

    def _survival(self, x):
        return self._stepped(x, lambda edge: jax.nn.sigmoid(-edge), 1.0, 0.0)

    def _log_cdf(self, x):
        return self._stepped(x, log_sigmoid, -jnp.inf, 0.0)

    def _log_survival(self, x):
        return self._stepped(x, lambda edge: log_sigmoid(-edge), 0.0, -jnp.inf)

    def _stepped(self, x, fn, below, above):
        start, end = x < 0, x >= self.num_levels - 1
        value = fn(self._edge(jnp.floor(jnp.where(start | end, 0.0, x))))
        return jnp.where(start, below, jnp.where(end, above, value))
