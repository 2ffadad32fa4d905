"""Scans that keep fewer states for the reverse pass."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax


def block_length(function: str, remat: Any, num_steps: int) -> int | None:
    """Steps of a block that is recomputed as a whole; None keeps everything and 1 is a step.

    Raises:
        ValueError: unknown option.
    """
    if remat is None:
        return None
    if isinstance(remat, str) and remat in ("step", "sqrt"):
        return 1 if remat == "step" else math.isqrt(max(num_steps - 1, 0)) + 1
    if isinstance(remat, int) and not isinstance(remat, bool) and remat >= 1:
        return remat
    raise ValueError(f"{function}: remat is {remat!r}, expected None, 'step', 'sqrt' or a block length of at least 1")


def scan_steps(body: Callable, carry: Any, xs: Any, h: jax.Array, block: int | None) -> tuple[Any, Any]:
    """Scan body(carry, (xs, h)) over steps (n,), recomputing blocks, and in them steps, in the reverse pass.

    A last block that is not full is filled with repeats of the last step at length zero; what they give is cut off.
    """
    num_steps = h.shape[0]
    if block is None or num_steps == 0:
        return lax.scan(body, carry, (xs, h))
    if block == 1:
        return lax.scan(jax.checkpoint(body, prevent_cse=False), carry, (xs, h))
    num_blocks = -(-num_steps // block)
    extra = num_blocks * block - num_steps

    def blocked(leaf, filling):
        return jnp.concatenate([leaf, filling]).reshape(num_blocks, block, *leaf.shape[1:])

    xs = jax.tree.map(lambda v: blocked(v, jnp.broadcast_to(v[-1:], (extra, *v.shape[1:]))), xs)
    h = blocked(h, jnp.zeros((extra,), h.dtype))
    step = jax.checkpoint(body, prevent_cse=False)
    inner = jax.checkpoint(lambda carry, xs: lax.scan(step, carry, xs), prevent_cse=False)
    carry, out = lax.scan(inner, carry, (xs, h))
    return carry, jax.tree.map(lambda v: v.reshape(-1, *v.shape[2:])[:num_steps], out)
