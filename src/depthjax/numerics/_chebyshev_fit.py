"""Chebyshev tables of a function on an interval."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.numerics._elementwise import float_dtype, promote


def chebyshev_fit(fn: Callable[[jax.Array], jax.Array], lower: ArrayLike, upper: ArrayLike, degree: int) -> jax.Array:
    """Coefficients of the Chebyshev interpolant of a function at the points of the first kind.

    f(x) ~ sum_k c_k T_k(t), t = (2x - lower - upper)/(upper - lower).

    Args:
        fn: (degree + 1,) -> (degree + 1, ...), elementwise along the first axis.
        lower: () lower end.
        upper: () upper end.
        degree: static, at least 0.

    Returns:
        (degree + 1, ...) coefficients, differentiable in the ends and in what `fn` closes over.

    Raises:
        ValueError: for a negative degree.

    Numerics:
        Geometric convergence for analytic functions; coefficients are as accurate as the largest value.

    Source:
        Trefethen, Approximation Theory and Approximation Practice (2013), ch. 3 and 4.
    """
    if degree < 0:
        raise ValueError(f"chebyshev_fit: degree must be at least 0, got {degree}")
    lower, upper = promote(lower, upper)
    count = degree + 1
    # sin of symmetric arguments: nodes that are odd to the last bit
    nodes = np.sin(np.pi * (np.arange(count) * 2 + 1 - count) / (2 * count))
    angles = np.outer(np.arange(count), np.pi * (2 * np.arange(count)[::-1] + 1) / (2 * count))
    basis = np.cos(angles) * np.where(np.arange(count) == 0, 1.0, 2.0)[:, None] / count
    values = fn(0.5 * (lower + upper) + 0.5 * (upper - lower) * jnp.asarray(nodes, lower.dtype))
    return jnp.tensordot(jnp.asarray(basis, values.dtype), values, axes=1, precision=jax.lax.Precision.HIGHEST)


def chebyshev_eval(coef: ArrayLike, x: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> jax.Array:
    """Value of a Chebyshev series on an interval, by Clenshaw's recurrence.

    Args:
        coef: (n,) coefficients, lowest first; may be traced.
        x: any shape; outside [lower, upper] the polynomial is extrapolated.
        lower: () lower end.
        upper: () upper end.

    Returns:
        The shape of `x`.
    """
    dtype = float_dtype(coef, x, lower, upper)
    coef, x, lower, upper = (jnp.asarray(value, dtype) for value in (coef, x, lower, upper))
    if coef.ndim != 1:
        raise ValueError(f"chebyshev_eval: coef has shape {coef.shape}, expected (n,)")
    t = (2.0 * x - (lower + upper)) / (upper - lower)

    def step(carry, value):
        current, previous = carry
        return (value + 2.0 * t * current - previous, current), None

    zero = jnp.zeros_like(t)
    (current, previous), _ = jax.lax.scan(step, (zero, zero), coef[:0:-1])
    return coef[0] + t * current - previous
