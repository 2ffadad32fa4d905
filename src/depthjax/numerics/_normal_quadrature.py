"""Quadrature of expectations under the standard normal law."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.numerics._elementwise import promote
from depthjax.numerics._quadrature import gauss_legendre_rule

_HALF_WIDTH = 9.0  # the mass beyond is 2e-19
_LOG_NORMALIZER = 0.5 * np.log(2.0 * np.pi)


def normal_trapezoid_rule(num_points: int = 161, half_width: float = _HALF_WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """Trapezoid rule for the standard normal law.

    Args:
        num_points: number of equally spaced nodes, odd (so that zero is a node), at least three.
        half_width: the nodes reach from minus to plus this many standard deviations.

    Returns:
        `(nodes, weights)`, host float64 arrays `(num_points,)`; the weights sum to one.

    Raises:
        ValueError: if `num_points` is even or below three, or `half_width` is not positive.

    Numerics: for an integrand that is analytic within a distance a of the real line the error is about
        exp(-2 pi a / spacing), so the default, of spacing 0.1125, is exact to rounding once a > 0.65.

    Source: Trefethen and Weideman, "The exponentially convergent trapezoidal rule", 2014.
    """
    if num_points < 3 or num_points % 2 == 0:
        raise ValueError(f"normal_trapezoid_rule: expected an odd num_points >= 3, got {num_points}")
    if not half_width > 0.0:
        raise ValueError(f"normal_trapezoid_rule: expected half_width > 0, got {half_width}")
    nodes = half_width * np.arange(-(num_points // 2), num_points // 2 + 1) / (num_points // 2)
    weights = np.exp(-0.5 * nodes * nodes)
    return nodes, weights / weights.sum()


def normal_panel_rule(
    scale: ArrayLike, breaks: Sequence[float] = (), *, num_panels: int = 24, num_points: int = 16
) -> tuple[jax.Array, jax.Array]:
    """Composite Gauss-Legendre rule for E f(scale h), h ~ N(0, 1), with f smooth between `breaks`.

    Half of the panels are of equal width, half of them grow away from zero, where they have width of order 1/scale;
    all are cut at `breaks / scale`.

    Args:
        scale: positive, scalar.
        breaks: points of the argument of f where f or a derivative jumps.
        num_panels: number of panels, a multiple of four, besides those that the breaks add.
        num_points: nodes of a panel.

    Returns:
        `(nodes, weights)` of h, each `((num_panels + len(breaks)) * num_points,)`.

    Raises:
        ValueError: if `scale` is not a scalar or `num_panels` is not a positive multiple of four.

    Numerics: the ends of panels at the breaks move with `scale` and so carry derivatives: those of
        `sum(weights * f(scale * nodes))` in `scale` are right even for a step function f. Other ends do not move.
    """
    (scale,) = promote(scale)
    if scale.ndim:
        raise ValueError(f"normal_panel_rule: expected a scalar scale, got shape {scale.shape}")
    if num_panels < 4 or num_panels % 4:
        raise ValueError(f"normal_panel_rule: expected num_panels a positive multiple of 4, got {num_panels}")
    dtype = scale.dtype
    half = num_panels // 4
    steady = jax.lax.stop_gradient(scale)
    share = jnp.asarray(np.arange(-half, half + 1) / half, dtype)
    graded = jnp.sinh(jnp.arcsinh(_HALF_WIDTH * steady) * share) / steady
    ends = [_HALF_WIDTH * share, jnp.clip(graded, -_HALF_WIDTH, _HALF_WIDTH)[1:-1]]
    if breaks:
        ends.append(jnp.clip(jnp.asarray(np.asarray(breaks, float), dtype) / scale, -_HALF_WIDTH, _HALF_WIDTH))
    ends = jnp.sort(jnp.concatenate(ends))
    points, weights = gauss_legendre_rule(num_points)
    middle, width = 0.5 * (ends[1:] + ends[:-1]), 0.5 * (ends[1:] - ends[:-1])
    nodes = middle[:, None] + width[:, None] * jnp.asarray(points, dtype)[None, :]
    density = jnp.exp(-0.5 * nodes * nodes - _LOG_NORMALIZER)
    return nodes.ravel(), (width[:, None] * jnp.asarray(weights, dtype)[None, :] * density).ravel()


def normal_expectation(
    fn: Callable[[jax.Array], Any],
    scale: ArrayLike = 1.0,
    *,
    breaks: Sequence[float] = (),
    rule: tuple[ArrayLike, ArrayLike] | None = None,
) -> Any:
    """E fn(scale h) for h ~ N(0, 1).

    Args:
        fn: elementwise function of the nodes `(n,)`, to arrays `(n, ...)` or a pytree of them.
        scale: positive, scalar.
        breaks: points of the argument of `fn` where it or a derivative jumps.
        rule: nodes and weights for h; by default `normal_panel_rule(scale, breaks)`.

    Returns:
        The expectation of every output, without the axis of the nodes; differentiable in `scale`, and in what `fn`
        closes over.
    """
    (scale,) = promote(scale)
    nodes, weights = normal_panel_rule(scale, breaks) if rule is None else rule
    nodes, weights = jnp.asarray(nodes, scale.dtype), jnp.asarray(weights, scale.dtype)
    return jax.tree.map(lambda value: jnp.tensordot(weights.astype(value.dtype), value, 1), fn(scale * nodes))
