"""Exact optimal transport on the line: the coupling that keeps the order."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import is_concrete
from depthjax.numerics import safe_where
from depthjax.numerics._arguments import floats, log_probs, weights
from depthjax.transport._order import sorted_measure, sorted_values


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


def power(function: str, p: ArrayLike, dtype: Any) -> jax.Array:
    """The power () in `dtype`; NaN in place of a traced one below one.

    Raises:
        ValueError: a concrete power that is below one or not finite.
    """
    if is_concrete(p) and not 1 <= float(p) < np.inf:
        raise ValueError(f"{function}: p is {p}, expected a finite number of at least 1, below which W_p is no metric")
    exponent = jnp.asarray(p, dtype)
    return exponent if is_concrete(p) else jnp.where(exponent >= 1.0, exponent, jnp.nan)


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
        `Coupling`, the plan's entries; n + m of them, some of no mass, and all of mass NaN where a point is NaN.

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
    mass = jnp.where(jnp.any(jnp.isnan(x)) | jnp.any(jnp.isnan(y)), jnp.nan, mass)
    return Coupling(x_order[i].astype(jnp.int32), y_order[j].astype(jnp.int32), mass)


def line_power(x: jax.Array, y: jax.Array, a: jax.Array | None, b: jax.Array | None, exponent: jax.Array) -> jax.Array:
    """W_p^p of checked arguments; None stands for uniform weights."""
    if a is None and b is None and x.shape == y.shape:
        return jnp.mean(jnp.abs(sorted_values(x) - sorted_values(y)) ** exponent)
    a = jnp.full_like(x, 1.0 / x.shape[0]) if a is None else a
    b = jnp.full_like(y, 1.0 / y.shape[0]) if b is None else b
    (x, a), (y, b) = sorted_measure(x, a), sorted_measure(y, b)
    i, j, mass = _merge(jnp.cumsum(a), jnp.cumsum(b))
    return jnp.sum(mass * jnp.abs(x[i] - y[j]) ** exponent)


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
        p: () at least 1, finite.

    Returns:
        () in the p-th power of the points' unit.

    Raises:
        ValueError: shapes, a concrete p below 1 or infinite, concrete weights that are negative or do not sum to one.

    Numerics: exact up to rounding, with ties, zero masses and n != m. The gradient in the points is that of an optimal
        plan, in which points that tie share what leaves them, and zero between points that coincide; that in the
        weights is a dual potential.

    Cost: O((n + m) log(n + m)) time, O(n + m) memory.

    Source: Santambrogio (2015), proposition 2.17.
    """
    return line_power(*_measures("wasserstein_1d_power", x, y, x_weights, y_weights, p))


def _measures(function, x, y, x_weights, y_weights, p):
    """The arguments of `line_power`, checked."""
    x, y = _line(function, x, y)
    a = None if x_weights is None else weights(function, "x_weights", x_weights, x.shape[0], x.dtype)
    b = None if y_weights is None else weights(function, "y_weights", y_weights, y.shape[0], y.dtype)
    return x, y, a, b, power(function, p, x.dtype)


def root_of_power(value: jax.Array, exponent: jax.Array) -> jax.Array:
    """Value to the power 1/p, with gradient zero at zero."""
    return safe_where(value > 0.0, lambda v: v ** (1.0 / exponent), value, 0.0 * value)


def line_distance(x: jax.Array, y: jax.Array, a: jax.Array | None, b: jax.Array | None, p: jax.Array) -> jax.Array:
    """W_p of checked arguments, in units of the points' range, whose powers neither overflow nor underflow."""
    low, high = jnp.minimum(jnp.min(x), jnp.min(y)), jnp.maximum(jnp.max(x), jnp.max(y))
    unit = lax.stop_gradient(high - low)
    unit = jnp.where((unit > 0.0) & jnp.isfinite(unit), unit, 1.0)
    return unit * root_of_power(line_power(x / unit, y / unit, a, b, p), p)


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

    Numerics: distances are raised to the power p in units of the points' range, so that no power overflows.

    Source: Santambrogio (2015), proposition 2.17.
    """
    measures = _measures("wasserstein_1d", x, y, x_weights, y_weights, p)
    if is_concrete(p) and p == 1:
        return root_of_power(line_power(*measures), measures[-1])
    return line_distance(*measures)


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
    exponent = power(name, p, places.dtype)

    def one(a, b):
        a, b = (weights(name, label, v, size, v.dtype) for label, v in (("exp(log_p)", a), ("exp(log_q)", b)))
        return line_distance(places, places, a, b, exponent)

    return jax.vmap(one)(*masses).reshape(log_p.shape[:-1])


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
