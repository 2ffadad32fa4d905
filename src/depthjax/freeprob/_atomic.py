"""Laws of finitely many atoms, among them the empirical law of a sample."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from depthjax.core import constraints, float_dtype, param, record
from depthjax.core._options import is_concrete
from depthjax.freeprob._branch import plus, times
from depthjax.freeprob._law import SpectralLaw, closed_form

_SLACK = 1e-6


@record
class Atomic(SpectralLaw):
    """Law of finitely many atoms. Its continuous part is empty: log density -inf; the Stieltjes transform is exact.

    Args:
        points: (n,) locations, in any order.
        weights: (n,) masses, non-negative with sum 1.

    Raises:
        ValueError: no points, weights of another shape, concrete weights that are negative or whose sum is off by more
            than 1e-6.
    """

    points: jax.Array = param(constraints.real)
    weights: jax.Array = param(constraints.nonnegative)

    @classmethod
    def _complete(cls, fields):
        points, weights = fields["points"], fields["weights"]
        if points.ndim != 1 or points.shape[0] == 0:
            raise ValueError(f"Atomic: points has shape {points.shape}, expected (n,) with n >= 1")
        if weights.shape != points.shape:
            raise ValueError(f"Atomic: weights has shape {weights.shape}, expected {points.shape} as points")
        if is_concrete(weights):
            values = np.asarray(weights, np.float64)
            if not (values >= 0.0).all():
                raise ValueError(f"Atomic: weights has an entry {values.min()}, expected non-negative ones")
            if not abs(values.sum() - 1.0) <= _SLACK:
                raise ValueError(f"Atomic: weights sums to {values.sum()}, expected 1")
        return fields

    def _valid(self):
        return super()._valid() & (jnp.abs(jnp.sum(self.weights) - 1.0) <= _SLACK)

    def _stieltjes(self, z):
        return closed_form(jnp.sum(times(self._inverse(z), self.weights)))

    def _inverse(self, z):
        """1/(z - points) in real arithmetic, which vectorises where complex division does not."""
        real, imag = jnp.real(z) - self.points, jnp.broadcast_to(jnp.imag(z), self.points.shape)
        scale = 1.0 / (real * real + imag * imag)
        return lax.complex(real * scale, -imag * scale)

    def _shift(self, z):
        inverse = self._inverse(z)
        return -jnp.sum(times(inverse, self.weights * self.points)) / jnp.sum(times(inverse, self.weights))

    def _moment_transform(self, z):
        return jnp.sum(times(self._inverse(z), self.weights * self.points))

    def _log_potential(self, z):
        used = self.weights > 0.0
        gap = plus(jnp.broadcast_to(z, self.points.shape), -self.points)
        gap = jnp.where(used, gap, jnp.ones_like(gap))
        return jnp.sum(times(jnp.log(gap), self.weights))

    def _log_density(self, x):
        return jnp.where(jnp.isnan(x), jnp.nan, jnp.full_like(x, -jnp.inf))

    def _cdf(self, x):
        total = jnp.sum(jnp.where(self.points <= x, self.weights, 0.0))
        return jnp.where(jnp.isnan(x), jnp.nan, total)

    def _quantile(self, u):
        order = jnp.argsort(self.points)
        levels = jnp.cumsum(self.weights[order])
        slack = 4.0 * jnp.finfo(levels.dtype).eps
        place = jnp.sum((levels < u - slack) | (levels <= 0.0))
        value = self.points[order][jnp.minimum(place, self.points.shape[0] - 1)]
        return jnp.where((u >= 0.0) & (u <= 1.0), value, jnp.nan)

    def _bounds(self):
        used = self.weights > 0.0
        return jnp.min(jnp.where(used, self.points, jnp.inf)), jnp.max(jnp.where(used, self.points, -jnp.inf))

    def _atoms(self):
        return self.points, self.weights

    def _moments(self, order):
        powers = jnp.cumprod(jnp.broadcast_to(self.points, (order, self.points.shape[0])), axis=0)
        return powers @ self.weights

    def _sample_many(self, key, shape):
        return jax.random.choice(key, self.points, shape, p=self.weights)

    def _sample_matrix(self, key, dim):
        """A diagonal of quantiles, rotated by a Haar orthogonal matrix."""
        from depthjax.freeprob._ensembles import sample_haar_orthogonal

        levels = (jnp.arange(dim, dtype=float_dtype(self)) + 0.5) / dim
        values = jax.vmap(self._quantile)(levels)
        basis = sample_haar_orthogonal(key, dim, dtype=values.dtype)
        return (basis * values[None, :]) @ basis.T


def bernoulli(prob: ArrayLike) -> Atomic:
    """The law with mass `prob` at 1 and 1 - prob at 0: a projection of normalised rank `prob`.

    Args:
        prob: (), in [0, 1].

    Returns:
        An `Atomic` law.
    """
    prob = jnp.asarray(prob)
    if not jnp.issubdtype(prob.dtype, jnp.inexact):
        prob = prob.astype(jnp.result_type(float))
    return Atomic(jnp.asarray(np.array([0.0, 1.0]), prob.dtype), jnp.stack([1.0 - prob, prob]))


def empirical(samples: ArrayLike) -> Atomic:
    """The law with mass 1/n at each of n numbers, such as the eigenvalues of a matrix.

    Args:
        samples: (n,).

    Returns:
        An `Atomic` law.
    """
    samples = jnp.asarray(samples)
    if not jnp.issubdtype(samples.dtype, jnp.inexact):
        samples = samples.astype(jnp.result_type(float))
    if samples.ndim != 1 or samples.shape[0] == 0:
        raise ValueError(f"empirical: samples has shape {samples.shape}, expected (n,) with n >= 1")
    return Atomic(samples, jnp.full(samples.shape, 1.0 / samples.shape[0], samples.dtype))
