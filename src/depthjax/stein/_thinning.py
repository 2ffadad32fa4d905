"""Stein thinning: few points of a sample that represent its target."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core._options import at_least, is_concrete
from depthjax.stein._arguments import accumulated, points_and_scores, require_kernel
from depthjax.stein._gram import diagonal
from depthjax.stein._kernel import Kernel


def stein_thinning(x: ArrayLike, scores: ArrayLike, kernel: Kernel, *, num_points: int) -> jax.Array:
    """Indices that minimise the kernelised Stein discrepancy greedily.

    next = argmin_i u(x_i, x_i)/2 + sum_{chosen c} u(x_i, x_c); an index may come more than once.

    Args:
        x: (n, d), such as the states of a Markov chain.
        scores: grad log p at x, (n, d).
        kernel: kernel record.
        num_points: static, indices to choose.

    Returns:
        (num_points,) int32; a point with NaN, or with a score that is NaN, is not chosen where another can be.

    Raises:
        ValueError: shapes, num_points below 1, or concrete points or scores that are NaN.

    Cost:
        O(n d num_points) time, O(n) memory.

    Source:
        Riabiz et al., Optimal Thinning of MCMC Output (2022), algorithm 1.
    """
    require_kernel("stein_thinning", kernel)
    at_least("stein_thinning", "num_points", num_points, 1)
    x, scores = accumulated(*points_and_scores("stein_thinning", x, scores))
    for name, value in (("x", x), ("scores", scores)):
        if is_concrete(value) and np.any(np.isnan(value)):
            raise ValueError(f"stein_thinning: {name} has NaN in {int(np.any(np.isnan(value), axis=1).sum())} rows")

    def step(total, _):
        index = jnp.argmin(jnp.where(jnp.isnan(total), jnp.inf, total)).astype(jnp.int32)
        chosen = (jax.lax.dynamic_slice_in_dim(a, index, 1) for a in (x, scores))
        return total + kernel._stein_fn(*chosen)(x, scores)[:, 0], index

    return jax.lax.scan(step, 0.5 * diagonal(kernel, x, scores), length=num_points)[1]
