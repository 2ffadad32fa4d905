"""Maps from R^d onto increasing vectors; the inverse of what does not increase is NaN."""

import jax.numpy as jnp

from depthjax.core import Bijector, constraints, derived, record, static
from depthjax.core._smooth import log_kept, log_sigmoid
from depthjax.core._sums import total
from depthjax.core._validity import where_valid


class _ToOrdered(Bijector):
    """Shapes, and the raw map of the codomain; coordinates from `_first` on are increments."""

    dim: int
    _first = 0

    @classmethod
    def _complete(cls, fields):
        if fields["dim"] < 1:
            raise ValueError(f"{cls.__name__}: dim must be at least 1, got {fields['dim']}")
        return {**fields, "event_shape": (fields["dim"],)}

    def _forward_and_log_det(self, x):
        return self.codomain.from_raw(x), total(log_sigmoid(x)[self._first :])

    def _inverse_and_log_det(self, y):
        steps = jnp.diff(y) if self._first else jnp.diff(y, prepend=jnp.zeros_like(y[:1]))
        log_det = -total(log_kept(steps))
        x, ok = self.codomain.to_raw(y), jnp.isfinite(log_det)
        return where_valid(ok, x), where_valid(ok, log_det)


@record
class Ordered(_ToOrdered):
    """y_1 = x_1, y_k = y_(k-1) + softplus(x_k); the raw map of `constraints.ordered`.

    Args:
        dim: static size d.

    Raises:
        ValueError: d below 1.

    Numerics:
        log-det sum_{k>1} log sigmoid(x_k), finite for all x. An increment that rounding swallows becomes one unit in
        the last place, and its x_k cannot be found again.

    Source:
        Stan Reference Manual, sec. "Ordered vector", with softplus for exp.
    """

    dim: int = static()
    event_shape: tuple[int, ...] = derived()
    codomain = constraints.ordered
    _first = 1


@record
class PositiveOrdered(_ToOrdered):
    """y_k = sum_{j<=k} softplus(x_j); the raw map of `constraints.positive_ordered`.

    Args:
        dim: static size d.

    Raises:
        ValueError: d below 1.

    Numerics:
        log-det sum_k log sigmoid(x_k), finite for all x. An increment that rounding swallows becomes one unit in the
        last place, and its x_k cannot be found again.

    Source:
        Stan Reference Manual, sec. "Positive ordered vector", with softplus for exp.
    """

    dim: int = static()
    event_shape: tuple[int, ...] = derived()
    codomain = constraints.positive_ordered
