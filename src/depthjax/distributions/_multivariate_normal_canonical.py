"""The multivariate normal distribution in its natural form."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._gaussian_algebra import (
    HIGHEST,
    cholesky,
    complete_factor,
    log_diagonal,
    lower_factor,
    map_arguments,
    matvec,
    observed_values,
    solve_lower,
    split_indices,
)
from depthjax.distributions._multivariate_normal import MultivariateNormal
from depthjax.numerics._draws import standard_normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class MultivariateNormalCanonical(Distribution, ExponentialFamily):
    """Normal random vector with precision matrix P and mean P^-1 h.

    log p(x) = h.x - x.P x/2 - A(h, P), evaluated as -|z|^2/2 + sum_i log U_ii - d log(2 pi)/2 with P = U U^T and
    z = U^T x - U^-1 h.

    Args:
        shift: h, the precision times the mean, (d,) or ().
        precision: P, (d, d), symmetric positive definite.

    Raises:
        ValueError: `precision` is not square, or its size is not that of `shift`.

    Numerics:
        Products of densities are sums of parameters in this form. Each call factors P once; the condition number of P
        is the square of that of its factor, which `MultivariateNormalPrecision` holds.

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), sec. 2.3.1 and eq. 2.73 to 2.91.
    """

    shift: jax.Array = param(constraints.real)
    precision: jax.Array = param(constraints.positive_definite)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    @classmethod
    def _complete(cls, fields):
        return complete_factor(cls.__name__, fields, "precision", vector="shift")

    def _factor(self):
        return cholesky(self.precision)

    def _log_prob(self, x):
        factor = self._factor()
        z = matvec(factor.mT, x) - solve_lower(factor, self.shift)
        return self._log_prob_whitened(z, factor)

    def _log_prob_whitened(self, z, factor):
        """Log density of events with whitened coordinates z (..., d)."""
        return -0.5 * jnp.sum(z * z, axis=-1) + log_diagonal(factor) - _HALF_LOG_2PI * self.event_shape[0]

    def _sample_noise(self, key, sample_shape):
        return standard_normal(key, (*sample_shape, *self.event_shape), self.shift.dtype)

    def _from_noise(self, noise):
        factor = self._factor()
        centre = solve_lower(factor, self.shift).reshape((1,) * (noise.ndim - 1) + self.event_shape)
        columns = (noise + centre).reshape(-1, self.event_shape[0]).mT
        return solve_lower(factor, columns, transpose=True).mT.reshape(noise.shape), self._log_prob_whitened(
            noise, factor
        )

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        return self._from_noise(self._sample_noise(key, sample_shape))

    def _mean(self):
        factor = self._factor()
        return solve_lower(factor, solve_lower(factor, self.shift), transpose=True)

    def _mode(self):
        return self._mean()

    def _inverse_factor(self):
        return solve_lower(self._factor(), jnp.eye(self.event_shape[0], dtype=self.shift.dtype))

    def _variance(self):
        return jnp.sum(self._inverse_factor() ** 2, axis=0)

    def _covariance(self):
        inverse = self._inverse_factor()
        return jnp.matmul(inverse.mT, inverse, precision=HIGHEST)

    def _entropy(self):
        return (_HALF_LOG_2PI + 0.5) * self.event_shape[0] - log_diagonal(self._factor())

    def whiten(self, x: ArrayLike) -> jax.Array:
        """Standard normal coordinates U^T x - U^-1 h, (*batch, d) -> (*batch, d)."""
        x, factor = jnp.asarray(x, self.shift.dtype), self._factor()
        centre = solve_lower(factor, self.shift).reshape((1,) * (x.ndim - 1) + self.event_shape)
        return matvec(factor.mT, x) - centre

    def marginal(self, idx: int | Sequence[int]) -> "MultivariateNormalCanonical":
        """Distribution of the coordinates `idx`, distinct static integers, in that order, by a Schur complement."""
        chosen, rest = split_indices("MultivariateNormalCanonical.marginal", idx, self.event_shape[0])
        factor = cholesky(self.precision[rest][:, rest])
        pull = solve_lower(factor, self.precision[rest][:, chosen])
        precision = self.precision[chosen][:, chosen] - jnp.matmul(pull.mT, pull, precision=HIGHEST)
        shift = self.shift[chosen] - matvec(pull.mT, solve_lower(factor, self.shift[rest]))
        return MultivariateNormalCanonical(shift, precision)

    def condition(self, idx: int | Sequence[int], values: ArrayLike) -> "MultivariateNormalCanonical":
        """Distribution of the other coordinates, in ascending order, given x[idx] = values.

        The precision is the block P_rr and the shift h_r - P_ro values: no inverse is taken.

        Args:
            idx: k distinct static integers.
            values: (k,).

        Raises:
            ValueError: an index is out of range or repeated, or `values` has another shape.
        """
        name = "MultivariateNormalCanonical.condition"
        chosen, rest = split_indices(name, idx, self.event_shape[0])
        values = observed_values(name, values, len(chosen), self.shift.dtype)
        shift = self.shift[rest] - matvec(self.precision[rest][:, chosen], values)
        return MultivariateNormalCanonical(shift, self.precision[rest][:, rest])

    def linear_map(self, A: ArrayLike, b: ArrayLike | None = None) -> MultivariateNormal:  # noqa: N803
        """Distribution of A x + b, in covariance form.

        Args:
            A: (k, d) of full rank, k <= d.
            b: (k,), zero if not given.

        Raises:
            ValueError: wrong shapes, or k > d.
        """
        name = "MultivariateNormalCanonical.linear_map"
        matrix, shift = map_arguments(name, A, b, self.event_shape[0], self.shift.dtype)
        factor = self._factor()
        image = solve_lower(factor, matrix.mT).mT
        loc = matvec(image, solve_lower(factor, self.shift)) + shift
        return MultivariateNormal(loc, lower_factor(image))

    def natural_parameters(self):
        """Eta = {x: h (d,), xx: -P/2 (d, d)}."""
        return {"x": self.shift, "xx": -0.5 * self.precision}

    def sufficient_statistics(self, x):
        """T(x) = {x: x (d,), xx: x x^T (d, d)}."""
        return {"x": x, "xx": x[:, None] * x[None, :]}

    def log_base_measure(self, x):
        """Log h = -d log(2 pi)/2."""
        return jnp.full((), -_HALF_LOG_2PI * x.size, x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A as of `MultivariateNormal`."""
        return MultivariateNormal.log_normalizer_of(natural)

    @classmethod
    def from_natural(cls, natural):
        """The distribution with these natural parameters."""
        half = natural["xx"]
        return cls(natural["x"], -(half + half.mT))

    @classmethod
    def from_mean_parameters(cls, mean):
        """The distribution with E x and E x x^T."""
        loc = mean["x"]
        factor = cholesky(mean["xx"] - loc[:, None] * loc[None, :])
        inverse = solve_lower(factor, jnp.eye(loc.size, dtype=loc.dtype))
        shift = matvec(inverse.mT, matvec(inverse, loc))
        return cls(shift, jnp.matmul(inverse.mT, inverse, precision=HIGHEST))
