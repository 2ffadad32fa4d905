"""Glow: a multiscale flow of images."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.bijectors import (
    ActNorm,
    AffineTransformer,
    Chain,
    Coupling,
    Invert,
    Invertible1x1,
    Multiscale,
    Reshape,
    Reverse,
    Scan,
    Squeeze,
    channel_mask,
    stack_layers,
)
from depthjax.distributions import Transformed
from depthjax.flows._context import with_context
from depthjax.flows._conv_nets import conv_conditioner
from depthjax.flows._layered_flows import check_sizes, standard_normal

Activation = Callable[[jax.Array], jax.Array]


def glow(
    key: jax.Array,
    event_shape: tuple[int, int, int],
    *,
    num_layers: int,
    num_scales: int = 2,
    hidden: Sequence[int] = (64, 64),
    activation: Activation = jax.nn.relu,
    base: Any = None,
    transformer: Any = None,
    context_dim: int = 0,
) -> Transformed:
    """Steps of scaling, 1x1 convolution and affine coupling at several scales; both directions cost one pass.

    Before each scale, 2x2 squares of pixels become channels; after each but the last, half of the channels leave. The
    flow starts as the identity up to the order of its entries; `actnorm_from_data` can set its scalings.

    Args:
        key: PRNG key of the initial parameters.
        event_shape: (h, w, c) of an image, h and w multiples of 2^num_scales.
        num_layers: steps in each scale.
        num_scales: number of scales.
        hidden: channels of the conditioners' hidden layers.
        activation: of the conditioners.
        base: distribution of event shape (h w c,); standard normal if None.
        transformer: an `AffineTransformer`; with |log scale| <= 2 if None.
        context_dim: size of the context that `bind` sets; each of its numbers is a channel of every conditioner.

    Returns:
        A distribution of event shape (h, w, c).

    Raises:
        ValueError: sizes that do not divide, or out of range.

    Source:
        Kingma and Dhariwal, Glow (2018), sec. 3; multiscale architecture, Dinh et al. (2017), sec. 3.6.
    """
    shape = tuple(event_shape)
    if len(shape) != 3 or num_scales < 1 or any(size % 2**num_scales for size in shape[:2]):
        raise ValueError(
            f"glow: event_shape is (h, w, c) with h and w multiples of 2^num_scales, got {shape} and {num_scales}"
        )
    check_sizes("glow", math.prod(shape), num_layers)
    transformer = AffineTransformer(max_log_scale=2.0) if transformer is None else transformer
    blocks, size = [], math.prod(shape)
    for scale in range(num_scales):
        squeeze = Squeeze(shape)
        inner = squeeze.event_shape_out

        def step(k, inner=inner):
            return _step(k, inner, transformer, hidden, activation, context_dim)

        steps = Scan(stack_layers(step, jax.random.split(jax.random.fold_in(key, scale), num_layers)))
        blocks.append(Chain(squeeze, steps, *([Reverse(inner)] if num_layers % 2 else [])))
        shape = (*inner[:-1], inner[-1] // 2)
    return Transformed(standard_normal(size) if base is None else base, Invert(Multiscale(*blocks)))


def _step(key, shape, transformer, hidden, activation, context_dim):
    """One step on (h, w, c), c even; its 1x1 convolution starts as the reversal of the channels."""
    height, width, channels = shape
    zeros, square = jnp.zeros(channels), jnp.zeros((channels, channels))
    signs = jnp.stack([jnp.ones(channels), zeros])
    fixed = channels // 2
    net = conv_conditioner(
        key,
        (height, width, fixed),
        (channels - fixed) * transformer.num_params,
        hidden=hidden,
        activation=activation,
        context_dim=context_dim,
    )
    flat = math.prod(shape)
    return Chain(
        ActNorm(zeros, zeros, event_shape=shape),
        Invertible1x1(square, square, signs, tuple(reversed(range(channels))), event_shape=shape),
        Reshape(shape, flat),
        Coupling(with_context(net, context_dim), transformer, mask=channel_mask(*shape).ravel()),
        Reshape(flat, shape),
    )
