"""Complex arithmetic with real parameters, and square roots on the right branch.

`plus` and `times` leave an imaginary part of +0 alone, which marks the upper side of the real axis.
"""

import math

import jax
import jax.numpy as jnp
from jax import lax


def plus(z: jax.Array, a: jax.Array) -> jax.Array:
    """Complex z plus real a."""
    return lax.complex(jnp.real(z) + a, jnp.imag(z))


def times(z: jax.Array, a: jax.Array) -> jax.Array:
    """Complex z times real a."""
    return lax.complex(jnp.real(z) * a, jnp.imag(z) * a)


def on_axis(x: jax.Array) -> jax.Array:
    """The real x as a complex number on the upper side of the axis."""
    return lax.complex(x, jnp.zeros_like(x))


def root_product(z: jax.Array, low: jax.Array, high: jax.Array) -> jax.Array:
    """sqrt((z - low)(z - high)) on the branch that grows like z, for z in the closed upper half plane.

    The product of two roots; the root of the product would change sign left of the midpoint.
    """
    return jnp.sqrt(plus(z, -low)) * jnp.sqrt(plus(z, -high))


def edge_log_density(x: jax.Array, low: jax.Array, high: jax.Array, rest: jax.Array) -> jax.Array:
    """Log sqrt((x - low)(high - x)) + rest between the edges, -inf with zero gradient outside, NaN for NaN."""
    inside = (x > low) & (x < high)
    below, above = jnp.where(inside, x - low, 1.0), jnp.where(inside, high - x, 1.0)
    outside = jnp.where(jnp.isnan(x), jnp.nan, -jnp.inf)
    return jnp.where(inside, 0.5 * (jnp.log(below) + jnp.log(above)) + jnp.where(inside, rest, 0.0), outside)


def without_cancellation(a: jax.Array, b: jax.Array, quadratic: jax.Array, constant: jax.Array) -> jax.Array:
    """(a - b)/quadratic = constant/(a + b), by the form in which nothing cancels; a^2 - b^2 = constant quadratic."""
    cancels = jnp.real(a) * jnp.real(b) + jnp.imag(a) * jnp.imag(b) >= 0.0
    top = jnp.where(cancels, times(jnp.ones_like(a), constant), a - b)
    return top / jnp.where(cancels, a + b, quadratic)


def upper_log(z: jax.Array) -> jax.Array:
    """Logarithm with imaginary part in [0, pi], of a point of the closed upper half plane or just below its axis."""
    value = jnp.log(z)
    angle = jnp.imag(value)
    return lax.complex(jnp.real(value), jnp.where(angle < -1.5, angle + 2.0 * math.pi, angle))


def lower_log(z: jax.Array) -> jax.Array:
    """Logarithm with imaginary part in [-pi, 0], of a point of the closed lower half plane or just above its axis."""
    value = jnp.log(z)
    angle = jnp.imag(value)
    return lax.complex(jnp.real(value), jnp.where(angle > 1.5, angle - 2.0 * math.pi, angle))
