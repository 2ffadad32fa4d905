"""Conditional flows: a context that every conditioner sees, set once by `bind`."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.bijectors import WithContext
from depthjax.core import is_record


def with_context(net: Any, context_dim: int) -> Any:
    """`net` seeing a context of zeros beside its input until `bind` sets it; `net` itself if context_dim is 0.

    Args:
        net: conditioner of `[h, context]`.
        context_dim: size of the context.
    """
    return WithContext(net, jnp.zeros(context_dim, jnp.result_type(float))) if context_dim else net


def bind(flow: Any, context: ArrayLike) -> Any:
    """The flow with every context set.

    For one context per datum: `jax.vmap(lambda x, c: bind(flow, c).log_prob(x))(xs, contexts)`.

    Args:
        flow: any tree with `WithContext` conditioners in it.
        context: (context_dim,).

    Returns:
        A tree of the same structure.

    Raises:
        ValueError: a context of another size, or a flow without context.
    """
    context = jnp.asarray(context)
    found = []

    def visit(node):
        if isinstance(node, WithContext):
            found.append(node)
            shape = node.context.shape
            if context.shape != shape[-1:]:
                raise ValueError(f"bind: context has shape {context.shape}, expected {shape[-1:]}")
            return dataclasses.replace(node, context=jnp.broadcast_to(context, shape).astype(node.context.dtype))
        return node

    bound = jax.tree.map(visit, flow, is_leaf=lambda node: is_record(node) and isinstance(node, WithContext))
    if not found:
        raise ValueError("bind: the flow has no context; build it with context_dim > 0")
    return bound
