"""Sylvester flow: M hidden units moved together, invertible for every raw parameter value."""

import jax
import jax.numpy as jnp

from depthjax.bijectors._dense import multiply
from depthjax.bijectors._planar import multiplier, multiplier_remainder
from depthjax.bijectors._tanh_root import moved_log_slope, solve_tanh
from depthjax.core import Bijector, derived, param, record, require_rank, require_shape, static
from depthjax.numerics import RootResult, householder_product, softplus_inverse

KINDS = ("orthogonal", "householder", "triangular")
_FLOOR = 1e-4
_POLISHING_STEPS = 2


@record
class Sylvester(Bijector):
    """y = x + Q R tanh(Rt Q^T x + b) with Q^T Q = I and R, Rt upper triangular.

    log-det sum_i log(1 + tanh'(a_i) R_ii Rt_ii), a = Rt Q^T x + b. The diagonal of R is raw,
    R_ii = raw_ii (1 + s psi(s)) with s = raw_ii Rt_ii and the psi of `Planar`, so that R_ii Rt_ii > -1 always.

    Args:
        q_vectors: (k, d), vectors of Householder reflections; Q is the first M columns of their product. (0, d) for
            kind "triangular".
        raw_r: (M, M), upper triangle used.
        r_tilde: (M, M), upper triangle used.
        b: (M,).
        kind: static. "orthogonal": any M <= d. "householder": M = d. "triangular": M = d and Q is the identity.

    Raises:
        ValueError: sizes that do not agree, M > d, or an unknown kind.

    Numerics:
        Q is orthogonal to rounding. No logarithm sees a negative argument. The inverse needs no inverse of Rt: with
        c = Rt Q^T y + b, the a_i follow from the last to the first, each the root of a strictly increasing scalar
        function, differentiable; NaN where one did not converge.

    Cost:
        O(d k + M^2) for an event once Q is formed, O(k d^2) for Q.

    Source:
        van den Berg, Hasenclever, Tomczak, Welling, Sylvester Normalizing Flows (2018), eq. 10 and theorem 1.
    """

    q_vectors: jax.Array = param()
    raw_r: jax.Array = param()
    r_tilde: jax.Array = param()
    b: jax.Array = param()
    kind: str = static(default="orthogonal")
    event_shape: tuple[int, ...] = derived()

    inverse_kind = "iterative"

    @classmethod
    def _complete(cls, fields):
        name, q_vectors, b = cls.__name__, fields["q_vectors"], fields["b"]
        require_rank(name, "q_vectors", q_vectors, 2)
        require_rank(name, "b", b, 1)
        (num_vectors, dim), (num_units,) = q_vectors.shape, b.shape
        for field in ("raw_r", "r_tilde"):
            require_shape(name, field, fields[field], (num_units, num_units))
        if fields["kind"] not in KINDS:
            raise ValueError(f"{name}: kind is one of {', '.join(KINDS)}, got {fields['kind']!r}")
        if num_units > dim or (num_units < dim and fields["kind"] != "orthogonal"):
            raise ValueError(f"{name}: kind {fields['kind']!r} with d = {dim} cannot have {num_units} units")
        if num_vectors and fields["kind"] == "triangular":
            raise ValueError(f"{name}: kind 'triangular' has q_vectors of shape (0, {dim}), got {q_vectors.shape}")
        return {**fields, "event_shape": (dim,)}

    @classmethod
    def from_matrices(cls, q: jax.Array, r: jax.Array, r_tilde: jax.Array, b: jax.Array) -> "Sylvester":
        """The flow with these matrices; NaN parameters where R_ii Rt_ii is not above -1.

        Args:
            q: (d, M), orthonormal columns.
            r: (M, M), upper triangular.
            r_tilde: (M, M), upper triangular.
            b: (M,).
        """
        q, r, r_tilde = jnp.asarray(q), jnp.asarray(r), jnp.asarray(r_tilde)
        product = jnp.diagonal(r) * jnp.diagonal(r_tilde)
        raw_diagonal = jnp.diagonal(r) * _unbounded_ratio(product)
        raw_r = jnp.triu(r, 1) + jnp.diag(raw_diagonal)
        return cls(_householder_vectors(q), raw_r, r_tilde, b)

    def matrices(self) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Q (d, M), R (M, M) and Rt (M, M)."""
        identity = jnp.eye(self.event_shape[0], dtype=self.b.dtype)
        q = identity if self.kind == "triangular" else householder_product(self.q_vectors)
        r_tilde = jnp.triu(self.r_tilde)
        s = jnp.diagonal(self.raw_r) * jnp.diagonal(r_tilde)
        diagonal = jnp.diagonal(self.raw_r) * (1.0 + s * multiplier_remainder(s, _FLOOR))
        return q[:, : self.b.shape[0]], jnp.triu(self.raw_r, 1) + jnp.diag(diagonal), r_tilde

    def _slopes(self):
        """1 + R_ii Rt_ii > 0, (M,)."""
        return multiplier(jnp.diagonal(self.raw_r) * jnp.diagonal(self.r_tilde), _FLOOR)

    def _forward_and_log_det(self, x):
        q, r, r_tilde = self.matrices()
        a = multiply(r_tilde, multiply(q.T, x)) + self.b
        return x + multiply(q, multiply(r, jnp.tanh(a))), jnp.sum(moved_log_slope(a, self._slopes()))

    def _inverse_and_log_det(self, y):
        return self._inverse_with_info(y)[:2]

    def _inverse_with_info(self, y):
        q, r, r_tilde = self.matrices()
        target, slopes = multiply(r_tilde, multiply(q.T, y)) + self.b, self._slopes()
        above = jnp.triu(multiply(r_tilde, r), 1)

        def settle(moved, row):
            weights, target_i, slope, index = row
            result = solve_tanh(target_i - jnp.sum(weights * moved), slope)
            return moved.at[index].set(jnp.tanh(result.value)), result

        rows = (above, target, slopes, jnp.arange(target.shape[0]))
        moved, results = jax.lax.scan(settle, jnp.zeros_like(target), rows, reverse=True)
        x = y - multiply(q, multiply(r, moved))
        summary = RootResult(x, results.residual, results.converged, results.num_steps)
        return x, -jnp.sum(moved_log_slope(results.value, slopes)), summary


def _unbounded_ratio(product):
    """s/p where c(s) = 1 + p: closed form, then Newton's steps on s + s^2 psi(s) = p, which keep small p exact."""
    rate = jnp.exp(1.0) / jnp.expm1(1.0) / (1.0 - _FLOOR)
    rate = jnp.asarray(rate, product.dtype)
    level = softplus_inverse((1.0 + product - _FLOOR) / (1.0 - _FLOOR))
    s = (level - jnp.log(jnp.expm1(jnp.ones_like(product)))) / rate
    for _ in range(_POLISHING_STEPS):
        value = s + s * s * multiplier_remainder(s, _FLOOR)
        s = s - (value - product) / jax.grad(lambda v: jnp.sum(multiplier(v, _FLOOR)))(s)
    zero = product == 0.0
    return jnp.where(zero, 1.0, s / jnp.where(zero, 1.0, product))


def _householder_vectors(q):
    """Vectors (M, d) of reflections whose product has the orthonormal columns of `q` first."""
    dim, num_units = q.shape

    def eliminate(index, state):
        matrix, vectors = state
        column = jnp.where(jnp.arange(dim) >= index, matrix[:, index], 0.0)
        rest = jnp.where(jnp.arange(dim) == index, 0.0, column)
        square, head = jnp.sum(rest * rest), column[index]
        norm = jnp.sqrt(head * head + square)
        # head - norm, without cancellation
        first = jnp.where(head > 0.0, -square / (head + norm), head - norm)
        vector = rest.at[index].set(first)
        length = jnp.sum(vector * vector)
        factor = jnp.where(length > 0.0, 2.0 / jnp.where(length > 0.0, length, 1.0), 0.0)
        matrix = matrix - factor * jnp.outer(vector, multiply(vector, matrix))
        return matrix, vectors.at[index].set(vector)

    return jax.lax.fori_loop(0, num_units, eliminate, (q, jnp.zeros((num_units, dim), q.dtype)))[1]
