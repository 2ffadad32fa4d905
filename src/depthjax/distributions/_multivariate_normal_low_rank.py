"""The multivariate normal distribution whose covariance is a diagonal plus a matrix of low rank."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._gaussian_algebra import (
    HIGHEST,
    cholesky,
    lower_factor,
    map_arguments,
    matvec,
    observed_values,
    solve_lower,
    split_indices,
    thin_qr,
)
from depthjax.distributions._multivariate_normal import MultivariateNormal
from depthjax.numerics._draws import standard_normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class MultivariateNormalLowRank(Distribution, ExponentialFamily):
    """Normal random vector with covariance F F^T + diag(scale)^2, as of a factor analysis.

    With y = (x - loc)/scale, W = F/scale and the k x k triangular R of [W; I] = Q R,
    log p(x) = -|y - W b|^2/2 - |b|^2/2 - sum_i log scale_i - sum_j log |R_jj| - d log(2 pi)/2, where b = R^-1 Q_1^T y
    minimises the two squares and Q_1 is the part of Q beside W.

    Args:
        loc: mean, (d,) or ().
        factor: F, (d, k), 1 <= k <= d.
        scale: standard deviations of the independent part, (d,) or (), positive.

    Raises:
        ValueError: `factor` is not (d, k) with 1 <= k <= d, or `loc` or `scale` do not fit it.

    Numerics:
        Woodbury's identity as a least-squares problem: a sum of squares where the textbook form |y|^2 - |L^-1 W^T y|^2
        cancels. `log_prob` and `sample` make no d x d matrix; the low-rank matrices are a curved subset of the
        exponential family of all Gaussians, and `from_natural` returns a record with k = d.

    Cost:
        O(d k^2) once and O(d k) for each event.

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), sec. 12.2.4; Golub and Van Loan, Matrix Computations
        (2013), sec. 5.3.
    """

    loc: jax.Array = param(constraints.real)
    factor: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    @classmethod
    def _complete(cls, fields):
        factor = fields["factor"]
        if factor.ndim != 2 or not 1 <= factor.shape[1] <= factor.shape[0]:
            raise ValueError(f"{cls.__name__}: factor has shape {factor.shape}, expected (d, k) with 1 <= k <= d")
        size, vectors = factor.shape[0], {}
        for name in ("loc", "scale"):
            vectors[name] = jnp.broadcast_to(fields[name], (size,)) if fields[name].ndim == 0 else fields[name]
            if vectors[name].shape != (size,):
                raise ValueError(
                    f"{cls.__name__}: {name} has shape {vectors[name].shape}, expected ({size},), for factor has "
                    f"shape {factor.shape}"
                )
        return {**fields, **vectors, "event_shape": (size,)}

    def _rank(self):
        return self.factor.shape[1]

    def _scaled_factor(self):
        return self.factor / self.scale[:, None]

    def _triangle(self, rows):
        """(Q_1, R) of the decomposition [rows; I] = Q R."""
        stacked = jnp.concatenate([rows, jnp.eye(self._rank(), dtype=rows.dtype)])
        orthogonal, upper = thin_qr(stacked)
        return orthogonal[: rows.shape[0]], upper

    def _log_prob(self, x):
        return self._log_prob_standard((x - self.loc) / self.scale)

    def _log_prob_standard(self, y):
        """Log density of events with scaled coordinates y (..., d)."""
        rows = self._scaled_factor()
        orthogonal, upper = self._triangle(rows)
        flat = y.reshape(-1, self.event_shape[0])
        scores = _solve_upper(upper, jnp.matmul(orthogonal.mT, flat.mT, precision=HIGHEST)).mT
        rest = flat - matvec(rows, scores)
        log_scale = jnp.sum(jnp.log(self.scale)) + jnp.sum(jnp.log(jnp.abs(jnp.diagonal(upper))))
        squares = jnp.sum(rest * rest, axis=-1) + jnp.sum(scores * scores, axis=-1)
        return (-0.5 * squares - (log_scale + _HALF_LOG_2PI * self.event_shape[0])).reshape(y.shape[:-1])

    def _sample_noise(self, key, sample_shape):
        size = self.event_shape[0] + self._rank()
        return standard_normal(key, (*sample_shape, size), self.loc.dtype)

    def _from_noise(self, noise):
        row, size = (1,) * (noise.ndim - 1) + self.event_shape, self.event_shape[0]
        y = matvec(self._scaled_factor(), noise[..., size:]) + noise[..., :size]
        return self.loc.reshape(row) + self.scale.reshape(row) * y, self._log_prob_standard(y)

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        return self._from_noise(self._sample_noise(key, sample_shape))

    def _mean(self):
        return self.loc

    def _mode(self):
        return self.loc

    def _variance(self):
        return jnp.sum(self.factor**2, axis=-1) + self.scale**2

    def _covariance(self):
        return jnp.matmul(self.factor, self.factor.mT, precision=HIGHEST) + jnp.diag(self.scale**2)

    def _entropy(self):
        upper = self._triangle(self._scaled_factor())[1]
        log_scale = jnp.sum(jnp.log(self.scale)) + jnp.sum(jnp.log(jnp.abs(jnp.diagonal(upper))))
        return log_scale + (_HALF_LOG_2PI + 0.5) * self.event_shape[0]

    def _dense(self):
        """The same distribution by the Cholesky factor of its covariance."""
        return MultivariateNormal(self.loc, lower_factor(jnp.concatenate([self.factor, jnp.diag(self.scale)], axis=1)))

    def whiten(self, x: ArrayLike) -> jax.Array:
        """Standard normal coordinates L^-1 (x - loc), L L^T the covariance, (*batch, d) -> (*batch, d); O(d^3)."""
        return self._dense().whiten(x)

    def marginal(self, idx: int | Sequence[int]) -> "MultivariateNormalLowRank":
        """Distribution of the coordinates `idx`, distinct static integers, in that order."""
        chosen, _ = split_indices("MultivariateNormalLowRank.marginal", idx, self.event_shape[0])
        return MultivariateNormalLowRank(self.loc[chosen], _narrow(self.factor[chosen]), self.scale[chosen])

    def condition(self, idx: int | Sequence[int], values: ArrayLike) -> "MultivariateNormalLowRank":
        """Distribution of the other coordinates, in ascending order, given x[idx] = values.

        The factors given the observations are normal with mean b and covariance (R^T R)^-1, so the rest has mean
        loc_r + F_r b and factor F_r R^-1.

        Args:
            idx: distinct static integers.
            values: as many values.

        Raises:
            ValueError: an index is out of range or repeated, or `values` has another shape.
        """
        name = "MultivariateNormalLowRank.condition"
        chosen, rest = split_indices(name, idx, self.event_shape[0])
        values = observed_values(name, values, len(chosen), self.loc.dtype)
        orthogonal, upper = self._triangle(self._scaled_factor()[chosen])
        y = (values - self.loc[chosen]) / self.scale[chosen]
        scores = _solve_upper(upper, matvec(orthogonal.mT, y))
        factor = jax.scipy.linalg.solve_triangular(upper, self.factor[rest].mT, trans=1).mT
        loc = self.loc[rest] + matvec(self.factor[rest], scores)
        return MultivariateNormalLowRank(loc, _narrow(factor), self.scale[rest])

    def linear_map(self, A: ArrayLike, b: ArrayLike | None = None) -> MultivariateNormal:  # noqa: N803
        """Distribution of A x + b, in covariance form.

        Args:
            A: (k, d) of full rank, k <= d.
            b: (k,), zero if not given.

        Raises:
            ValueError: wrong shapes, or k > d.
        """
        name = "MultivariateNormalLowRank.linear_map"
        matrix, shift = map_arguments(name, A, b, self.event_shape[0], self.loc.dtype)
        parts = jnp.matmul(matrix, self.factor, precision=HIGHEST), matrix * self.scale[None, :]
        return MultivariateNormal(matvec(matrix, self.loc) + shift, lower_factor(jnp.concatenate(parts, axis=1)))

    def natural_parameters(self):
        """Eta = {x: P loc (d,), xx: -P/2 (d, d)} with P the inverse of the covariance."""
        return self._dense().natural_parameters()

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
        """The distribution with these natural parameters, with k = d."""
        return low_rank_from_dense(MultivariateNormal.from_natural(natural))

    @classmethod
    def from_mean_parameters(cls, mean):
        """The distribution with E x and E x x^T, with k = d."""
        return low_rank_from_dense(MultivariateNormal.from_mean_parameters(mean))


def low_rank_from_dense(dist: MultivariateNormal) -> MultivariateNormalLowRank:
    """The same normal distribution with k = d.

    The independent part is s = 1/(sqrt(2) |L^-1|_F), and 2 s^2 is below the smallest eigenvalue of the covariance.
    """
    size = dist.event_shape[0]
    inverse = solve_lower(dist.scale_tril, jnp.eye(size, dtype=dist.loc.dtype))
    scale = math.sqrt(0.5) / jnp.sqrt(jnp.sum(inverse * inverse))
    rest = dist.covariance() - jnp.diag(jnp.broadcast_to(scale * scale, (size,)))
    return MultivariateNormalLowRank(dist.loc, cholesky(rest), scale)


def _solve_upper(upper, columns):
    return jax.scipy.linalg.solve_triangular(upper, columns)


def _narrow(factor):
    """A factor with no more columns than rows and the same F F^T."""
    rows, columns = factor.shape
    return factor if columns <= rows else lower_factor(factor)
