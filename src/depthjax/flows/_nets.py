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


class _ResNet(nnx.Module):
    """A dense layer, residual blocks of two dense layers each, and a last layer that starts at zero."""

    def __init__(self, in_dim, out_dim, width, num_blocks, activation, dtype, rngs):
        options = {"rngs": rngs, "param_dtype": dtype, "dot_general": _kernel_first}
        zeros = nnx.initializers.zeros_init()
        self.first = nnx.Linear(in_dim, width, **options)
        self.inner = nnx.List([nnx.Linear(width, width, **options) for _ in range(num_blocks)])
        self.outer = nnx.List([nnx.Linear(width, width, kernel_init=zeros, **options) for _ in range(num_blocks)])
        self.last = nnx.Linear(width, out_dim, kernel_init=zeros, **options)
        self.activation = activation

    def __call__(self, h: jax.Array) -> jax.Array:
        h = self.first(h)
        for inner, outer in zip(self.inner, self.outer, strict=True):
            h = h + outer(self.activation(inner(self.activation(h))))
        return self.last(self.activation(h))


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


def resnet_conditioner(
    key: jax.Array,
    in_dim: int,
    out_dim: int,
    *,
    hidden: int = 64,
    num_blocks: int = 2,
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    dtype: jnp.dtype | None = None,
) -> nnx.Module:
    """A residual network as a callable pytree, (in_dim,) -> (out_dim,).

    Args:
        key: PRNG key of the initial weights (LeCun normal; zero where a block or the network ends, so that blocks start
            as the identity and outputs at zero).
        in_dim: number of inputs.
        out_dim: number of outputs.
        hidden: width of all hidden layers.
        num_blocks: pre-activation residual blocks h + W activation(V activation(h)).
        activation: elementwise function.
        dtype: of the parameters; JAX's default float if None.

    Returns:
        A flax nnx module with parameters only; there is no batch normalisation, whose running statistics are no
        parameters and would break invertibility.

    Source:
        Durkan et al., Neural Spline Flows (2019), appendix B.1; He et al., Identity Mappings in Deep Residual Networks
        (2016).
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    return _ResNet(in_dim, out_dim, hidden, num_blocks, activation, dtype, nnx.Rngs(key))
