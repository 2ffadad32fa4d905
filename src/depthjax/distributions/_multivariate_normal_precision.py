"""The multivariate normal distribution by the Cholesky factor of its precision."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core import Distribution, ExponentialFamily, constraints, derived, float_dtype, param, record
from depthjax.distributions._gaussian_algebra import (
    HIGHEST,
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
class MultivariateNormalPrecision(Distribution, ExponentialFamily):
    """Normal random vector with precision matrix U U^T, the inverse of its covariance.

    log p(x) = -|z|^2/2 + sum_i log U_ii - d log(2 pi)/2 with z = U^T (x - loc).

    Args:
        loc: mean, (d,) or ().
        precision_tril: U, (d, d), lower triangular with positive diagonal.

    Raises:
        ValueError: `precision_tril` is not square, or its size is not that of `loc`.

    Numerics:
        `log_prob` and `condition` need no inverse; `marginal` stays in precision form by a Schur complement taken on
        the factor.

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), eq. 2.43, 2.73 and 2.91.
    """

    loc: jax.Array = param(constraints.real)
    precision_tril: jax.Array = param(constraints.lower_cholesky)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    @classmethod
    def _complete(cls, fields):
        return complete_factor(cls.__name__, fields, "precision_tril")

    def _log_prob(self, x):
        return self._log_prob_whitened(matvec(jnp.tril(self.precision_tril).mT, x - self.loc))

    def _log_prob_whitened(self, z):
        """Log density of events with whitened coordinates z (..., d)."""
        log_scale = log_diagonal(self.precision_tril) - _HALF_LOG_2PI * self.event_shape[0]
        return -0.5 * jnp.sum(z * z, axis=-1) + log_scale

    def _sample_noise(self, key, sample_shape):
        return standard_normal(key, (*sample_shape, *self.event_shape), self.loc.dtype)

    def _from_noise(self, noise):
        row = (1,) * (noise.ndim - 1) + self.event_shape
        columns = noise.reshape(-1, self.event_shape[0]).mT
        offset = solve_lower(self.precision_tril, columns, transpose=True).mT.reshape(noise.shape)
        return self.loc.reshape(row) + offset, self._log_prob_whitened(noise)

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        return self._from_noise(self._sample_noise(key, sample_shape))

    def _mean(self):
        return self.loc

    def _mode(self):
        return self.loc

    def _inverse_factor(self):
        return solve_lower(self.precision_tril, jnp.eye(self.event_shape[0], dtype=self.loc.dtype))

    def _variance(self):
        return jnp.sum(self._inverse_factor() ** 2, axis=0)

    def _covariance(self):
        inverse = self._inverse_factor()
        return jnp.matmul(inverse.mT, inverse, precision=HIGHEST)

    def _entropy(self):
        return (_HALF_LOG_2PI + 0.5) * self.event_shape[0] - log_diagonal(self.precision_tril)

    def whiten(self, x: ArrayLike) -> jax.Array:
        """Standard normal coordinates U^T (x - loc), (*batch, d) -> (*batch, d)."""
        x = jnp.asarray(x, self.loc.dtype)
        centred = x - self.loc.reshape((1,) * (x.ndim - 1) + self.event_shape)
        return matvec(jnp.tril(self.precision_tril).mT, centred)

    def marginal(self, idx: int | Sequence[int]) -> "MultivariateNormalPrecision":
        """Distribution of the coordinates `idx`, distinct static integers, in that order.

        With the coordinates ordered (others, chosen), the chosen block of the factor is that of the marginal.
        """
        chosen, rest = split_indices("MultivariateNormalPrecision.marginal", idx, self.event_shape[0])
        factor = lower_factor(self.precision_tril[np.concatenate([rest, chosen])])
        return MultivariateNormalPrecision(self.loc[chosen], factor[len(rest) :, len(rest) :])

    def condition(self, idx: int | Sequence[int], values: ArrayLike) -> "MultivariateNormalPrecision":
        """Distribution of the other coordinates, in ascending order, given x[idx] = values.

        With the coordinates ordered (rest, observed) and the factor in blocks, the mean is
        loc_r - U_rr^-T U_or^T (values - loc_o) and the factor U_rr.

        Args:
            idx: k distinct static integers.
            values: (k,).

        Raises:
            ValueError: an index is out of range or repeated, or `values` has another shape.
        """
        name = "MultivariateNormalPrecision.condition"
        chosen, rest = split_indices(name, idx, self.event_shape[0])
        values = observed_values(name, values, len(chosen), self.loc.dtype)
        factor, count = lower_factor(self.precision_tril[np.concatenate([rest, chosen])]), len(rest)
        pull = matvec(factor[count:, :count].mT, values - self.loc[chosen])
        shift = solve_lower(factor[:count, :count], pull, transpose=True)
        return MultivariateNormalPrecision(self.loc[rest] - shift, factor[:count, :count])

    def linear_map(self, A: ArrayLike, b: ArrayLike | None = None) -> MultivariateNormal:  # noqa: N803
        """Distribution of A x + b, in covariance form.

        Args:
            A: (k, d) of full rank, k <= d.
            b: (k,), zero if not given.

        Raises:
            ValueError: wrong shapes, or k > d.
        """
        name = "MultivariateNormalPrecision.linear_map"
        matrix, shift = map_arguments(name, A, b, self.event_shape[0], self.loc.dtype)
        factor = lower_factor(solve_lower(self.precision_tril, matrix.mT).mT)
        return MultivariateNormal(matvec(matrix, self.loc) + shift, factor)

    def natural_parameters(self):
        """Eta = {x: P loc (d,), xx: -P/2 (d, d)} with P = U U^T."""
        tril = self.precision_tril
        precision = jnp.matmul(tril, tril.mT, precision=HIGHEST)
        return {"x": matvec(tril, matvec(tril.mT, self.loc)), "xx": -0.5 * precision}

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
        factor = jnp.linalg.cholesky(-2.0 * natural["xx"], symmetrize_input=True)
        return cls(solve_lower(factor, solve_lower(factor, natural["x"]), transpose=True), factor)

    @classmethod
    def from_mean_parameters(cls, mean):
        """The distribution with E x and E x x^T."""
        loc = mean["x"]
        factor = jnp.linalg.cholesky(mean["xx"] - loc[:, None] * loc[None, :])
        inverse = solve_lower(factor, jnp.eye(loc.size, dtype=loc.dtype))
        return cls(loc, lower_factor(inverse.mT))


def mvn_from_precision(loc: ArrayLike, precision: ArrayLike) -> MultivariateNormalPrecision:
    """The multivariate normal with a given precision matrix.

    Args:
        loc: mean, (d,) or ().
        precision: (d, d), symmetric positive definite.

    Returns:
        The distribution; NaN throughout where the precision is not positive definite.

    Raises:
        ValueError: the precision is not square, or its size is not that of `loc`.
    """
    dtype = float_dtype((jnp.asarray(loc), jnp.asarray(precision)))
    precision = jnp.asarray(precision, dtype)
    if precision.ndim != 2 or precision.shape[0] != precision.shape[1]:
        raise ValueError(f"mvn_from_precision: precision has shape {precision.shape}, expected (d, d)")
    return MultivariateNormalPrecision(jnp.asarray(loc, dtype), jnp.linalg.cholesky(precision))
