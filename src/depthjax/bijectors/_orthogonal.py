"""Rotations of a vector from an unconstrained square matrix."""

import jax
import jax.numpy as jnp

from depthjax.bijectors._dense import expm, multiply, solve
from depthjax.core import Bijector, derived, param, record, require_rank, require_shape, static
from depthjax.numerics import householder_product, safe_norm

METHODS = ("householder", "cayley", "expm")
_POLISHING_STEPS = 2


def _skew(raw, largest):
    """The skew matrix with the strictly lower triangle of `raw`, its norm limited to `largest`."""
    lower = jnp.tril(raw, -1)
    size = safe_norm(lower, axis=(-2, -1))
    limited = lower * jnp.where(size > largest, largest / jnp.where(size > largest, size, 1.0), 1.0)
    return limited - limited.T


def _polish(q):
    """Newton's iteration to the nearest orthogonal matrix, which squares the error at each step."""
    for _ in range(_POLISHING_STEPS):
        q = q + 0.5 * multiply(q, jnp.eye(q.shape[0], dtype=q.dtype) - multiply(q.T, q))
    return q


def orthogonal_matrix(raw: jax.Array, method: str) -> jax.Array:
    """Orthogonal (d, d) from any (d, d); zero gives the identity.

    Args:
        raw: (d, d).
        method: "householder", "cayley" or "expm".
    """
    if method == "householder":
        return householder_product(raw)
    eps = float(jnp.finfo(raw.dtype).eps)
    if method == "expm":
        return _polish(expm(_skew(raw, 1024.0)))
    skew = _skew(raw, eps**-0.5)
    identity = jnp.eye(raw.shape[0], dtype=raw.dtype)
    return _polish(solve(identity + skew, identity - skew))


@record
class Orthogonal(Bijector):
    """y = Q x with Q orthogonal for every parameter value; log-det 0.

    Args:
        raw: (d, d). "householder": its rows are the vectors of d reflections, Q = H_1 ... H_d. "cayley" and "expm": its
            strictly lower triangle is that of a skew matrix A, Q = (I + A)^-1 (I - A) or exp(A).
        method: static; "householder" reaches all orthogonal matrices, the others rotations only, and "cayley" not
            those by half a turn.

    Raises:
        ValueError: raw is not square, or an unknown method.

    Numerics:
        Zero is the identity. Orthogonal to a few eps for any raw: the norm of A is limited (to eps^-1/2 for "cayley",
        to 1024 for "expm", far beyond the half turn that every rotation needs), and two Newton steps towards the
        nearest orthogonal matrix remove what rounding left.

    Cost:
        O(d^3) for the matrix, once for all events of a batch, and O(d^2) for each event.

    Source:
        Tomczak and Welling (2016), eq. 8; Cayley map and exponential, Lezcano-Casado and Martinez-Rubio, Cheap
        Orthogonal Constraints in Neural Networks (2019), sec. 3.
    """

    raw: jax.Array = param()
    method: str = static(default="householder")
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        raw = fields["raw"]
        require_rank(cls.__name__, "raw", raw, 2)
        require_shape(cls.__name__, "raw", raw, (raw.shape[0],) * 2)
        if fields["method"] not in METHODS:
            raise ValueError(f"{cls.__name__}: method is one of {', '.join(METHODS)}, got {fields['method']!r}")
        return {**fields, "event_shape": raw.shape[:1]}

    def matrix(self) -> jax.Array:
        """Q, (d, d)."""
        return orthogonal_matrix(self.raw, self.method)

    def _forward_and_log_det(self, x):
        return multiply(self.matrix(), x), jnp.zeros((), x.dtype)

    def _inverse_and_log_det(self, y):
        return multiply(self.matrix().T, y), jnp.zeros((), y.dtype)
