"""Counting paths and variances in residual networks."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least, non_negative
from depthjax.numerics._arguments import floats


def residual_path_counts(num_blocks: int) -> tuple[int, ...]:
    """Paths through a chain of residual blocks by the number of blocks that they enter, C(num_blocks, k).

    Args:
        num_blocks: at least 0.

    Returns:
        num_blocks + 1 exact numbers, which sum to 2^num_blocks.

    Raises:
        ValueError: a negative number of blocks.

    Source: Veit, Wilber and Belongie, Residual Networks Behave Like Ensembles of Relatively Shallow Networks (2016),
        section 3.
    """
    at_least("residual_path_counts", "num_blocks", num_blocks, 0)
    return tuple(math.comb(num_blocks, k) for k in range(num_blocks + 1))


def residual_variance_growth(num_blocks: ArrayLike, gain: ArrayLike = 1.0) -> jax.Array:
    """Factor (1 + gain)^num_blocks by which residual blocks multiply the variance.

    Args:
        num_blocks: number of blocks, any shape.
        gain: variance of a branch's output over that of its input, nonnegative.

    Returns:
        Broadcast shape; 2^num_blocks for branches that keep the variance.

    Raises:
        ValueError: a negative concrete argument.

    Source: Prince, Understanding Deep Learning (2023), section 11.4.
    """
    non_negative("residual_variance_growth", num_blocks=num_blocks, gain=gain)
    count, gain = jnp.broadcast_arrays(*floats(num_blocks, gain))
    return (1.0 + gain) ** count


def relu_second_moment(variance: ArrayLike) -> jax.Array:
    """E relu(x)^2 = variance/2 for x normal about 0.

    Args:
        variance: nonnegative, any shape.

    Returns:
        Like `variance`.

    Raises:
        ValueError: a negative concrete variance.

    Source: He et al., Delving Deep into Rectifiers (2015), eq. 8.
    """
    non_negative("relu_second_moment", variance=variance)
    return 0.5 * floats(variance)[0]
