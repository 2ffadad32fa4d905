"""Every outcome of a guide's draw with its probability: enumeration, or Gauss-Hermite nodes of normal noise."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from depthjax import distributions
from depthjax.numerics import gauss_hermite_rule

MAX_OUTCOMES = 2**20
_NORMAL_NOISE = (
    distributions.Normal,
    distributions.LogNormal,
    distributions.MultivariateNormal,
    distributions.MultivariateNormalDiag,
    distributions.MultivariateNormalPrecision,
    distributions.MultivariateNormalLowRank,
)


def sample_outcomes(guide: Any, num_points: int) -> tuple[Any, jax.Array]:
    """Draws (N, *event) of a guide and their weights (N,): the whole support, or nodes of a guide with normal noise.

    A tuple of guides gives all combinations of the outcomes of each.
    """
    if isinstance(guide, tuple):
        return _combinations([sample_outcomes(factor, num_points) for factor in guide])
    if hasattr(guide, "enumerate_support"):
        z = guide.enumerate_support()
        return z, jnp.exp(guide.log_prob(z))
    noise, weights = noise_outcomes(guide, num_points)
    return jax.vmap(lambda one: guide.from_noise(one)[0])(noise), weights


def noise_outcomes(guide: Any, num_points: int) -> tuple[Any, jax.Array]:
    """Tensor Gauss-Hermite nodes (N, ...) of a guide's standard normal noise and their weights (N,)."""
    if not _has_normal_noise(guide):
        raise TypeError(
            f"{type(guide).__name__} has neither a finite support nor standard normal noise, so its draws cannot be "
            f"enumerated"
        )
    shapes = jax.eval_shape(lambda: guide.sample_noise(jax.random.key(0)))
    leaves, tree = jax.tree.flatten(shapes)
    sizes = [math.prod(leaf.shape) for leaf in leaves]
    nodes, weights = tensor_rule(*gauss_hermite_rule(num_points), sum(sizes), leaves[0].dtype)
    parts, start = [], 0
    for leaf, size in zip(leaves, sizes, strict=True):
        parts.append(nodes[:, start : start + size].reshape(-1, *leaf.shape))
        start += size
    return jax.tree.unflatten(tree, parts), weights


def tensor_rule(nodes: Any, weights: Any, dim: int, dtype: Any) -> tuple[jax.Array, jax.Array]:
    """The product of a rule with itself: nodes (n^dim, dim) and weights (n^dim,)."""
    check_count(len(nodes) ** dim)
    nodes, weights = jnp.asarray(nodes, dtype), jnp.asarray(weights, dtype)
    grids = jnp.meshgrid(*[jnp.arange(len(nodes))] * dim, indexing="ij")
    index = jnp.stack([grid.ravel() for grid in grids], axis=-1)
    return nodes[index], jnp.prod(weights[index], axis=-1)


def repeated(draws: Any, weights: jax.Array, shape: tuple[int, ...]) -> tuple[Any, jax.Array]:
    """Outcomes of independent repetitions: draws (N^M, *shape, ...) and weights (N^M,), with M the size of `shape`."""
    repetitions = math.prod(shape)
    check_count(len(weights) ** repetitions)
    grids = jnp.meshgrid(*[jnp.arange(len(weights))] * repetitions, indexing="ij")
    index = jnp.stack([grid.ravel() for grid in grids], axis=-1)
    return (
        jax.tree.map(lambda leaf: leaf[index].reshape(-1, *shape, *leaf.shape[1:]), draws),
        jnp.prod(weights[index], axis=-1),
    )


def _combinations(parts):
    sizes = [len(weights) for _, weights in parts]
    check_count(math.prod(sizes))
    index = [grid.ravel() for grid in jnp.meshgrid(*map(jnp.arange, sizes), indexing="ij")]
    draws = tuple(jax.tree.map(lambda leaf, i=i: leaf[i], z) for (z, _), i in zip(parts, index, strict=True))
    mass = jnp.stack([weights[i] for (_, weights), i in zip(parts, index, strict=True)])
    return draws, jnp.prod(mass, axis=0)


def check_count(count: int) -> None:
    """Raise `ValueError` where there are too many outcomes to list."""
    if count > MAX_OUTCOMES:
        raise ValueError(
            f"{count} outcomes to sum over, more than {MAX_OUTCOMES}; take fewer samples, particles or num_points"
        )


def _has_normal_noise(guide):
    if isinstance(guide, distributions.Transformed):
        return _has_normal_noise(guide.base)
    if isinstance(guide, distributions.Product):
        return all(_has_normal_noise(part) for part in jax.tree.leaves(guide.components, is_leaf=_is_distribution))
    return isinstance(guide, _NORMAL_NOISE)


def _is_distribution(value):
    return hasattr(value, "log_prob")
