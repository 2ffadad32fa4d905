"""Checks of events, times and results of networks that the files of this package share."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.numerics._arguments import is_concrete

PREDICTIONS = ("noise", "data", "velocity", "score")


def batch(function: str, x: ArrayLike, name: str = "x") -> jax.Array:
    """Events (n, *event) of floating dtype.

    Raises:
        ValueError: no batch axis, or an empty batch.
        TypeError: integer data, which have no density.
    """
    if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
        raise TypeError(
            f"{function}: {name} has dtype {jnp.result_type(x)}, expected a floating dtype; dequantise integer data "
            f"(depthjax.flows.dequantize_uniform)"
        )
    x = jnp.asarray(x)
    if x.ndim == 0 or x.shape[0] == 0:
        raise ValueError(f"{function}: {name} has shape {x.shape}, expected (n, *event) with n >= 1")
    return x


def floating(x: ArrayLike) -> jax.Array:
    """`x` as an array of floating dtype."""
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(jnp.result_type(float))


def like(coefficient: jax.Array, x: jax.Array) -> jax.Array:
    """A coefficient for each leading index of `x`, in its dtype and with as many axes."""
    if coefficient.ndim > x.ndim or coefficient.shape != x.shape[: coefficient.ndim]:
        raise ValueError(f"t has shape {coefficient.shape}, expected () or the leading axes of events {x.shape}")
    return coefficient.astype(x.dtype).reshape(coefficient.shape + (1,) * (x.ndim - coefficient.ndim))


def step_index(function: str, name: str, t: ArrayLike, num_steps: int, least: int = 0) -> jax.Array:
    """Step numbers as int32.

    Raises:
        TypeError: not integers.
        ValueError: a concrete one outside least..num_steps.
    """
    if not jnp.issubdtype(jnp.result_type(t), jnp.integer):
        raise TypeError(f"{function}: {name} has dtype {jnp.result_type(t)}, expected integer steps of the schedule")
    if is_concrete(t) and np.size(t):
        low, high = int(np.min(np.asarray(t))), int(np.max(np.asarray(t)))
        if low < least or high > num_steps:
            raise ValueError(
                f"{function}: {name} is {low if low < least else high}, expected from {least} to {num_steps}"
            )
    return jnp.asarray(t).astype(jnp.int32)


def same_event_shape(function: str, what: str, value: Any, x: jax.Array) -> jax.Array:
    """What a network returned, checked to have the shape of its events."""
    value = jnp.asarray(value)
    if value.shape != x.shape:
        raise ValueError(f"{function}: {what} has shape {value.shape}, expected {x.shape}, the shape of its events")
    return value.astype(x.dtype)


def descending(function: str, timesteps: Sequence[int] | None, num_steps: int) -> np.ndarray:
    """Steps from the last to the first, on the host; all of them for None.

    Raises:
        ValueError: not strictly decreasing within 1..num_steps.
    """
    if timesteps is None:
        return np.arange(num_steps, 0, -1)
    steps = np.asarray(timesteps)
    if steps.ndim != 1 or steps.size == 0 or not np.issubdtype(steps.dtype, np.integer):
        raise ValueError(f"{function}: timesteps are {timesteps!r}, expected a sequence of integers")
    if (np.diff(steps) >= 0).any() or steps[0] > num_steps or steps[-1] < 1:
        raise ValueError(
            f"{function}: timesteps run {steps[0]}, ..., {steps[-1]}, expected strictly decreasing steps from at most "
            f"{num_steps} down to at least 1; reverse them: timesteps[::-1]"
        )
    return steps
