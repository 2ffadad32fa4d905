"""The law of the squared slopes phi'(sqrt(q) h)^2, of unit mean, as nodes and weights."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.meanfield._activation import Activation, cast, slope_at
from depthjax.meanfield._contour import Contour, bent, contour_of
from depthjax.meanfield._expectation import HALF_WIDTH, NUM_NODES, graded_rule, piece_masses, rule_for, safe_root

_HARMONICS = 16
_LONG = 0.15
_HALF_NODES = 129


class SlopeLaw(NamedTuple):
    """d/mu_1 = points = 1 + excess with these weights.

    `low` and `high` bound each piece of the support, `masses` are those of atoms.
    `excess_im` and `weights_im` are the imaginary parts on a path in the complex plane, None on the real line.
    """

    points: jax.Array
    excess: jax.Array
    weights: jax.Array
    excess_im: jax.Array | None
    weights_im: jax.Array | None
    mean: jax.Array
    low: jax.Array
    high: jax.Array
    masses: jax.Array


def slope_law(activation: Activation, q: jax.Array) -> SlopeLaw:
    """The law at one q.

    Atoms are exact, with weights that carry the derivative in q; smooth parts are quadrature nodes. `masses` are those
    of the pieces of declared slope and zero for the others, one entry for each piece.
    """
    return slope_laws(activation, q)[0]


def slope_laws(activation: Activation, q: jax.Array) -> tuple[SlopeLaw, SlopeLaw]:
    """The law, and the same by half the nodes; where the nodes are exact, the same law."""
    slopes = activation.slopes or (None,) * (len(activation.breaks) + 1)
    masses = piece_masses(activation, jnp.where(q > 0.0, q, 1.0)) if activation.breaks else jnp.ones((1,), q.dtype)
    flat = [slope is not None for slope in slopes]
    squares = [None if slope is None else jnp.square(cast(slope, q.dtype)) for slope in slopes]
    fine, coarse = _rules(activation, q, squares, masses)
    contour = contour_of(activation)
    zero = jnp.zeros_like(q)
    bounds = [
        (square, square) if square is not None
        else (zero, jnp.full_like(q, contour.top)) if contour is not None
        else _range(activation, q, index)
        for index, square in enumerate(squares)
    ]  # fmt: skip
    atoms = jnp.where(jnp.asarray(np.asarray(flat)), masses, 0.0)
    low, high = (jnp.stack([pair[side] for pair in bounds]) for side in (0, 1))
    law = _law(*fine, low, high, atoms)
    if coarse is fine:
        return law, law
    return law, _law(*coarse, low, high, atoms)


def _law(points, weights, low, high, atoms):
    weights = weights / jnp.sum(weights)
    mean = jnp.real(jnp.sum(weights * points))
    points = points / mean.astype(points.dtype)
    excess = points - 1.0
    excess = excess - jnp.sum(weights * excess)
    parts = (excess, weights, None, None)
    if jnp.iscomplexobj(excess):
        parts = (jnp.real(excess), jnp.real(weights), jnp.imag(excess), jnp.imag(weights))
    return SlopeLaw(jnp.real(points), *parts, mean, low / mean, high / mean, atoms)


def _rules(activation, q, squares, masses):
    """Values of phi'^2 with their weights, and the same on half the nodes."""
    if all(square is not None for square in squares):
        exact = jnp.stack(squares), masses
        return exact, exact
    contour = contour_of(activation)
    if contour is not None:
        return _half_line(contour, q, squares[1]) if activation.breaks else _line(contour, q)

    def on_line(nodes, weights):
        return jnp.square(slope_at(activation, safe_root(q) * nodes)), weights

    points, weights = on_line(*rule_for(activation, q))
    if activation.breaks:
        return (points, weights), on_line(*rule_for(activation, q, coarse=True))
    return (points, weights), (points[::2], weights[::2])


def _line(contour: Contour, q):
    """Graded rule on the path, of h > 0 alone where phi'^2 is even; over one period where many count."""
    frozen = lax.stop_gradient(jnp.where(q > 0.0, q, 1.0))
    nodes, weights = graded_rule(frozen, NUM_NODES)
    if contour.even:
        nodes = nodes[NUM_NODES // 2 :]
        weights = weights[NUM_NODES // 2 :] * jnp.asarray(np.where(np.arange(nodes.shape[0]) == 0, 1.0, 2.0), q.dtype)
    path, weights = lax.stop_gradient(bent(contour, frozen, nodes, weights))
    x = safe_root(q).astype(path.dtype) * path
    if contour.period is not None:
        around, shares = _circle(contour, jnp.where(q > _LONG, q, 1.0), path.shape[0])
        x, weights = jnp.where(q > _LONG, around, x), jnp.where(q > _LONG, shares, weights)
    points = jnp.square(contour.slope(x))
    return (points, weights), (points[::2], weights[::2])


def _half_line(contour: Contour, q, square):
    """Path to the left of zero; to its right phi'^2 is one number, an atom of mass one half."""
    frozen = lax.stop_gradient(jnp.where(q > 0.0, q, 1.0))
    width = jnp.maximum(jnp.sqrt(frozen), 1.0)
    count = _HALF_NODES
    u = (
        0.5
        * jnp.arcsinh(HALF_WIDTH * width)
        * jnp.asarray(np.cos(np.pi * np.arange(count) / (count - 1)) - 1.0, q.dtype)
    )
    nodes = jnp.sinh(u) / width
    lengths = jnp.cosh(u) * jnp.exp(-0.5 * nodes * nodes)
    path, lengths = lax.stop_gradient(bent(contour, frozen, nodes, lengths))
    values = jnp.square(contour.slope(safe_root(q).astype(path.dtype) * path))
    kind = values.dtype

    def rule(values, lengths):
        shares = lengths * jnp.asarray(_clenshaw_curtis(lengths.shape[0]), kind)
        shares = 0.5 * shares / jnp.sum(shares)
        return jnp.append(values, square.astype(kind)), jnp.append(shares, jnp.asarray(0.5, kind))

    return rule(values, lengths), rule(values[::2], lengths[::2])


def _clenshaw_curtis(count):
    """Weights of the rule on [-1, 1] with nodes cos(pi j/(count - 1)), an odd number of them."""
    size = count - 1
    j, k = np.arange(count), np.arange(1, size // 2 + 1)
    terms = np.where(k == size // 2, 1.0, 2.0) / (4.0 * k * k - 1.0)
    inner = 1.0 - np.cos(2.0 * np.pi * np.outer(j, k) / size) @ terms
    return np.where((j == 0) | (j == size), 1.0, 2.0) / size * inner


def _circle(contour: Contour, q, count):
    """Rule on half a period in x, for the density 1 + 2 sum_k exp(-2 k^2 q) cos(2 k x) of x modulo pi."""
    index = np.arange(count)
    x = jnp.asarray(0.5 * contour.period * index / (count - 1), q.dtype)
    shares = jnp.asarray(np.where((index == 0) | (index == count - 1), 0.5, 1.0), q.dtype)
    frozen = lax.stop_gradient(q)
    height, slope = jax.jvp(lambda x: contour.bend(x, frozen), (x,), (jnp.ones_like(x),))
    x = lax.complex(x, height)
    k = jnp.asarray(np.arange(1.0, _HARMONICS), q.dtype)
    waves = jnp.cos(2.0 * k.astype(x.dtype)[:, None] * x[None])
    density = 1.0 + 2.0 * jnp.sum(jnp.exp(-2.0 * k * k * q).astype(x.dtype)[:, None] * waves, axis=0)
    return x, density * lax.complex(shares, shares * slope)


def _range(activation, q, index):
    """Infimum and supremum of phi'^2 on a piece that is not linear, to the ends of the real line."""
    ends = (-np.inf, *activation.breaks, np.inf)
    left, right = ends[index], ends[index + 1]
    far = 1e4
    inner = [t for t in activation.turning_points if left < t < right]
    near = [np.nextafter(np.float32(left), np.float32(np.inf)) if np.isfinite(left) else -far]
    near += [np.nextafter(np.float32(right), np.float32(-np.inf)) if np.isfinite(right) else far]
    scan = np.clip(np.sinh(np.linspace(-6.0, 6.0, 121)), near[0], near[1])
    points = jnp.asarray(np.concatenate([near, inner, scan]).astype(np.float64), q.dtype)
    values = jnp.square(slope_at(activation, points))
    values = jnp.where(values < 1e-30, 0.0, values)
    return jnp.min(values), jnp.max(values)
