"""The multivariate normal distribution by the Cholesky factor of its covariance."""

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
from depthjax.numerics._draws import standard_normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class MultivariateNormal(Distribution, ExponentialFamily):
    """Normal random vector with covariance L L^T.

    log p(x) = -|z|^2/2 - sum_i log L_ii - d log(2 pi)/2 with z = L^-1 (x - loc).

    Args:
        loc: mean, (d,) or ().
        scale_tril: L, (d, d), lower triangular with positive diagonal.

    Raises:
        ValueError: `scale_tril` is not square, or its size is not that of `loc`.

    Numerics:
        Marginals, conditionals and linear maps update L by QR; no covariance is formed, so a condition number of
        1/eps in the factor is held.

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), eq. 2.43 and sec. 2.3.1 to 2.3.3.
    """

    loc: jax.Array = param(constraints.real)
    scale_tril: jax.Array = param(constraints.lower_cholesky)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    @classmethod
    def _complete(cls, fields):
        return complete_factor(cls.__name__, fields, "scale_tril")

    def _log_prob(self, x):
        return self._log_prob_whitened(solve_lower(self.scale_tril, x - self.loc))

    def _log_prob_whitened(self, z):
        """Log density of events with whitened coordinates z (..., d)."""
        log_scale = log_diagonal(self.scale_tril) + _HALF_LOG_2PI * self.event_shape[0]
        return -0.5 * jnp.sum(z * z, axis=-1) - log_scale

    def _sample_noise(self, key, sample_shape):
        return standard_normal(key, (*sample_shape, *self.event_shape), self.loc.dtype)

    def _from_noise(self, noise):
        row = (1,) * (noise.ndim - 1) + self.event_shape
        return self.loc.reshape(row) + matvec(jnp.tril(self.scale_tril), noise), self._log_prob_whitened(noise)

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        return self._from_noise(self._sample_noise(key, sample_shape))

    def _mean(self):
        return self.loc

    def _mode(self):
        return self.loc

    def _variance(self):
        return jnp.sum(self.scale_tril**2, axis=-1)

    def _covariance(self):
        return jnp.matmul(self.scale_tril, self.scale_tril.mT, precision=HIGHEST)

    def _entropy(self):
        return log_diagonal(self.scale_tril) + (_HALF_LOG_2PI + 0.5) * self.event_shape[0]

    def whiten(self, x: ArrayLike) -> jax.Array:
        """Standard normal coordinates L^-1 (x - loc), (*batch, d) -> (*batch, d)."""
        x = jnp.asarray(x, self.loc.dtype)
        centred = x - self.loc.reshape((1,) * (x.ndim - 1) + self.event_shape)
        columns = centred.reshape(-1, self.event_shape[0]).mT
        return solve_lower(self.scale_tril, columns).mT.reshape(x.shape)

    def marginal(self, idx: int | Sequence[int]) -> "MultivariateNormal":
        """Distribution of the coordinates `idx`, distinct static integers, in that order."""
        chosen, _ = split_indices("MultivariateNormal.marginal", idx, self.event_shape[0])
        return MultivariateNormal(self.loc[chosen], lower_factor(self.scale_tril[chosen]))

    def condition(self, idx: int | Sequence[int], values: ArrayLike) -> "MultivariateNormal":
        """Distribution of the other coordinates, in ascending order, given x[idx] = values.

        With the coordinates ordered (observed, rest) and the factor in blocks, the mean is
        loc_r + L_ro L_oo^-1 (values - loc_o) and the factor L_rr.

        Args:
            idx: k distinct static integers.
            values: (k,).

        Raises:
            ValueError: an index is out of range or repeated, or `values` has another shape.
        """
        name = "MultivariateNormal.condition"
        chosen, rest = split_indices(name, idx, self.event_shape[0])
        count = len(chosen)
        values = observed_values(name, values, count, self.loc.dtype)
        factor = lower_factor(self.scale_tril[np.concatenate([chosen, rest])])
        z = solve_lower(factor[:count, :count], values - self.loc[chosen])
        return MultivariateNormal(self.loc[rest] + matvec(factor[count:, :count], z), factor[count:, count:])

    def linear_map(self, A: ArrayLike, b: ArrayLike | None = None) -> "MultivariateNormal":  # noqa: N803
        """Distribution of A x + b.

        Args:
            A: (k, d) of full rank, k <= d.
            b: (k,), zero if not given.

        Raises:
            ValueError: wrong shapes, or k > d.
        """
        matrix, shift = map_arguments("MultivariateNormal.linear_map", A, b, self.event_shape[0], self.loc.dtype)
        factor = lower_factor(jnp.matmul(matrix, self.scale_tril, precision=HIGHEST))
        return MultivariateNormal(matvec(matrix, self.loc) + shift, factor)

    def natural_parameters(self):
        """Eta = {x: P loc (d,), xx: -P/2 (d, d)} with P = (L L^T)^-1."""
        inverse = solve_lower(self.scale_tril, jnp.eye(self.event_shape[0], dtype=self.loc.dtype))
        precision = jnp.matmul(inverse.mT, inverse, precision=HIGHEST)
        z = solve_lower(self.scale_tril, self.loc)
        return {"x": solve_lower(self.scale_tril, z, transpose=True), "xx": -0.5 * precision}

    def sufficient_statistics(self, x):
        """T(x) = {x: x (d,), xx: x x^T (d, d)}."""
        return {"x": x, "xx": x[:, None] * x[None, :]}

    def log_base_measure(self, x):
        """Log h = -d log(2 pi)/2."""
        return jnp.full((), -_HALF_LOG_2PI * x.size, x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = |z|^2/2 - sum_i log U_ii, with -2 eta_xx = U U^T (symmetric part) and z = U^-1 eta_x."""
        factor = jnp.linalg.cholesky(-2.0 * natural["xx"], symmetrize_input=True)
        z = solve_lower(factor, natural["x"])
        return 0.5 * jnp.sum(z * z) - log_diagonal(factor)

    @classmethod
    def from_natural(cls, natural):
        """The distribution with these natural parameters."""
        factor = jnp.linalg.cholesky(-2.0 * natural["xx"], symmetrize_input=True)
        loc = solve_lower(factor, solve_lower(factor, natural["x"]), transpose=True)
        inverse = solve_lower(factor, jnp.eye(loc.size, dtype=loc.dtype))
        return cls(loc, lower_factor(inverse.mT))

    @classmethod
    def from_mean_parameters(cls, mean):
        """The distribution with E x and E x x^T."""
        loc = mean["x"]
        return cls(loc, jnp.linalg.cholesky(mean["xx"] - loc[:, None] * loc[None, :]))


def mvn_from_covariance(loc: ArrayLike, covariance: ArrayLike) -> MultivariateNormal:
    """The multivariate normal with a given covariance matrix.

    Args:
        loc: mean, (d,) or ().
        covariance: (d, d), symmetric positive definite.

    Returns:
        The distribution; NaN throughout where the covariance is not positive definite.

    Raises:
        ValueError: the covariance is not square, or its size is not that of `loc`.
    """
    dtype = float_dtype((jnp.asarray(loc), jnp.asarray(covariance)))
    covariance = jnp.asarray(covariance, dtype)
    if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
        raise ValueError(f"mvn_from_covariance: covariance has shape {covariance.shape}, expected (d, d)")
    return MultivariateNormal(jnp.asarray(loc, dtype), jnp.linalg.cholesky(covariance))
