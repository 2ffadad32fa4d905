"""Conditioner networks built with flax nnx."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import nnx


def _kernel_first(h, kernel, dimension_numbers, **options):
    """Product h @ kernel of one vector h; under vmap the batch comes last, where a coupling loops over it."""
    del dimension_numbers
    return jax.lax.dot_general(kernel, h, (((0,), (0,)), ((), ())), **options)


class _MLP(nnx.Module):
    """Dense layers with an activation between them; the last layer starts at zero."""

    def __init__(self, in_dim, out_dim, hidden, activation, dtype, rngs):
        sizes = [in_dim, *hidden]
        options = {"rngs": rngs, "param_dtype": dtype, "dot_general": _kernel_first}
        self.layers = nnx.List([nnx.Linear(a, b, **options) for a, b in zip(sizes, sizes[1:], strict=False)])
        self.last = nnx.Linear(sizes[-1], out_dim, kernel_init=nnx.initializers.zeros_init(), **options)
        self.activation = activation

    def __call__(self, h: jax.Array) -> jax.Array:
        for layer in self.layers:
            h = self.activation(layer(h))
        return self.last(h)


def mlp(
    key: jax.Array,
    in_dim: int,
    out_dim: int,
    *,
    hidden: Sequence[int] = (64, 64),
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    dtype: jnp.dtype | None = None,
) -> nnx.Module:
    """A multilayer perceptron as a callable pytree, (in_dim,) -> (out_dim,).

    Args:
        key: PRNG key of the initial weights (LeCun normal; zero in the last layer, so that outputs start at zero).
        in_dim: number of inputs.
        out_dim: number of outputs.
        hidden: widths of the hidden layers.
        activation: elementwise function between layers.
        dtype: of the parameters; JAX's default float if None.

    Returns:
        A flax nnx module with parameters only.
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    return _MLP(in_dim, out_dim, tuple(hidden), activation, dtype, nnx.Rngs(key))
