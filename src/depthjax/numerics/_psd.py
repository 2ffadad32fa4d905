"""Functions of positive semidefinite matrices whose derivatives do not pass through eigenvectors.

Each derivative is written in terms of these functions, so that all orders exist and stay finite where eigenvalues
coincide or vanish; what would divide by zero counts as zero.
"""

import functools

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.numerics._elementwise import promote


def _square(name: str, a: ArrayLike) -> jax.Array:
    (a,) = promote(a)
    if a.ndim != 2 or a.shape[0] != a.shape[1]:
        raise ValueError(f"{name}: expected a square matrix, got shape {a.shape}")
    return a


def _floor(values: jax.Array, power: float = 1.0) -> jax.Array:
    return (values.shape[-1] * float(jnp.finfo(values.dtype).eps)) ** power * jnp.max(jnp.abs(values))


def _eigh(a: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.linalg.eigh(0.5 * (a + a.T), symmetrize_input=False)


def psd_sqrt(a: ArrayLike) -> jax.Array:
    """Symmetric square root of a positive semidefinite matrix.

    Args:
        a: (d, d); eigenvalues that rounding made negative count as zero.

    Returns:
        (d, d) S with S S = a; NaN if an eigenvalue is negative beyond sqrt(eps) of the largest.

    Raises:
        ValueError: not square.

    Numerics: the derivative solves S X + X S = da.
    """
    return _sqrt(_square("psd_sqrt", a))


@jax.custom_jvp
def _sqrt(a):
    values, vectors = _eigh(a)
    ok = values[0] >= -jnp.sqrt(jnp.finfo(a.dtype).eps) * jnp.max(jnp.abs(values))
    return jnp.where(ok, (vectors * jnp.sqrt(jnp.maximum(values, 0.0))[None, :]) @ vectors.T, jnp.nan)


@_sqrt.defjvp
def _(primals, tangents):
    root = _sqrt(*primals)
    return root, lyapunov(root, 0.5 * (tangents[0] + tangents[0].T))


def lyapunov(s: ArrayLike, right: ArrayLike) -> jax.Array:
    """Solution X of S X + X S = R for a positive semidefinite S.

    Args:
        s: (d, d) symmetric.
        right: (d, d) R.

    Returns:
        (d, d); zero in the coordinates where both eigenvalues of S vanish.

    Raises:
        ValueError: not square.
    """
    return _lyapunov(_square("lyapunov", s), _square("lyapunov", right))


@jax.custom_jvp
def _lyapunov(s, right):
    values, vectors = _eigh(s)
    sums = values[:, None] + values[None, :]
    usable = sums > _floor(values)
    inside = vectors.T @ right @ vectors
    return vectors @ jnp.where(usable, inside / jnp.where(usable, sums, 1.0), 0.0) @ vectors.T


@_lyapunov.defjvp
def _(primals, tangents):
    (s, right), (ds, dright) = primals, tangents
    x = _lyapunov(s, right)
    return x, _lyapunov(s, dright - ds @ x - x @ ds)


def psd_pinv(a: ArrayLike, *, of_root: bool = False) -> jax.Array:
    """Pseudo-inverse of a positive semidefinite matrix, its derivative taken at fixed rank along its range.

    Args:
        a: (d, d) symmetric.
        of_root: static, whether `a` is the square root of a matrix that rounding left d eps off.

    Returns:
        (d, d); eigenvalues below d eps of the largest, or below the root of d eps with `of_root`, count as zero.

    Raises:
        ValueError: not square.
    """
    return _pinv(_square("psd_pinv", a), 0.5 if of_root else 1.0)


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _pinv(a, power):
    values, vectors = _eigh(a)
    usable = values > _floor(values, power)
    inverses = jnp.where(usable, 1.0 / jnp.where(usable, values, 1.0), 0.0)
    return (vectors * inverses[None, :]) @ vectors.T


@_pinv.defjvp
def _(power, primals, tangents):
    inverse = _pinv(*primals, power)
    return inverse, -inverse @ tangents[0] @ inverse
