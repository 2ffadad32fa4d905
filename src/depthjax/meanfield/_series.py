"""Logarithm and exponential of truncated power series, coefficients on the last axis."""

import jax
import jax.numpy as jnp


def log_series(s: jax.Array) -> jax.Array:
    """Log s for s_0 = 1: k l_k = k s_k - sum_(j<k) j l_j s_(k-j)."""
    out = [jnp.zeros_like(s[0])]
    for k in range(1, s.shape[0]):
        out.append(s[k] - sum((j * out[j] * s[k - j] for j in range(1, k)), 0.0 * s[0]) / k)
    return jnp.stack(out)


def power_exp(a: jax.Array) -> jax.Array:
    """Exp a for a_0 = 0: k e_k = sum_(j<=k) j a_j e_(k-j)."""
    out = [jnp.ones_like(a[0])]
    for k in range(1, a.shape[0]):
        out.append(sum((j * a[j] * out[k - j] for j in range(1, k + 1)), 0.0 * a[0]) / k)
    return jnp.stack(out)
