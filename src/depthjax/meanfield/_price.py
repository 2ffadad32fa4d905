"""Joint expectations of piecewise linear activations, by Price's theorem as integrals over the angle.

With jumps d_i of the slope at b_i, alpha_i = b_i/sqrt(q_a), beta_j = b_j/sqrt(q_b) and the angle psi of cosine c,
d^2/dc^2 E phi(u) phi(v) = q_a q_b sum_ij d_i d_j p(b_i, b_j), the density of (u, v), which in the angle is

    exp(-(alpha - beta)^2/(8 sin^2(psi/2)) - (alpha + beta)^2/(8 cos^2(psi/2)))/(2 pi sqrt(q_a q_b) sin psi).

Integrals start at psi = 0, so nothing cancels for inputs that are nearly parallel.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from depthjax.meanfield._activation import Activation, cast
from depthjax.numerics import gauss_legendre_rule

_PANELS = 2.0 ** -np.arange(34.0)


def _angle_rule(psi: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Nodes and weights on (0, psi), on panels that halve towards 0 and towards pi."""
    points, weights = gauss_legendre_rule(12)
    quarter = 0.5 * np.pi
    low = jnp.minimum(psi, quarter) * jnp.asarray(np.append(_PANELS, 0.0), psi.dtype)
    rest = jnp.maximum(np.pi - psi, 0.0)
    high = np.pi - jnp.clip(quarter * jnp.asarray(np.append(_PANELS, 0.0), psi.dtype), rest, jnp.maximum(rest, quarter))
    ends = jnp.concatenate([low[::-1], high[1:]])
    middle, width = 0.5 * (ends[1:] + ends[:-1]), 0.5 * (ends[1:] - ends[:-1])
    nodes = middle[:, None] + width[:, None] * jnp.asarray(points, psi.dtype)[None, :]
    return nodes.ravel(), (width[:, None] * jnp.asarray(weights, psi.dtype)[None, :]).ravel()


def _jumps(activation: Activation, dtype) -> jax.Array:
    slopes = [cast(slope, dtype) for slope in activation.slopes]
    return jnp.stack([after - before for before, after in zip(slopes, slopes[1:], strict=False)])


def _densities(activation: Activation, q_a: jax.Array, q_b: jax.Array, nodes: jax.Array) -> jax.Array:
    """Sum over pairs of breaks of d_i d_j exp(...), one for each node."""
    breaks = jnp.asarray(np.asarray(activation.breaks, float), nodes.dtype)
    alpha, beta = breaks[:, None] / jnp.sqrt(q_a), breaks[None, :] / jnp.sqrt(q_b)
    jumps = _jumps(activation, nodes.dtype)
    low, high = jnp.sin(0.5 * nodes) ** 2, jnp.cos(0.5 * nodes) ** 2
    tiny = jnp.finfo(nodes.dtype).tiny
    apart = (alpha - beta)[None] ** 2 / (8.0 * jnp.maximum(low, tiny))[:, None, None]
    opposed = (alpha + beta)[None] ** 2 / (8.0 * jnp.maximum(high, tiny))[:, None, None]
    return jnp.einsum("nij,i,j->n", jnp.exp(-apart - opposed), jumps, jumps)


def _parallel_slopes(activation: Activation, q_a: jax.Array, q_b: jax.Array) -> jax.Array:
    """E phi'(sqrt(q_a) h) phi'(sqrt(q_b) h)."""
    dtype = q_a.dtype
    slopes = jnp.stack([cast(slope, dtype) for slope in activation.slopes])
    breaks, far = jnp.asarray(np.asarray(activation.breaks, float), dtype), jnp.full((1,), 40.0, dtype)
    in_a = jnp.concatenate([-far, breaks / jnp.sqrt(q_a), far])
    in_b = jnp.concatenate([-far, breaks / jnp.sqrt(q_b), far])
    first = jnp.maximum(in_a[:-1, None], in_b[None, :-1])
    last = jnp.minimum(in_a[1:, None], in_b[None, 1:])
    mass = jnp.where(first > 0.0, ndtr(-first) - ndtr(-last), ndtr(last) - ndtr(first))
    return slopes @ jnp.maximum(mass, 0.0) @ slopes


def slopes_at(activation: Activation, q_a: jax.Array, q_b: jax.Array, psi: jax.Array) -> jax.Array:
    """E phi'(u) phi'(v) at angle psi."""
    start = _parallel_slopes(activation, q_a, q_b)
    if not activation.breaks:
        return start
    nodes, weights = _angle_rule(psi)
    return start - weights @ _densities(activation, q_a, q_b, nodes) / (2.0 * np.pi)


def drop_at(activation: Activation, q_a: jax.Array, q_b: jax.Array, gap: jax.Array, psi: jax.Array) -> jax.Array:
    """E phi(u) phi(v) at c = 1 less that at c = 1 - gap."""
    scale = jnp.sqrt(q_a) * jnp.sqrt(q_b)
    parallel = gap * scale * _parallel_slopes(activation, q_a, q_b)
    if not activation.breaks:
        return parallel
    nodes, weights = _angle_rule(psi)
    falls = 2.0 * jnp.sin(0.5 * (psi + nodes)) * jnp.sin(0.5 * (psi - nodes))  # cos(node) - cos(psi)
    return parallel - scale * (weights * falls) @ _densities(activation, q_a, q_b, nodes) / (2.0 * np.pi)
