"""Entropic transport between normal laws in closed form."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import positive
from depthjax.numerics import psd_sqrt
from depthjax.numerics._arguments import floats
from depthjax.transport._gaussian import laws


def _entropic(loc_a, cov_a, loc_b, cov_b, epsilon):
    half = 0.5 * epsilon
    root = psd_sqrt(cov_a)
    inner = root @ cov_b @ root
    # only the trace and the determinant of D = (4 inner + half^2 I)^1/2 are needed
    d = psd_sqrt(4.0 * inner + half**2 * jnp.eye(cov_a.shape[0], dtype=cov_a.dtype))
    excess = 4.0 * inner @ jnp.linalg.inv(d + half * jnp.eye(d.shape[0], dtype=d.dtype))  # D - half, without cancelling
    size = jnp.eye(d.shape[0], dtype=d.dtype) + (0.5 / half) * excess
    spread = jnp.trace(cov_a) + jnp.trace(cov_b) - jnp.trace(excess) + half * jnp.linalg.slogdet(size)[1]
    return jnp.sum((loc_a - loc_b) ** 2) + spread


def entropic_ot_gaussian(
    loc_a: ArrayLike, cov_a: ArrayLike, loc_b: ArrayLike, cov_b: ArrayLike, *, epsilon: ArrayLike
) -> jax.Array:
    """Entropic transport cost between normal laws for the squared distance.

    With t = epsilon/2 and D = (4 A^1/2 B A^1/2 + t^2 I)^1/2:
    |m_a - m_b|^2 + tr(A + B - D) + d t (1 - log 2t) + t log det(D + t I).

    Args:
        loc_a: (d,) mean.
        cov_a: (d, d) covariance, may be singular.
        loc_b: (d,).
        cov_b: (d, d).
        epsilon: () strength of the entropy, which multiplies KL(P | a b^T).

    Returns:
        () in the square of the unit.

    Raises:
        ValueError: shapes, or a concrete epsilon that is not positive.

    Numerics: in the form tr(A + B) - tr(D - t) + t log det(I + (D - t)/(2t)), which keeps its digits at large epsilon.

    Source: Janati, Muzellec, Peyre and Cuturi, Entropic optimal transport between unbalanced Gaussian measures has a
        closed form (2020), theorem 1.
    """
    positive("entropic_ot_gaussian", epsilon=epsilon)
    loc_a, cov_a, loc_b, cov_b = laws("entropic_ot_gaussian", loc_a, cov_a, loc_b, cov_b)
    return _entropic(loc_a, cov_a, loc_b, cov_b, jnp.asarray(epsilon, cov_a.dtype))


def sinkhorn_divergence_gaussian(
    loc_a: ArrayLike, cov_a: ArrayLike, loc_b: ArrayLike, cov_b: ArrayLike, *, epsilon: ArrayLike
) -> jax.Array:
    """Debiased entropic transport cost between normal laws, OT(a, b) - OT(a, a)/2 - OT(b, b)/2.

    Args:
        loc_a: (d,) mean.
        cov_a: (d, d) covariance, may be singular.
        loc_b: (d,).
        cov_b: (d, d).
        epsilon: () strength of the entropy.

    Returns:
        () in the square of the unit, zero for equal laws.

    Raises:
        ValueError: shapes, or a concrete epsilon that is not positive.

    Source: Janati et al. (2020), section 2.
    """
    positive("sinkhorn_divergence_gaussian", epsilon=epsilon)
    loc_a, cov_a, loc_b, cov_b = laws("sinkhorn_divergence_gaussian", loc_a, cov_a, loc_b, cov_b)
    (epsilon,) = floats(jnp.asarray(epsilon, cov_a.dtype))
    selves = [_entropic(loc, cov, loc, cov, epsilon) for loc, cov in ((loc_a, cov_a), (loc_b, cov_b))]
    return _entropic(loc_a, cov_a, loc_b, cov_b, epsilon) - 0.5 * (selves[0] + selves[1])
