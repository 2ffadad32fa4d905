"""Kernels of the distance, with every sum in closed form."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from depthjax.core import constraints, param, record, require_shape, static
from depthjax.numerics import pairwise_squared_distance
from depthjax.stein._kernel import Kernel, matmul, positive_or_nan

_FEW = 4


class Radial(Kernel):
    """A function of r^2 = |x - y|^2; subclasses give `profile`."""

    def profile(self, r2: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """The kernel and its first two derivatives in r^2.

        Args:
            r2: squared distances, any shape.

        Returns:
            Three arrays of the same shape.
        """
        raise NotImplementedError

    def _value(self, x, y):
        return self.profile(jnp.sum(jnp.square(x - y)))[0]

    def _direction_fn(self, points, vectors, weights):
        distances, centred, centre = distances_to(points)
        moved = jnp.concatenate([weights[:, None] * centred, weights[:, None]], axis=1)

        def at(rows):
            value, slope, _ = self.profile(distances(rows))
            drift = matmul(slope, moved)
            return matmul(value, vectors) + 2.0 * (drift[:, :-1] - drift[:, -1:] * (rows - centre))

        return at

    def _stein_fn(self, points, scores):
        distances, centred, centre = distances_to(points)
        own = jnp.sum(scores * centred, axis=1)

        def at(rows, row_scores):
            r2 = distances(rows)
            value, slope, bend = self.profile(r2)
            shifted = rows - centre
            towards = matmul(shifted, scores.T) - own[None, :]
            away = jnp.sum(row_scores * shifted, axis=1, keepdims=True) - matmul(row_scores, centred.T)
            dim = float(rows.shape[1])
            return value * matmul(row_scores, scores.T) + 2.0 * slope * (towards - away - dim) - 4.0 * r2 * bend

        return at


def distances_to(points: jax.Array) -> tuple[Callable[[jax.Array], jax.Array], jax.Array, jax.Array]:
    """Rows (b, d) -> (b, n) squared distances to `points`, the points about their mean (n, d), and the mean (1, d).

    Beyond a few dimensions by the expansion of the square about the mean, where what lies below its rounding is zero,
    so that a point has the distance zero from itself.
    """
    centre = jax.lax.stop_gradient(jnp.mean(points, axis=0, keepdims=True))
    centred = points - centre
    if points.shape[1] <= _FEW:
        return lambda rows: pairwise_squared_distance(rows, points), centred, centre
    norms = jnp.sum(jnp.square(centred), axis=1)
    noise = 8.0 * float(jnp.finfo(points.dtype).eps)

    def to(rows):
        shifted = rows - centre
        size = jnp.sum(jnp.square(shifted), axis=1, keepdims=True) + norms[None, :]
        r2 = size - 2.0 * matmul(shifted, centred.T)
        return jnp.where(r2 > noise * size, r2, 0.0)

    return to, centred, centre


@record
class RBF(Radial):
    """Gaussian kernel exp(-|x - y|^2/(2 h^2)).

    Args:
        length_scale: h, (), positive.

    Numerics:
        A sum over points takes one product with [v - w x/h^2, w]. The kernel discrepancy of this kernel does not
        control convergence in three dimensions or more (Gorham and Mackey 2017); `IMQ` does.

    Source:
        Liu and Wang, Stein Variational Gradient Descent (2016), sec. 3.
    """

    length_scale: jax.Array = param(constraints.positive, default=1.0)

    @classmethod
    def _complete(cls, values):
        require_shape("RBF", "length_scale", values["length_scale"], ())
        return values

    def profile(self, r2):
        """The kernel and its first two derivatives in r^2, of the shape of `r2`."""
        rate = -0.5 / jnp.square(positive_or_nan(self.length_scale, r2.dtype))
        value = jnp.exp(rate * r2)
        return value, rate * value, rate * rate * value

    def _direction_fn(self, points, vectors, weights):
        distances, centred, centre = distances_to(points)
        rate = 1.0 / jnp.square(positive_or_nan(self.length_scale, points.dtype))
        column = weights[:, None]
        pulled = jnp.concatenate([vectors - rate * column * centred, column], axis=1)

        def at(rows):
            out = matmul(jnp.exp(-0.5 * rate * distances(rows)), pulled)
            return out[:, :-1] + rate * out[:, -1:] * (rows - centre)

        return at


@record
class IMQ(Radial):
    """Inverse multiquadric kernel (1 + |x - y|^2/h^2)^beta.

    Args:
        length_scale: h, (), positive.
        exponent: beta, static, in (-1, 0).

    Raises:
        ValueError: the exponent is not in (-1, 0).

    Source:
        Gorham and Mackey, Measuring Sample Quality with Kernels (2017), theorem 8.
    """

    length_scale: jax.Array = param(constraints.positive, default=1.0)
    exponent: float = static(default=-0.5)

    @classmethod
    def _complete(cls, values):
        require_shape("IMQ", "length_scale", values["length_scale"], ())
        if not -1.0 < values["exponent"] < 0.0:
            raise ValueError(f"IMQ: exponent is {values['exponent']}, expected a number in (-1, 0)")
        return values

    def profile(self, r2):
        """The kernel and its first two derivatives in r^2, of the shape of `r2`."""
        rate = 1.0 / jnp.square(positive_or_nan(self.length_scale, r2.dtype))
        base, beta = 1.0 + rate * r2, float(self.exponent)
        value = jax.lax.rsqrt(base) if beta == -0.5 else base**beta  # noqa: RUF069
        slope = beta * rate * value / base
        return value, slope, (beta - 1.0) * rate * slope / base
