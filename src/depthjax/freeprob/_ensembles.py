"""Random matrices whose spectra tend to the laws of this package."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least, chosen, positive


def sample_goe(key: jax.Array, dim: int, *, scale: ArrayLike = 1.0, dtype=None) -> jax.Array:
    """Gaussian orthogonal ensemble, (dim, dim) symmetric; spectrum tends to `Semicircle(0, scale)`.

    Off-diagonal variance scale^2/dim, diagonal twice that. The edges +-2 scale are a matter of this normalisation, not
    of the symmetry class.

    Args:
        key: random key.
        dim: size of the matrix.
        scale: (), positive.
        dtype: a real floating dtype; JAX's default float for None.

    Returns:
        (dim, dim) symmetric.
    """
    positive("sample_goe", scale=scale)
    at_least("sample_goe", "dim", dim, 1)
    noise = jax.random.normal(key, (dim, dim), _float(dtype))
    return jnp.asarray(scale, noise.dtype) * (noise + noise.T) / jnp.sqrt(jnp.asarray(2.0 * dim, noise.dtype))


def sample_gue(key: jax.Array, dim: int, *, scale: ArrayLike = 1.0, dtype=None) -> jax.Array:
    """Gaussian unitary ensemble, (dim, dim) complex Hermitian; spectrum tends to `Semicircle(0, scale)`.

    Args:
        key: random key.
        dim: size of the matrix.
        scale: (), positive.
        dtype: a real floating dtype; JAX's default float for None.

    Returns:
        (dim, dim) complex Hermitian.
    """
    positive("sample_gue", scale=scale)
    at_least("sample_gue", "dim", dim, 1)
    real, imag = jax.random.normal(key, (2, dim, dim), _float(dtype))
    root = jnp.asarray(scale, real.dtype) / jnp.sqrt(jnp.asarray(4.0 * dim, real.dtype))
    return jax.lax.complex(root * (real + real.T), root * (imag - imag.T))


def sample_wishart(key: jax.Array, rows: int, cols: int, *, variance: ArrayLike = 1.0, dtype=None) -> jax.Array:
    """A A^T, A (rows, cols) of independent normals of variance variance/cols; tends to `MarchenkoPastur(rows/cols)`.

    Args:
        key: random key.
        rows: number of rows of A.
        cols: number of columns of A.
        variance: (), positive.
        dtype: a real floating dtype; JAX's default float for None.

    Returns:
        (rows, rows) symmetric.
    """
    positive("sample_wishart", variance=variance)
    at_least("sample_wishart", "rows", rows, 1)
    at_least("sample_wishart", "cols", cols, 1)
    noise = jax.random.normal(key, (rows, cols), _float(dtype))
    return jnp.asarray(variance, noise.dtype) * (noise @ noise.T) / cols


def sample_ginibre(key: jax.Array, dim: int, *, scale: ArrayLike = 1.0, field: str = "real", dtype=None) -> jax.Array:
    """Square matrix of independent normals of variance scale^2/dim, (dim, dim).

    Eigenvalues fill the disc of radius `scale`; squared singular values tend to `MarchenkoPastur(1, scale^2)`.

    Args:
        key: random key.
        dim: size.
        scale: (), positive.
        field: "real" or "complex".
        dtype: a real floating dtype; JAX's default float for None.

    Returns:
        (dim, dim), complex if `field` is.
    """
    chosen("sample_ginibre", "field", field, ("real", "complex"))
    positive("sample_ginibre", scale=scale)
    at_least("sample_ginibre", "dim", dim, 1)
    if field == "complex":
        real, imag = jax.random.normal(key, (2, dim, dim), _float(dtype))
        root = jnp.asarray(scale, real.dtype) / jnp.sqrt(jnp.asarray(2.0 * dim, real.dtype))
        return jax.lax.complex(root * real, root * imag)
    noise = jax.random.normal(key, (dim, dim), _float(dtype))
    return jnp.asarray(scale, noise.dtype) * noise / jnp.sqrt(jnp.asarray(float(dim), noise.dtype))


def sample_haar_orthogonal(key: jax.Array, dim: int, *, dtype=None) -> jax.Array:
    """Haar distributed orthogonal matrix, (dim, dim): QR of a normal matrix, the signs of diag R moved into Q.

    Args:
        key: random key.
        dim: size of the matrix.
        dtype: a real floating dtype; JAX's default float for None.

    Returns:
        (dim, dim) orthogonal.

    Source:
        Mezzadri (2007).
    """
    at_least("sample_haar_orthogonal", "dim", dim, 1)
    q, r = jnp.linalg.qr(jax.random.normal(key, (dim, dim), _float(dtype)))
    return q * jnp.where(jnp.diagonal(r) < 0.0, -1.0, 1.0).astype(q.dtype)[None, :]


def sample_haar_unitary(key: jax.Array, dim: int, *, dtype=None) -> jax.Array:
    """Haar distributed unitary matrix, (dim, dim) complex: QR with the phases of diag R moved into Q.

    Args:
        key: random key.
        dim: size of the matrix.
        dtype: a real floating dtype; JAX's default float for None.

    Returns:
        (dim, dim) unitary.
    """
    at_least("sample_haar_unitary", "dim", dim, 1)
    q, r = jnp.linalg.qr(jax.lax.complex(*jax.random.normal(key, (2, dim, dim), _float(dtype))))
    diagonal = jnp.diagonal(r)
    size = jnp.abs(diagonal)
    inverse = 1.0 / jnp.where(size > 0.0, size, 1.0)
    phase = jax.lax.complex(jnp.real(diagonal) * inverse, jnp.imag(diagonal) * inverse)
    phase = jnp.where(size > 0.0, phase, jnp.ones_like(phase))
    return q * phase[None, :]


def sample_jacobi(key: jax.Array, dim: int, dof_a: int, dof_b: int, *, dtype=None) -> jax.Array:
    """Symmetric matrix with the spectrum of A (A + B)^-1, A and B Wishart with `dof_a`, `dof_b` degrees of freedom.

    Args:
        key: random key.
        dim: size of the matrix.
        dof_a: columns of the factor of A.
        dof_b: columns of that of B; dof_a + dof_b at least dim.
        dtype: a real floating dtype; JAX's default float for None.

    Returns:
        (dim, dim), spectrum in [0, 1], tends to `Wachter(dof_a/dim, dof_b/dim)`.

    Raises:
        ValueError: dof_a + dof_b < dim, where A + B is singular.
    """
    at_least("sample_jacobi", "dim", dim, 1)
    at_least("sample_jacobi", "dof_a", dof_a, 1)
    at_least("sample_jacobi", "dof_b", dof_b, 1)
    if dof_a + dof_b < dim:
        raise ValueError(f"sample_jacobi: dof_a + dof_b is {dof_a + dof_b}, expected at least dim = {dim}")
    noise = jax.random.normal(key, (dim, dof_a + dof_b), _float(dtype))
    factor = jnp.linalg.cholesky(noise @ noise.T)
    half = jax.scipy.linalg.solve_triangular(factor, noise[:, :dof_a], lower=True)
    return half @ half.T


def _float(dtype):
    return jnp.result_type(float) if dtype is None else dtype
