"""Spacings of neighbouring eigenvalues."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import chosen, positive

_CONSTANTS = {
    1: (math.log(math.pi / 2.0), math.pi / 4.0),
    2: (math.log(32.0 / math.pi**2), 4.0 / math.pi),
    4: (math.log(2.0**18 / (3.0**6 * math.pi**3)), 64.0 / (9.0 * math.pi)),
}


def wigner_surmise_log_density(s: ArrayLike, *, beta: int = 1, mean_spacing: ArrayLike = 1.0) -> jax.Array:
    """Log density of the spacing of the two eigenvalues of a 2 x 2 Gaussian matrix, near exact for large ones.

    c s^beta exp(-b s^2) in units of the mean; for beta = 1, (pi s/2) exp(-pi s^2/4).

    Args:
        s: (*batch), spacings.
        beta: 1 (real symmetric), 2 (Hermitian) or 4 (self-dual quaternion).
        mean_spacing: (), positive, or of the shape of `s`.

    Returns:
        (*batch) nats; -inf for s <= 0.

    Raises:
        ValueError: another beta, concrete mean_spacing not positive.

    Source:
        Wigner (1957); Mehta, Random Matrices, ch. 1.
    """
    chosen("wigner_surmise_log_density", "beta", beta, tuple(_CONSTANTS))
    positive("wigner_surmise_log_density", mean_spacing=mean_spacing)
    s = jnp.asarray(s)
    s = s if jnp.issubdtype(s.dtype, jnp.inexact) else s.astype(jnp.result_type(float))
    mean = jnp.asarray(mean_spacing, s.dtype)
    log_constant, decay = _CONSTANTS[beta]
    inside = s > 0.0
    unit = jnp.where(inside, s, 1.0) / mean
    value = log_constant + beta * jnp.log(unit) - decay * unit**2 - jnp.log(mean)
    value = jnp.where(mean > 0.0, value, jnp.nan)
    return jnp.where(inside, value, jnp.where(jnp.isnan(s), jnp.nan, -jnp.inf))


def eigenvalue_spacings(eigenvalues: ArrayLike, *, unfold: Callable[[jax.Array], jax.Array] | None = None) -> jax.Array:
    """Distances of neighbouring eigenvalues.

    Args:
        eigenvalues: (..., n), in any order, n >= 2.
        unfold: a cdf such as `law.cdf`: eigenvalues are mapped to n cdf(x) first, which makes the mean spacing 1.

    Returns:
        (..., n - 1), ascending positions.

    Raises:
        ValueError: fewer than two eigenvalues.
    """
    values = jnp.asarray(eigenvalues)
    if values.ndim == 0 or values.shape[-1] < 2:
        raise ValueError(f"eigenvalue_spacings: eigenvalues has shape {values.shape}, expected (..., n) with n >= 2")
    values = jnp.sort(values, axis=-1)
    if unfold is not None:
        values = values.shape[-1] * unfold(values)
    return jnp.diff(values, axis=-1)
