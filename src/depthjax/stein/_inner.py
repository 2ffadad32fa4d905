"""Kernels of the inner product."""

import jax
import jax.numpy as jnp

from depthjax.core import constraints, param, record, require_shape, static
from depthjax.stein._kernel import Kernel, matmul, nonnegative_or_nan


class InnerProduct(Kernel):
    """A function of t = x . y; subclasses give `profile`."""

    def profile(self, t: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The kernel and its first two derivatives in t.

        Args:
            t: inner products, any shape.

        Returns:
            Three arrays of the same shape.
        """
        raise NotImplementedError

    def _value(self, x, y):
        return self.profile(jnp.sum(x * y))[0]

    def _direction_fn(self, points, vectors, weights):
        def at(rows):
            value, slope, _ = self.profile(matmul(rows, points.T))
            return matmul(value, vectors) + matmul(slope, weights[:, None]) * rows

        return at

    def _stein_fn(self, points, scores):
        own = jnp.sum(scores * points, axis=1)[None, :]

        def at(rows, row_scores):
            t = matmul(rows, points.T)
            value, slope, bend = self.profile(t)
            row_own = jnp.sum(row_scores * rows, axis=1, keepdims=True)
            return value * matmul(row_scores, scores.T) + slope * (row_own + own + float(rows.shape[1])) + bend * t

        return at


@record
class Linear(InnerProduct):
    """Kernel x . y + offset.

    With it Stein variational gradient descent fits the mean and the 1/n-normalised covariance of a normal law exactly.

    Args:
        offset: (), nonnegative.

    Source:
        Liu and Wang, Stein Variational Gradient Descent as Moment Matching (2018), sec. 3.
    """

    offset: jax.Array = param(constraints.nonnegative, default=1.0)

    @classmethod
    def _complete(cls, values):
        require_shape("Linear", "offset", values["offset"], ())
        return values

    def profile(self, t):
        """The kernel and its first two derivatives in t, of the shape of `t`."""
        return t + nonnegative_or_nan(self.offset, t.dtype), jnp.ones_like(t), jnp.zeros_like(t)


@record
class Polynomial(InnerProduct):
    """Kernel (x . y + offset)^degree.

    Args:
        degree: static, at least 1.
        offset: (), nonnegative.

    Raises:
        ValueError: the degree is not a positive integer.

    Source:
        Liu and Wang (2018), sec. 3.
    """

    degree: int = static()
    offset: jax.Array = param(constraints.nonnegative, default=1.0)

    @classmethod
    def _complete(cls, values):
        require_shape("Polynomial", "offset", values["offset"], ())
        if int(values["degree"]) != values["degree"] or values["degree"] < 1:
            raise ValueError(f"Polynomial: degree is {values['degree']}, expected an integer of at least 1")
        return values

    def profile(self, t):
        """The kernel and its first two derivatives in t, of the shape of `t`."""
        base, p = t + nonnegative_or_nan(self.offset, t.dtype), int(self.degree)
        bend = p * (p - 1.0) * base ** (p - 2) if p > 1 else jnp.zeros_like(t)
        return base**p, p * base ** (p - 1), bend
