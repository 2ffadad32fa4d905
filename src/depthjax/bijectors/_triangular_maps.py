"""Maps from vectors onto matrices: triangular, positive definite, correlation.

What is no image of any vector, a row of another norm say, has the inverse NaN.
"""

import abc
import math

import jax.numpy as jnp
import numpy as np

from depthjax.bijectors._dense import cholesky
from depthjax.core import Bijector, constraints, derived, record, static
from depthjax.core._smooth import log_kept, log_sigmoid, softplus
from depthjax.core._sums import total
from depthjax.core._triangles import diagonal_of, entries, fill_triangle, raw_diagonal, trailing_norms
from depthjax.core._validity import where_valid
from depthjax.numerics import log_cosh


class _ToMatrix(Bijector):
    """Shapes: a vector of the entries of a triangle, with or without its `_diagonal`, to a matrix (n, n)."""

    dim: int
    _diagonal = True

    @classmethod
    def _complete(cls, fields):
        dim, least = fields["dim"], 1 if cls._diagonal else 2
        if dim < least:
            raise ValueError(f"{cls.__name__}: dim must be at least {least}, got {dim}")
        return {**fields, "event_shape": (dim * (dim + (1 if cls._diagonal else -1)) // 2,)}

    @property
    def event_shape_out(self):
        """(n, n)."""
        return (self.dim, self.dim)

    def _indices(self):
        return np.tril_indices(self.dim, 0 if self._diagonal else -1)

    def _inverse_and_log_det(self, y):
        ok = self._is_image(y)
        return tuple(where_valid(ok, value) for value in self._inverse_map(y))

    def _is_image(self, y):
        return self.codomain.check(y)

    @abc.abstractmethod
    def _inverse_map(self, y):
        """The inverse and its log-det at a matrix of the codomain."""


class _ToSymmetric(_ToMatrix):
    """The Cholesky factor within the inverse tells what is not positive definite."""

    def _is_image(self, y):
        lower, upper = np.tril_indices(self.dim, -1)
        gap = jnp.abs(y[lower, upper] - y[upper, lower])
        return jnp.all(gap <= 16 * jnp.finfo(y.dtype).eps * jnp.max(jnp.abs(y)))


@record
class FillTriangular(_ToMatrix):
    """A vector row by row into the lower triangle of a matrix, zeros above; log-det 0. The inverse reads that triangle.

    Args:
        dim: static n; inputs have n (n + 1)/2 entries.

    Raises:
        ValueError: n below 1.
    """

    dim: int = static()
    event_shape: tuple[int, ...] = derived()

    def _forward_and_log_det(self, x):
        return fill_triangle(x), jnp.zeros((), x.dtype)

    def _is_image(self, y):
        return jnp.ones((), bool)

    def _inverse_map(self, y):
        return entries(y, *self._indices()), jnp.zeros((), y.dtype)


@record
class LowerCholesky(_ToMatrix):
    """A vector row by row into a lower triangle, its diagonal through softplus: raw map of its constraint.

    The log-det, sum_i log sigmoid(x_ii), is with respect to the entries of the lower triangle.

    Args:
        dim: static n; inputs have n (n + 1)/2 entries.

    Raises:
        ValueError: n below 1.
    """

    dim: int = static()
    event_shape: tuple[int, ...] = derived()
    codomain = constraints.lower_cholesky

    def _forward_and_log_det(self, x):
        return constraints.lower_cholesky.from_raw(x), total(log_sigmoid(raw_diagonal(x)))

    def _inverse_map(self, y):
        return constraints.lower_cholesky.to_raw(y), -total(log_kept(diagonal_of(y)))


def _log_softplus(x):
    """log(log(1 + exp(x))), which is x - exp(x)/2 far to the left."""
    far = x < -40.0
    return jnp.where(far, x, jnp.log(softplus(jnp.where(far, 0.0, x))))


@record
class PositiveDefinite(_ToSymmetric):
    """L L^T with L of `LowerCholesky`: from R^(n(n+1)/2) onto positive definite matrices.

    The log-det is with respect to the entries of the lower triangle of the matrix: that of L plus
    n log 2 + sum_{i=1}^n (n - i + 1) log L_ii.

    Args:
        dim: static n; inputs have n (n + 1)/2 entries.

    Raises:
        ValueError: n below 1.

    Numerics:
        The log-det is taken from x, never from the matrix. A pivot L_ii^2 below the rounding error of its diagonal
        entry is raised to it, so that the matrix has a Cholesky factor; its x_ii cannot be found again.

    Source:
        Muirhead, Aspects of Multivariate Statistical Theory (1982), theorem 2.1.9.
    """

    dim: int = static()
    event_shape: tuple[int, ...] = derived()
    codomain = constraints.positive_definite

    def _forward_and_log_det(self, x):
        return constraints.positive_definite.from_raw(x), self._log_det(x)

    def _inverse_map(self, y):
        x = constraints.lower_cholesky.to_raw(cholesky(y))
        return x, -self._log_det(x)

    def _log_det(self, x):
        diagonal = raw_diagonal(x)
        powers = jnp.arange(self.dim, 0, -1, dtype=x.dtype)
        return total(log_sigmoid(diagonal) + powers * _log_softplus(diagonal)) + self.dim * math.log(2.0)


@record
class CorrCholesky(_ToMatrix):
    """Cholesky factor of a correlation matrix from canonical partial correlations z = tanh(x).

    L_ij = z_ij prod_{k<j} sqrt(1 - z_ik^2) below the diagonal, and rows have norm one. The log-det,
    sum_{i>j} (i - j + 1) log sech(x_ij), is with respect to the entries below the diagonal.

    Args:
        dim: static n >= 2; inputs have n (n - 1)/2 entries, row by row.

    Raises:
        ValueError: n below 2.

    Numerics:
        sqrt(1 - z^2) is sech(x), so that nothing is lost where tanh saturates; the log-det is taken from x. The inverse
        divides by the remaining norm of the row, which is summed from the diagonal outwards.

    Source:
        Lewandowski, Kurowicka, Joe (2009), sec. 2.4; Stan Reference Manual, sec. "Cholesky factors of correlation
        matrices".
    """

    dim: int = static()
    event_shape: tuple[int, ...] = derived()
    codomain = constraints.corr_cholesky
    _diagonal = False

    def _forward_and_log_det(self, x):
        rows, cols = self._indices()
        return constraints.corr_cholesky.from_raw(x), -jnp.sum(jnp.asarray(rows - cols + 1, x.dtype) * log_cosh(x))

    def _inverse_map(self, y):
        """With R_ij the norm of (y_ij, ..., y_ii), cosh(x_ij) is R_ij/R_i,j+1, and the sum over j telescopes."""
        rows, cols = np.tril_indices(self.dim)
        log_norms = jnp.log(entries(trailing_norms(y), rows, cols))
        times = np.where(rows == 0, 0, np.where(cols == 0, rows + 1, np.where(rows == cols, -2, -1)))
        return constraints.corr_cholesky.to_raw(y), jnp.sum(jnp.asarray(times, y.dtype) * log_norms)


@record
class Correlation(_ToSymmetric):
    """L L^T with L of `CorrCholesky`: from R^(n(n-1)/2) onto correlation matrices.

    The log-det, sum_{i>j} (n - j + 1) log sech(x_ij), is with respect to the entries below the diagonal of the matrix.

    Args:
        dim: static n >= 2; inputs have n (n - 1)/2 entries, row by row.

    Raises:
        ValueError: n below 2.

    Numerics:
        As of `CorrCholesky`; the log-det is taken from x. A matrix that rounding would make singular is moved off the
        edge by its rounding error.

    Source:
        Lewandowski, Kurowicka, Joe (2009), sec. 2.4.
    """

    dim: int = static()
    event_shape: tuple[int, ...] = derived()
    codomain = constraints.correlation
    _diagonal = False

    def _forward_and_log_det(self, x):
        return constraints.correlation.from_raw(x), self._log_det(x)

    def _is_image(self, y):
        unit = jnp.all(jnp.abs(jnp.diagonal(y) - 1.0) <= 16 * jnp.finfo(y.dtype).eps)
        return super()._is_image(y) & unit

    def _inverse_map(self, y):
        x = constraints.corr_cholesky.to_raw(cholesky(y))
        return x, -self._log_det(x)

    def _log_det(self, x):
        return -jnp.sum(jnp.asarray(self.dim - self._indices()[1], x.dtype) * log_cosh(x))
