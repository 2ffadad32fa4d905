"""Checks on conditioners: any callable pytree of arrays, without hidden state."""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.core import param, record


def check_conditioner(name: str, conditioner: Any) -> None:
    """Raise unless `conditioner` is a callable pytree of arrays that carries parameters only.

    Args:
        name: class name for the message.
        conditioner: candidate.

    Raises:
        TypeError: not callable, leaves that are not arrays, or state such as batch statistics or dropout keys, which
            changes between calls and so breaks invertibility.
    """
    if not callable(conditioner):
        raise TypeError(f"{name}: conditioner of type {type(conditioner).__name__} is not callable")
    for leaf in jax.tree.leaves(conditioner):
        if callable(leaf):
            raise TypeError(
                f"{name}: a function is no pytree of parameters; wrap it: flows.Apply(variables, fn) calls "
                f"fn(variables, h)"
            )
    state = _module_state(conditioner)
    if state:
        raise TypeError(
            f"{name}: conditioner {type(conditioner).__name__} carries state beside parameters ({', '.join(state)}). "
            f"Statistics and random keys change between calls, so the map would not invert; remove these layers"
        )


def _module_state(conditioner):
    """Paths of variables of a flax nnx module that are not parameters; empty for everything else."""
    nnx = sys.modules.get("flax.nnx")
    if nnx is None or not isinstance(conditioner, nnx.Module):
        return []
    variables = (
        (path, node)
        for path, node in jax.tree_util.tree_flatten_with_path(
            conditioner, is_leaf=lambda node: isinstance(node, nnx.Variable)
        )[0]
    )
    return [
        f"{jax.tree_util.keystr(path)}: {type(node).__name__}"
        for path, node in variables
        if isinstance(node, nnx.Variable) and not isinstance(node, nnx.Param)
    ]


def output_size(name: str, conditioner: Any, num_inputs: int, like: Any) -> int:
    """Number of outputs of a conditioner that takes `num_inputs` numbers of the dtype of its own parameters."""
    leaves = [leaf for leaf in jax.tree.leaves(conditioner) if hasattr(leaf, "dtype")]
    dtype = jnp.result_type(*leaves) if leaves else like
    try:
        out = jax.eval_shape(lambda net, h: net(h), conditioner, jax.ShapeDtypeStruct((num_inputs,), dtype))
    except TypeError as error:
        raise ValueError(f"{name}: conditioner does not take an input of shape ({num_inputs},): {error}") from error
    return out.size


@record
class WithContext:
    """A conditioner h -> net([h, context]).

    Args:
        net: callable pytree, (num_inputs + context_dim,) -> outputs.
        context: (context_dim,), part of the record: set it with `flows.bind`.

    Source:
        Conditional flows: Papamakarios et al., Normalizing Flows (2021), sec. 6.3.
    """

    net: Any
    context: jax.Array = param()

    def __call__(self, h: jax.Array) -> jax.Array:
        """Outputs of `net` for input and context side by side."""
        return self.net(jnp.concatenate([h, self.context.astype(h.dtype)]))

    @property
    def generate(self) -> Callable:
        """Incremental evaluation of `net` under this context, where `net` has it."""
        inner = self.net.generate
        return lambda step, given: inner(step, given, self.context.astype(given.dtype))

    @property
    def normalized(self) -> Callable:
        """Prepares `net` for many calls under this context, where `net` knows how."""
        inner = self.net.normalized
        return lambda: dataclasses.replace(self, net=inner())

    @property
    def dim(self) -> int:
        """Number of inputs of `net` that are not context, where `net` states it."""
        return self.net.dim
