"""The law of the squared slopes phi'(sqrt(q) h)^2, of unit mean, as nodes and weights."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.meanfield._activation import Activation, cast, slope_at
from depthjax.meanfield._expectation import piece_masses, rule_for, safe_root


class SlopeLaw(NamedTuple):
    """d/mu_1 = 1 + excess with these weights; `low` and `high` bound each piece of the support, `masses` are atoms."""

    excess: jax.Array
    weights: jax.Array
    mean: jax.Array
    low: jax.Array
    high: jax.Array
    masses: jax.Array


def slope_law(activation: Activation, q: jax.Array, *, coarse: bool = False) -> SlopeLaw:
    """The law at one q.

    Atoms are exact, with weights that carry the derivative in q; smooth parts are quadrature nodes. `masses` are those
    of the pieces of declared slope and zero for the others, one entry for each piece. `coarse` halves the nodes.
    """
    slopes = activation.slopes or (None,) * (len(activation.breaks) + 1)
    masses = piece_masses(activation, jnp.where(q > 0.0, q, 1.0)) if activation.breaks else jnp.ones((1,), q.dtype)
    flat = [slope is not None for slope in slopes]
    squares = [None if slope is None else jnp.square(cast(slope, q.dtype)) for slope in slopes]
    if all(flat):
        points, weights = jnp.stack(squares), masses
    else:
        nodes, weights = rule_for(activation, q, coarse=coarse)
        points = jnp.square(slope_at(activation, safe_root(q) * nodes))
    weights = weights / jnp.sum(weights)
    mean = weights @ points
    excess = points / mean - 1.0
    excess = excess - weights @ excess
    bounds = [
        (square, square) if known else _range(activation, q, index)
        for index, (known, square) in enumerate(zip(flat, squares, strict=True))
    ]
    low, high = (jnp.stack([pair[side] for pair in bounds]) / mean for side in (0, 1))
    return SlopeLaw(excess, weights, mean, low, high, jnp.where(jnp.asarray(np.asarray(flat)), masses, 0.0))


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
