"""How the angle between two signals moves from layer to layer."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.meanfield._activation import Activation, require_activation
from depthjax.meanfield._arguments import over_grid, require, require_scales
from depthjax.meanfield._joint import covariance, half_mean_square, slope_covariance
from depthjax.meanfield._length import next_length, per_layer
from depthjax.numerics._elementwise import promote


def next_gap(gap, q_a, q_b, sigma_w, sigma_b, activation: Activation) -> jax.Array:
    """The map of 1 - c for scalars, without cancellation where q_a = q_b."""
    ok = (gap >= 0.0) & (gap <= 2.0) & (q_a > 0.0) & (q_b > 0.0) & (sigma_w > 0.0) & (sigma_b >= 0.0)
    gap, q_a, q_b = jnp.where(ok, gap, 1.0), jnp.where(ok, q_a, 1.0), jnp.where(ok, q_b, 1.0)
    new_a, new_b = next_length(q_a, sigma_w, sigma_b, activation), next_length(q_b, sigma_w, sigma_b, activation)
    root_a, root_b = jnp.sqrt(new_a), jnp.sqrt(new_b)
    apart = (new_a - new_b) / (root_a + root_b)
    square = sigma_w**2 * half_mean_square(activation, q_a, q_b, gap) - 0.5 * apart**2
    value = square / (root_a * root_b)
    return jnp.where(ok, jnp.where(value < 0.0, 0.0, value), jnp.nan)


def correlation_gap_map(
    gap: ArrayLike, q_a: ArrayLike, q_b: ArrayLike, sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation
) -> jax.Array:
    """Next layer's 1 - c, from this layer's.

    1 - c' = [(sigma_w^2/2) E (phi(u) - phi(v))^2 - (sqrt(q_a') - sqrt(q_b'))^2/2] / sqrt(q_a' q_b').

    Args:
        gap: 1 - c in [0, 2], any shape.
        q_a: variance of the first signal's pre-activations, a shape that broadcasts, positive.
        q_b: variance of the second's.
        sigma_w: standard deviation of weights times sqrt(fan_in).
        sigma_b: standard deviation of biases.
        activation: phi.

    Returns:
        1 - c', broadcast shape; NaN for a traced argument out of range.

    Raises:
        ValueError: a concrete gap outside [0, 2], a length or a standard deviation out of range.

    Numerics: relative accuracy at any gap where q_a = q_b; elsewhere 1 - c' is of order one unless the lengths nearly
        agree, and the accuracy is absolute.

    Source:
        Poole et al., "Exponential expressivity in deep neural networks through transient chaos", 2016, eq. 5.
    """
    name = "correlation_gap_map"
    require_activation(name, activation)
    require_scales(name, sigma_w, sigma_b)
    require(name, "gap", gap, lambda v: (v >= 0.0) & (v <= 2.0), "in [0, 2], it is one minus a cosine")
    _require_lengths(name, q_a=q_a, q_b=q_b)
    return over_grid(lambda *a: next_gap(*a, activation), gap, q_a, q_b, sigma_w, sigma_b)


def _require_lengths(name: str, **lengths: ArrayLike) -> None:
    for argument, value in lengths.items():
        require(name, argument, value, lambda v: v > 0.0, "positive (a variance)")


def correlation_map(
    c: ArrayLike, q_a: ArrayLike, q_b: ArrayLike, sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation
) -> jax.Array:
    """Cosine of the angle between two signals after one layer.

    c' = (sigma_w^2 E phi(u) phi(v) + sigma_b^2)/sqrt(q_a' q_b') with (u, v) normal of variances q_a, q_b, cosine c.

    Args:
        c: cosine in [-1, 1], any shape.
        q_a: variance of the first signal's pre-activations, a shape that broadcasts, positive.
        q_b: variance of the second's.
        sigma_w: standard deviation of weights times sqrt(fan_in).
        sigma_b: standard deviation of biases.
        activation: phi.

    Returns:
        c', broadcast shape; NaN for a traced argument out of range.

    Raises:
        ValueError: a concrete cosine outside [-1, 1], a length or a standard deviation out of range.

    Numerics: near c = 1 use `correlation_gap_map`, which keeps the digits of 1 - c.

    Source:
        Poole et al. (2016), eq. 5.
    """
    name = "correlation_map"
    require_activation(name, activation)
    require_scales(name, sigma_w, sigma_b)
    require(name, "c", c, lambda v: np.abs(v) <= 1.0, "in [-1, 1], it is a cosine")
    _require_lengths(name, q_a=q_a, q_b=q_b)
    return over_grid(lambda c, *a: 1.0 - next_gap(1.0 - c, *a, activation), c, q_a, q_b, sigma_w, sigma_b)


def correlation_trajectory(
    c0: ArrayLike,
    q0_a: ArrayLike,
    q0_b: ArrayLike,
    sigma_w: ArrayLike,
    sigma_b: ArrayLike,
    activation: Activation,
    num_layers: int,
) -> jax.Array:
    """Cosines c_0, ..., c_L of two signals at every layer.

    Args:
        c0: cosine at the first layer, ().
        q0_a: variance of the first signal there, ().
        q0_b: variance of the second, ().
        sigma_w: standard deviation of weights times sqrt(fan_in), () or (num_layers,).
        sigma_b: standard deviation of biases, () or (num_layers,).
        activation: phi.
        num_layers: static number of steps.

    Returns:
        (num_layers + 1,).

    Raises:
        ValueError: as `correlation_map`, or standard deviations of another shape.

    Source:
        Poole et al. (2016), eq. 5.
    """
    name = "correlation_trajectory"
    require_activation(name, activation)
    require(name, "c0", c0, lambda v: np.abs(v) <= 1.0, "in [-1, 1], it is a cosine")
    _require_lengths(name, q0_a=q0_a, q0_b=q0_b)
    sigma_w, sigma_b = per_layer(name, num_layers, sigma_w, sigma_b)
    c0, q0_a, q0_b, _ = promote(c0, q0_a, q0_b, sigma_w[0])

    def step(state, scales):
        gap, q_a, q_b = state
        new = next_gap(gap, q_a, q_b, *scales, activation)
        return (new, *(next_length(q, *scales, activation) for q in (q_a, q_b))), new

    scales = (sigma_w.astype(c0.dtype), sigma_b.astype(c0.dtype))
    _, gaps = jax.lax.scan(step, (1.0 - c0, q0_a, q0_b), scales)
    return jnp.concatenate([c0[None], 1.0 - gaps])


def pair_gain(gap, q, sigma_w, activation: Activation) -> jax.Array:
    """chi_c for scalars."""
    ok = (gap >= 0.0) & (gap <= 2.0) & (q > 0.0) & (sigma_w > 0.0)
    safe = jnp.where(ok, q, 1.0)
    return jnp.where(ok, sigma_w**2 * slope_covariance(activation, safe, safe, jnp.where(ok, gap, 1.0)), jnp.nan)


def chi_c(c: ArrayLike, q: ArrayLike, sigma_w: ArrayLike, activation: Activation) -> jax.Array:
    """Slope of the correlation map between signals of the fixed length q, sigma_w^2 E phi'(u) phi'(v).

    Args:
        c: cosine in [-1, 1], any shape.
        q: variance of the pre-activations, a shape that broadcasts, positive.
        sigma_w: standard deviation of weights times sqrt(fan_in).
        activation: phi.

    Returns:
        chi_c, broadcast shape; `chi_1` at c = 1.

    Raises:
        ValueError: a concrete cosine outside [-1, 1], a length or a standard deviation out of range.

    Source:
        Schoenholz et al., "Deep information propagation", 2017, eq. 9.
    """
    require_activation("chi_c", activation)
    require_scales("chi_c", sigma_w)
    require("chi_c", "c", c, lambda v: np.abs(v) <= 1.0, "in [-1, 1], it is a cosine")
    _require_lengths("chi_c", q=q)
    return over_grid(lambda c, q, sigma_w: pair_gain(1.0 - c, q, sigma_w, activation), c, q, sigma_w)


def next_covariance(q_a, q_b, q_ab, sigma_w, sigma_b, activation: Activation) -> jax.Array:
    """The kernel map for scalars."""
    scale = jnp.sqrt(q_a) * jnp.sqrt(q_b)
    ok = (q_a > 0.0) & (q_b > 0.0) & (jnp.abs(q_ab) <= scale * (1.0 + 1e-6)) & (sigma_w > 0.0) & (sigma_b >= 0.0)
    safe_a, safe_b = jnp.where(ok, q_a, 1.0), jnp.where(ok, q_b, 1.0)
    gap = jnp.clip(1.0 - jnp.where(ok, q_ab, 0.0) / jnp.where(ok, scale, 1.0), 0.0, 2.0)
    return jnp.where(ok, sigma_w**2 * covariance(activation, safe_a, safe_b, gap) + sigma_b**2, jnp.nan)
