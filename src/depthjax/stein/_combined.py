"""Sums and multiples of kernels."""

import jax

from depthjax.core import constraints, param, record
from depthjax.stein._kernel import Kernel


@record
class SumKernel(Kernel):
    """Sum of kernels, `SumKernel(a, b, ...)`.

    Args:
        kernels: at least one, all scalar or all matrix-valued.

    Raises:
        ValueError: no kernels.
    """

    kernels: tuple[Kernel, ...]

    _variadic = True

    @classmethod
    def _complete(cls, values):
        if not values["kernels"]:
            raise ValueError("SumKernel: got no kernels, expected at least one")
        return values

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

    def _value(self, x, y):
        return self.factor.astype(x.dtype) * self.base._value(x, y)

    def _whiten(self, x):
        return self.base._whiten(x)

    def _direction_fn(self, points, vectors, weights):
        part = self.base._direction_fn(points, vectors, weights)
        return lambda rows: self.factor.astype(rows.dtype) * part(rows)

    def _stein_fn(self, points, scores):
        part = self.base._stein_fn(points, scores)
        return lambda rows, row_scores: self.factor.astype(rows.dtype) * part(rows, row_scores)
