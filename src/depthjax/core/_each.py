"""Maps over a stack of distributions."""

from typing import Any

import jax
from jax.typing import ArrayLike

from depthjax.core._shapes import Shape


def sample_each(key: jax.Array, stacked: Any, sample_shape: int | Shape = ()) -> jax.Array:
    """Draws from every distribution of a stack, each with a key of its own.

    Args:
        key: PRNG key, split over the stack.
        stacked: a distribution whose leaves have one leading axis of length n.
        sample_shape: leading shape of each draw.

    Returns:
        (n, *sample_shape, *event).
    """
    keys = jax.random.split(key, _stack_size(stacked))
    return jax.vmap(lambda dist, k: dist.sample(k, sample_shape))(stacked, keys)


def log_prob_each(stacked: Any, xs: ArrayLike) -> jax.Array:
    """Log density of the i-th argument under the i-th distribution of a stack.

    Args:
        stacked: a distribution whose leaves have one leading axis of length n.
        xs: (n, *batch, *event).

    Returns:
        (n, *batch) nats.
    """
    return jax.vmap(lambda dist, x: dist.log_prob(x))(stacked, xs)


def _stack_size(stacked):
    leaves = jax.tree.leaves(stacked)
    if not leaves:
        raise ValueError(f"{type(stacked).__name__} has no array fields, so it is not a stack")
    sizes = {leaf.shape[0] if leaf.ndim else None for leaf in leaves}
    if len(sizes) != 1 or None in sizes:
        raise ValueError(f"{type(stacked).__name__} is not a stack: leaf shapes {[leaf.shape for leaf in leaves]}")
    return sizes.pop()
