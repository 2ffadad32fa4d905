"""Flows made of one cheap layer repeated: planar, radial and Sylvester."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.bijectors import Chain, Planar, Radial, Reverse, Scan, Sylvester, stack_layers
from depthjax.distributions import MultivariateNormalDiag, Transformed
from depthjax.flows._emitted import emitted


def standard_normal(dim: int) -> MultivariateNormalDiag:
    """The default base: a standard normal of event shape (dim,) in JAX's default float."""
    dtype = jnp.result_type(float)
    return MultivariateNormalDiag(jnp.zeros(dim, dtype), jnp.ones(dim, dtype))


def check_sizes(name: str, dim: int, num_layers: int, *, smallest_dim: int = 1) -> None:
    """Raise `ValueError` for a dimension or depth that a recipe cannot have."""
    if dim < smallest_dim:
        raise ValueError(f"{name}: dim must be at least {smallest_dim}, got {dim}")
    if num_layers < 1:
        raise ValueError(f"{name}: num_layers must be at least 1, got {num_layers}")


def planar_flow(
    key: jax.Array,
    dim: int,
    *,
    num_layers: int,
    hidden: Sequence[int] = (64, 64),
    base: Any = None,
    context_dim: int = 0,
    init_scale: float = 1e-3,
    activation: str = "tanh",
) -> Transformed:
    """A chain of planar maps; sampling and `sample_and_log_prob` are fast, `log_prob` solves one root per layer.

    Args:
        key: PRNG key of the initial parameters: w ~ N(0, I), raw_u ~ init_scale N(0, I), b ~ 2 N(0, 1).
        dim: event size d.
        num_layers: depth L.
        hidden: widths of the network that moves a layer's parameters by the context; unused without one.
        base: distribution of event shape (d,); standard normal if None.
        context_dim: size of the context that `bind` sets; 0 for none.
        init_scale: standard deviation of raw_u; 0 is the identity.
        activation: "tanh" or "leaky_relu".

    Returns:
        A distribution of event shape (d,).

    Source:
        Rezende and Mohamed, Variational Inference with Normalizing Flows (2015), sec. 4.1.
    """
    check_sizes("planar_flow", dim, num_layers)

    def layer(k):
        key_w, key_u, key_b = jax.random.split(k, 3)
        w, raw_u = jax.random.normal(key_w, (dim,)), init_scale * jax.random.normal(key_u, (dim,))
        flow = Planar(w, raw_u, 2.0 * jax.random.normal(key_b), activation=activation)
        return emitted(k, flow, context_dim, hidden=hidden)

    layers = stack_layers(layer, jax.random.split(key, num_layers))
    return Transformed(standard_normal(dim) if base is None else base, Scan(layers))


def radial_flow(
    key: jax.Array,
    dim: int,
    *,
    num_layers: int,
    hidden: Sequence[int] = (64, 64),
    base: Any = None,
    context_dim: int = 0,
    init_scale: float = 1e-3,
) -> Transformed:
    """A chain of radial maps; both directions are closed forms.

    Args:
        key: PRNG key of the initial parameters: centers ~ N(0, I), alpha = 1, beta ~ init_scale N(0, 1).
        dim: event size d.
        num_layers: depth L.
        hidden: widths of the network that moves a layer's parameters by the context; unused without one.
        base: distribution of event shape (d,); standard normal if None.
        context_dim: size of the context that `bind` sets; 0 for none.
        init_scale: standard deviation of the initial strength; 0 is the identity.

    Returns:
        A distribution of event shape (d,).

    Source:
        Rezende and Mohamed, Variational Inference with Normalizing Flows (2015), sec. 4.1.
    """
    check_sizes("radial_flow", dim, num_layers)

    def layer(k):
        key_center, key_beta = jax.random.split(k)
        raw_alpha = jnp.log(jnp.expm1(jnp.ones(())))
        raw_beta = raw_alpha + init_scale * jax.random.normal(key_beta)
        flow = Radial(jax.random.normal(key_center, (dim,)), raw_alpha, raw_beta)
        return emitted(k, flow, context_dim, hidden=hidden)

    layers = stack_layers(layer, jax.random.split(key, num_layers))
    return Transformed(standard_normal(dim) if base is None else base, Scan(layers))


def sylvester_flow(
    key: jax.Array,
    dim: int,
    *,
    num_layers: int,
    num_units: int | None = None,
    kind: str = "orthogonal",
    hidden: Sequence[int] = (64, 64),
    base: Any = None,
    context_dim: int = 0,
    init_scale: float = 1e-3,
) -> Transformed:
    """A chain of Sylvester maps; sampling and `sample_and_log_prob` are fast, `log_prob` solves roots.

    Args:
        key: PRNG key of the initial parameters: Householder vectors and Rt ~ N(0, I), raw R ~ init_scale N(0, I),
            b ~ N(0, I).
        dim: event size d.
        num_layers: depth L; the order of the coordinates is reversed after each layer of kind "triangular".
        num_units: M <= d, for kind "orthogonal"; d if None.
        kind: "orthogonal", "householder" or "triangular".
        hidden: widths of the network that moves a layer's parameters by the context; unused without one.
        base: distribution of event shape (d,); standard normal if None.
        context_dim: size of the context that `bind` sets; 0 for none.
        init_scale: standard deviation of raw R; 0 is the identity.

    Returns:
        A distribution of event shape (d,).

    Raises:
        ValueError: sizes out of range, or an unknown kind.

    Source:
        van den Berg et al., Sylvester Normalizing Flows (2018), sec. 4.
    """
    check_sizes("sylvester_flow", dim, num_layers)
    num_units = dim if num_units is None else num_units
    num_vectors = 0 if kind == "triangular" else num_units

    def layer(k):
        key_q, key_r, key_t, key_b = jax.random.split(k, 4)
        raw_r = init_scale * jax.random.normal(key_r, (num_units, num_units))
        r_tilde = jax.random.normal(key_t, (num_units, num_units)) * num_units**-0.5
        vectors = jax.random.normal(key_q, (num_vectors, dim))
        flow = Sylvester(vectors, raw_r, r_tilde, jax.random.normal(key_b, (num_units,)), kind=kind)
        flow = emitted(k, flow, context_dim, hidden=hidden)
        return Chain(flow, Reverse(dim)) if kind == "triangular" else flow

    layers = Scan(stack_layers(layer, jax.random.split(key, num_layers)))
    if kind == "triangular" and num_layers % 2:
        layers = Chain(layers, Reverse(dim))
    return Transformed(standard_normal(dim) if base is None else base, layers)
