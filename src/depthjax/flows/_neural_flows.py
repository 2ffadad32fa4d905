"""Flows whose layers are monotone or contractive networks: NAF, BNAF and residual flows."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.bijectors import (
    Chain,
    InverseAutoregressive,
    Invert,
    MixtureLogisticTransformer,
    Residual,
    Reverse,
    Scan,
    block_autoregressive,
    lipschitz_mlp,
    stack_layers,
)
from depthjax.distributions import Transformed
from depthjax.flows._context import with_context
from depthjax.flows._emitted import emitted
from depthjax.flows._layered_flows import check_sizes, standard_normal
from depthjax.flows._made import made

Activation = Callable[[jax.Array], jax.Array]


def naf(
    key: jax.Array,
    dim: int,
    *,
    num_layers: int,
    hidden: Sequence[int] = (64, 64),
    activation: Activation = jnp.tanh,
    num_components: int = 8,
    init_scale: float = 2e-3,
    base: Any = None,
    context_dim: int = 0,
) -> Transformed:
    """Neural autoregressive flow: mixtures of logistic functions; `log_prob` takes one pass, sampling finds roots.

    Args:
        key: PRNG key of the initial parameters.
        dim: event size d.
        num_layers: number of autoregressive maps; the order is reversed after each.
        hidden: widths of the conditioners' hidden layers.
        activation: of the conditioners.
        num_components: logistic functions in each map.
        init_scale: standard deviation of the conditioners' output biases, without which the components would stay
            equal for ever; 0 is the identity.
        base: distribution of event shape (d,); standard normal if None.
        context_dim: size of the context that `bind` sets; 0 for none.

    Returns:
        A distribution of event shape (d,).

    Source:
        Huang et al., Neural Autoregressive Flows (2018), sec. 3.1: DSF.
    """
    check_sizes("naf", dim, num_layers)
    transformer = MixtureLogisticTransformer(num_components)

    def layer(k):
        key_net, key_bias = jax.random.split(k)
        net = made(key_net, dim, transformer.num_params, hidden=hidden, activation=activation, context_dim=context_dim)
        last = net.biases[-1]
        noise = init_scale * jax.random.normal(key_bias, last.shape, last.dtype)
        net = dataclasses.replace(net, biases=(*net.biases[:-1], last + noise))
        return Chain(InverseAutoregressive(with_context(net, context_dim), transformer), Reverse(dim))

    return _scored_fast(layer, key, dim, num_layers, base, reverses=True)


def bnaf(
    key: jax.Array,
    dim: int,
    *,
    num_layers: int,
    depth: int = 1,
    block_dim: int = 8,
    hidden: Sequence[int] = (64, 64),
    base: Any = None,
    context_dim: int = 0,
) -> Transformed:
    """Block neural autoregressive flow: `log_prob` takes one pass, sampling finds one root per coordinate.

    Args:
        key: PRNG key of the initial parameters.
        dim: event size d.
        num_layers: number of block autoregressive maps; the order is reversed after each.
        depth: hidden layers of each.
        block_dim: units of each coordinate in a hidden layer.
        hidden: widths of the network that moves a layer's parameters by the context; unused without one.
        base: distribution of event shape (d,); standard normal if None.
        context_dim: size of the context that `bind` sets; 0 for none.

    Returns:
        A distribution of event shape (d,).

    Source:
        De Cao, Titov, Aziz, Block Neural Autoregressive Flow (2019), sec. 3.
    """
    check_sizes("bnaf", dim, num_layers)

    def layer(k):
        flow = block_autoregressive(k, dim, depth=depth, block_dim=block_dim)
        return Chain(emitted(k, flow, context_dim, hidden=hidden), Reverse(dim))

    return _scored_fast(layer, key, dim, num_layers, base, reverses=True)


def residual_flow(
    key: jax.Array,
    dim: int,
    *,
    num_layers: int,
    hidden: Sequence[int] = (64, 64),
    bound: float = 0.97,
    base: Any = None,
    context_dim: int = 0,
    **options: Any,
) -> Transformed:
    """Residual flow: `log_prob` takes one pass and its log-determinants, sampling iterates to fixed points.

    Args:
        key: PRNG key of the initial parameters.
        dim: event size d.
        num_layers: number of residual maps.
        hidden: widths of their hidden layers.
        bound: certified Lipschitz constant of each, in (0, 1).
        base: distribution of event shape (d,); standard normal if None.
        context_dim: size of the context that `bind` sets, another input of each map's network; 0 for none.
        **options: of `Residual`, such as `log_det="series"`.

    Returns:
        A distribution of event shape (d,).

    Source:
        Chen et al., Residual Flows for Invertible Generative Modeling (2019), sec. 3.
    """
    check_sizes("residual_flow", dim, num_layers)

    def layer(k):
        net = lipschitz_mlp(k, (dim + context_dim, *hidden, dim), bound=bound)
        return Residual(with_context(net, context_dim), dim=dim, **options)

    return _scored_fast(layer, key, dim, num_layers, base, reverses=False)


def _scored_fast(layer, key, dim, num_layers, base, *, reverses):
    """The inverse of a scan over layers, so that scoring runs them forward; a last reversal makes their number even."""
    layers = Scan(stack_layers(layer, jax.random.split(key, num_layers)))
    whole = Chain(layers, Reverse(dim)) if reverses and num_layers % 2 else layers
    return Transformed(standard_normal(dim) if base is None else base, Invert(whole))
