"""What the fixed point of Stein variational gradient descent tells about its bias."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.stein._arguments import points_and_scores
from depthjax.stein._kernel import Kernel
from depthjax.stein._svgd import svgd_direction


class FixedPointReport(NamedTuple):
    """How near particles are to a fixed point, and how narrow they are there.

    Attributes:
        max_direction: () largest entry of the direction in absolute value; 0 at a fixed point.
        mean_score: (d,) mean of the scores; 0 in expectation under the target.
        sd_ratio: (d,) sqrt(-mean((x - mean x) s(x))) for each coordinate, 1 in expectation under the target; for a
            normal target with independent coordinates the ratio of the particles' standard deviation to the target's.
    """

    max_direction: jax.Array
    mean_score: jax.Array
    sd_ratio: jax.Array


def svgd_fixed_point_report(particles: ArrayLike, scores: ArrayLike, kernel: Kernel) -> FixedPointReport:
    """Residual of the fixed point and the shrinkage of the particles, by Stein's identity E[(X - m) s(X)^T] = -I.

    Args:
        particles: (n, d).
        scores: grad log p at the particles, (n, d).
        kernel: kernel record.

    Returns:
        `FixedPointReport`; sd_ratio is NaN where the mean product is positive.

    Raises:
        ValueError: shapes.

    Source:
        Ba et al., Understanding the Variance Collapse of SVGD in High Dimensions (2022), sec. 3.
    """
    x, s = points_and_scores("svgd_fixed_point_report", particles, scores, name="particles")
    product = -jnp.mean((x - jnp.mean(x, axis=0, keepdims=True)) * s, axis=0)
    ratio = jnp.where(product >= 0.0, jnp.sqrt(jnp.where(product >= 0.0, product, 1.0)), jnp.nan)
    return FixedPointReport(jnp.max(jnp.abs(svgd_direction(x, s, kernel))), jnp.mean(s, axis=0), ratio)
