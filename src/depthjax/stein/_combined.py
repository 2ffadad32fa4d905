"""Sums and multiples of kernels."""

import jax

from depthjax.core import constraints, param, record, require_shape
from depthjax.stein._kernel import Kernel, positive_or_nan


@record
class SumKernel(Kernel):
    """Sum of kernels, `SumKernel(a, b, ...)`.

    Args:
        kernels: at least one, all scalar or all matrix-valued.

    Raises:
        ValueError: no kernels, or kernels of both kinds.
    """

    kernels: tuple[Kernel, ...]

    _variadic = True

    @classmethod
    def _complete(cls, values):
        if not values["kernels"]:
            raise ValueError("SumKernel: got no kernels, expected at least one")
        kinds = {type(kernel).__name__: kernel.matrix_valued for kernel in values["kernels"]}
        if len(set(kinds.values())) > 1:
            raise ValueError(
                f"SumKernel: {', '.join(kinds)} are partly scalar and partly matrix-valued, expected one kind"
            )
        return values

    @property
    def matrix_valued(self) -> bool:
        """Whether the values are (d, d)."""
        return self.kernels[0].matrix_valued

    def _value(self, x, y):
        return sum(kernel._value(x, y) for kernel in self.kernels)

    def _direction_fn(self, points, vectors, weights):
        parts = [kernel._direction_fn(points, vectors, weights) for kernel in self.kernels]
        return lambda rows: sum(part(rows) for part in parts)

    def _stein_fn(self, points, scores):
        parts = [kernel._stein_fn(points, scores) for kernel in self.kernels]
        return lambda rows, row_scores: sum(part(rows, row_scores) for part in parts)


@record
class ScaledKernel(Kernel):
    """A kernel times a positive number.

    Args:
        base: kernel.
        factor: (), positive.
    """

    base: Kernel
    factor: jax.Array = param(constraints.positive)

    @classmethod
    def _complete(cls, values):
        require_shape("ScaledKernel", "factor", values["factor"], ())
        return values

    @property
    def matrix_valued(self) -> bool:
        """Whether the values are (d, d)."""
        return self.base.matrix_valued

    def _value(self, x, y):
        return positive_or_nan(self.factor, x.dtype) * self.base._value(x, y)

    def _whiten(self, x):
        return self.base._whiten(x)

    def _direction_fn(self, points, vectors, weights):
        part = self.base._direction_fn(points, vectors, weights)
        return lambda rows: positive_or_nan(self.factor, rows.dtype) * part(rows)

    def _stein_fn(self, points, scores):
        part = self.base._stein_fn(points, scores)
        return lambda rows, row_scores: positive_or_nan(self.factor, rows.dtype) * part(rows, row_scores)
