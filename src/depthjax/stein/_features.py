"""Kernels that are inner products of finitely many features, with sums of cost linear in the number of points."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import constraints, param, record, require_rank, require_shape
from depthjax.stein._kernel import Kernel, matmul, positive_or_nan


@record
class FourierFeatures(Kernel):
    """Kernel mean_m cos(w_m . (x - y)/h), made by `RandomFeatures`.

    Args:
        frequencies: w, (num_features, d).
        length_scale: h, (), positive.
    """

    frequencies: jax.Array = param(constraints.real)
    length_scale: jax.Array = param(constraints.positive, default=1.0)

    @classmethod
    def _complete(cls, values):
        require_shape("FourierFeatures", "length_scale", values["length_scale"], ())
        require_rank("FourierFeatures", "frequencies", values["frequencies"], 2)
        return values

    def _phases(self, x):
        """(..., num_features) of points (..., d), and the frequencies."""
        w = self.frequencies.astype(x.dtype) / positive_or_nan(self.length_scale, x.dtype)
        if x.shape[-1] != w.shape[1]:
            raise ValueError(f"FourierFeatures: points have dimension {x.shape[-1]}, expected {w.shape[1]}")
        return jnp.matmul(x, w.T, precision=jax.lax.Precision.HIGHEST), w

    def _value(self, x, y):
        return jnp.mean(jnp.cos(self._phases(x - y)[0]))

    def _direction_fn(self, points, vectors, weights):
        phases, w = self._phases(points)
        cos, sin = jnp.cos(phases), jnp.sin(phases)
        with_cos = matmul(cos.T, vectors) - matmul(sin.T, weights[:, None]) * w
        with_sin = matmul(sin.T, vectors) + matmul(cos.T, weights[:, None]) * w

        def at(rows):
            phases, _ = self._phases(rows)
            return (matmul(jnp.cos(phases), with_cos) + matmul(jnp.sin(phases), with_sin)) / float(w.shape[0])

        return at


def RandomFeatures(  # noqa: N802
    key: jax.Array, dim: int, num_features: int, length_scale: ArrayLike = 1.0
) -> FourierFeatures:
    """Random Fourier features of the `RBF` kernel: mean_m cos(w_m . (x - y)/h) with w_m ~ N(0, I).

    Args:
        key: PRNG key.
        dim: d.
        num_features: frequencies, at least 1.
        length_scale: h, (), positive.

    Returns:
        A kernel; its error against `RBF(h)` is of order 1/sqrt(num_features), its sums over n points cost O(n).

    Raises:
        ValueError: dim or num_features below 1.

    Source:
        Rahimi and Recht, Random Features for Large-Scale Kernel Machines (2007), sec. 3; Liu and Wang, Stein
        Variational Gradient Descent as Moment Matching (2018), sec. 3.3.
    """
    for name, value in (("dim", dim), ("num_features", num_features)):
        if value < 1:
            raise ValueError(f"RandomFeatures: {name} is {value}, expected at least 1")
    frequencies = jax.random.normal(key, (num_features, dim), jnp.result_type(float))
    return FourierFeatures(frequencies, length_scale)
