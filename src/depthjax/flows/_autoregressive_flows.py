"""Autoregressive flows: MAF, IAF and neural spline flows with MADE conditioners."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.bijectors import (
    AffineTransformer,
    Chain,
    InverseAutoregressive,
    Invert,
    RationalQuadraticTransformer,
    Reverse,
    Scan,
    stack_layers,
)
from depthjax.distributions import Transformed
from depthjax.flows._context import with_context
from depthjax.flows._layered_flows import check_sizes, standard_normal
from depthjax.flows._made import made

Activation = Callable[[jax.Array], jax.Array]


def maf(
    key: jax.Array,
    dim: int,
    *,
    num_layers: int,
    hidden: Sequence[int] = (64, 64),
    activation: Activation = jax.nn.relu,
    base: Any = None,
    context_dim: int = 0,
    transformer: Any = None,
) -> Transformed:
    """Masked autoregressive flow: `log_prob` takes one pass per layer, sampling is incremental.

    Scoring computes u_i = shift + scale x_i, with shift and scale of x_<i, so no layer divides what the next one sees.

    Args:
        key: PRNG key of the initial parameters.
        dim: event size d.
        num_layers: number of autoregressive maps; the order is reversed after each.
        hidden: widths of the conditioners' hidden layers.
        activation: of the conditioners.
        base: distribution of event shape (d,); standard normal if None.
        context_dim: size of the context that `bind` sets; 0 for none.
        transformer: an `AffineTransformer`; with |log scale| <= 2 if None.

    Returns:
        A distribution of event shape (d,).

    Source:
        Papamakarios et al., Masked Autoregressive Flow (2017), sec. 3.
    """
    transformer = AffineTransformer(max_log_scale=2.0) if transformer is None else transformer
    layers = _layers("maf", key, dim, num_layers, transformer, hidden, activation, context_dim)
    return Transformed(standard_normal(dim) if base is None else base, Invert(layers))


def iaf(
    key: jax.Array,
    dim: int,
    *,
    num_layers: int,
    hidden: Sequence[int] = (64, 64),
    activation: Activation = jnp.tanh,
    base: Any = None,
    context_dim: int = 0,
    transformer: Any = None,
    linear_skip: bool = True,
) -> Transformed:
    """Inverse autoregressive flow: sampling takes one pass per layer, `log_prob` of foreign values is incremental.

    Args:
        key: PRNG key of the initial parameters.
        dim: event size d.
        num_layers: number of autoregressive maps; the order is reversed after each.
        hidden: widths of the conditioners' hidden layers.
        activation: of the conditioners.
        base: distribution of event shape (d,); standard normal if None.
        context_dim: size of the context that `bind` sets; 0 for none.
        transformer: an `AffineTransformer`; with |log scale| <= 2 if None.
        linear_skip: let inputs reach the conditioners' outputs directly too, so that one layer holds every
            full-rank Gaussian.

    Returns:
        A distribution of event shape (d,).

    Source:
        Kingma et al., Improved Variational Inference with Inverse Autoregressive Flow (2016), sec. 3-4.
    """
    transformer = AffineTransformer(max_log_scale=2.0) if transformer is None else transformer
    layers = _layers(
        "iaf",
        key,
        dim,
        num_layers,
        transformer,
        hidden,
        activation,
        context_dim,
        linear_skip=linear_skip,
    )
    return Transformed(standard_normal(dim) if base is None else base, layers)


def nsf_autoregressive(
    key: jax.Array,
    dim: int,
    *,
    num_layers: int,
    hidden: Sequence[int] = (64, 64),
    activation: Activation = jax.nn.relu,
    num_bins: int = 8,
    interval: tuple[float, float] = (-4.0, 4.0),
    base: Any = None,
    context_dim: int = 0,
) -> Transformed:
    """Autoregressive rational-quadratic splines; `log_prob` takes one pass per layer, sampling is incremental.

    Args:
        key: PRNG key of the initial parameters.
        dim: event size d.
        num_layers: number of autoregressive maps; the order is reversed after each.
        hidden: widths of the conditioners' hidden layers.
        activation: of the conditioners.
        num_bins: bins of each spline.
        interval: where the splines act; the identity outside.
        base: distribution of event shape (d,); standard normal if None.
        context_dim: size of the context that `bind` sets; 0 for none.

    Returns:
        A distribution of event shape (d,).

    Source:
        Durkan et al., Neural Spline Flows (2019), sec. 3.
    """
    transformer = RationalQuadraticTransformer(num_bins=num_bins, interval=interval)
    layers = _layers(
        "nsf_autoregressive",
        key,
        dim,
        num_layers,
        transformer,
        hidden,
        activation,
        context_dim,
    )
    return Transformed(standard_normal(dim) if base is None else base, Invert(layers))


def _layers(name, key, dim, num_layers, transformer, hidden, activation, context_dim, *, linear_skip=False):
    """One scan over (autoregressive map, reversal), and a last reversal that makes their number even."""
    check_sizes(name, dim, num_layers)

    def layer(k):
        net = made(
            k,
            dim,
            transformer.num_params,
            hidden=hidden,
            activation=activation,
            context_dim=context_dim,
            linear_skip=linear_skip,
        )
        return Chain(InverseAutoregressive(with_context(net, context_dim), transformer), Reverse(dim))

    layers = Scan(stack_layers(layer, jax.random.split(key, num_layers)))
    return Chain(layers, Reverse(dim)) if num_layers % 2 else layers
