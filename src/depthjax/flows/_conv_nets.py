"""Convolutional conditioner networks built with flax nnx."""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import nnx


class _ConvNet(nnx.Module):
    """3x3 convolutions, 1x1 between them, on a flat image and what follows it; the last one starts at zero."""

    def __init__(self, image_shape, out_channels, hidden, activation, dtype, rngs, context_dim):
        sizes = [image_shape[-1] + context_dim, *hidden]
        kernels = [(3, 3), *([(1, 1)] * (len(hidden) - 1))]
        options = {"rngs": rngs, "param_dtype": dtype, "dtype": dtype}
        widths = zip(sizes, sizes[1:], kernels, strict=False)
        self.layers = nnx.List([nnx.Conv(a, b, kernel, **options) for a, b, kernel in widths])
        zeros = nnx.initializers.zeros_init()
        self.last = nnx.Conv(sizes[-1], out_channels, (3, 3), kernel_init=zeros, **options)
        self.image_shape = image_shape
        self.activation = activation

    def __call__(self, h: jax.Array) -> jax.Array:
        *space, channels = self.image_shape
        image, context = jnp.split(h, [math.prod(space) * channels])
        planes = jnp.broadcast_to(context, (*space, context.size))
        h = jnp.concatenate([image.reshape(self.image_shape), planes], axis=-1)
        for layer in self.layers:
            h = self.activation(layer(h))
        return self.last(h).reshape(-1)


def conv_conditioner(
    key: jax.Array,
    image_shape: tuple[int, int, int],
    out_channels: int,
    *,
    hidden: Sequence[int] = (64, 64),
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
    dtype: jnp.dtype | None = None,
    context_dim: int = 0,
) -> nnx.Module:
    """A convolutional network as a callable pytree, (h w c + context_dim,) -> (h w out_channels,), images row-major.

    Args:
        key: PRNG key of the initial weights (LeCun normal; zero in the last layer, so that outputs start at zero).
        image_shape: (h, w, c) of the input.
        out_channels: outputs for each pixel.
        hidden: channels of the hidden layers, at least one; the first and the last kernel are 3x3, the others 1x1.
        activation: elementwise function between layers.
        dtype: of the parameters; JAX's default float if None.
        context_dim: numbers after the image, each of which becomes a constant channel.

    Returns:
        A flax nnx module with parameters only.

    Source:
        Kingma and Dhariwal, Glow (2018), appendix B.
    """
    dtype = jnp.result_type(float) if dtype is None else dtype
    return _ConvNet(tuple(image_shape), out_channels, tuple(hidden), activation, dtype, nnx.Rngs(key), context_dim)
