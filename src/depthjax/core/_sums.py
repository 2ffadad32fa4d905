"""Sums and maxima over a few entries of many, for loops of processors.

There a reduction goes through such an axis entry by entry, and computes its terms again within; before a product with
ones they are finished.
"""

import jax
import jax.numpy as jnp


def total(terms: jax.Array) -> jax.Array:
    """Sum of all terms, ()."""
    flat = terms.reshape(-1)
    return flat[0] if flat.size == 1 else sum_of_each(flat)


def total_of_few(terms: jax.Array) -> jax.Array:
    """`total` of fewer than 16 terms, of more a sum, which is faster then."""
    return total(terms) if terms.size < 16 else jnp.sum(terms)


def sum_of_each(terms: jax.Array) -> jax.Array:
    """Sums over the last axis."""
    return jnp.matmul(terms, jnp.ones(terms.shape[-1], terms.dtype), precision=jax.lax.Precision.HIGHEST)


def sum_over_leading(terms: jax.Array) -> jax.Array:
    """Sums over the leading axis."""
    return jnp.tensordot(jnp.ones(terms.shape[0], terms.dtype), terms, axes=1, precision=jax.lax.Precision.HIGHEST)


def max_over_leading(values: jax.Array) -> jax.Array:
    """Maxima over the leading axis, by halves; NaN where one is."""
    while values.shape[0] > 1:
        half = values.shape[0] // 2
        rest = values[2 * half :]
        values = jnp.concatenate([jnp.maximum(values[:half], values[half : 2 * half]), rest])
    return values[0]
