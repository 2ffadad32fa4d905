"""Integers as continuous data: dequantisation, the logit preprocessing of images, bits per dimension."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.bijectors import Logit
from depthjax.core import constraints


def dequantize_uniform(key: jax.Array, x_int: ArrayLike, num_levels: int) -> jax.Array:
    """(x + u)/num_levels with u uniform on [0, 1).

    Args:
        key: PRNG key.
        x_int: integers 0..num_levels-1, any shape.
        num_levels: number of levels.

    Returns:
        Numbers in [0, 1) of JAX's default float, same shape; `quantize` gives the integers back, whatever the
        rounding. NaN where a number is no integer or out of range.

    Source:
        Theis, van den Oord, Bethge, A note on the evaluation of generative models (2016), sec. 3.1.
    """
    _check_levels("dequantize_uniform", num_levels)
    x = jnp.asarray(x_int)
    return _inside_level(x, jax.random.uniform(key, x.shape, jnp.result_type(float)), num_levels)


def dequantize_variational(
    key: jax.Array, x_int: ArrayLike, q: Callable[[jax.Array], Any], *, num_levels: int = 1
) -> tuple[jax.Array, jax.Array]:
    """(x + u)/num_levels with u drawn from a learned distribution that sees x.

    log P(x) >= E[log p((x + u)/num_levels) - D log num_levels - log q(u | x)].

    Args:
        key: PRNG key.
        x_int: integers, (N, *event).
        q: from one event as floats to the distribution of its u, of the same event shape, within (0, 1).
        num_levels: divisor; 1 leaves the integers' scale.

    Returns:
        Continuous data (N, *event), and log q(u | x), (N,) nats.

    Raises:
        ValueError: a distribution of another event shape, or whose support is not within the unit interval.

    Source:
        Ho et al., Flow++ (2019), eq. 12.
    """
    _check_levels("dequantize_variational", num_levels)
    x = jnp.asarray(x_int)

    def draw(event, k):
        law = q(event)
        if law.event_shape != event.shape:
            raise ValueError(f"dequantize_variational: q has event shape {law.event_shape}, expected {event.shape}")
        if not constraints.compatible(law.support, constraints.unit_interval):
            raise ValueError(f"dequantize_variational: q has support {law.support}, expected one within (0, 1)")
        return law.sample_and_log_prob(k)

    keys = jax.random.split(key, x.shape[0])
    u, log_q = jax.vmap(draw)(x.astype(jnp.result_type(float)), keys)
    return _inside_level(x, u, num_levels, unbounded=num_levels == 1), log_q


def quantize(x: ArrayLike, num_levels: int) -> jax.Array:
    """The level of each number: floor(num_levels x), held to 0..num_levels-1.

    Args:
        x: numbers, any shape; [0, 1) is what the levels share out.
        num_levels: number of levels.

    Returns:
        int32, same shape.
    """
    _check_levels("quantize", num_levels)
    return jnp.clip(jnp.floor(jnp.asarray(x) * num_levels), 0, num_levels - 1).astype(jnp.int32)


def LogitPreprocess(alpha: float = 0.05, event_shape: int | tuple[int, ...] = ()) -> Logit:
    """The map of pixels in [0, 1] to the line: y = logit(alpha + (1 - 2 alpha) x).

    Args:
        alpha: in (0, 1/2); how far the ends 0 and 1 are moved inwards.
        event_shape: shape of one event.

    Returns:
        A `Logit` of the interval (-alpha, 1 - alpha)/(1 - 2 alpha), of which [0, 1] is the part that data fill.

    Raises:
        ValueError: alpha out of range.

    Source:
        Dinh et al., Density Estimation using Real NVP (2017), sec. 4.1; with 2 alpha, Papamakarios et al., Masked
        Autoregressive Flow (2017), sec. 4.3.
    """
    if not 0.0 < alpha < 0.5:
        raise ValueError(f"LogitPreprocess: alpha must lie in (0, 1/2), got {alpha}")
    room = 1.0 - 2.0 * alpha
    return Logit(-alpha / room, (1.0 - alpha) / room, event_shape)


def bits_per_dim(log_prob: ArrayLike, num_dims: int, *, num_levels: int = 1) -> jax.Array:
    """-log_prob/(num_dims log 2) + log2(num_levels).

    Args:
        log_prob: nats, any shape, of data that were divided by `num_levels`.
        num_dims: number D of coordinates.
        num_levels: levels of the integer data; 1 for data that were not divided.

    Returns:
        Bits per dimension, same shape.

    Source:
        Theis, van den Oord, Bethge (2016), sec. 3.1; Papamakarios et al. (2017), appendix E.2.
    """
    if num_dims < 1:
        raise ValueError(f"bits_per_dim: num_dims must be at least 1, got {num_dims}")
    _check_levels("bits_per_dim", num_levels)
    return -jnp.asarray(log_prob) / (num_dims * math.log(2.0)) + math.log2(num_levels)


def _check_levels(name, num_levels):
    if num_levels < 1:
        raise ValueError(f"{name}: num_levels must be at least 1, got {num_levels}")


def _inside_level(x, u, num_levels, *, unbounded=False):
    """(x + u)/num_levels, kept two roundings inside the level, so that multiplying back cannot leave it."""
    level = x.astype(u.dtype)
    step = 2.0 * jnp.finfo(u.dtype).eps
    low, high = level / num_levels * (1.0 + step), (level + 1.0) / num_levels * (1.0 - step)
    y = jnp.clip((level + u) / num_levels, low, high)
    valid = (x >= 0) & (unbounded | (x < num_levels)) & (level == jnp.floor(level))
    return jnp.where(valid, y, jnp.nan)
