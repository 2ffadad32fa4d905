"""The length map on a grid of log q, and its fixed points on the interpolant of that grid."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.meanfield._activation import Activation
from depthjax.meanfield._expectation import second_moment, second_moment_slope
from depthjax.meanfield._newton import newton_in_bracket

_LOG_GRID = np.linspace(np.log(1e-10), np.log(1e10), 241)
_SPACING = _LOG_GRID[1] - _LOG_GRID[0]
_POINTS = 12


class Moments(NamedTuple):
    """E phi^2/q on the grid, the same as polynomials, and E phi^2 and its derivative in q at q = 0.

    E phi^2 is analytic in q as long as |arg q| < pi/2, whatever phi, so that polynomials through twelve neighbours of
    the grid follow it to about 1e-7. Row i of `polynomials` holds coefficients in (log q - its middle)/spacing.
    """

    ratio: jax.Array
    polynomials: jax.Array
    at_zero: jax.Array
    slope_at_zero: jax.Array


def _coefficients_from_values():
    offsets = np.arange(_POINTS) - 0.5 * (_POINTS - 1)
    return np.linalg.inv(np.vander(offsets, increasing=True))


def tabulate(activation: Activation, dtype) -> Moments:
    """Moments of phi alone, so that networks of all standard deviations share them."""
    grid, zero = jnp.asarray(_LOG_GRID, dtype), jnp.zeros((), dtype)
    ratio = jax.vmap(lambda q: second_moment(activation, q) / q)(jnp.exp(grid))
    windows = ratio[np.arange(_LOG_GRID.size - _POINTS + 1)[:, None] + np.arange(_POINTS)]
    matrix = jnp.asarray(_coefficients_from_values().T, dtype)
    polynomials = jnp.matmul(windows, matrix, precision=jax.lax.Precision.HIGHEST)
    return Moments(ratio, polynomials, second_moment(activation, zero), second_moment_slope(activation, zero))


class LengthTable(NamedTuple):
    """Signs of map(q)/q - 1 at increasing q, the first entry standing for q -> 0."""

    log_q: jax.Array
    sign: jax.Array
    from_zero: jax.Array


def length_table(sigma_w: jax.Array, sigma_b: jax.Array, moments: Moments) -> LengthTable:
    """`sigma_w` and `sigma_b` are scalars."""
    grid = jnp.asarray(_LOG_GRID, sigma_w.dtype)
    gap = (sigma_w**2 * moments.ratio - 1.0) + sigma_b**2 * jnp.exp(-grid)
    start = sigma_w**2 * moments.at_zero + sigma_b**2
    at_zero = sigma_w**2 * moments.slope_at_zero - 1.0
    eps = 4.0 * jnp.finfo(gap.dtype).eps
    # At slope one the sign next to zero decides; far enough from zero that rounding does not.
    near = gap[int(np.argmin(np.abs(_LOG_GRID - np.log(1e-3))))]
    at_zero = jnp.where(jnp.abs(at_zero) <= eps, near, at_zero)
    first = jnp.where(start > 0.0, 1.0, at_zero)
    tiny = float(jnp.finfo(gap.dtype).tiny)
    left = jnp.where(start > 0.0, jnp.log(jnp.maximum(0.5 * start, tiny)), grid[0] - 1.0)
    log_q = jnp.concatenate([jnp.minimum(left, grid[0] - 1.0)[None], grid])
    values = jnp.concatenate([first[None], gap])
    sign = jnp.where(jnp.abs(values) <= eps, 0.0, jnp.sign(values))
    return LengthTable(log_q, sign, start == 0.0)


def root_of_table(log_low, log_high, falls, sigma_w, sigma_b, moments: Moments) -> jax.Array:
    """Log q where map(q)/q = 1 on the interpolant, between neighbours of the table; scalars."""
    middle = 0.5 * log_low + 0.5 * log_high
    cell = jnp.floor((middle - _LOG_GRID[0]) / _SPACING).astype(jnp.int32)
    first = jnp.clip(cell - (_POINTS // 2 - 1), 0, _LOG_GRID.size - _POINTS)
    coefficients = moments.polynomials[first]
    centre = _LOG_GRID[0] + _SPACING * (first.astype(middle.dtype) + 0.5 * (_POINTS - 1))
    sense = jnp.where(falls, -1.0, 1.0)

    def evaluate(t):
        s = (t - centre) / _SPACING
        value, slope = jnp.zeros_like(t), jnp.zeros_like(t)
        for k in reversed(range(_POINTS)):
            value, slope = coefficients[k] + s * value, value + s * slope
        bias = sigma_b**2 * jnp.exp(-t)
        return sense * (sigma_w**2 * value - 1.0 + bias), sense * (sigma_w**2 * slope / _SPACING - bias)

    inside = newton_in_bracket(evaluate, log_low, log_high, middle, noise=1e-9)
    # Below the grid the map is a straight line.
    start = sigma_w**2 * moments.at_zero + sigma_b**2
    line = start / jnp.maximum(1.0 - sigma_w**2 * moments.slope_at_zero, jnp.finfo(start.dtype).eps)
    below = jnp.log(jnp.where(line > 0.0, line, 1.0))
    return jnp.clip(jnp.where(middle < _LOG_GRID[0], below, inside), log_low, log_high)
