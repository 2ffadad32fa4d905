"""What every kernel offers: its value, sums of its Stein operator over points, and Stein kernels, by autodiff."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._shapes import check_unstacked
from depthjax.numerics import promote

Rows = Callable[..., jax.Array]


class Kernel:
    """A positive definite function k(x, y) of two points (d,).

    Calling it gives (), or (d, d) for a matrix-valued kernel. A subclass defines `_value(x, y)`; one with a closed form
    also replaces the two methods below, which sums over many points go through.
    """

    matrix_valued = False

    def __call__(self, x: ArrayLike, y: ArrayLike) -> jax.Array:
        """The kernel at one pair of points.

        Args:
            x: (d,).
            y: (d,).

        Returns:
            (), or (d, d) for a matrix-valued kernel.

        Raises:
            ValueError: other shapes.
        """
        check_unstacked(self, "__call__")
        x, y = promote(x, y)
        if x.ndim != 1:
            raise ValueError(f"{type(self).__name__}: x and y have shape {x.shape}, expected one point (d,) each")
        return self._value(x, y)

    def _value(self, x: jax.Array, y: jax.Array) -> jax.Array:
        raise NotImplementedError

    def _whiten(self, x: jax.Array) -> jax.Array:
        """Points (n, d) in the coordinates that a length scale is measured in."""
        return x

    def _direction_fn(self, points: jax.Array, vectors: jax.Array, weights: jax.Array) -> Rows:
        """Rows (b, d) -> (b, d): sum_j k(p_j, row) v_j + w_j grad_{p_j} k(p_j, row)."""
        slope = jax.grad(self._value)

        def at(row):
            values = jax.vmap(self._value, (0, None))(points, row)
            return values @ vectors + weights @ jax.vmap(slope, (0, None))(points, row)

        return jax.vmap(at)

    def _stein_fn(self, points: jax.Array, scores: jax.Array) -> Rows:
        """Rows (b, d) and their scores -> (b, n), the Stein kernel of each row with each point."""

        def pair(x, score_x, y, score_y):
            value, (slope_x, slope_y) = jax.value_and_grad(self._value, (0, 1))(x, y)
            mixed = jax.jacfwd(jax.grad(self._value), 1)(x, y)
            return score_x @ score_y * value + score_x @ slope_y + score_y @ slope_x + jnp.trace(mixed)

        over_points = jax.vmap(pair, (None, None, 0, 0))
        return lambda rows, row_scores: jax.vmap(over_points, (0, 0, None, None))(rows, row_scores, points, scores)


def require_scalar(name: str, base: Any) -> None:
    """Raise `TypeError` unless `base` is a kernel with scalar values."""
    if not isinstance(base, Kernel) or base.matrix_valued:
        kind = "matrix-valued" if isinstance(base, Kernel) else "no kernel"
        raise TypeError(f"{name}: base {type(base).__name__} is {kind}, expected a scalar kernel such as RBF(1.0)")


def positive_or_nan(value: Any, dtype: Any) -> jax.Array:
    """A parameter in the points' dtype; NaN where it is not positive."""
    value = jnp.asarray(value).astype(dtype)
    return jnp.where(value > 0.0, value, jnp.nan)


def nonnegative_or_nan(value: Any, dtype: Any) -> jax.Array:
    """A parameter in the points' dtype; NaN where it is negative."""
    value = jnp.asarray(value).astype(dtype)
    return jnp.where(value >= 0.0, value, jnp.nan)


def matmul(a: jax.Array, b: jax.Array) -> jax.Array:
    """Product of two matrices in full precision on every device."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)
