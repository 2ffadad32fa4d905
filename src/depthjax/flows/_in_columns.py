"""A vectorised computation over columns that keeps its layout under `vmap`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def in_columns(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn(shared, columns)` whose mapped axes join the columns.

    JAX puts a mapped axis first, where the loop over it strides through every small product; here it stays last.

    Args:
        fn: (tree, tree of (rows, n)) -> tree of (..., n), column by column.

    Returns:
        A function of the same arguments and values, differentiable in every mode; where `shared` is mapped too, and in
        derivatives, mapped axes lead as usual.
    """

    @jax.custom_batching.custom_vmap
    def mapped(shared, columns):
        return fn(shared, columns)

    @mapped.def_vmap
    def _(axis_size, in_batched, shared, columns):
        if any(jax.tree.leaves(in_batched[0])):
            axes = jax.tree.map(lambda is_batched: 0 if is_batched else None, in_batched)
            out = jax.vmap(fn, tuple(axes), axis_size=axis_size)(shared, columns)
        else:
            out = mapped(shared, jax.tree.map(lambda a, b: _joined(a, axis_size, is_batched=b), columns, in_batched[1]))
            out = jax.tree.map(lambda a: jnp.moveaxis(a.reshape((*a.shape[:-1], axis_size, -1)), -2, 0), out)
        return out, jax.tree.map(lambda _: True, out)

    @jax.custom_jvp
    def call(shared, columns):
        return mapped(shared, columns)

    @call.defjvp
    def _(primals, tangents):
        # JAX takes the mapped axis of `mapped` for that of this rule: a reshape puts it first, where that one has it.
        return jax.tree.map(lambda a: a.reshape(-1).reshape(a.shape), jax.jvp(fn, primals, tangents))

    return call


def _joined(columns, axis_size, *, is_batched):
    """Columns (rows, n), or (axis_size, rows, n), as (rows, axis_size n)."""
    if not is_batched:
        columns = jnp.broadcast_to(columns[None], (axis_size, *columns.shape))
    return jnp.moveaxis(columns, 0, 1).reshape(columns.shape[1], -1)
