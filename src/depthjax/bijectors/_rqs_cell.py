"""One cell of a rational-quadratic spline: value, log-slope, inverse and the exact differential of both."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Cell(NamedTuple):
    """Corners and end slopes of the cell that holds a point; all fields share the shape of the point."""

    x_left: jax.Array
    x_right: jax.Array
    y_left: jax.Array
    y_right: jax.Array
    slope_left: jax.Array
    slope_right: jax.Array


class Differential(NamedTuple):
    """Partial derivatives of value and log-slope with respect to the point (`x`) and to the fields of `Cell`."""

    x: jax.Array
    x_left: jax.Array
    x_right: jax.Array
    y_left: jax.Array
    y_right: jax.Array
    slope_left: jax.Array
    slope_right: jax.Array


def _shape(t, u, s, cell):
    """Return t u, denominator and numerator of the slope, and the normalised value F in [0, 1]."""
    tu = t * u
    den = s + (cell.slope_left + cell.slope_right - 2.0 * s) * tu
    num = cell.slope_right * t * t + 2.0 * s * tu + cell.slope_left * u * u
    return tu, den, num, (s * t * t + cell.slope_left * tu) / den


def evaluate(t: jax.Array, cell: Cell) -> tuple[jax.Array, jax.Array]:
    """Value and slope at position `t` of a cell.

    With s = h/w, u = 1-t: y = y_left + h (s t^2 + d_0 t u) / D, D = s + (d_0 + d_1 - 2 s) t u, and
    y' = (s/D)^2 (d_1 t^2 + 2 s t u + d_0 u^2).

    Args:
        t: positions in [0, 1], any shape.
        cell: corners, same shape.

    Returns:
        Value and slope dy/dx, same shape.

    Source:
        Durkan, Bekasov, Murray, Papamakarios, Neural Spline Flows (2019), eq. 4 and 5.
    """
    h = cell.y_right - cell.y_left
    s = h / (cell.x_right - cell.x_left)
    _, den, num, value = _shape(t, 1.0 - t, s, cell)
    ratio = s / den
    return cell.y_left + h * value, num * ratio * ratio


def solve(y: jax.Array, cell: Cell) -> jax.Array:
    """Position t at which the cell takes the value `y`.

    Args:
        y: values in [y_left, y_right], any shape.
        cell: corners, same shape.

    Returns:
        Positions in [0, 1] up to rounding, same shape.

    Numerics: the root of a t^2 + b t + c is 2 c/(-b - sqrt(b^2 - 4 a c)) for b >= 0 and (-b + sqrt(b^2 - 4 a c))/(2 a)
        for b < 0, where a = s - b > 0: neither form subtracts nearly equal numbers. One Newton step follows.

    Source:
        Durkan et al., Neural Spline Flows (2019), eq. 6 to 8.
    """
    h = cell.y_right - cell.y_left
    s = h / (cell.x_right - cell.x_left)
    fraction = (y - cell.y_left) / h
    b = cell.slope_left - fraction * (cell.slope_left + cell.slope_right - 2.0 * s)
    root = jnp.sqrt(jnp.maximum(b * b + 4.0 * (s - b) * s * fraction, 0.0))
    above = jnp.where(b >= 0.0, 2.0 * s * fraction, root - b)
    t = above / jnp.where(b >= 0.0, b + root, 2.0 * (s - b))
    _, den, num, value = _shape(t, 1.0 - t, s, cell)
    return t - (value - fraction) * den * den / (s * num)


def differentials(t: jax.Array, cell: Cell) -> tuple[Differential, Differential]:
    """Partial derivatives of the value y and of log y' in the point and in the corners of its cell.

    Args:
        t: positions in [0, 1], any shape.
        cell: corners, same shape.

    Returns:
        Differential of the value and of the log-slope at fixed x, all of the same shape.

    Numerics: F is homogeneous of degree 0 and y' of degree 1 in (s, d_0, d_1), which gives the derivatives in s
        from those in d_0, d_1 without a further division.
    """
    w, h = cell.x_right - cell.x_left, cell.y_right - cell.y_left
    u, s = 1.0 - t, h / w
    tu, den, num, value = _shape(t, u, s, cell)
    tu_den, inv_num = tu / den, 1.0 / num
    slope = num * (s / den) ** 2
    value_0, value_1 = tu_den * (1.0 - value), -tu_den * value
    q = -(cell.slope_left * value_0 + cell.slope_right * value_1)
    log_0, log_1 = u * u * inv_num - 2.0 * tu_den, t * t * inv_num - 2.0 * tu_den
    r = 1.0 - cell.slope_left * log_0 - cell.slope_right * log_1
    num_t = 2.0 * (cell.slope_right * t - cell.slope_left * u + s * (u - t))
    den_t = (cell.slope_left + cell.slope_right - 2.0 * s) * (u - t)
    log_x = (num_t * inv_num - 2.0 * den_t / den) / w
    of_value = Differential(
        slope, q * s - slope * u, -q * s - slope * t, 1.0 - value - q, value + q, h * value_0, h * value_1
    )
    of_log = Differential(log_x, r / w - log_x * u, -r / w - log_x * t, -r / h, r / h, log_0, log_1)
    return of_value, of_log


def locate(z: jax.Array, clipped: jax.Array, cell: Cell, *, inverse: bool) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Apply the spline, or its inverse, in the cell that holds `clipped`; beyond the ends follow the tangent line.

    Args:
        z: points (forward) or values (inverse), any shape.
        clipped: `z` moved into the interval of the spline, same shape.
        cell: corners, same shape.
        inverse: direction.

    Returns:
        Output, natural log of |d output / dz|, and the position (x - x_left)/w, in [0, 1] exactly where the point is in
        the interval; same shape.
    """
    w = cell.x_right - cell.x_left
    t = solve(clipped, cell) if inverse else (clipped - cell.x_left) / w
    t = jnp.where(t < 0.0, 0.0, jnp.where(t > 1.0, 1.0, t))
    t = jnp.where(z < clipped, 0.0, jnp.where(z > clipped, 1.0, t))
    y, slope = evaluate(t, cell)
    beyond = (z - clipped) / slope if inverse else z - clipped
    out = cell.x_left + t * w + beyond if inverse else y + slope * beyond
    log = jnp.where(jnp.isnan(z), z, jnp.log(slope))
    return out, -log if inverse else log, t + beyond / w


def map_differentials(position: jax.Array, cell: Cell, *, inverse: bool) -> tuple[Differential, Differential]:
    """Partial derivatives of the output of `locate` and of its log in `z` and in the corners.

    Args:
        position: as `locate` returns it, any shape.
        cell: corners, same shape.
        inverse: direction.

    Returns:
        Differential of the output and of the log, all of the same shape.

    Numerics: with dy = m dx + r the inverse has dx = (dy - r)/m, so no derivative passes through the root.
    """
    low, high = position < 0.0, position > 1.0
    t = jnp.where(low, 0.0, jnp.where(high, 1.0, position))
    of_value, of_log = differentials(t, cell)
    beyond = (position - t) * (cell.x_right - cell.x_left)
    of_value = of_value._replace(
        slope_left=of_value.slope_left + jnp.where(low, beyond, 0.0),
        slope_right=of_value.slope_right + jnp.where(high, beyond, 0.0),
    )
    of_log = Differential(*(jnp.where(low | high, 0.0, d) for d in of_log[:5]), *of_log[5:])
    if not inverse:
        return of_value, of_log
    per_slope = 1.0 / of_value.x
    of_point = Differential(per_slope, *(-d * per_slope for d in of_value[1:]))
    rest = (-(of_log.x * point + log_d) for point, log_d in zip(of_point[1:], of_log[1:], strict=True))
    return of_point, Differential(-of_log.x * per_slope, *rest)
