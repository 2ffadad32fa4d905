"""How the squared length of a signal moves from layer to layer."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.meanfield._activation import Activation, require_activation
from depthjax.meanfield._arguments import over_grid, require_scales
from depthjax.meanfield._expectation import second_moment, second_moment_slope, slope_moment
from depthjax.numerics._elementwise import promote


def next_length(q: jax.Array, sigma_w: jax.Array, sigma_b: jax.Array, activation: Activation) -> jax.Array:
    """The length map for scalars."""
    ok = (q >= 0.0) & (sigma_w > 0.0) & (sigma_b >= 0.0)
    return jnp.where(ok, sigma_w**2 * second_moment(activation, jnp.where(ok, q, 1.0)) + sigma_b**2, jnp.nan)


def length_map(q: ArrayLike, sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation) -> jax.Array:
    """Variance of the next layer's pre-activations.

    q' = sigma_w^2 E phi(sqrt(q) h)^2 + sigma_b^2, h ~ N(0, 1).

    Args:
        q: variance of this layer's pre-activations, any shape, nonnegative.
        sigma_w: standard deviation of weights times sqrt(fan_in), a shape that broadcasts.
        sigma_b: standard deviation of biases.
        activation: phi.

    Returns:
        q', broadcast shape; NaN for a traced argument out of range.

    Raises:
        ValueError: sigma_w not positive, or sigma_b negative.
        TypeError: `activation` is a bare function.

    Source:
        Poole et al., "Exponential expressivity in deep neural networks through transient chaos", 2016, eq. 3.
    """
    require_activation("length_map", activation)
    require_scales("length_map", sigma_w, sigma_b)
    return over_grid(lambda *a: next_length(*a, activation), q, sigma_w, sigma_b)


def residual_length_map(
    q: ArrayLike, sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation, *, skip: ArrayLike = 1.0
) -> jax.Array:
    """Length map of h' = skip h + W phi(h) + b: skip^2 q + length_map(q).

    Args:
        q: variance of this layer's pre-activations, any shape.
        sigma_w: standard deviation of weights times sqrt(fan_in).
        sigma_b: standard deviation of biases.
        activation: phi.
        skip: gain of the identity branch.

    Returns:
        q', broadcast shape.

    Source:
        Yang and Schoenholz, "Mean field residual networks: on the edge of chaos", 2017.
    """
    require_activation("residual_length_map", activation)
    require_scales("residual_length_map", sigma_w, sigma_b)
    return over_grid(
        lambda q, sigma_w, sigma_b, skip: skip**2 * q + next_length(q, sigma_w, sigma_b, activation),
        q, sigma_w, sigma_b, skip,
    )  # fmt: skip


def per_layer(name: str, num_layers: int, sigma_w: Any, sigma_b: Any) -> tuple[jax.Array, jax.Array]:
    """Both standard deviations as (num_layers,)."""
    if not isinstance(num_layers, int) or num_layers < 1:
        raise ValueError(f"{name}: num_layers must be a positive Python integer, got {num_layers!r}")
    for argument, value in (("sigma_w", sigma_w), ("sigma_b", sigma_b)):
        if jnp.shape(value) not in ((), (num_layers,)):
            raise ValueError(
                f"{name}: {argument} has shape {jnp.shape(value)}, expected () or ({num_layers},), one for each layer"
            )
    require_scales(name, sigma_w, sigma_b)
    sigma_w, sigma_b = promote(sigma_w, sigma_b)
    return jnp.broadcast_to(sigma_w, (num_layers,)), jnp.broadcast_to(sigma_b, (num_layers,))


def length_trajectory(
    q0: ArrayLike, sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation, num_layers: int
) -> jax.Array:
    """Variances q_0, ..., q_L of the pre-activations of every layer.

    Args:
        q0: variance at the first layer, ().
        sigma_w: standard deviation of weights times sqrt(fan_in), () or (num_layers,).
        sigma_b: standard deviation of biases, () or (num_layers,).
        activation: phi.
        num_layers: static number of steps.

    Returns:
        (num_layers + 1,).

    Source:
        Poole et al. (2016), eq. 3.
    """
    require_activation("length_trajectory", activation)
    sigma_w, sigma_b = per_layer("length_trajectory", num_layers, sigma_w, sigma_b)
    q0, _ = promote(q0, sigma_w[0])
    sigma_w, sigma_b = sigma_w.astype(q0.dtype), sigma_b.astype(q0.dtype)

    def step(q, scales):
        new = next_length(q, *scales, activation)
        return new, new

    _, rest = jax.lax.scan(step, q0, (sigma_w, sigma_b))
    return jnp.concatenate([q0[None], rest])


def chi_1(q: ArrayLike, sigma_w: ArrayLike, activation: Activation) -> jax.Array:
    """Growth of a small difference, and of a squared gradient, through one layer: sigma_w^2 E phi'(sqrt(q) h)^2.

    Args:
        q: variance of pre-activations, any shape; usually `q_star(...).value`.
        sigma_w: standard deviation of weights times sqrt(fan_in).
        activation: phi.

    Returns:
        chi_1, broadcast shape: below 1 ordered, above 1 chaotic.

    Source:
        Poole et al. (2016), eq. 5.
    """
    require_activation("chi_1", activation)
    require_scales("chi_1", sigma_w)
    return over_grid(lambda q, sigma_w: gain(q, sigma_w, activation), q, sigma_w)


def gain(q: jax.Array, sigma_w: jax.Array, activation: Activation) -> jax.Array:
    """chi_1 for scalars."""
    ok = (q >= 0.0) & (sigma_w > 0.0)
    return jnp.where(ok, sigma_w**2 * slope_moment(activation, jnp.where(ok, q, 1.0)), jnp.nan)


def length_map_slope(q: ArrayLike, sigma_w: ArrayLike, activation: Activation) -> jax.Array:
    """Derivative of the length map, (sigma_w^2/sqrt(q)) E[h phi phi'].

    Args:
        q: variance of pre-activations, any shape.
        sigma_w: standard deviation of weights times sqrt(fan_in).
        activation: phi, continuous.

    Returns:
        dq'/dq, broadcast shape; equals sigma_w^2 E[phi'^2 + phi phi''] where phi is smooth.

    Source:
        Schoenholz et al., "Deep information propagation", 2017, eq. 7.
    """
    require_activation("length_map_slope", activation)
    require_scales("length_map_slope", sigma_w)

    def slope(q, sigma_w):
        ok = (q >= 0.0) & (sigma_w > 0.0)
        return jnp.where(ok, sigma_w**2 * second_moment_slope(activation, jnp.where(ok, q, 1.0)), jnp.nan)

    return over_grid(slope, q, sigma_w)
