"""Determinants, orthogonal matrices and certified norms."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike


def _square(name, a):
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"{name}: expected a square matrix (..., d, d), got shape {a.shape}")


def log_det_lu(a: ArrayLike) -> jax.Array:
    """Logarithm of the absolute determinant, `log|det a|`, by LU factors with pivoting.

    Args:
        a: matrices `(..., d, d)`.

    Returns:
        `(...)`, nats; -inf for a singular matrix.

    Raises:
        ValueError: if the last two axes differ.

    Numerics: half precision is factored in float32.

    Cost: O(d^3).
    """
    a = jnp.asarray(a)
    _square("log_det_lu", a)
    half = a.dtype in (jnp.bfloat16, jnp.float16)
    log_abs = jnp.linalg.slogdet(a.astype(jnp.float32) if half else a)[1]
    return log_abs.astype(a.dtype) if half else log_abs


def householder_product(vectors: ArrayLike) -> jax.Array:
    """Product of Householder reflections, `Q = H_1 H_2 ... H_k` with `H = I - 2 v v^T / |v|^2`.

    Args:
        vectors: `(k, d)`, one reflection each; a zero row gives the identity.

    Returns:
        Orthogonal matrix `(d, d)`, determinant (-1)^k if no row is zero.

    Raises:
        ValueError: if `vectors` is not a matrix.

    Numerics: each row is scaled by its largest entry first, so orthogonality holds to a few eps times k for rows of
        any size; the gradient at a zero row is zero.

    Cost: O(k d^2).
    """
    vectors = jnp.asarray(vectors)
    if vectors.ndim != 2:
        raise ValueError(f"householder_product: expected vectors of shape (k, d), got {vectors.shape}")

    def reflect(matrix, vector):
        largest = jnp.max(jnp.abs(lax.stop_gradient(vector)))
        zero = largest == 0.0
        scaled = jnp.where(zero, 1.0, vector) / jnp.where(zero, 1.0, largest)
        factor = jnp.where(zero, 0.0, 2.0) / jnp.sum(scaled * scaled)
        return matrix - factor * jnp.outer(scaled, scaled @ matrix), None

    identity = jnp.eye(vectors.shape[1], dtype=vectors.dtype)
    return lax.scan(reflect, identity, vectors, reverse=True)[0]


def spectral_norm_bound(matrix: ArrayLike, *, num_steps: int = 4) -> jax.Array:
    """Certified upper bound on the largest singular value, by Gram iteration.

    With `G_0 = W` and `G_(i+1) = G_i^T G_i`, `|G_k|_F^(2^-k)` bounds the norm of W from above for every k.

    Args:
        matrix: `(..., m, n)`.
        num_steps: number k of squarings; the bound exceeds the norm by at most the factor rank^(2^-(k+1)).

    Returns:
        `(...)`, the bound; zero with zero gradient for a zero matrix.

    Raises:
        ValueError: if `matrix` has fewer than two axes or `num_steps` is negative.

    Numerics: each iterate is divided by its Frobenius norm and the logarithms are summed, so nothing overflows. The
        result is raised by the rounding error of the products, so that the bound holds in floating point too.

    Source: Delattre et al., "Efficient bound of Lipschitz constant for convolutional layers by Gram iteration", 2023.
    """
    matrix = jnp.asarray(matrix)
    if matrix.ndim < 2 or num_steps < 0:
        raise ValueError(
            f"spectral_norm_bound: expected a matrix (..., m, n) and num_steps >= 0, got shape {matrix.shape} and "
            f"num_steps={num_steps}"
        )
    largest = jnp.max(jnp.abs(lax.stop_gradient(matrix)), axis=(-2, -1), keepdims=True)
    zero = largest == 0.0
    gram = jnp.where(zero, 1.0, matrix) / jnp.where(zero, 1.0, largest)
    if matrix.shape[-2] < matrix.shape[-1]:
        gram = jnp.swapaxes(gram, -1, -2)
    log_bound = jnp.zeros(matrix.shape[:-2], matrix.dtype)
    for step in range(num_steps + 1):
        norm = jnp.sqrt(jnp.sum(gram * gram, axis=(-2, -1), keepdims=True))
        log_bound = log_bound + jnp.log(norm[..., 0, 0]) * 0.5**step
        if step < num_steps:
            gram = gram / norm
            gram = jnp.matmul(jnp.swapaxes(gram, -1, -2), gram, precision=lax.Precision.HIGHEST)
    margin = 1.0 + 4.0 * float(jnp.finfo(matrix.dtype).eps) * (sum(matrix.shape[-2:]) + num_steps)
    bound = jnp.exp(log_bound) * largest[..., 0, 0] * margin
    return jnp.where(zero[..., 0, 0], 0.0, bound)
