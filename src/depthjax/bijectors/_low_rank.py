"""Affine maps whose matrix is diagonal plus low rank."""

import jax
import jax.numpy as jnp

from depthjax.bijectors._dense import multiply, solve
from depthjax.core import Bijector, derived, param, record, require_rank, require_shape
from depthjax.numerics import log_det_lu


class _LowRank(Bijector):
    """y = shift + (D + U V^T) x; `_diagonal()` gives D."""

    shift: jax.Array
    u: jax.Array
    v: jax.Array

    @classmethod
    def _complete(cls, fields):
        name, u = cls.__name__, fields["u"]
        require_rank(name, "u", u, 2)
        require_shape(name, "v", fields["v"], u.shape)
        dim, rank = u.shape
        if rank > dim:
            raise ValueError(f"{name}: u and v have {rank} columns, at most d = {dim}")
        vectors = {k: fields[k] for k in ("shift", "scale") if k in fields}
        for field, value in vectors.items():
            if value.ndim:
                require_shape(name, field, value, (dim,))
        return {**fields, **{k: jnp.broadcast_to(v, (dim,)) for k, v in vectors.items()}, "event_shape": (dim,)}

    def _diagonal(self):
        return jnp.ones_like(self.shift)

    def _capacitance(self):
        """I + V^T D^-1 U, (k, k)."""
        scaled = self.u / jnp.broadcast_to(self._diagonal()[:, None], self.u.shape)
        return jnp.eye(self.u.shape[1], dtype=self.u.dtype) + multiply(self.v.T, scaled)

    def _log_det(self):
        return jnp.sum(jnp.log(jnp.abs(self._diagonal()))) + log_det_lu(self._capacitance())

    def _apply(self, x):
        return self._diagonal() * x + multiply(self.u, multiply(self.v.T, x))

    def _solve(self, z):
        scaled = z / self._diagonal()
        inner = solve(self._capacitance(), multiply(self.v.T, scaled))
        return scaled - multiply(self.u, inner) / self._diagonal()

    def _forward_and_log_det(self, x):
        return self.shift + self._apply(x), self._log_det()

    def _inverse_and_log_det(self, y):
        z = y - self.shift
        x = self._solve(z)
        return x + self._solve(z - self._apply(x)), -self._log_det()


@record
class LowRankAffine(_LowRank):
    """y = shift + (I + U V^T) x; log-det log|det(I_k + V^T U)|.

    Args:
        shift: (d,), or one number.
        u: (d, k), k <= d.
        v: (d, k).

    Raises:
        ValueError: sizes that do not agree, or k > d.

    Numerics:
        Invertible unless -1 is an eigenvalue of V^T U, where the log-det is -inf. The inverse by the Woodbury identity
        is refined once, which makes it backward stable.

    Cost:
        O(d k^2 + k^3), both directions.

    Source:
        Matrix determinant lemma and Woodbury identity; Golub and Van Loan, Matrix Computations, sec. 2.1.4.
    """

    shift: jax.Array = param()
    u: jax.Array = param()
    v: jax.Array = param()
    event_shape: tuple[int, ...] = derived()


@record
class DiagonalPlusLowRank(_LowRank):
    """y = shift + (diag(scale) + U V^T) x; log-det sum log|scale| + log|det(I_k + V^T diag(scale)^-1 U)|.

    Args:
        shift: (d,), or one number.
        scale: (d,), or one number; nonzero.
        u: (d, k), k <= d.
        v: (d, k).

    Raises:
        ValueError: sizes that do not agree, or k > d.

    Numerics:
        As of `LowRankAffine`, whose scale is one.

    Cost:
        O(d k^2 + k^3), both directions.

    Source:
        Matrix determinant lemma and Woodbury identity; Golub and Van Loan, Matrix Computations, sec. 2.1.4.
    """

    shift: jax.Array = param()
    scale: jax.Array = param()
    u: jax.Array = param()
    v: jax.Array = param()
    event_shape: tuple[int, ...] = derived()

    def _diagonal(self):
        return self.scale
