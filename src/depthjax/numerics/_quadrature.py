"""Quadrature rules as host arrays, and integration over an interval."""

import decimal
import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.numerics._elementwise import promote

_MOST_POLISHED = 256


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

    Numerics: correctly rounded up to 256 points: NumPy's nodes, whose weights are off by up to 1e-13, take one Newton
        step in decimal arithmetic.

    Source: Davis and Rabinowitz, Methods of Numerical Integration (1984), sec. 2.7.
    """
    _check("gauss_legendre_rule", num_points, 1)
    return _rule(_legendre, num_points)


def one_sided_rule(num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1] for an integrand that bends near 0 and falls off like an exponential: t = s^4."""
    points, weights = gauss_legendre_rule(num_points)
    share = 0.5 + 0.5 * points
    return share**4, 2.0 * share**3 * weights


def gauss_hermite_rule(num_points: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Hermite nodes and weights for the standard normal law.

    Args:
        num_points: number of nodes n, at least one.

    Returns:
        `(nodes, weights)`, host float64 arrays `(n,)`: `sum(weights * f(nodes))` is E f(Z) for Z ~ N(0, 1), exact for
        polynomials of degree 2n - 1; weights sum to one.

    Raises:
        ValueError: if `num_points` is not positive.

    Numerics: correctly rounded up to 256 points, by one Newton step in decimal arithmetic from the eigenvalues of the
        Jacobi matrix; beyond, those and `1 / (n h_(n-1)^2)` with the orthonormal polynomials h in a scaled recurrence.

    Source: Golub and Welsch, "Calculation of Gauss quadrature rules", 1969.
    """
    _check("gauss_hermite_rule", num_points, 1)
    return _rule(_hermite, num_points)


def _rule(family, num_points):
    nodes, weights = _polished(family, num_points)
    return nodes.copy(), weights.copy()


@functools.lru_cache(maxsize=64)
def _polished(family, num_points):
    """The rule of `family`, its upper half after one Newton step in decimal arithmetic, mirrored."""
    nodes, weights, evaluate, weigh = family(num_points)
    if num_points > _MOST_POLISHED:
        return nodes, weights
    pairs = []
    with decimal.localcontext(prec=36):
        for start in nodes[num_points // 2 :]:
            x = decimal.Decimal(float(start))
            value, slope, curvature = evaluate(x)
            step = -value / slope
            x, slope = x + step, slope + curvature * step
            pairs.append((float(x), float(weigh(x, slope))))
    upper = np.array(pairs)
    whole = np.concatenate([upper[::-1][: num_points // 2] * [-1.0, 1.0], upper])
    return whole[:, 0] + 0.0, whole[:, 1]


def _legendre(n):
    """Approximate rule; P_n, P_n' and P_n'' at a decimal in (-1, 1); weight from node and P_n'."""

    def evaluate(x):
        previous, current = decimal.Decimal(1), x
        for k in range(1, n):
            previous, current = current, ((2 * k + 1) * x * current - k * previous) / (k + 1)
        gap = 1 - x * x
        slope = n * (previous - x * current) / gap
        return current, slope, (2 * x * slope - n * (n + 1) * current) / gap

    return *np.polynomial.legendre.leggauss(n), evaluate, lambda x, slope: 2 / ((1 - x * x) * slope * slope)


def _hermite(n):
    """Approximate rule of Golub and Welsch; He_n, He_n' and He_n'' at a decimal; weight from node and He_n'."""

    def evaluate(x):
        previous, current = decimal.Decimal(1), x
        for k in range(1, n):
            previous, current = current, x * current - k * previous
        slope = n * previous
        return current, slope, x * slope - n * current

    off_diagonal = np.sqrt(np.arange(1.0, n))
    nodes = np.linalg.eigvalsh(np.diag(off_diagonal, 1) + np.diag(off_diagonal, -1))
    nodes = 0.5 * (nodes - nodes[::-1])
    previous, current = np.zeros_like(nodes), np.exp(-0.25 * nodes * nodes)
    for k in range(n - 1):
        previous, current = current, (nodes * current - np.sqrt(k) * previous) / np.sqrt(k + 1.0)
    log_weights = -0.5 * nodes * nodes - 2.0 * np.log(np.abs(current))
    weights = np.exp(log_weights - log_weights.max())
    return nodes, weights / weights.sum(), evaluate, lambda x, slope: math.factorial(n) / (slope * slope)


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
