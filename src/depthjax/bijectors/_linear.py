"""Linear maps of a vector with cheap log-determinants."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from depthjax.core import Bijector, constraints, derived, param, record, require_rank, require_shape, static


def check_order(name, order):
    """`order` as a tuple; raises `ValueError` naming the first index that makes it no permutation."""
    order = tuple(int(i) for i in np.asarray(order).ravel())
    for position, index in enumerate(order):
        if not 0 <= index < len(order) or order.index(index) != position:
            raise ValueError(f"{name}: not a permutation of 0..{len(order) - 1}: index {index} at position {position}")
    return order


def _dot(matrix, vector):
    return jnp.matmul(matrix, vector, precision=jax.lax.Precision.HIGHEST)


@record
class TriangularAffine(Bijector):
    """y = shift + L x with lower-triangular L; log-det sum log|L_ii|.

    Args:
        shift: (d,).
        scale_tril: (d, d), lower triangular with a positive diagonal; entries above the diagonal are ignored.

    Raises:
        ValueError: sizes that do not agree.

    Cost:
        O(d^2) both ways, log-det O(d).
    """

    shift: jax.Array = param(constraints.real)
    scale_tril: jax.Array = param(constraints.lower_cholesky)
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        return _square_complete(cls.__name__, fields, ("scale_tril",))

    def _forward_and_log_det(self, x):
        return self.shift + _dot(jnp.tril(self.scale_tril), x), _log_abs_diagonal(self.scale_tril)

    def _inverse_and_log_det(self, y):
        x = solve_triangular(self.scale_tril, y - self.shift, lower=True)
        return x, -_log_abs_diagonal(self.scale_tril)


@record
class LUAffine(Bijector):
    """y = shift + P L U x: a dense matrix with log-det sum log|U_ii|.

    Args:
        shift: (d,).
        lower: (d, d), strictly lower part used, unit diagonal implied.
        upper: (d, d), upper triangle used, diagonal nonzero.
        permutation: static order; row i of P L U is row `permutation[i]` of L U. Identity by default.

    Raises:
        ValueError: sizes that do not agree, or not a permutation.

    Cost:
        O(d^2) both ways, log-det O(d).

    Source:
        Kingma and Dhariwal, Glow (2018), eq. 10.
    """

    shift: jax.Array = param(constraints.real)
    lower: jax.Array = param()
    upper: jax.Array = param()
    permutation: tuple[int, ...] | None = static(default=None)
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        fields = _square_complete(cls.__name__, fields, ("lower", "upper"))
        (dim,) = fields["event_shape"]
        order = range(dim) if fields["permutation"] is None else fields["permutation"]
        order = check_order(cls.__name__, order)
        if len(order) != dim:
            raise ValueError(f"{cls.__name__}: permutation has {len(order)} entries, expected {dim}")
        return {**fields, "permutation": order}

    def _forward_and_log_det(self, x):
        z = _dot(jnp.triu(self.upper), x)
        z = z + _dot(jnp.tril(self.lower, -1), z)
        return self.shift + z[np.asarray(self.permutation)], _log_abs_diagonal(self.upper)

    def _inverse_and_log_det(self, y):
        z = (y - self.shift)[np.argsort(self.permutation)]
        z = solve_triangular(self.lower, z, lower=True, unit_diagonal=True)
        return solve_triangular(self.upper, z, lower=False), -_log_abs_diagonal(self.upper)


@record
class Permutation(Bijector):
    """y_i = x_{order[i]}; log-det 0.

    Args:
        order: static permutation of 0..d-1.

    Raises:
        ValueError: not a permutation, naming the index.
    """

    order: tuple[int, ...] = static()
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        order = check_order(cls.__name__, fields["order"])
        return {"order": order, "event_shape": (len(order),)}

    def _forward_and_log_det(self, x):
        return x[np.asarray(self.order)], jnp.zeros((), x.dtype)

    def _inverse_and_log_det(self, y):
        return y[np.argsort(self.order)], jnp.zeros((), y.dtype)


@record
class Reverse(Bijector):
    """Reverses the last axis; log-det 0.

    Args:
        event_shape: shape of one event, or its length d.
    """

    event_shape: tuple[int, ...] = static()

    @classmethod
    def _complete(cls, fields):
        shape = fields["event_shape"]
        return {"event_shape": (shape,) if isinstance(shape, int) else tuple(shape)}

    def _forward_and_log_det(self, x):
        return jnp.flip(x, -1), jnp.zeros((), x.dtype)

    def _inverse_and_log_det(self, y):
        return jnp.flip(y, -1), jnp.zeros((), y.dtype)


@record
class Householder(Bijector):
    """y = H_1 H_2 ... H_k x with reflections H_i = I - 2 v_i v_i^T / |v_i|^2; log-det 0.

    Args:
        vectors: (k, d); a zero vector is the identity.

    Numerics:
        Orthogonal to rounding for any vectors: each is scaled by its largest entry before its norm is taken.

    Cost:
        O(k d).

    Source:
        Tomczak and Welling, Improving VAEs using Householder Flow (2016), eq. 8.
    """

    vectors: jax.Array = param()
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        require_rank(cls.__name__, "vectors", fields["vectors"], 2)
        return {**fields, "event_shape": (fields["vectors"].shape[1],)}

    def _forward_and_log_det(self, x):
        return self._reflect(x, reverse=True), jnp.zeros((), x.dtype)

    def _inverse_and_log_det(self, y):
        return self._reflect(y, reverse=False), jnp.zeros((), y.dtype)

    def _reflect(self, x, *, reverse):
        size = jax.lax.stop_gradient(jnp.max(jnp.abs(self.vectors), axis=1, keepdims=True))
        vectors = self.vectors / jnp.broadcast_to(jnp.where(size > 0.0, size, 1.0), self.vectors.shape)
        square = jnp.sum(vectors * vectors, axis=1)
        doubled = jnp.where(square > 0.0, 2.0 / jnp.where(square > 0.0, square, 1.0), 0.0)

        def step(point, reflection):
            vector, factor = reflection
            return point - factor * jnp.sum(vector * point) * vector, None

        return jax.lax.scan(step, x, (vectors, doubled), reverse=reverse, unroll=min(len(vectors), 8))[0]


def _log_abs_diagonal(matrix):
    return jnp.sum(jnp.log(jnp.abs(jnp.diagonal(matrix))))


def _square_complete(name, fields, matrices):
    """Event shape (d,) from the shift, which may be a number; all matrices must be (d, d)."""
    for field in matrices:
        require_rank(name, field, fields[field], 2)
    dim = fields[matrices[0]].shape[0]
    for field in matrices:
        require_shape(name, field, fields[field], (dim, dim))
    shift = fields["shift"]
    if shift.ndim:
        require_shape(name, "shift", shift, (dim,))
    return {**fields, "shift": jnp.broadcast_to(shift, (dim,)), "event_shape": (dim,)}
