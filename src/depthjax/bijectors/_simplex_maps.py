"""Maps from R^(K-1) onto the probability simplex of K categories; the inverse of what is not on it is NaN."""

import abc

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core import Bijector, constraints, derived, record, static
from depthjax.core._smooth import log_sigmoid
from depthjax.core._sums import total
from depthjax.core._validity import where_valid
from depthjax.numerics import clip_open
from depthjax.numerics._logs import logistic


class _ToSimplex(Bijector):
    """Shapes; the log-det is that of the first K - 1 coordinates."""

    num_categories: int
    codomain = constraints.simplex

    @classmethod
    def _complete(cls, fields):
        size = fields["num_categories"]
        if size < 2:
            raise ValueError(f"{cls.__name__}: num_categories must be at least 2, got {size}")
        return {**fields, "event_shape": (size - 1,)}

    @property
    def event_shape_out(self):
        """(K,)."""
        return (self.num_categories,)

    def _inverse_and_log_det(self, y):
        # Added rather than chosen, which leaves the loops over a batch whole.
        void = where_valid(self.codomain.check(y), jnp.zeros((), y.dtype))
        return tuple(value + void for value in self._inverse_map(y))

    @abc.abstractmethod
    def _inverse_map(self, y):
        """The inverse and its log-det at a point of the simplex."""


@record
class SoftmaxCentered(_ToSimplex):
    """x = softmax([raw, 0]), the raw map of `constraints.simplex`; log-det sum_k log x_k over all K.

    Densities on the simplex are with respect to the first K - 1 coordinates.

    Args:
        num_categories: static K >= 2.

    Raises:
        ValueError: K below 2.

    Numerics:
        log x is a log-softmax, so the log-det is finite for all raw; an x that underflows becomes the smallest normal
        number, and its raw value cannot be found again.

    Source:
        Aitchison, The Statistical Analysis of Compositional Data (1982), sec. 3: the additive log-ratio.
    """

    num_categories: int = static()
    event_shape: tuple[int, ...] = derived()

    def _forward_and_log_det(self, x):
        log_y = jax.nn.log_softmax(jnp.concatenate([x, jnp.zeros_like(x[:1])]))
        return constraints.simplex.from_raw(x), total(log_y)

    def _inverse_map(self, y):
        return constraints.simplex.to_raw(y), -total(jnp.log(y))


@record
class StickBreaking(_ToSimplex):
    """x_k = z_k prod_{j<k} (1 - z_j) with z_k = sigmoid(raw_k - log(K - k)): each takes its share of what is left.

    Raw zero is the uniform distribution. log-det sum_{k<K} [log x_k + log(1 - z_k)], with respect to the first K - 1
    coordinates.

    Args:
        num_categories: static K >= 2.

    Raises:
        ValueError: K below 2.

    Numerics:
        Both z and 1 - z are logistic functions, and the log-det a sum of their logs, so that nothing cancels and the
        log-det is finite. The inverse compares x_k with the sum of those after it. An x that underflows becomes the
        smallest normal number.

    Source:
        Stan Reference Manual, sec. "Unit simplex"; Sethuraman, A Constructive Definition of Dirichlet Priors (1994).
    """

    num_categories: int = static()
    event_shape: tuple[int, ...] = derived()

    def _offsets(self, dtype):
        return jnp.asarray(np.log(self._remaining()), dtype)

    def _remaining(self):
        return np.arange(self.num_categories - 1, 0, -1)

    def _forward_and_log_det(self, x):
        logits, one = x - self._offsets(x.dtype), jnp.ones_like(x[:1])
        left = jnp.cumprod(logistic(-logits))
        y = jnp.concatenate([one, left]) * jnp.concatenate([logistic(logits), one])
        log_det = log_sigmoid(logits) + jnp.asarray(self._remaining(), x.dtype) * log_sigmoid(-logits)
        return clip_open(y, 0.0, jnp.inf), total(log_det)

    def _inverse_map(self, y):
        left = jax.lax.associative_scan(jnp.add, y, reverse=True)
        log_y, log_left = jnp.log(y), jnp.log(left)
        x = log_y[:-1] - (log_left[1:] - self._offsets(y.dtype))
        return x, -(total(log_y[:-1]) + log_left[-1] - log_left[0])
