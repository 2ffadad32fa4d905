"""What a log density is outside the support."""

import jax
import jax.numpy as jnp


def masked(inside: jax.Array, value: jax.Array, x: jax.Array) -> jax.Array:
    """`value` in the support, -inf outside, NaN for an event x with NaN."""
    outside = jnp.where(jnp.any(jnp.isnan(x)), jnp.nan, -jnp.inf).astype(value.dtype)
    return jnp.where(inside, value, outside)
