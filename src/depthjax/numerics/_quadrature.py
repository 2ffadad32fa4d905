"""Quadrature rules as host arrays, and integration over an interval."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.numerics._elementwise import promote


def _check(name, num_points, least):
    if num_points < least:
        raise ValueError(f"{name}: expected num_points >= {least}, got {num_points}")


def gauss_legendre_rule(num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [-1, 1].

    Args:
        num_points: number of nodes n, at least one.

    Returns:
        `(nodes, weights)`, host float64 arrays `(n,)`; exact for polynomials of degree 2n - 1, weights sum to two.

    Raises:
        ValueError: if `num_points` is not positive.
    """
    _check("gauss_legendre_rule", num_points, 1)
    return np.polynomial.legendre.leggauss(num_points)


def gauss_hermite_rule(num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Hermite nodes and weights for the standard normal law.

    Args:
        num_points: number of nodes n, at least one.

    Returns:
        `(nodes, weights)`, host float64 arrays `(n,)`: `sum(weights * f(nodes))` is E f(Z) for Z ~ N(0, 1), exact for
        polynomials of degree 2n - 1; weights sum to one.

    Raises:
        ValueError: if `num_points` is not positive.

    Numerics: eigenvalues of the Jacobi matrix and `1 / (n h_(n-1)^2)` with the orthonormal polynomials h,
        evaluated in a scaled recurrence that does not overflow for large n.

    Source: Golub and Welsch, "Calculation of Gauss quadrature rules", 1969.
    """
    _check("gauss_hermite_rule", num_points, 1)
    off_diagonal = np.sqrt(np.arange(1.0, num_points))
    nodes = np.linalg.eigvalsh(np.diag(off_diagonal, 1) + np.diag(off_diagonal, -1))
    nodes = 0.5 * (nodes - nodes[::-1])
    previous, current = np.zeros_like(nodes), np.exp(-0.25 * nodes * nodes)
    for k in range(num_points - 1):
        previous, current = current, (nodes * current - np.sqrt(k) * previous) / np.sqrt(k + 1.0)
    log_weights = -0.5 * nodes * nodes - 2.0 * np.log(np.abs(current))
    weights = np.exp(log_weights - log_weights.max())
    return nodes, weights / weights.sum()


def clenshaw_curtis_rule(num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Clenshaw-Curtis nodes and weights on [-1, 1], both ends included.

    Args:
        num_points: number of nodes n, at least two.

    Returns:
        `(nodes, weights)`, host float64 arrays `(n,)`, nodes increasing; exact for polynomials of degree n - 1.

    Raises:
        ValueError: if `num_points` is below two.

    Source: Trefethen, "Is Gauss quadrature better than Clenshaw-Curtis?", 2008.
    """
    _check("clenshaw_curtis_rule", num_points, 2)
    last = num_points - 1
    angle = np.pi * np.arange(num_points) / last
    frequency = np.arange(1, last // 2 + 1)
    halved = np.where(2 * frequency == last, 1.0, 2.0) / (4.0 * frequency**2 - 1.0)
    weights = (1.0 - np.cos(2.0 * np.outer(angle, frequency)) @ halved) * 2.0 / last
    weights[[0, -1]] *= 0.5
    return np.sin(np.pi * (np.arange(num_points) - 0.5 * last) / last), weights


def integrate(fn: Callable[[jax.Array], jax.Array], a: ArrayLike, b: ArrayLike, *, num_points: int = 64) -> jax.Array:
    """Integrate `fn` from `a` to `b` by one Gauss-Legendre rule.

    Args:
        fn: elementwise integrand, from `(num_points, *shape)` to the same shape.
        a: lower end, finite, any shape.
        b: upper end, finite, a shape that broadcasts.
        num_points: number of nodes.

    Returns:
        The integral, broadcast shape of the ends; differentiable in them and in what `fn` closes over.
    """
    a, b = promote(a, b)
    nodes, weights = gauss_legendre_rule(num_points)
    column = (num_points,) + (1,) * a.ndim
    shape = (num_points, *a.shape)
    half, middle = 0.5 * (b - a), 0.5 * (a + b)
    nodes = jnp.broadcast_to(jnp.asarray(nodes, a.dtype).reshape(column), shape)
    weights = jnp.broadcast_to(jnp.asarray(weights, a.dtype).reshape(column), shape)
    points = jnp.broadcast_to(middle[None], shape) + jnp.broadcast_to(half[None], shape) * nodes
    return half * jnp.sum(weights * fn(points), axis=0)
