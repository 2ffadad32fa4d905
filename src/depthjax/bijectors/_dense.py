"""Dense linear algebra that half-precision events can use too."""

import jax
import jax.numpy as jnp


def _widened(fn, *arrays):
    """`fn` in float32 at least: the factorisations do not exist in half precision."""
    dtype = arrays[0].dtype
    if jnp.finfo(dtype).bits >= 32:
        return fn(*arrays)
    return fn(*(array.astype(jnp.float32) for array in arrays)).astype(dtype)


def multiply(a: jax.Array, b: jax.Array) -> jax.Array:
    """Product in full precision on every device."""
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def solve(a: jax.Array, b: jax.Array) -> jax.Array:
    """X with a x = b, by LU."""
    return _widened(jnp.linalg.solve, a, b)


def cholesky(a: jax.Array) -> jax.Array:
    """Lower Cholesky factor; NaN where there is none."""
    return _widened(jnp.linalg.cholesky, a)


def expm(a: jax.Array) -> jax.Array:
    """Matrix exponential, for norms up to 1e5."""
    return _widened(lambda matrix: jax.scipy.linalg.expm(matrix, max_squarings=16), a)
