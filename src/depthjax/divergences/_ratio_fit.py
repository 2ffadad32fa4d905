"""Density ratios fitted in a linear basis."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least, non_negative
from depthjax.numerics._arguments import samples

HIGHEST = jax.lax.Precision.HIGHEST


class RatioFit(NamedTuple):
    """A fitted density ratio, p/q = features @ weights.

    Attributes:
        weights: (b,), nonnegative.
        converged: () bool.
        residual: () largest violation of the optimality conditions.
    """

    weights: jax.Array
    converged: jax.Array
    residual: jax.Array


def ulsif(features_p: ArrayLike, features_q: ArrayLike, *, ridge: ArrayLike) -> jax.Array:
    """Unconstrained least-squares importance fitting, (H + ridge I)^-1 h.

    H is the mean of phi phi^T over q and h the mean of phi over p; the ratio p/q is features @ weights.

    Args:
        features_p: (n, b) features at samples of p.
        features_q: (m, b) features at samples of q.
        ridge: nonnegative.

    Returns:
        (b,) weights; NaN where H + ridge I is not positive definite.

    Raises:
        ValueError: wrong shapes, or a concrete ridge that is negative.

    Source:
        Kanamori, Hido and Sugiyama, A Least-Squares Approach to Direct Importance Estimation (2009), eq. 8.
    """
    non_negative("ulsif", ridge=ridge)
    features_p, features_q = samples("ulsif", features_p, features_q)
    gram = jnp.matmul(features_q.T, features_q, precision=HIGHEST) / features_q.shape[0]
    gram = gram + jnp.asarray(ridge, gram.dtype) * jnp.eye(gram.shape[0], dtype=gram.dtype)
    return jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(gram), True), jnp.mean(features_p, axis=0))


def kliep(features_p: ArrayLike, features_q: ArrayLike, *, num_steps: int, step_size: float) -> RatioFit:
    """KL importance estimation: maximise E_p log(phi.w) over w >= 0 with E_q phi.w = 1.

    Args:
        features_p: (n, b) nonnegative features at samples of p.
        features_q: (m, b) nonnegative features at samples of q, each with a positive mean.
        num_steps: number of multiplicative steps w_j <- w_j (g_j/b_j)^step_size, renormalised, where g is the
            gradient and b the mean of phi over q.
        step_size: 1 is the EM step, which never lowers the objective.

    Returns:
        The fit, NaN for features that are negative or vanish at all samples of q; `residual` is the largest of
        g_j/b_j - 1 and w_j b_j |g_j/b_j - 1|, which are 0 at the optimum.

    Raises:
        ValueError: wrong shapes, no steps, or a step size that is not positive.

    Source:
        Sugiyama et al., Direct Importance Estimation for Covariate Shift Adaptation (2008), eq. 9.
    """
    features_p, features_q = samples("kliep", features_p, features_q)
    at_least("kliep", "num_steps", num_steps, 1)
    if step_size <= 0:
        raise ValueError(f"kliep: step_size is {step_size}, expected a positive number; 1 is the EM step")
    mean = jnp.mean(features_q, axis=0)
    sound = jnp.all(features_p >= 0.0) & jnp.all(features_q >= 0.0) & jnp.all(mean > 0.0)
    mean = jnp.where(sound, mean, jnp.nan)

    def slope(w):
        ratio = jnp.matmul(features_p, w, precision=HIGHEST)
        return jnp.matmul(features_p.T, 1.0 / ratio, precision=HIGHEST) / (features_p.shape[0] * mean)

    def step(w, _):
        w = w * slope(w) ** step_size
        return w / jnp.sum(w * mean), None

    w, _ = jax.lax.scan(step, 1.0 / (mean.size * mean), length=num_steps)
    gap = slope(w) - 1.0
    residual = jnp.max(jnp.maximum(gap, w * mean * jnp.abs(gap)))
    residual = residual + 0.0 * jnp.sum(w)
    return RatioFit(w, residual <= jnp.finfo(w.dtype).eps ** 0.5, residual)
