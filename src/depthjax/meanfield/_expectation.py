"""Expectations E f(sqrt(q) h) for h ~ N(0, 1), accurate for q between 1e-6 and 1e6."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from depthjax.meanfield._activation import Activation, cast, slope_at
from depthjax.numerics import normal_panel_rule

NUM_NODES = 161
HALF_WIDTH = 9.0


def graded_rule(q: jax.Array, num_nodes: int = NUM_NODES) -> tuple[jax.Array, jax.Array]:
    """Trapezoid rule in u with h = sinh(u)/s, s = max(1, sqrt(q)): nodes and weights of h.

    What varies with x = sqrt(q) h on the scale one varies with u on the scale one, whatever q, so that the rule
    converges exponentially; the nodes carry no derivative.
    """
    width = jnp.maximum(jnp.sqrt(jax.lax.stop_gradient(q)), 1.0)
    share = jnp.asarray(np.arange(-(num_nodes // 2), num_nodes // 2 + 1) / (num_nodes // 2), q.dtype)
    up = jnp.exp(jnp.arcsinh(HALF_WIDTH * width) * share)
    down = 1.0 / up
    nodes = 0.5 * (up - down) / width
    weights = (up + down) * jnp.exp(-0.5 * nodes * nodes)
    return nodes, weights / jnp.sum(weights)


def rule_for(activation: Activation, q: jax.Array, *, num_points: int = 16) -> tuple[jax.Array, jax.Array]:
    """Nodes and weights of h for smooth functions of phi(sqrt(q) h) and its derivatives.

    With breaks, Gauss's rule of `num_points` on every panel.
    """
    if activation.breaks:
        safe = jnp.where(q > 0.0, q, 1.0)
        return normal_panel_rule(jnp.sqrt(safe), activation.breaks, num_points=num_points)
    return graded_rule(q)


def safe_root(q: jax.Array) -> jax.Array:
    """sqrt(q) with derivative zero at q = 0."""
    positive = q > 0.0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, q, 1.0)), 0.0 * q)


def expect(activation: Activation, q: jax.Array, fn) -> jax.Array:
    """E fn(x, h) with x = sqrt(q) h."""
    nodes, weights = rule_for(activation, q)
    return weights @ fn(safe_root(q) * nodes, nodes)


def piece_masses(activation: Activation, q: jax.Array) -> jax.Array:
    """Probability of each piece between breaks, with the right derivative in q."""
    ends = jnp.asarray(np.asarray(activation.breaks, float), q.dtype) / jnp.sqrt(q)
    below = jnp.concatenate([jnp.zeros_like(ends[:1]), ndtr(ends), jnp.ones_like(ends[:1])])
    above = jnp.concatenate([jnp.ones_like(ends[:1]), ndtr(-ends), jnp.zeros_like(ends[:1])])
    from_below, from_above = below[1:] - below[:-1], above[:-1] - above[1:]
    return jnp.where(below[1:] < 0.5, from_below, from_above)


def second_moment(activation: Activation, q: jax.Array) -> jax.Array:
    """E phi(sqrt(q) h)^2."""
    if activation.second_moment is not None:
        return activation.second_moment(q)
    return expect(activation, q, lambda x, _: jnp.square(activation.fn(x)))


def slope_moments(activation: Activation, q: jax.Array, order: int) -> jax.Array:
    """mu_k = E phi'(sqrt(q) h)^(2k) for k = 1..order, (order,)."""
    if activation.derivative_moments is not None:
        return activation.derivative_moments(q, order)
    powers = np.arange(1, order + 1)
    if activation.is_piecewise_linear:
        squares = jnp.stack([jnp.square(cast(slope, q.dtype)) for slope in activation.slopes])
        weights = piece_masses(activation, q) if activation.breaks else jnp.ones((1,), q.dtype)
        return jnp.stack([weights @ squares ** int(k) for k in powers])
    return expect(
        activation, q, lambda x, _: jnp.stack([slope_at(activation, x) ** (2 * int(k)) for k in powers], axis=-1)
    )


def slope_moment(activation: Activation, q: jax.Array) -> jax.Array:
    """E phi'^2."""
    return slope_moments(activation, q, 1)[0]


def second_moment_slope(activation: Activation, q: jax.Array) -> jax.Array:
    """d/dq E phi(sqrt(q) h)^2 = E[h phi phi']/sqrt(q), and phi'(0)^2 at q = 0 where phi(0) = 0."""
    if activation.second_moment is not None:
        safe = jnp.where(q > 0.0, q, 1.0)
        slope = jax.jvp(activation.second_moment, (safe,), (jnp.ones_like(safe),))[1]
    else:
        safe = jnp.where(q > 0.0, q, 1.0)
        root = jnp.sqrt(safe)
        slope = expect(activation, safe, lambda x, h: h * activation.fn(x) * slope_at(activation, x)) / root
    return jnp.where(q > 0.0, slope, slope_moment(activation, q))
