"""Quadrature nodes of the random variables behind a measure-valued gradient."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import distributions
from depthjax.numerics import gauss_hermite_rule, gauss_legendre_rule
from depthjax.vi._outcomes import check_count, repeated

_MOST = 24  # nodes for each variable: four of them stand behind one coordinate of a normal guide
_FAR = 14.0  # exp(-_FAR^2 / 2) is below the rounding of float64


def nodes_of(guide: Any, num_points: int, *, coupled: bool) -> tuple[jax.Array, Any, jax.Array]:
    """Draws z (N, *event), the noise of the branches, a tuple of (N, *event), and weights (N,)."""
    dtype = jnp.result_type(*[leaf for leaf in jax.tree.leaves(guide) if jnp.issubdtype(leaf.dtype, jnp.inexact)])
    num_points = min(num_points, _MOST)
    if isinstance(guide, distributions.Poisson):
        return _of_poisson(guide, coupled)
    lists = _of_exponential if isinstance(guide, distributions.Exponential) else _of_normal
    variables, weights = lists(num_points, coupled)
    variables = tuple(jnp.asarray(variable, dtype) for variable in variables)
    (first, *noise), weights = repeated(variables, jnp.asarray(weights, dtype), guide.event_shape)
    if isinstance(guide, distributions.Exponential):
        return first / guide.rate[None], tuple(noise), weights
    return guide.loc[None] + guide.scale[None] * first, tuple(noise), weights


def _of_normal(n, coupled):
    """Normal, right and left Rayleigh, double-sided Maxwell."""
    rayleigh = _gauss_rule(lambda w: w * np.exp(-0.5 * w * w), 0.0, _FAR, n)
    maxwell = _gauss_rule(lambda m: m * m * np.exp(-0.5 * m * m), -_FAR, _FAR, n)
    if not coupled:
        return _tensor(gauss_hermite_rule(n), rayleigh, rayleigh, maxwell)
    nodes, mass = gauss_legendre_rule(n)
    (share, right, far), weights = _tensor(((1 + nodes) / 2, mass / 2), rayleigh, maxwell)
    return (share * far, right, right, far), weights


def _of_exponential(n, coupled):
    """Exponential, and the two exponentials whose sum is Gamma(2)."""
    rule = np.polynomial.laguerre.laggauss(n)
    if not coupled:
        return _tensor(rule, rule, rule)
    (first, second), weights = _tensor(rule, rule)
    return (first, first, second), weights


def _of_poisson(guide, coupled, length=200):
    """Counts below `length`; weights are NaN where more than rounding lies beyond."""
    if guide.event_shape:
        raise ValueError(f"measure_valued: the counts of one Poisson can be listed, got shape {guide.event_shape}")
    counts = jnp.arange(length, dtype=jnp.int32)
    mass = jnp.exp(guide.log_prob(counts))
    beyond = guide.survival(jnp.asarray(length - 1, jnp.int32))
    mass = jnp.where(beyond < jnp.finfo(mass.dtype).eps, mass, jnp.nan)
    if coupled:
        return counts, (counts,), mass
    i, j = (grid.ravel() for grid in jnp.meshgrid(jnp.arange(length), jnp.arange(length), indexing="ij"))
    return counts[i], (counts[j],), mass[i] * mass[j]


def _tensor(*rules):
    """All combinations of the nodes of some rules, on the host."""
    check_count(int(np.prod([len(nodes) for nodes, _ in rules])))
    grids = np.meshgrid(*[np.asarray(nodes, np.float64) for nodes, _ in rules], indexing="ij")
    masses = np.meshgrid(*[np.asarray(weights, np.float64) for _, weights in rules], indexing="ij")
    return tuple(grid.ravel() for grid in grids), np.prod(masses, axis=0).ravel()


def _gauss_rule(
    density: Callable[[np.ndarray], np.ndarray], low: float, high: float, num_points: int
) -> tuple[np.ndarray, np.ndarray]:
    """Gauss rule of a density on an interval, weights summing to one, on the host.

    Source:
        Gautschi, Orthogonal Polynomials (2004), sec. 2.2: the Stieltjes procedure on a fine rule.
    """
    nodes, weights = (np.asarray(part, np.float64) for part in gauss_legendre_rule(256))
    x = low + (high - low) * (1 + nodes) / 2
    weights = weights * density(x)
    weights = weights / weights.sum()
    before, now, squared = np.zeros_like(x), np.ones_like(x), 1.0
    diagonal, ratios = [], []
    for _ in range(num_points):
        size = weights @ (now * now)
        ratios.append(size / squared)
        diagonal.append(weights @ (x * now * now) / size)
        squared, before, now = size, now, (x - diagonal[-1]) * now - (ratios[-1] if len(ratios) > 1 else 0.0) * before
    beside = np.sqrt(np.array(ratios[1:]))
    points, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return points, vectors[0] ** 2
