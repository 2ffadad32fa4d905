"""Sums over the nodes of the law of slopes, of as many blocks of them as are in use."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.meanfield._slope_law import SlopeLaw


def _split(law):
    """The law without its nodes, and the nodes, block by block."""
    nodes = (law.points, law.excess, law.weights, law.path)
    return jax.tree.map(lambda leaf: leaf.reshape(law.blocks.size, -1), nodes)


def _joined(law, nodes):
    points, excess, weights, path = nodes
    return law._replace(points=points, excess=excess, weights=weights, path=path)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def over_blocks(fn: Callable[..., Any], law: SlopeLaw, *args: jax.Array) -> Any:
    """fn(law, *args), a sum over nodes, by blocks; only those in use cost anything."""
    if law.blocks.size == 1:
        return fn(law, *args)
    nodes = _split(law)
    start = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(fn, law, *args))

    def add(index, total):
        block = jax.tree.map(lambda leaf: lax.dynamic_index_in_dim(leaf, index, keepdims=False), nodes)
        return jax.tree.map(jnp.add, total, fn(_joined(law, block), *args))

    return lax.fori_loop(0, jnp.sum(law.blocks).astype(jnp.int32), add, start)


@over_blocks.defjvp
def _over_blocks_jvp(fn, primals, tangents):
    # Over all nodes at once: a loop whose length is not known has no transpose.
    return over_blocks(fn, *primals), jax.jvp(fn, primals, tangents)[1]
