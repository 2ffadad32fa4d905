"""Exact optimal transport on the line: the coupling that keeps the order."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import is_concrete
from depthjax.numerics import safe_where
from depthjax.numerics._arguments import floats, log_probs, weights


class Coupling(NamedTuple):
    """A sparse plan between n and m points.

    Attributes:
        x_index: (n + m,) int32, where mass leaves.
        y_index: (n + m,) int32, where it arrives.
        mass: (n + m,) how much; some entries are zero.
    """

    x_index: jax.Array
    y_index: jax.Array
    mass: jax.Array


def require_power(function: str, p: ArrayLike) -> None:
    """Raise `ValueError` unless a concrete power is at least one."""
    if is_concrete(p) and not np.all(np.asarray(p) >= 1):
        raise ValueError(f"{function}: p is {p}, expected at least 1: below, the cost is no metric on the line")


def _line(function: str, x: ArrayLike, y: ArrayLike) -> list[jax.Array]:
    arrays = floats(x, y)
    for name, array in zip(("x", "y"), arrays, strict=True):
        if array.ndim != 1 or array.shape[0] == 0:
            raise ValueError(f"{function}: {name} has shape {array.shape}, expected (n,) with n >= 1")
    return arrays


def _sorted(x: jax.Array, a: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Order of x and the cumulated weights in it."""
    order = jnp.argsort(lax.stop_gradient(x))
    return order, jnp.cumsum(a[order])


def _merge(x_levels: jax.Array, y_levels: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Ranks in x and y, and lengths, of the intervals that the cumulated weights cut [0, 1] into.

    First the n that end at a level of x, then the m that end at one of y; equal levels end one of x and an empty one.
    """
    n, m = x_levels.shape[0], y_levels.shape[0]
    below = jnp.searchsorted(lax.stop_gradient(y_levels), lax.stop_gradient(x_levels), side="left").astype(jnp.int32)
    seen = jnp.cumsum(jnp.zeros(m + 1, jnp.int32).at[below].add(1))[:-1]
    x_edges, y_edges = (jnp.concatenate([jnp.zeros((1,), v.dtype), v]) for v in (x_levels, y_levels))
    rows, columns = jnp.arange(n, dtype=jnp.int32), jnp.arange(m, dtype=jnp.int32)
    of_x = x_levels - jnp.maximum(x_edges[:-1], y_edges[below])
    of_y = y_levels - jnp.maximum(y_edges[:-1], x_edges[seen])
    return (
        jnp.concatenate([rows, jnp.minimum(seen, n - 1)]),
        jnp.concatenate([jnp.minimum(below, m - 1), columns]),
        jnp.maximum(jnp.concatenate([of_x, of_y]), 0.0),
    )


def monotone_coupling_1d(
    x: ArrayLike, y: ArrayLike, x_weights: ArrayLike | None = None, y_weights: ArrayLike | None = None
) -> Coupling:
    """The coupling that keeps the order, optimal for every convex cost of the difference.

    Args:
        x: (n,) points.
        y: (m,) points.
        x_weights: (n,) masses that sum to one; uniform if None.
        y_weights: (m,).

    Returns:
        `Coupling`, the plan's entries; n + m of them, some of no mass.

    Raises:
        ValueError: shapes, or concrete weights that are negative or do not sum to one.

    Source:
        Santambrogio, Optimal Transport for Applied Mathematicians (2015), theorem 2.9.
    """
    name = "monotone_coupling_1d"
    x, y = _line(name, x, y)
    a = weights(name, "x_weights", x_weights, x.shape[0], x.dtype)
    b = weights(name, "y_weights", y_weights, y.shape[0], y.dtype)
    (x_order, x_levels), (y_order, y_levels) = _sorted(x, a), _sorted(y, b)
    i, j, mass = _merge(x_levels, y_levels)
    return Coupling(x_order[i].astype(jnp.int32), y_order[j].astype(jnp.int32), mass)


def line_power(x: jax.Array, y: jax.Array, a: jax.Array | None, b: jax.Array | None, p: ArrayLike) -> jax.Array:
    """W_p^p of checked arguments; None stands for uniform weights."""
    exponent = jnp.asarray(p, x.dtype)
    if a is None and b is None and x.shape == y.shape:
        return jnp.mean(jnp.abs(jnp.sort(x) - jnp.sort(y)) ** exponent)
    a = jnp.full_like(x, 1.0 / x.shape[0]) if a is None else a
    b = jnp.full_like(y, 1.0 / y.shape[0]) if b is None else b
    (x_order, x_levels), (y_order, y_levels) = _sorted(x, a), _sorted(y, b)
    i, j, mass = _merge(x_levels, y_levels)
    return jnp.sum(mass * jnp.abs(x[x_order][i] - y[y_order][j]) ** exponent)


def wasserstein_1d_power(
    x: ArrayLike,
    y: ArrayLike,
    x_weights: ArrayLike | None = None,
    y_weights: ArrayLike | None = None,
    *,
    p: ArrayLike = 1.0,
) -> jax.Array:
    """W_p^p between weighted points on the line: the integral of |F^-1 - G^-1|^p over (0, 1).

    Args:
        x: (n,) points.
        y: (m,) points.
        x_weights: (n,) masses that sum to one, zeros allowed; uniform if None.
        y_weights: (m,).
        p: () at least 1.

    Returns:
        () in the p-th power of the points' unit.

    Raises:
        ValueError: shapes, a concrete p below 1, concrete weights that are negative or do not sum to one.

    Numerics: exact up to rounding, with ties, zero masses and n != m. The gradient in the points is that of the optimal
        plan, and zero between points that coincide; that in the weights is a dual potential.

    Cost: O((n + m) log(n + m)) time, O(n + m) memory.

    Source: Santambrogio (2015), proposition 2.17.
    """
    name = "wasserstein_1d_power"
    require_power(name, p)
    x, y = _line(name, x, y)
    a = None if x_weights is None else weights(name, "x_weights", x_weights, x.shape[0], x.dtype)
    b = None if y_weights is None else weights(name, "y_weights", y_weights, y.shape[0], y.dtype)
    return line_power(x, y, a, b, p)


def root_of_power(value: jax.Array, p: ArrayLike) -> jax.Array:
    """Value to the power 1/p, with gradient zero at zero."""
    return safe_where(value > 0.0, lambda v: v ** (1.0 / jnp.asarray(p, v.dtype)), value, 0.0 * value)


def wasserstein_1d(
    x: ArrayLike,
    y: ArrayLike,
    x_weights: ArrayLike | None = None,
    y_weights: ArrayLike | None = None,
    *,
    p: ArrayLike = 1.0,
) -> jax.Array:
    """Wasserstein distance W_p between weighted points on the line.

    Args:
        x: (n,) points.
        y: (m,) points.
        x_weights: (n,) masses that sum to one, zeros allowed; uniform if None.
        y_weights: (m,).
        p: () at least 1.

    Returns:
        () in the points' unit; its gradient is zero where the two laws coincide.

    Raises:
        ValueError: as `wasserstein_1d_power`.

    Source: Santambrogio (2015), proposition 2.17.
    """
    require_power("wasserstein_1d", p)
    return root_of_power(wasserstein_1d_power(x, y, x_weights, y_weights, p=p), p)


def wasserstein_discrete(
    log_p: ArrayLike, log_q: ArrayLike, positions: ArrayLike | None = None, *, p: ArrayLike = 1.0
) -> jax.Array:
    """W_p between two laws on the same k points of the line.

    Args:
        log_p: (..., k) log probabilities.
        log_q: (..., k).
        positions: (k,) points; 0, 1, ..., k - 1 if None.
        p: () at least 1.

    Returns:
        (...) in the unit of the positions.

    Raises:
        ValueError: shapes, a concrete p below 1, positive log probabilities or ones that do not sum to one.

    Source: Santambrogio (2015), proposition 2.17.
    """
    name = "wasserstein_discrete"
    require_power(name, p)
    log_p, log_q = log_probs(name, log_p=log_p, log_q=log_q)
    size = log_p.shape[-1]
    places = jnp.arange(size, dtype=log_p.dtype) if positions is None else jnp.asarray(positions, log_p.dtype)
    if places.shape != (size,):
        raise ValueError(f"{name}: positions have shape {places.shape}, expected ({size},)")
    masses = [jnp.exp(v).reshape(-1, size) for v in (log_p, log_q)]
    for label, mass in zip(("exp(log_p)", "exp(log_q)"), masses, strict=True):
        if is_concrete(mass):
            for row in mass:
                weights(name, label, row, size, mass.dtype)
    power = jax.vmap(lambda a, b: line_power(places, places, a, b, p))(*masses)
    return root_of_power(power, p).reshape(log_p.shape[:-1])


def kantorovich_potential_1d(
    x: ArrayLike, y: ArrayLike, x_weights: ArrayLike | None = None, y_weights: ArrayLike | None = None
) -> tuple[jax.Array, jax.Array]:
    """A 1-Lipschitz function f that attains W1 = E f(X) - E f(Y), at all points.

    f' = -sign(F - G), with f = 0 at the smallest point.

    Args:
        x: (n,) points.
        y: (m,) points.
        x_weights: (n,) masses that sum to one; uniform if None.
        y_weights: (m,).

    Returns:
        f at x, (n,), and at y, (m,).

    Raises:
        ValueError: shapes, or concrete weights that are negative or do not sum to one.

    Source: Kantorovich and Rubinstein (1958); Santambrogio (2015), section 3.1.
    """
    name = "kantorovich_potential_1d"
    x, y = _line(name, x, y)
    a = weights(name, "x_weights", x_weights, x.shape[0], x.dtype)
    b = weights(name, "y_weights", y_weights, y.shape[0], y.dtype)
    points = jnp.concatenate([x, y])
    order = jnp.argsort(points)
    excess = jnp.cumsum(jnp.concatenate([a, -b])[order])
    # rounding in the cumulated weights is no mass
    slope = jnp.where(jnp.abs(excess) <= 8.0 * jnp.finfo(x.dtype).eps, 0.0, -jnp.sign(excess))
    steps = slope[:-1] * jnp.diff(points[order])
    values = jnp.concatenate([jnp.zeros((1,), x.dtype), jnp.cumsum(steps)])
    placed = jnp.zeros_like(points).at[order].set(values)
    return placed[: x.shape[0]], placed[x.shape[0] :]
