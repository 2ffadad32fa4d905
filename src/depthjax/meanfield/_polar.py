"""Global solution of log z(log w) = log z in the closed upper half plane, for maps whose polar curves are unique.

Where arg z/arg w increases along every circle |w| = r and is at most one, the angle at which arg z has a given value in
[0, pi] is unique, and |z| increases with r along the curve of these angles: two nested bisections find it.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

_RADII = 56
_ANGLES = 44
_NEWTON = 4


class PolarPoint(NamedTuple):
    """Solution log w (complex, without derivative), |log z(w) - log z|, and whether that is of the size of rounding."""

    value: jax.Array
    residual: jax.Array
    converged: jax.Array


def polar_search(log_z: Callable[[jax.Array], jax.Array], target: jax.Array) -> PolarPoint:
    """Solve log_z(log w) = target, Im target in [0, pi]; any shape."""
    level, angle = jnp.real(target), jnp.imag(target)
    reach = 50.0 + jnp.abs(level)

    def theta(radius):
        def halve(_, ends):
            low, high = ends
            middle = 0.5 * (low + high)
            above = jnp.imag(log_z(lax.complex(radius, middle))) > angle
            return jnp.where(above, low, middle), jnp.where(above, middle, high)

        return lax.fori_loop(0, _ANGLES, halve, (angle, jnp.full_like(angle, jnp.pi)))

    def body(_, ends):
        low, high = ends
        middle = 0.5 * (low + high)
        below = jnp.real(log_z(lax.complex(middle, theta(middle)[1]))) < level
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    low, high = lax.fori_loop(0, _RADII, body, (-reach, reach))
    radius = 0.5 * (low + high)
    found = theta(radius)[0]
    width = jnp.sqrt(jnp.finfo(level.dtype).eps)
    # Where the curve runs along the axis the steps must not leave it.
    on_axis = (angle == 0.0) & (found <= width)
    v = lax.complex(radius, jnp.where(on_axis, 0.0, jnp.where(angle >= jnp.pi, angle, found)))
    for _ in range(_NEWTON):
        value, slope = jax.jvp(log_z, (v,), (jnp.ones_like(v),))
        step = (value - target) / slope
        usable = jnp.isfinite(step) & (jnp.abs(step) < 0.5)
        step = jnp.where(on_axis | (angle >= jnp.pi), lax.complex(jnp.real(step), jnp.zeros_like(level)), step)
        v = jnp.where(usable, v - step, v)
    residual = jnp.abs(log_z(v) - target)
    tol = 1e3 * jnp.finfo(level.dtype).eps * (1.0 + jnp.abs(level))
    inside = (jnp.imag(v) >= 0.0) & (jnp.imag(v) <= jnp.pi * (1.0 + width))
    return PolarPoint(v, residual, (residual <= tol) & inside)


def real_off_support(z: jax.Array, v: jax.Array, value: jax.Array) -> jax.Array:
    """`value` at a real z whose solution log w is at angle 0 or pi, without the rounding of its imaginary part."""
    angle = jnp.imag(v)
    exact = (jnp.imag(z) == 0.0) & ((angle == 0.0) | (angle >= jnp.pi))
    return jnp.where(exact, lax.complex(jnp.real(value), jnp.zeros_like(angle)), value)
