"""Covariance matrices with a floor under their eigenvalues."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.distributions._gaussian_algebra import HIGHEST


@jax.custom_jvp
def raise_eigenvalues(matrix: jax.Array, floor: jax.Array) -> jax.Array:
    """V diag(max(l, floor)) V^T for a symmetric matrix V diag(l) V^T, (d, d).

    Numerics:
        The matrix itself where no eigenvalue is below the floor. The derivative is by divided differences of
        max(., floor), so it is finite at repeated eigenvalues; the floor has none.

    Source:
        Bhatia, Matrix Analysis (1997), thm. V.3.3 (Daleckii and Krein).
    """
    values, vectors = jnp.linalg.eigh(matrix)
    raised = jnp.maximum(values, floor) - values
    lift = jnp.matmul(vectors * raised[None], vectors.T, precision=HIGHEST)
    return jnp.where(values[0] < floor, matrix + lift, matrix)


@raise_eigenvalues.defjvp
def _(primals, tangents):
    matrix, floor = primals
    values, vectors = jnp.linalg.eigh(matrix)
    above = (values > floor).astype(matrix.dtype)
    raised = jnp.maximum(values, floor)
    gap = values[:, None] - values[None]
    mixed = above[:, None] != above[None]
    slope = (raised[:, None] - raised[None]) / jnp.where(mixed, gap, 1.0)
    slope = jnp.where(mixed, slope, above[:, None] * above[None])
    change = jnp.matmul(jnp.matmul(vectors.T, tangents[0], precision=HIGHEST), vectors, precision=HIGHEST)
    change = jnp.matmul(jnp.matmul(vectors, slope * change, precision=HIGHEST), vectors.T, precision=HIGHEST)
    return raise_eigenvalues(matrix, floor), change


def floored_factor(cov: jax.Array, floor: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Cholesky factor of a covariance (d, d) with floored eigenvalues, and () bool whether none was below.

    The floor is not under 4 d eps times the largest diagonal entry, so that the factor exists in this dtype.
    """
    size, info = cov.shape[0], jnp.finfo(cov.dtype)
    diagonal = jax.lax.stop_gradient(jnp.max(jnp.diagonal(cov)))
    least = jnp.maximum(jnp.maximum(floor, 4 * size * info.eps * diagonal), info.tiny).astype(cov.dtype)
    sound = jnp.linalg.eigvalsh(jax.lax.stop_gradient(cov))[0] >= least
    return jnp.linalg.cholesky(raise_eigenvalues(cov, least)), sound
