"""Nodes at which phi'(sqrt(q) h)^2 is taken: on the real line, and on the path that its continuation allows.

The number of nodes grows with sqrt(q). They come in blocks, of which as many are in use as q asks for.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.meanfield._activation import Activation, slope_at
from depthjax.meanfield._contour import Contour, bent, contour_of
from depthjax.meanfield._expectation import rule_for, safe_root
from depthjax.meanfield._slope_panels import panels, scaled_panels

_HALF_WIDTH = 8.0
_HARMONICS = 16
_LONG = 0.15
_CROWDED = 0.9
_CIRCLE = 97
_POINTS_OF_PANELS = (16, 8, 4)
_NODES = 96


class Values(NamedTuple):
    """phi'^2 with weights on the real line, and on the path, complex, where there is one.

    `rises` are those of phi'^2 over the square of the contour's `base`, without cancellation. `blocks` has a one for
    every block of nodes in use, then zeros; nodes of the others have no weight.
    """

    squares: jax.Array
    rises: jax.Array
    weights: jax.Array
    blocks: jax.Array
    path_squares: jax.Array | None = None
    path_rises: jax.Array | None = None
    path_weights: jax.Array | None = None


def _risen(contour, x):
    rise = contour.rise(x)
    return rise * (2.0 + rise)


def plain(squares: jax.Array, weights: jax.Array) -> Values:
    """On the line alone, rises over one."""
    return Values(squares, squares - 1.0, weights, jnp.ones((1,), weights.dtype))


def values_of(activation: Activation, q: jax.Array, squares: list) -> tuple[Values, ...]:
    """By all nodes, by every other one, by every fourth; `squares` are those of the pieces of declared slope."""
    contour = contour_of(activation)
    if contour is not None:
        return _near_and_far(activation, contour, q, squares[1] if activation.breaks else None)

    def on_line(nodes, weights):
        return plain(jnp.square(slope_at(activation, safe_root(q) * nodes)), weights)

    if activation.breaks:
        return tuple(on_line(*rule_for(activation, q, num_points=count)) for count in _POINTS_OF_PANELS)
    return _every(on_line(*rule_for(activation, q)))


def _near_and_far(activation, contour, q, square):
    """At small q one rule for x = sqrt(q) h of the order of sqrt(q), beyond panels in x."""
    lowest = contour.table().lowest

    def near(q):
        return _line(activation, contour, q) if square is None else scaled_panels(contour, q, square)

    def far(q):
        return panels(contour, jnp.maximum(q, lowest), square)

    def padded(q):
        shapes = jax.eval_shape(far, q)
        return jax.tree.map(lambda few, many: jnp.pad(few, (0, many.size - few.size)), near(q), shapes)

    return tuple(Values(*line, blocks, *path) for line, path, blocks in lax.cond(q < lowest, padded, far, q))


def _every(values: Values) -> tuple[Values, ...]:
    nodes = values._replace(blocks=None)
    return tuple(jax.tree.map(lambda x, k=k: x[::k], nodes)._replace(blocks=values.blocks) for k in (1, 2, 4))


def _line(activation, contour: Contour, q):
    """Graded rule, of h > 0 alone where phi'^2 is even; over one period where many count."""
    frozen = lax.stop_gradient(jnp.where(q > 0.0, q, 1.0))
    root = safe_root(q)
    count = _CIRCLE if contour.period is not None else _NODES * (1 if contour.even else 2)
    nodes, weights = _graded(contour, frozen, count)
    line = root * nodes, weights
    path, shares = lax.stop_gradient(bent(contour, frozen, nodes, weights))
    path = root.astype(path.dtype) * path, shares
    if contour.period is not None:
        safe = jnp.where(q > _LONG, q, 1.0)
        line = jax.tree.map(lambda a, b: jnp.where(q > _LONG, a, b), _circle(contour, safe, nodes.size, 0.0), line)
        path = jax.tree.map(lambda a, b: jnp.where(q > _LONG, a, b), _circle(contour, safe, nodes.size, 1.0), path)
    on_line = jnp.square(slope_at(activation, line[0])), _risen(contour, line[0]), line[1]
    on_path = jnp.square(contour.slope(path[0])), _risen(contour, path[0]), path[1]
    one = jnp.ones((1,), q.dtype)
    return tuple((*jax.tree.map(lambda x, k=k: x[::k], (on_line, on_path)), one) for k in (1, 2, 4))


def _graded(contour: Contour, q, count):
    """Trapezoid rule in u with h = centre + width sinh(u), of h > 0 alone where phi'^2 is even."""
    width, centre = jnp.full_like(q, 1.5), jnp.zeros_like(q)
    if contour.zero is not None:
        # Small values of d come from a short interval around the zero of phi'.
        place = contour.zero / jnp.sqrt(q)
        centre = jnp.where(jnp.abs(place) < 4.0, place, 0.0)
        width = jnp.where(
            jnp.abs(place) < 4.0, jnp.minimum(width, 0.12 / jnp.sqrt(q)), jnp.minimum(1.5, 2.0 / jnp.sqrt(q))
        )
    low = jnp.zeros_like(q) if contour.even else jnp.arcsinh((-_HALF_WIDTH - centre) / width)
    high = jnp.arcsinh((_HALF_WIDTH - centre) / width)
    index = np.arange(count)
    # Of an even number the last node, of no weight, is left out.
    u = low + (high - low) * jnp.asarray(index / (count - count % 2), q.dtype)
    nodes = centre + width * jnp.sinh(u)
    weights = jnp.cosh(u) * jnp.exp(-0.5 * nodes * nodes)
    if contour.even:
        weights = weights * jnp.asarray(np.where(index == 0, 0.5, 1.0), q.dtype)
    return nodes, weights


def _circle(contour: Contour, q, count, share):
    """Rule on half a period in x, for the density 1 + 2 sum_k exp(-2 k^2 q) cos(2 k x) of x modulo pi.

    On the real line if `share` is 0, on the path if it is 1.
    """
    index = np.arange(count)
    even = np.pi * index / (count - 1)
    # Closer together at the zero of phi', from which small values of d come.
    x = jnp.asarray(0.5 * contour.period / np.pi * (even + _CROWDED * np.sin(even)), q.dtype)
    ends = np.where((index == 0) | (index == count - 1), 0.5, 1.0)
    shares = jnp.asarray(ends * (1.0 + _CROWDED * np.cos(even)), q.dtype)
    frozen = lax.stop_gradient(q)
    k = jnp.asarray(np.arange(1.0, _HARMONICS), q.dtype)
    sizes = jnp.exp(-2.0 * k * k * q)[:, None]
    if share == 0.0:
        return x, shares * (1.0 + 2.0 * jnp.sum(sizes * jnp.cos(2.0 * k[:, None] * x[None]), axis=0))
    height, slope = jax.jvp(lambda x: contour.bend(x, frozen), (x,), (jnp.ones_like(x),))
    x = lax.complex(x, height)
    waves = jnp.cos(2.0 * k.astype(x.dtype)[:, None] * x[None])
    density = 1.0 + 2.0 * jnp.sum(sizes.astype(x.dtype) * waves, axis=0)
    return x, density * lax.complex(shares, shares * slope)
