"""The matrix normal distribution."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core import Distribution, ExponentialFamily, constraints, derived, param, record, require_rank
from depthjax.distributions._gaussian_algebra import (
    HIGHEST,
    log_diagonal,
    lower_factor,
    solve_lower,
    split_indices,
)
from depthjax.distributions._multivariate_normal import MultivariateNormal
from depthjax.numerics._draws import standard_normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class MatrixNormal(Distribution, ExponentialFamily):
    """Normal random matrix with covariance of rows R R^T and covariance of columns C C^T.

    log p(X) = -|Z|^2/2 - p sum_i log R_ii - n sum_j log C_jj - n p log(2 pi)/2 with Z = R^-1 (X - loc) C^-T. The
    rows of X, one after another, are normal with covariance kron(R R^T, C C^T), which is what `covariance` returns.

    Args:
        loc: mean, (n, p) or ().
        row_tril: R, (n, n), lower triangular with positive diagonal.
        column_tril: C, (p, p), lower triangular with positive diagonal.

    Raises:
        ValueError: a factor is not square, or `loc` does not fit them.

    Numerics:
        Kronecker products are a curved subset of the exponential family of all Gaussians of n p coordinates;
        `from_natural` and `from_mean_parameters` are exact on that subset and fix the scale that R and C share by
        C_00 = 1.

    Source:
        Dawid, Some Matrix-Variate Distribution Theory (1981); Gupta and Nagar, Matrix Variate Distributions (2000),
        ch. 2.
    """

    loc: jax.Array = param(constraints.real)
    row_tril: jax.Array = param(constraints.lower_cholesky)
    column_tril: jax.Array = param(constraints.lower_cholesky)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    @classmethod
    def _complete(cls, fields):
        loc, factors = fields["loc"], [fields["row_tril"], fields["column_tril"]]
        for name, tril in zip(("row_tril", "column_tril"), factors, strict=True):
            if tril.ndim != 2 or tril.shape[0] != tril.shape[1]:
                raise ValueError(f"{cls.__name__}: {name} has shape {tril.shape}, expected a square matrix")
        shape = (factors[0].shape[0], factors[1].shape[0])
        loc = jnp.broadcast_to(loc, shape) if loc.ndim == 0 else loc
        if loc.shape != shape:
            raise ValueError(
                f"{cls.__name__}: loc has shape {loc.shape}, expected {shape}, for row_tril has shape "
                f"{factors[0].shape} and column_tril {factors[1].shape}"
            )
        return {**fields, "loc": loc, "event_shape": shape}

    def _log_prob(self, x):
        return self._log_prob_whitened(self._whiten_one(x))

    def _whiten_one(self, x):
        return solve_lower(self.column_tril, solve_lower(self.row_tril, x - self.loc).mT).mT

    def _log_scale(self):
        rows, columns = self.event_shape
        return columns * log_diagonal(self.row_tril) + rows * log_diagonal(self.column_tril)

    def _log_prob_whitened(self, z):
        """Log density of events with whitened coordinates z (..., n, p)."""
        size = math.prod(self.event_shape)
        return -0.5 * jnp.sum(z * z, axis=(-2, -1)) - (self._log_scale() + _HALF_LOG_2PI * size)

    def _sample_noise(self, key, sample_shape):
        return standard_normal(key, (*sample_shape, *self.event_shape), self.loc.dtype)

    def _from_noise(self, noise):
        shape = (1,) * (noise.ndim - 2) + self.event_shape
        rows, columns = jnp.tril(self.row_tril), jnp.tril(self.column_tril)
        spread = jnp.einsum("ij,...jk,lk->...il", rows, noise, columns, precision=HIGHEST)
        return self.loc.reshape(shape) + spread, self._log_prob_whitened(noise)

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        return self._from_noise(self._sample_noise(key, sample_shape))

    def _mean(self):
        return self.loc

    def _mode(self):
        return self.loc

    def _variance(self):
        rows, columns = (jnp.sum(tril**2, axis=-1) for tril in (self.row_tril, self.column_tril))
        return rows[:, None] * columns[None, :]

    def _covariance(self):
        return jnp.kron(_gram(self.row_tril), _gram(self.column_tril))

    def _entropy(self):
        return self._log_scale() + (_HALF_LOG_2PI + 0.5) * math.prod(self.event_shape)

    def whiten(self, x: ArrayLike) -> jax.Array:
        """Standard normal coordinates R^-1 (x - loc) C^-T, (*batch, n, p) -> (*batch, n, p)."""
        x, one = jnp.asarray(x, self.loc.dtype), self._whiten_one
        for _ in range(x.ndim - 2):
            one = jax.vmap(one)
        return one(x)

    def marginal(self, idx: int | Sequence[int]) -> "MatrixNormal":
        """Distribution of the rows `idx`, distinct static integers, in that order."""
        chosen, _ = split_indices("MatrixNormal.marginal", idx, self.event_shape[0])
        return MatrixNormal(self.loc[chosen], lower_factor(self.row_tril[chosen]), self.column_tril)

    def condition(self, idx: int | Sequence[int], values: ArrayLike) -> "MatrixNormal":
        """Distribution of the other rows, in ascending order, given the rows `idx`.

        The rows regress on each other as the coordinates of a vector with covariance R R^T do, in every column alike.

        Args:
            idx: k distinct static integers.
            values: the rows, (k, p), or (p,) for one integer.

        Raises:
            ValueError: an index is out of range or repeated, or `values` has another shape.
        """
        name, columns = "MatrixNormal.condition", self.event_shape[1]
        chosen, rest = split_indices(name, idx, self.event_shape[0])
        count, values = len(chosen), jnp.asarray(values, self.loc.dtype)
        values = values[None] if values.ndim == 1 else values
        if values.shape != (count, columns):
            raise ValueError(f"{name}: values has shape {values.shape}, expected ({count}, {columns})")
        factor = lower_factor(self.row_tril[np.concatenate([chosen, rest])])
        z = solve_lower(factor[:count, :count], values - self.loc[chosen])
        loc = self.loc[rest] + jnp.matmul(factor[count:, :count], z, precision=HIGHEST)
        return MatrixNormal(loc, factor[count:, count:], self.column_tril)

    def linear_map(self, A: ArrayLike, b: ArrayLike | None = None) -> "MatrixNormal":  # noqa: N803
        """Distribution of A X + b.

        Args:
            A: (k, n) of full rank, k <= n.
            b: (k, p), zero if not given.

        Raises:
            ValueError: wrong shapes, or k > n.
        """
        name, (rows, columns), matrix = "MatrixNormal.linear_map", self.event_shape, jnp.asarray(A, self.loc.dtype)
        require_rank(name, "A", matrix, 2)
        count = matrix.shape[0]
        if matrix.shape[1] != rows or count > rows:
            raise ValueError(f"{name}: A has shape {matrix.shape}, expected (k, {rows}) with k <= {rows}")
        shift = jnp.zeros((count, columns), self.loc.dtype) if b is None else jnp.asarray(b, self.loc.dtype)
        if shift.shape != (count, columns):
            raise ValueError(f"{name}: b has shape {shift.shape}, expected ({count}, {columns})")
        loc = jnp.matmul(matrix, self.loc, precision=HIGHEST) + shift
        factor = lower_factor(jnp.matmul(matrix, self.row_tril, precision=HIGHEST))
        return MatrixNormal(loc, factor, self.column_tril)

    def natural_parameters(self):
        """Eta = {x: U loc V (n, p), xx: -kron(U, V)/2 (n p, n p)} with U, V the inverses of the two covariances."""
        rows, columns = _inverse_gram(self.row_tril), _inverse_gram(self.column_tril)
        shift = jnp.einsum("ij,jk,kl->il", rows, self.loc, columns, precision=HIGHEST)
        return {"x": shift, "xx": -0.5 * jnp.kron(rows, columns)}

    def sufficient_statistics(self, x):
        """T(x) = {x: x (n, p), xx: v v^T (n p, n p)} with v the rows of x one after another."""
        return {"x": x, "xx": jnp.ravel(x)[:, None] * jnp.ravel(x)[None, :]}

    def log_base_measure(self, x):
        """Log h = -n p log(2 pi)/2."""
        return jnp.full((), -_HALF_LOG_2PI * x.size, x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A as of `MultivariateNormal` for the raveled matrix."""
        return MultivariateNormal.log_normalizer_of({"x": jnp.ravel(natural["x"]), "xx": natural["xx"]})

    @classmethod
    def from_natural(cls, natural):
        """The matrix normal with these natural parameters, of which `xx` must be a Kronecker product."""
        shape = natural["x"].shape
        flat = {"x": jnp.ravel(natural["x"]), "xx": natural["xx"]}
        return _from_vector(MultivariateNormal.from_natural(flat), shape)

    @classmethod
    def from_mean_parameters(cls, mean):
        """The matrix normal with E x and E v v^T, whose covariance must be a Kronecker product."""
        flat = {"x": jnp.ravel(mean["x"]), "xx": mean["xx"]}
        return _from_vector(MultivariateNormal.from_mean_parameters(flat), mean["x"].shape)


def _from_vector(dist: MultivariateNormal, shape: tuple[int, int]) -> Any:
    """The matrix normal of a vector whose Cholesky factor is the Kronecker product of two."""
    rows, columns = shape
    blocks = dist.scale_tril.reshape(rows, columns, rows, columns)
    unit = blocks[0, 0, 0, 0]
    return MatrixNormal(dist.loc.reshape(shape), blocks[:, 0, :, 0], blocks[0, :, 0, :] / unit)


def _gram(tril):
    return jnp.matmul(tril, tril.mT, precision=HIGHEST)


def _inverse_gram(tril):
    inverse = solve_lower(tril, jnp.eye(tril.shape[0], dtype=tril.dtype))
    return jnp.matmul(inverse.mT, inverse, precision=HIGHEST)
