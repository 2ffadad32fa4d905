"""Piecewise maps of a scalar: finding the bin, reading its row, checking the options of a family."""

import abc

import jax
import jax.numpy as jnp

from depthjax.core import Bijector, require_rank
from depthjax.core._validity import valid, where_valid


def bin_of(x: jax.Array, knots: jax.Array) -> jax.Array:
    """Number (), 0..K-1, of the bin of a scalar among K+1 increasing knots; the end bins reach beyond the ends."""
    return jnp.sum(x >= knots[1:-1])


def pick(row: jax.Array, index: jax.Array) -> jax.Array:
    """row[index] as a masked sum, which is faster than a gather for short rows of many scalars."""
    return jnp.sum(jnp.where(jnp.arange(row.shape[0], dtype=index.dtype) == index, row, 0.0))


def check_knots(name: str, field: str, knots: jax.Array) -> None:
    """Raise `ValueError` unless `knots` is a vector of two at least."""
    require_rank(name, field, knots, 1)
    if knots.shape[0] < 2:
        raise ValueError(f"{name}: at least two {field}, got {knots.shape[0]}")


class KnotSpline(Bijector):
    """A scalar map given by knots and slopes, NaN throughout where they do not increase or are not positive."""

    elementwise = True

    def _forward_and_log_det(self, x):
        return tuple(where_valid(valid(self), value) for value in self._map(x))

    def _inverse_and_log_det(self, y):
        return tuple(where_valid(valid(self), value) for value in self._inverse_map(y))

    @abc.abstractmethod
    def _map(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Y and log dy/dx of a scalar."""

    @abc.abstractmethod
    def _inverse_map(self, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        """X and log dx/dy of a scalar."""


def check_bins(name: str, fields: dict) -> dict:
    """`fields` with a float interval; raises `ValueError` naming the option of a spline family that is out of range."""
    num_bins, (low, high) = fields["num_bins"], fields["interval"]
    if num_bins < 1:
        raise ValueError(f"{name}: num_bins must be at least 1, got {num_bins}")
    if not low < high:
        raise ValueError(f"{name}: interval must increase, got ({low}, {high})")
    if not 0.0 < fields["min_bin"] * num_bins < 1.0:
        raise ValueError(f"{name}: min_bin * num_bins must lie in (0, 1), got {fields['min_bin']} * {num_bins}")
    if not 0.0 < fields.get("min_slope", 0.5) < 1.0:
        raise ValueError(f"{name}: min_slope must lie in (0, 1), got {fields['min_slope']}")
    return {**fields, "interval": (float(low), float(high))}


def check_boundary(name: str, boundary: str, known: tuple[str, ...]) -> None:
    """Raise `ValueError` for an unknown boundary."""
    if boundary not in known:
        raise ValueError(f"{name}: boundary is one of {', '.join(known)}, got {boundary!r}")
