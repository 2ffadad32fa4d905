"""Matrix-valued kernels: preconditioned, mixtures of them, and kernels of a graphical model."""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core import constraints, param, record
from depthjax.stein._kernel import Kernel, matmul, require_scalar


def _cholesky(matrix, dtype):
    return jnp.linalg.cholesky(matrix.astype(dtype))


def _solve(factor, x, *, transpose=False):
    """Rows of x solved against L, or its transpose."""
    return jax.scipy.linalg.solve_triangular(factor, x.T, lower=True, trans=1 if transpose else 0).T


def _require_dim(name, x, dim):
    if x.shape[-1] != dim:
        raise ValueError(f"{name}: points have dimension {x.shape[-1]}, expected {dim}")


def _preconditioned(base, matrix, x, y):
    factor = _cholesky(matrix, x.dtype)
    inverse = jax.scipy.linalg.cho_solve((factor, True), jnp.eye(x.shape[0], dtype=x.dtype))
    return inverse * base._value(x @ factor, y @ factor)


def _whitened_direction(base, factor, points, vectors, weights):
    inner = base._direction_fn(matmul(points, factor), _solve(factor, vectors), weights)
    return lambda rows: _solve(factor, inner(matmul(rows, factor)), transpose=True)


def _whitened_stein(base, factor, points, scores):
    inner = base._stein_fn(matmul(points, factor), _solve(factor, scores))
    return lambda rows, row_scores: inner(matmul(rows, factor), _solve(factor, row_scores))


@record
class Preconditioned(Kernel):
    """Matrix-valued kernel Q^-1 k(Q^(1/2) x, Q^(1/2) y): descent in the coordinates Q^(1/2) x.

    Args:
        base: scalar kernel k.
        matrix: Q, (d, d), positive definite, such as a Hessian of -log p; Q^(1/2) is the transposed Cholesky factor.

    Raises:
        TypeError: the base is no scalar kernel.
        ValueError: the matrix is not square.

    Source:
        Wang, Tang, Bajaj and Liu, SVGD with Matrix-Valued Kernels (2019), sec. 4.1.
    """

    base: Kernel
    matrix: jax.Array = param(constraints.positive_definite)

    matrix_valued = True

    @classmethod
    def _complete(cls, values):
        require_scalar("Preconditioned", values["base"])
        if values["matrix"].ndim != 2 or values["matrix"].shape[0] != values["matrix"].shape[1]:
            raise ValueError(f"Preconditioned: matrix has shape {values['matrix'].shape}, expected (d, d)")
        return values

    def _value(self, x, y):
        _require_dim("Preconditioned", x, self.matrix.shape[-1])
        return _preconditioned(self.base, self.matrix, x, y)

    def _whiten(self, x):
        _require_dim("Preconditioned", x, self.matrix.shape[-1])
        return matmul(x, _cholesky(self.matrix, x.dtype))

    def _direction_fn(self, points, vectors, weights):
        _require_dim("Preconditioned", points, self.matrix.shape[-1])
        return _whitened_direction(self.base, _cholesky(self.matrix, points.dtype), points, vectors, weights)

    def _stein_fn(self, points, scores):
        _require_dim("Preconditioned", points, self.matrix.shape[-1])
        return _whitened_stein(self.base, _cholesky(self.matrix, points.dtype), points, scores)


@record
class MatrixMixture(Kernel):
    """Matrix-valued kernel sum_l w_l(x) w_l(y) Q_l^-1 k(Q_l^(1/2) x, Q_l^(1/2) y), w_l(x) ~ N(x; z_l, Q_l^-1).

    Args:
        base: scalar kernel k.
        anchors: z, (m, d).
        matrices: Q, (m, d, d), positive definite.

    Raises:
        TypeError: the base is no scalar kernel.
        ValueError: the shapes do not agree.

    Source:
        Wang et al. (2019), sec. 4.2.
    """

    base: Kernel
    anchors: jax.Array = param(constraints.real)
    matrices: jax.Array = param(constraints.positive_definite)

    matrix_valued = True

    @classmethod
    def _complete(cls, values):
        require_scalar("MatrixMixture", values["base"])
        anchors, matrices = values["anchors"], values["matrices"]
        if anchors.ndim != 2 or matrices.shape != (*anchors.shape, anchors.shape[-1]):
            raise ValueError(
                f"MatrixMixture: anchors have shape {anchors.shape} and matrices {matrices.shape}, expected (m, d) and "
                "(m, d, d)"
            )
        return values

    def _log_weights(self, x):
        """(m,) log weights of one point."""
        factors = _cholesky(self.matrices, x.dtype)
        from_anchor = jnp.einsum("md,mde->me", x[None, :] - self.anchors.astype(x.dtype), factors)
        log_det = jnp.sum(jnp.log(jnp.diagonal(factors, axis1=1, axis2=2)), axis=1)
        return jax.nn.log_softmax(log_det - 0.5 * jnp.sum(jnp.square(from_anchor), axis=1))

    def _all_weights(self, points):
        """(m, n) weights and (m, n, d) gradients of their logarithms."""
        log_weights = jax.vmap(self._log_weights)(points).T
        slopes = jnp.moveaxis(jax.vmap(jax.jacrev(self._log_weights))(points), 1, 0)
        return jnp.exp(log_weights), slopes

    def _value(self, x, y):
        both = jnp.exp(self._log_weights(x) + self._log_weights(y))
        parts = jax.vmap(lambda matrix: _preconditioned(self.base, matrix, x, y))(self.matrices)
        return jnp.einsum("m,mij->ij", both, parts)

    def _whiten(self, x):
        return matmul(x, _cholesky(jnp.mean(self.matrices, axis=0), x.dtype))

    def _direction_fn(self, points, vectors, weights):
        _require_dim("MatrixMixture", points, self.anchors.shape[-1])
        factors = _cholesky(self.matrices, points.dtype)
        own, slopes = self._all_weights(points)

        def at(rows):
            def add(total, part):
                factor, w, slope, row_weight = part
                moved = w[:, None] * (vectors + weights[:, None] * slope)
                out = _whitened_direction(self.base, factor, points, moved, weights * w)(rows)
                return total + row_weight[:, None] * out, None

            row_weights, _ = self._all_weights(rows)
            return jax.lax.scan(add, jnp.zeros_like(rows), (factors, own, slopes, row_weights))[0]

        return at

    def _stein_fn(self, points, scores):
        _require_dim("MatrixMixture", points, self.anchors.shape[-1])
        factors = _cholesky(self.matrices, points.dtype)
        own, slopes = self._all_weights(points)

        def at(rows, row_scores):
            def add(total, part):
                factor, w, slope, row_weight, row_slope = part
                out = _whitened_stein(self.base, factor, points, scores + slope)(rows, row_scores + row_slope)
                return total + row_weight[:, None] * w[None, :] * out, None

            zero = jnp.zeros((rows.shape[0], points.shape[0]), rows.dtype)
            return jax.lax.scan(add, zero, (factors, own, slopes, *self._all_weights(rows)))[0]

        return at


@record
class Graphical(Kernel):
    """Diagonal matrix-valued kernel whose entry a sees only the coordinates that a is adjacent to, and a itself.

    Args:
        base: scalar kernel.
        adjacency: (d, d) Boolean, symmetric, true on the diagonal: the Markov blankets of a graphical model.

    Raises:
        TypeError: the base is no scalar kernel.
        ValueError: not square, or false on the diagonal (NaN where it is traced).

    Cost:
        d times that of the base kernel.

    Source:
        Zhuo et al., Message Passing Stein Variational Gradient Descent (2018), eq. 11; Wang, Zeng and Liu, Stein
        Variational Message Passing for Continuous Graphical Models (2018), eq. 7.
    """

    base: Kernel
    adjacency: jax.Array = param()

    matrix_valued = True

    @classmethod
    def _complete(cls, values):
        require_scalar("Graphical", values["base"])
        adjacency = values["adjacency"]
        if adjacency.ndim != 2 or adjacency.shape[0] != adjacency.shape[1]:
            raise ValueError(f"Graphical: adjacency has shape {adjacency.shape}, expected (d, d)")
        if not isinstance(adjacency, jax.core.Tracer) and not np.asarray(adjacency).astype(bool).diagonal().all():
            raise ValueError("Graphical: adjacency is false on its diagonal, expected each coordinate to see itself")
        return values

    def _masks(self, dtype):
        masks = self.adjacency != 0
        return jnp.where(jnp.diagonal(masks).all(), masks.astype(dtype), jnp.nan)

    def _value(self, x, y):
        _require_dim("Graphical", x, self.adjacency.shape[-1])
        return jnp.diag(jax.vmap(lambda mask: self.base._value(x * mask, y * mask))(self._masks(x.dtype)))

    def _direction_fn(self, points, vectors, weights):
        _require_dim("Graphical", points, self.adjacency.shape[-1])

        def at(rows):
            def coordinate(part):
                mask, index = part
                out = self.base._direction_fn(points * mask, vectors, weights)(rows * mask)
                return jax.lax.dynamic_index_in_dim(out, index, 1, keepdims=False)

            size = rows.shape[1]
            return jax.lax.map(coordinate, (self._masks(rows.dtype)[:, None, :], jnp.arange(size))).T

        return at

    def _stein_fn(self, points, scores):
        _require_dim("Graphical", points, self.adjacency.shape[-1])

        def pair(x, score_x, y, score_y):
            def coordinate(mask, unit, a, b):
                def value(s, t):
                    return self.base._value((x + s * unit) * mask, (y + t * unit) * mask)

                zero = jnp.zeros((), x.dtype)
                k, (by_x, by_y) = jax.value_and_grad(value, (0, 1))(zero, zero)
                return a * b * k + a * by_y + b * by_x + jax.grad(jax.grad(value), 1)(zero, zero)

            units = jnp.eye(x.shape[0], dtype=x.dtype)
            return jnp.sum(jax.vmap(coordinate)(self._masks(x.dtype), units, score_x, score_y))

        over_points = jax.vmap(pair, (None, None, 0, 0))
        return lambda rows, row_scores: jax.vmap(over_points, (0, 0, None, None))(rows, row_scores, points, scores)
