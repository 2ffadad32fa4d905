"""Nodes at which phi'(sqrt(q) h)^2 is taken: on the real line, and on the path that its continuation allows.

The number of nodes grows with sqrt(q). They come in blocks, of which as many are in use as q asks for.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.meanfield._activation import Activation, slope_at
from depthjax.meanfield._contour import Contour, bent, contour_of
from depthjax.meanfield._expectation import rule_for, safe_root

_HALF_WIDTH = 8.0
_HARMONICS = 16
_LONG, _SHORT = 0.15, 0.2
_CROWDED = 0.9
_CIRCLE = 96
_POINTS_OF_PANELS = (16, 8, 4)
# Of the graded rule: nodes of a block on a half line, blocks, and how far apart in x nodes may be.
_BLOCK, _BLOCKS, _APART = 96, 16, 0.08
# Of panels: of a block, blocks, points, and how much log d may change from end to end.
_PANELS, _PANEL_BLOCKS, _PANEL_POINTS, _CHANGE = 3, 27, (32, 16, 8), 9.0
_PANELS_END = 6.5


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
        if activation.breaks:
            return _panels(contour, q, 0.5, squares[1])
        return _steep(activation, contour, q) if contour.steep else _line(activation, contour, q)

    def on_line(nodes, weights):
        return plain(jnp.square(slope_at(activation, safe_root(q) * nodes)), weights)

    if activation.breaks:
        return tuple(on_line(*rule_for(activation, q, num_points=count)) for count in _POINTS_OF_PANELS)
    return _every(on_line(*rule_for(activation, q)))


def _steep(activation, contour, q):
    """The graded rule while it is enough, one block of it, and panels from there on."""
    short = q <= _SHORT
    graded, panels = _line(activation, contour, jnp.where(short, q, 0.0)), _panels(contour, q, 1.0, None)

    def chosen(few, many):
        return jnp.where(short, jnp.pad(few[: many.size // _PANEL_BLOCKS], (0, many.size - few.size)), many)

    first = _used(jnp.ones_like(q), _PANEL_BLOCKS)
    return tuple(
        jax.tree.map(chosen, few._replace(blocks=None), many._replace(blocks=None))._replace(
            blocks=jnp.where(short, first, many.blocks)
        )
        for few, many in zip(graded, panels, strict=True)
    )


def _every(values: Values) -> tuple[Values, ...]:
    nodes = values._replace(blocks=None)
    return tuple(jax.tree.map(lambda x, k=k: x[::k], nodes)._replace(blocks=values.blocks) for k in (1, 2, 4))


def _used(count, blocks):
    return (jnp.asarray(np.arange(blocks), count.dtype) < count).astype(count.dtype)


def _line(activation, contour: Contour, q):
    """Graded rule, of h > 0 alone where phi'^2 is even; over one period where many count."""
    frozen = lax.stop_gradient(jnp.where(q > 0.0, q, 1.0))
    root = safe_root(q)
    if contour.period is not None or contour.steep:
        nodes, weights, blocks = _graded(contour, frozen, _CIRCLE + 1, 1)
    else:
        nodes, weights, blocks = _graded(contour, frozen, _BLOCK * (1 if contour.even else 2), _BLOCKS)
    line = root * nodes, weights
    path, shares = lax.stop_gradient(bent(contour, frozen, nodes, weights))
    path = root.astype(path.dtype) * path, shares
    if contour.period is not None:
        safe = jnp.where(q > _LONG, q, 1.0)
        line = jax.tree.map(lambda a, b: jnp.where(q > _LONG, a, b), _circle(contour, safe, nodes.size, 0.0), line)
        path = jax.tree.map(lambda a, b: jnp.where(q > _LONG, a, b), _circle(contour, safe, nodes.size, 1.0), path)
    on_line, on_path = jnp.square(slope_at(activation, line[0])), jnp.square(contour.slope(path[0]))
    return _every(
        Values(on_line, _risen(contour, line[0]), line[1], blocks, on_path, _risen(contour, path[0]), path[1])
    )


def _graded(contour: Contour, q, size, most):
    """Trapezoid rule in u with h = centre + width sinh(u), of h > 0 alone where phi'^2 is even, and blocks in use."""
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
    needed = jnp.ceil((high - low) * width * jnp.sqrt(q) / (_APART * size))
    count = jnp.clip(needed, 1.0, float(most))
    index = np.arange(size * most)
    shares = jnp.asarray(index, q.dtype) / (count * (size if most > 1 else size - 1))
    u = low + (high - low) * jnp.minimum(shares, 1.0)
    nodes = centre + width * jnp.sinh(u)
    weights = jnp.where(shares <= 1.0, jnp.cosh(u) * jnp.exp(-0.5 * nodes * nodes), 0.0)
    if contour.even:
        weights = weights * jnp.asarray(np.where(index == 0, 0.5, 1.0), q.dtype)
    return nodes, weights, _used(count, most)


def _radau(count):
    """Gauss's rule on [-1, 1] with a node at -1, so that the top of the support of phi'^2 is a node."""
    k = np.arange(1.0, count)
    beside = k / np.sqrt(4.0 * k * k - 1.0)
    matrix = np.diag(beside, 1) + np.diag(beside, -1)
    # The last entry that makes -1 an eigenvalue.
    tail = np.linalg.solve(matrix[:-1, :-1] + np.eye(count - 1), np.eye(count - 1)[:, -1] * beside[-1] ** 2)
    matrix[-1, -1] = -1.0 + tail[-1]
    at, vectors = np.linalg.eigh(matrix)
    return at, 2.0 * vectors[0] ** 2


def _panels(contour: Contour, q, mass, square):
    """Radau's rule on panels across which log d changes by a few, of h > 0 or h < 0, which have `mass`.

    What is beyond the last, where d is below the smallest number or h above 6.5, counts as d = 0; `square` is the
    atom that has the rest of the mass.
    """
    frozen = lax.stop_gradient(jnp.where(q > 0.0, q, 1.0))
    root = safe_root(q)
    depth = -0.97 * math.log(float(jnp.finfo(q.dtype).tiny))
    # log d = -2 x^2, or 2 x to the left.
    end = jnp.minimum(_PANELS_END * jnp.sqrt(frozen), math.sqrt(0.5 * depth) if contour.steep else 0.5 * depth)
    change = 2.0 * end * end if contour.steep else 2.0 * end
    count = jnp.clip(jnp.ceil(change / (_CHANGE * _PANELS)), 1.0, _PANEL_BLOCKS - 1.0)
    shares = jnp.minimum(jnp.asarray(np.arange(_PANELS * _PANEL_BLOCKS + 1), q.dtype) / (_PANELS * count), 1.0)
    places = jnp.sqrt(shares) if contour.steep else -shares
    # The first panel in three: at the top of the spectrum w is near the largest d, which is there.
    parts = jnp.asarray(np.array([0.0, 0.2, 0.5]), q.dtype) * places[1]
    ends = end / jnp.sqrt(frozen) * jnp.concatenate([parts, places[1:-2]])
    used = _used(jnp.minimum(count + 1.0, float(_PANEL_BLOCKS)), _PANEL_BLOCKS)
    extra = jnp.zeros_like(q) if square is None else square
    others = jnp.stack([jnp.zeros_like(q), extra])

    def rule(points):
        at, weights = _radau(points)
        half = 0.5 * jnp.diff(ends)[:, None]
        nodes = (ends[:-1, None] + half * jnp.asarray(at + 1.0, q.dtype)[None]).ravel()
        lengths = (jnp.abs(half) * jnp.asarray(weights, q.dtype)[None]).ravel() * jnp.exp(-0.5 * nodes * nodes)
        lengths = lengths / math.sqrt(0.5 * math.pi) * mass
        path, path_lengths = lax.stop_gradient(bent(contour, frozen, nodes, lengths))
        return *filled(root * nodes, lengths), used, *filled(root.astype(path.dtype) * path, path_lengths)

    def filled(x, lengths):
        """The two others after the nodes of each block; they count in the first."""
        rest = jnp.stack([mass - jnp.sum(lengths), jnp.asarray(1.0 - mass, lengths.dtype)])
        first = jnp.asarray(np.arange(_PANEL_BLOCKS)[:, None] == 0)
        pairs = (
            (jnp.square(contour.slope(x)), others.astype(x.dtype)[None]),
            (_risen(contour, x), (others / contour.base**2 - 1.0).astype(x.dtype)[None]),
            (lengths, jnp.where(first, rest[None], 0.0)),
        )
        size = (_PANEL_BLOCKS, -1)
        return [
            jnp.concatenate([a.reshape(size), jnp.broadcast_to(b, (_PANEL_BLOCKS, 2))], axis=1).ravel()
            for a, b in pairs
        ]

    return tuple(Values(*rule(points)) for points in _PANEL_POINTS)


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
