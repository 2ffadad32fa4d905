"""Nodes at which phi'(sqrt(q) h)^2 is taken: on the real line, and on the path that its continuation allows."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.meanfield._activation import Activation, slope_at
from depthjax.meanfield._contour import Contour, bent, contour_of
from depthjax.meanfield._expectation import rule_for, safe_root

NUM_NODES = 193
_HALF_WIDTH = 8.0
_HARMONICS = 16
_LONG = 0.15
_CROWDED = 0.9
_HALF_NODES = 129
_POINTS_OF_PANELS = (16, 8, 4)


class Values(NamedTuple):
    """phi'^2 with weights on the real line, and on the path, complex, where there is one.

    `rises` are those of phi'^2 over the square of the contour's `base`, without cancellation.
    """

    squares: jax.Array
    rises: jax.Array
    weights: jax.Array
    path_squares: jax.Array | None = None
    path_rises: jax.Array | None = None
    path_weights: jax.Array | None = None


def _risen(contour, x):
    rise = contour.rise(x)
    return rise * (2.0 + rise)


def plain(squares: jax.Array, weights: jax.Array) -> Values:
    """On the line alone, rises over one."""
    return Values(squares, squares - 1.0, weights)


def values_of(activation: Activation, q: jax.Array, squares: list) -> tuple[Values, ...]:
    """By all nodes, by every other one, by every fourth; `squares` are those of the pieces of declared slope."""
    contour = contour_of(activation)
    if contour is not None:
        return _half_line(contour, q, squares[1]) if activation.breaks else _line(activation, contour, q)

    def on_line(nodes, weights):
        return plain(jnp.square(slope_at(activation, safe_root(q) * nodes)), weights)

    if activation.breaks:
        return tuple(on_line(*rule_for(activation, q, num_points=count)) for count in _POINTS_OF_PANELS)
    return _every(on_line(*rule_for(activation, q)))


def _every(values: Values) -> tuple[Values, ...]:
    return tuple(jax.tree.map(lambda x, k=k: x[::k], values) for k in (1, 2, 4))


def _line(activation, contour: Contour, q):
    """Graded rule, of h > 0 alone where phi'^2 is even; over one period where many count."""
    frozen = lax.stop_gradient(jnp.where(q > 0.0, q, 1.0))
    nodes, weights = _graded(contour, frozen, NUM_NODES)
    root = safe_root(q)
    line = root * nodes, weights
    path, shares = lax.stop_gradient(bent(contour, frozen, nodes, weights))
    path = root.astype(path.dtype) * path, shares
    if contour.period is not None:
        safe = jnp.where(q > _LONG, q, 1.0)
        line = jax.tree.map(lambda a, b: jnp.where(q > _LONG, a, b), _circle(contour, safe, nodes.size, 0.0), line)
        path = jax.tree.map(lambda a, b: jnp.where(q > _LONG, a, b), _circle(contour, safe, nodes.size, 1.0), path)
    on_line, on_path = jnp.square(slope_at(activation, line[0])), jnp.square(contour.slope(path[0]))
    return _every(Values(on_line, _risen(contour, line[0]), line[1], on_path, _risen(contour, path[0]), path[1]))


def _width(q):
    """The scale of h within which nodes are evenly spread: that of h itself, and at q >> 1 that of phi'."""
    return jnp.minimum(1.5, 2.0 / jnp.sqrt(q))


def _graded(contour: Contour, q, count):
    """Trapezoid rule in u with h = centre + width sinh(u), of h > 0 alone where phi'^2 is even."""
    width, centre = _width(q), jnp.zeros_like(q)
    if contour.zero is not None:
        # Small values of d come from a short interval around the zero of phi'.
        place = contour.zero / jnp.sqrt(q)
        centre = jnp.where(jnp.abs(place) < 4.0, place, 0.0)
        width = jnp.where(jnp.abs(place) < 4.0, jnp.minimum(width, 0.12 / jnp.sqrt(q)), width)
    shares = np.arange(count // 2 + 1) / (count // 2) if contour.even else np.arange(count) / (count - 1)
    low = jnp.zeros_like(q) if contour.even else jnp.arcsinh((-_HALF_WIDTH - centre) / width)
    high = jnp.arcsinh((_HALF_WIDTH - centre) / width)
    u = low + (high - low) * jnp.asarray(shares, q.dtype)
    nodes = centre + width * jnp.sinh(u)
    weights = jnp.cosh(u) * jnp.exp(-0.5 * nodes * nodes)
    if contour.even:
        weights = weights * jnp.asarray(np.where(shares == 0.0, 0.5, 1.0), q.dtype)
    return nodes, weights


def _half_line(contour: Contour, q, square):
    """To the left of zero; to its right phi'^2 is one number, an atom of mass one half."""
    frozen = lax.stop_gradient(jnp.where(q > 0.0, q, 1.0))
    width = _width(frozen)
    count = _HALF_NODES
    cosines = jnp.asarray(np.cos(np.pi * np.arange(count) / (count - 1)) - 1.0, q.dtype)
    u = 0.5 * jnp.arcsinh(_HALF_WIDTH / width) * cosines
    nodes = width * jnp.sinh(u)
    lengths = jnp.cosh(u) * jnp.exp(-0.5 * nodes * nodes)
    path, path_lengths = lax.stop_gradient(bent(contour, frozen, nodes, lengths))
    root = safe_root(q)
    line, path = root * nodes, root.astype(path.dtype) * path
    atom = square, square / contour.base**2 - 1.0

    def rule(x, lengths):
        shares = lengths * jnp.asarray(_clenshaw_curtis(lengths.shape[0]), x.dtype)
        shares = 0.5 * shares / jnp.sum(shares)
        values = jnp.square(contour.slope(x)), _risen(contour, x)
        both = (jnp.append(v, a.astype(x.dtype)) for v, a in zip(values, atom, strict=True))
        return *both, jnp.append(shares, jnp.asarray(0.5, x.dtype))

    return tuple(Values(*rule(line[::k], lengths[::k]), *rule(path[::k], path_lengths[::k])) for k in (1, 2, 4))


def _clenshaw_curtis(count):
    """Weights of the rule on [-1, 1] with nodes cos(pi j/(count - 1)), an odd number of them."""
    size = count - 1
    j, k = np.arange(count), np.arange(1, size // 2 + 1)
    terms = np.where(k == size // 2, 1.0, 2.0) / (4.0 * k * k - 1.0)
    inner = 1.0 - np.cos(2.0 * np.pi * np.outer(j, k) / size) @ terms
    return np.where((j == 0) | (j == size), 1.0, 2.0) / size * inner


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
