"""Evaluation of Chebyshev series by Clenshaw's recurrence, and of their divided differences."""

import jax
import jax.numpy as jnp
import numpy as np


def _needed(coefficients, dtype):
    """Drop the coefficients that the dtype cannot see."""
    visible = np.abs(coefficients) > 0.05 * float(jnp.finfo(dtype).eps) * np.abs(coefficients[0])
    return [float(value) for value in coefficients[: np.flatnonzero(visible)[-1] + 1]]


def chebyshev(coefficients: np.ndarray, t: jax.Array) -> jax.Array:
    """Evaluate `sum_k c_k T_k(t)` for `t` in [-1, 1].

    Args:
        coefficients: host array `(n,)`.
        t: any shape, float32 or float64.

    Returns:
        Same shape as `t`.
    """
    first, *rest = _needed(coefficients, t.dtype)
    current, previous = jnp.zeros_like(t), jnp.zeros_like(t)
    for value in reversed(rest):
        current, previous = value + 2.0 * t * current - previous, current
    return first + t * current - previous


def chebyshev_divided(coefficients: np.ndarray, t: jax.Array, s: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Evaluate `f(s)` and the divided difference `(f(t) - f(s)) / (t - s)`, which does not cancel as `t -> s`.

    Args:
        coefficients: host array `(n,)` of the series f.
        t: one point, any shape.
        s: the other point, same shape.

    Returns:
        `(f(s), divided difference)`.
    """
    first, *rest = _needed(coefficients, t.dtype)
    current, previous = jnp.zeros_like(t), jnp.zeros_like(t)
    slope, slope_previous = jnp.zeros_like(t), jnp.zeros_like(t)
    for value in reversed(rest):
        slope, slope_previous = 2.0 * (t * slope + current) - slope_previous, slope
        current, previous = value + 2.0 * s * current - previous, current
    return first + s * current - previous, t * slope + current - slope_previous
