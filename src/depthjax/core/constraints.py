"""Sets that parameters and events live in, each with a map to and from unconstrained coordinates.

A `Constraint` acts on the trailing `event_ndim` axes of an array; leading axes are batch. Its raw maps are plain
`jax.nn` code. Discrete sets have no raw map (`to_raw is None`).
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core import _raw_maps as maps

Shape = tuple[int, ...]


def _same(value):
    return value


@dataclasses.dataclass(frozen=True, eq=False)
class Constraint:
    """A set, its membership test, and its map from unconstrained coordinates.

    Attributes:
        name: the field's term.
        event_ndim: how many trailing axes make one element.
        check: `value -> ()` bool: every element is in the set.
        to_raw: constrained `(*batch, *event)` -> raw `(*batch, *raw_event)`; None for discrete sets.
        from_raw: the inverse of `to_raw`; None for discrete sets.
        raw_shape: shape of a value -> shape of its raw coordinates.
        contains: `(*batch, *event) -> (*batch)` bool, membership of each element.
        bounds: `(low, high, closed)` for intervals with static ends, else None.
    """

    name: str
    event_ndim: int
    check: Callable[[ArrayLike], jax.Array]
    to_raw: Any
    from_raw: Any
    raw_shape: Callable[[Shape], Shape]
    contains: Callable[[ArrayLike], jax.Array]
    bounds: tuple[float, float, bool] | None = None

    @property
    def discrete(self) -> bool:
        """True when the set is countable and so has no raw map."""
        return self.from_raw is None

    def __repr__(self):
        return f"constraints.{self.name}"


def _make(name, event_ndim, is_member, to_raw=None, from_raw=None, raw_shape=_same, bounds=None):
    def contains(value):
        value = jnp.asarray(value)
        return is_member(value if jnp.issubdtype(value.dtype, jnp.inexact) else value.astype(jnp.result_type(float)))

    def check(value):
        return jnp.all(contains(value))

    return Constraint(name, event_ndim, check, to_raw, from_raw, raw_shape, contains, bounds)


def _tolerance(value, count):
    return 16 * count * jnp.finfo(jnp.result_type(float, value)).eps


def _is_integer(value):
    return jnp.isfinite(value) & (value == jnp.floor(value))


def _none(violations, axis):
    """No violation along the axes: counted as floats, for sums of these are faster than conjunctions on processors."""
    return jnp.sum(violations, axis=axis, dtype=jnp.float32) == 0


def _is_simplex(x):
    total = jnp.sum(jnp.where(x >= 0, x, jnp.inf), axis=-1)
    return jnp.abs(total - 1) <= _tolerance(x, x.shape[-1])


def _is_unit(x):
    return jnp.abs(jnp.sum(x * x, axis=-1) - 1) <= _tolerance(x, x.shape[-1])


def _is_increasing(x):
    return jnp.all(x[..., 1:] > x[..., :-1], axis=-1) & jnp.all(jnp.isfinite(x), axis=-1)


def _is_one_hot(x):
    return jnp.all((x == 0) | (x == 1), axis=-1) & (jnp.sum(x, axis=-1) == 1)


def _diagonal(x):
    return jnp.diagonal(x, axis1=-2, axis2=-1)


def _is_lower_cholesky(x):
    n = x.shape[-1]
    upper, eye = (jnp.broadcast_to(mask, x.shape) for mask in (~np.tri(n, dtype=bool), np.eye(n, dtype=bool)))
    return _none((upper & (x != 0)) | (eye & ~(x > 0)) | ~jnp.isfinite(x), (-2, -1))


def _is_corr_cholesky(x):
    return _is_lower_cholesky(x) & jnp.all(_is_unit(x), axis=-1)


def _is_positive_definite(x):
    size = jnp.max(jnp.abs(x), axis=(-2, -1))
    symmetric = jnp.max(jnp.abs(x - x.mT), axis=(-2, -1)) <= _tolerance(x, 1) * size
    wide = x.astype(jnp.float32) if jnp.finfo(x.dtype).bits < 32 else x
    return symmetric & jnp.all(jnp.isfinite(jnp.linalg.cholesky(wide)), axis=(-2, -1))


def _is_correlation(x):
    unit = jnp.all(jnp.abs(_diagonal(x) - 1) <= _tolerance(x, 1), axis=-1)
    return _is_positive_definite(x) & unit


def _is_orthogonal(x):
    gram = x.mT @ x
    identity = jnp.broadcast_to(jnp.eye(x.shape[-1], dtype=x.dtype), gram.shape)
    return jnp.all(jnp.abs(gram - identity) <= _tolerance(x, x.shape[-1]), axis=(-2, -1))


def _interval(name, low, high, *, closed):
    to_raw, from_raw = maps.interval_maps(low, high)
    is_static = all(isinstance(b, (int, float)) for b in (low, high))
    keeps_low, keeps_high = (closed and not (isinstance(b, (int, float)) and math.isinf(b)) for b in (low, high))

    def contains(x):
        lower, upper = (maps.like(b, x) for b in (low, high))
        inside = (x >= lower if keeps_low else x > lower) & (x <= upper if keeps_high else x < upper)
        return inside if is_static else inside & jnp.isfinite(x)

    return _make(name, 0, contains, to_raw, from_raw, _same, (float(low), float(high), closed) if is_static else None)


def interval(low: ArrayLike, high: ArrayLike) -> Constraint:
    """The closed interval [low, high]; raw maps reach its interior."""
    return _interval(f"interval({low}, {high})", low, high, closed=True)


def open_interval(low: ArrayLike, high: ArrayLike) -> Constraint:
    """The open interval (low, high)."""
    return _interval(f"open_interval({low}, {high})", low, high, closed=False)


def greater_than(low: ArrayLike) -> Constraint:
    """The half line (low, inf)."""
    return _interval(f"greater_than({low})", low, math.inf, closed=False)


def less_than(high: ArrayLike) -> Constraint:
    """The half line (-inf, high)."""
    return _interval(f"less_than({high})", -math.inf, high, closed=False)


def integer_interval(low: ArrayLike, high: ArrayLike) -> Constraint:
    """The integers low, ..., high, both ends included."""
    return _make(
        f"integer_interval({low}, {high})",
        0,
        lambda x: _is_integer(x) & (x >= maps.like(low, x)) & (x <= maps.like(high, x)),
    )


real = _make("real", 0, jnp.isfinite, _same, _same, _same, (-math.inf, math.inf, False))
positive = _interval("positive", 0.0, math.inf, closed=False)
nonnegative = _interval("nonnegative", 0.0, math.inf, closed=True)
unit_interval = _interval("unit_interval", 0.0, 1.0, closed=True)
circular = _make(
    "circular",
    0,
    lambda x: jnp.abs(x) <= maps.like(math.pi, x),
    _same,
    maps.wrap_angle,
    _same,
    (-math.pi, math.pi, True),
)
simplex = _make("simplex", 1, _is_simplex, maps.simplex_to_raw, maps.simplex_from_raw, maps.one_less)
ordered = _make("ordered", 1, _is_increasing, maps.ordered_to_raw, maps.ordered_from_raw)
positive_ordered = _make(
    "positive_ordered",
    1,
    lambda x: _is_increasing(x) & (x[..., 0] > 0),
    maps.positive_ordered_to_raw,
    maps.positive_ordered_from_raw,
)
unit_vector = _make("unit_vector", 1, _is_unit, _same, maps.unit_vector_from_raw)
lower_cholesky = _make(
    "lower_cholesky",
    2,
    _is_lower_cholesky,
    maps.lower_cholesky_to_raw,
    maps.lower_cholesky_from_raw,
    maps.lower_cholesky_raw_shape,
)
corr_cholesky = _make(
    "corr_cholesky",
    2,
    _is_corr_cholesky,
    maps.corr_cholesky_to_raw,
    maps.corr_cholesky_from_raw,
    maps.corr_cholesky_raw_shape,
)
positive_definite = _make(
    "positive_definite",
    2,
    _is_positive_definite,
    maps.positive_definite_to_raw,
    maps.positive_definite_from_raw,
    maps.lower_cholesky_raw_shape,
)
correlation = _make(
    "correlation",
    2,
    _is_correlation,
    maps.correlation_to_raw,
    maps.correlation_from_raw,
    maps.corr_cholesky_raw_shape,
)
orthogonal = _make("orthogonal", 2, _is_orthogonal, _same, maps.orthogonal_from_raw)
integer = _make("integer", 0, _is_integer)
nonnegative_integer = _make("nonnegative_integer", 0, lambda x: _is_integer(x) & (x >= 0))
boolean = _make("boolean", 0, lambda x: (x == 0) | (x == 1))
one_hot = _make("one_hot", 1, _is_one_hot)

_SUPERSETS = {
    "simplex": (unit_interval,),
    "positive_ordered": (ordered, positive),
    "corr_cholesky": (lower_cholesky,),
    "correlation": (positive_definite,),
    "boolean": (nonnegative_integer,),
    "nonnegative_integer": (integer,),
    "one_hot": (boolean,),
}


def implies(a: Constraint, b: Constraint) -> bool:
    """Subset order: True when every element of `a` is known to be an element of `b`.

    Intervals compare by their static ends; every continuous set lies within `real`; no discrete set does, for a density
    over counts is not one over the line. Sets whose ends are arrays are known to lie within `real` only.
    """
    if a is b or (a.name == b.name and a.bounds == b.bounds and "(" not in a.name):
        return True
    if b is real:
        return not a.discrete
    if a.bounds is not None and b.bounds is not None:
        return _within(a.bounds, b.bounds)
    return any(implies(parent, b) for parent in _SUPERSETS.get(a.name, ()))


def compatible(a: Constraint, b: Constraint) -> bool:
    """False when `a` is known not to lie within `b`; an interval whose ends are arrays may lie within any interval."""
    ends_unknown = a.event_ndim == 0 and not a.discrete and a.bounds is None
    return implies(a, b) or (ends_unknown and not b.discrete)


def _within(a, b):
    (low_a, high_a, closed_a), (low_b, high_b, closed_b) = a, b
    ends_fit = closed_b or not closed_a
    low_fits = low_a > low_b or (low_a == low_b and (ends_fit or math.isinf(low_a)))
    return low_fits and (high_a < high_b or (high_a == high_b and (ends_fit or math.isinf(high_a))))
