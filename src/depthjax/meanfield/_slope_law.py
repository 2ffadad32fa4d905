"""The law of the squared slopes phi'(sqrt(q) h)^2, of unit mean, as nodes and weights."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.meanfield._activation import Activation, cast, slope_at
from depthjax.meanfield._contour import contour_of
from depthjax.meanfield._expectation import piece_masses
from depthjax.meanfield._slope_rules import Values, plain, values_of


class Path(NamedTuple):
    """Nodes d^ = points + i excess_im on a path in the complex plane, and complex weights; excess = points - 1."""

    points: jax.Array
    excess: jax.Array
    weights: jax.Array
    excess_im: jax.Array
    weights_im: jax.Array


class SlopeLaw(NamedTuple):
    """d/mu_1 = points = 1 + excess with these weights, on the real line and, where it is known, on a path below it.

    `low` and `high` bound each piece of the support, `masses` are those of atoms. The nodes come in `blocks.size`
    blocks, of which the first `sum(blocks)` have weight.
    """

    points: jax.Array
    excess: jax.Array
    weights: jax.Array
    path: Path | None
    mean: jax.Array
    log_mean: jax.Array
    low: jax.Array
    high: jax.Array
    masses: jax.Array
    blocks: jax.Array


def slope_law(activation: Activation, q: jax.Array) -> SlopeLaw:
    """The law at one q.

    Atoms are exact, with weights that carry the derivative in q; smooth parts are quadrature nodes. `masses` are those
    of the pieces of declared slope and zero for the others, one entry for each piece.
    """
    return slope_laws(activation, q)[0]


def slope_laws(activation: Activation, q: jax.Array) -> tuple[SlopeLaw, ...]:
    """The law, and the same by a half and a quarter of the nodes; where the nodes are exact, the law alone."""
    slopes = activation.slopes or (None,) * (len(activation.breaks) + 1)
    masses = piece_masses(activation, jnp.where(q > 0.0, q, 1.0)) if activation.breaks else jnp.ones((1,), q.dtype)
    flat = [slope is not None for slope in slopes]
    squares = [None if slope is None else jnp.square(cast(slope, q.dtype)) for slope in slopes]
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
    if all(flat):
        return (_law(plain(jnp.stack(squares), masses), 1.0, low, high, atoms),)
    base = 1.0 if contour is None else contour.base**2
    return _laws(values_of(activation, q, squares), base, low, high, atoms)


def _laws(rules: tuple[Values, ...], base: float, low, high, atoms) -> tuple[SlopeLaw, ...]:
    """The laws of rules of different sizes, in one program: shorter ones are filled up with nodes of no weight."""
    whole = rules[0]._replace(blocks=None)

    def filled(part, like):
        return jnp.pad(part, (0, like.size - part.size))

    same = [jax.tree.map(filled, rule._replace(blocks=None), whole) for rule in rules]
    stacked = jax.tree.map(lambda *parts: jnp.stack(parts), *same)
    blocks = rules[0].blocks
    laws = jax.vmap(lambda values: _law(values._replace(blocks=blocks), base, low, high, atoms))(stacked)

    def cut(rule, k):
        def nodes(leaf):
            return leaf[k, : rule.squares.size]

        law = laws._replace(path=jax.tree.map(nodes, laws.path))
        law = law._replace(**{name: nodes(getattr(law, name)) for name in ("points", "excess", "weights")})
        rest = ("mean", "log_mean", "low", "high", "masses", "blocks")
        return law._replace(**{name: getattr(law, name)[k] for name in rest})

    return tuple(cut(rule, k) for k, rule in enumerate(rules))


def _law(values: Values, base: float, low, high, atoms):
    weights = values.weights / jnp.sum(values.weights)
    rise = jnp.sum(weights * values.rises)
    # Where most of the weight is at small d, 1 + rise has lost digits that the sum of d has not.
    small = rise < -0.5
    mean = jnp.where(small, jnp.sum(weights * values.squares), base * (1.0 + rise))
    log_mean = jnp.where(small, jnp.log(mean), math.log(base) + jnp.log1p(jnp.where(small, 0.0, rise)))
    points, excess = _unit(values.squares, values.rises, weights, mean, base)
    path = None
    if values.path_squares is not None and values.path_weights is not None:
        # Complex division compiles slowly.
        total = jnp.sum(values.path_weights)
        shares = values.path_weights * (jnp.conj(total) * (1.0 / (total.real**2 + total.imag**2)).astype(total.dtype))
        on_path, away = _unit(values.path_squares, values.path_rises, shares, mean, base)
        # Each is known to rounding of one, the latter where d is near its mean, the former where it is small.
        im = jnp.where(jnp.abs(jnp.real(on_path)) < 0.25, jnp.imag(on_path), jnp.imag(away))
        path = Path(*(jnp.real(x) for x in (on_path, away, shares)), im, jnp.imag(shares))
    return SlopeLaw(points, excess, weights, path, mean, log_mean, low / mean, high / mean, atoms, values.blocks)


def _unit(squares, rises, weights, mean, base):
    """d/mean and d/mean - 1, the latter from the distances of the rises."""
    scale = (1.0 / mean).astype(squares.dtype)
    return squares * scale, (rises - jnp.sum(weights * rises)) * (base * scale)


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
