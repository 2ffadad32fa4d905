"""Expectations under the joint normal law of two pre-activations, to the last digits for any lengths and angle.

Everywhere u = sqrt(q_a) h_1, v = sqrt(q_b) (c h_1 + s h_2) with cosine c = 1 - gap.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.meanfield import _price
from depthjax.meanfield._activation import Activation, slope_at
from depthjax.meanfield._expectation import HALF_WIDTH, NUM_NODES, graded_rule, second_moment, slope_moment
from depthjax.numerics import gauss_legendre_rule, safe_sqrt


class Angle(NamedTuple):
    """An angle by all that is needed of it: 1 - cos, cos, sin, and itself."""

    gap: jax.Array
    cosine: jax.Array
    sine: jax.Array
    psi: jax.Array


def angle_of_gap(gap: jax.Array) -> Angle:
    """The angle of cosine 1 - gap, without cancellation; its derivative at parallel vectors is returned as zero."""
    low, high = safe_sqrt(0.5 * gap), safe_sqrt(1.0 - 0.5 * gap)
    return Angle(gap, 1.0 - gap, 2.0 * low * high, 2.0 * jnp.arctan2(low, high))


def _inner_smooth(sigma, centre):
    """Trapezoid rule in h_2, graded around `centre`, where v = 0, on the scale on which v changes by one."""
    width = jnp.maximum(sigma, 1.0)
    low, high = jnp.arcsinh(width * (-HALF_WIDTH - centre)), jnp.arcsinh(width * (HALF_WIDTH - centre))
    t = low + (high - low) * jnp.asarray(np.linspace(0.0, 1.0, NUM_NODES), sigma.dtype)
    nodes = centre + jnp.sinh(t) / width
    weights = jnp.cosh(t) * jnp.exp(-0.5 * nodes * nodes)
    return nodes, weights / jnp.sum(weights)


def _panels(ends, num_points=8):
    points, weights = gauss_legendre_rule(num_points)
    ends = jnp.sort(jnp.clip(ends, -HALF_WIDTH, HALF_WIDTH))
    middle, width = 0.5 * (ends[1:] + ends[:-1]), 0.5 * (ends[1:] - ends[:-1])
    nodes = (middle[:, None] + width[:, None] * jnp.asarray(points, ends.dtype)[None, :]).ravel()
    weights = (width[:, None] * jnp.asarray(weights, ends.dtype)[None, :]).ravel() * jnp.exp(-0.5 * nodes * nodes)
    return nodes, weights / np.sqrt(2.0 * np.pi)


def _graded_ends(centre, scale, count=24):
    """Ends of panels that grow away from `centre`, where they have width of order `scale`."""
    share = jnp.asarray(np.linspace(-1.0, 1.0, count + 1), centre.dtype)
    return centre + scale * jnp.sinh(jnp.arcsinh(2.0 * HALF_WIDTH / scale) * share)


def _outer_rule(activation, q_a, q_b, angle):
    if not activation.breaks:
        return graded_rule(q_a)
    steady = jnp.sqrt(jax.lax.stop_gradient(q_a))
    layer = jnp.maximum(angle.sine, jnp.finfo(q_a.dtype).eps)
    tilt = jnp.where(jnp.abs(angle.cosine) > 0.1, angle.cosine, 1.0)
    uniform = HALF_WIDTH * jnp.asarray(np.linspace(-1.0, 1.0, 13), q_a.dtype)
    ends = [uniform, _graded_ends(jnp.zeros_like(q_a), 1.0 / jnp.maximum(steady, 1.0))]
    ends += [_graded_ends(b / jnp.sqrt(q_a), layer) for b in activation.breaks]
    # where v, nearly parallel to u, meets its own breaks
    ends += [_graded_ends(b / (tilt * jnp.sqrt(q_b)), layer) for b in activation.breaks]
    return _panels(jnp.concatenate(ends))


def _inner_rule(activation, root_b, angle, h):
    """Rule for h_2 given h_1 = h."""
    sigma = root_b * angle.sine
    safe = jnp.where(angle.sine > 0.0, angle.sine, 1.0)
    toward = jnp.where(angle.sine > 0.0, -angle.cosine * h / safe, jnp.sign(-h) * HALF_WIDTH)
    if not activation.breaks:
        return _inner_smooth(sigma, jnp.clip(toward, -HALF_WIDTH, HALF_WIDTH))
    wide = jnp.where(sigma > 0.0, sigma, 1.0)
    uniform = HALF_WIDTH * jnp.asarray(np.linspace(-1.0, 1.0, 13), h.dtype)
    ends = [uniform]
    for b in activation.breaks:
        at = jnp.where(sigma > 0.0, toward + b / wide, HALF_WIDTH)
        ends.append(_graded_ends(jnp.clip(at, -HALF_WIDTH, HALF_WIDTH), 1.0 / jnp.maximum(sigma, 1.0)))
    return _panels(jnp.concatenate(ends))


def _expect_pair(activation, q_a, q_b, angle, fn):
    """E fn(u, v, v - u), the longer of the two vectors first."""
    q_a, q_b = jnp.maximum(q_a, q_b), jnp.minimum(q_a, q_b)
    root_a, root_b = jnp.sqrt(q_a), jnp.sqrt(q_b)
    apart = (q_b - q_a) / (root_a + root_b)
    outer, outer_weights = _outer_rule(activation, q_a, q_b, angle)

    def row(h):
        inner, weights = _inner_rule(activation, root_b, angle, h)
        u = root_a * h
        change = h * (apart - root_b * angle.gap) + root_b * angle.sine * inner
        return weights @ fn(jnp.broadcast_to(u, change.shape), u + change, change)

    return outer_weights @ jax.vmap(row)(outer)


def _increment(activation, u, v, change):
    """phi(v) - phi(u), by the mean slope where the two are close and on one piece."""
    points, weights = gauss_legendre_rule(3)
    half = 0.5 * jnp.clip(change, -0.05, 0.05)
    mean = sum(0.5 * w * slope_at(activation, u + half * (1.0 + p)) for p, w in zip(points, weights, strict=True))
    close = jnp.abs(change) < 0.05
    for b in activation.breaks:
        close = close & ((u > b) == (v > b))
    return jnp.where(close, change * mean, activation.fn(v) - activation.fn(u))


def slope_covariance(activation: Activation, q_a: jax.Array, q_b: jax.Array, gap: jax.Array) -> jax.Array:
    """E phi'(u) phi'(v)."""
    angle = angle_of_gap(gap)
    if activation.is_piecewise_linear:
        return _price.slopes_at(activation, q_a, q_b, angle.psi)
    if activation.derivative_covariance is not None:
        return activation.derivative_covariance(q_a, q_b, angle.cosine * jnp.sqrt(q_a) * jnp.sqrt(q_b))
    value = _expect_pair(activation, q_a, q_b, angle, lambda u, v, _: slope_at(activation, u) * slope_at(activation, v))
    return jnp.where((gap == 0.0) & (q_a == q_b), slope_moment(activation, q_a), value)


def _half_mean_square(activation, q_a, q_b, gap):
    angle = angle_of_gap(gap)
    if not activation.is_piecewise_linear:
        return 0.5 * _expect_pair(
            activation, q_a, q_b, angle, lambda u, v, change: _increment(activation, u, v, change) ** 2
        )
    drop = _price.drop_at(activation, q_a, q_b, gap, angle.psi)
    root_a, root_b = jnp.sqrt(q_a), jnp.sqrt(q_b)
    nodes, weights = _panels(jnp.concatenate([
        HALF_WIDTH * jnp.asarray(np.linspace(-1.0, 1.0, 13), gap.dtype),
        *(b / root[None] for b in activation.breaks for root in (root_a, root_b)),
    ]), 16)  # fmt: skip
    change = nodes * (q_b - q_a) / (root_a + root_b)
    parallel = 0.5 * weights @ _increment(activation, root_a * nodes, root_a * nodes + change, change) ** 2
    return drop + parallel


@jax.custom_jvp
def half_mean_square(activation: Activation, q_a: jax.Array, q_b: jax.Array, gap: jax.Array) -> jax.Array:
    """(1/2) E (phi(u) - phi(v))^2, whose derivative in the gap is sqrt(q_a q_b) E phi'(u) phi'(v), Price's theorem."""
    return _half_mean_square(activation, q_a, q_b, gap)


@half_mean_square.defjvp
def _(primals, tangents):
    activation, q_a, q_b, gap = primals
    value, change = jax.jvp(lambda *a: _half_mean_square(*a, gap), primals[:3], tangents[:3])
    slope = jnp.sqrt(q_a) * jnp.sqrt(q_b) * slope_covariance(activation, q_a, q_b, gap)
    return value, change + slope * tangents[3]


def covariance(activation: Activation, q_a: jax.Array, q_b: jax.Array, gap: jax.Array) -> jax.Array:
    """E phi(u) phi(v)."""
    if activation.covariance is not None:
        return activation.covariance(q_a, q_b, (1.0 - gap) * jnp.sqrt(q_a) * jnp.sqrt(q_b))
    mean = 0.5 * (second_moment(activation, q_a) + second_moment(activation, q_b))
    return mean - half_mean_square(activation, q_a, q_b, gap)
