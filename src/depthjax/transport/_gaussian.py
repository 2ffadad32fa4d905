"""Wasserstein distances and maps between normal laws."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import ndtr
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.numerics import psd_pinv, psd_sqrt, safe_norm
from depthjax.numerics._arguments import floats, samples
from depthjax.numerics._arguments import weights as mass


def _line_laws(loc_p, scale_p, loc_q, scale_q):
    """Arrays of one shape; a negative scale is NaN."""
    m1, s1, m2, s2 = jnp.broadcast_arrays(*floats(loc_p, scale_p, loc_q, scale_q))
    return m1, jnp.where(s1 >= 0.0, s1, jnp.nan), m2, jnp.where(s2 >= 0.0, s2, jnp.nan)


def w2_squared_gaussian(loc_p: ArrayLike, scale_p: ArrayLike, loc_q: ArrayLike, scale_q: ArrayLike) -> jax.Array:
    """W2^2 between N(loc_p, scale_p^2) and N(loc_q, scale_q^2): (m_1 - m_2)^2 + (s_1 - s_2)^2.

    Args:
        loc_p: mean of p, any shape.
        scale_p: standard deviation of p, a shape that broadcasts, not negative.
        loc_q: mean of q.
        scale_q: standard deviation of q.

    Returns:
        Broadcast shape, in the square of the unit; NaN for a negative scale.

    Source: Givens and Shortt, A class of Wasserstein metrics for probability distributions (1984).
    """
    m1, s1, m2, s2 = _line_laws(loc_p, scale_p, loc_q, scale_q)
    return (m1 - m2) ** 2 + (s1 - s2) ** 2


def w2_gaussian(loc_p: ArrayLike, scale_p: ArrayLike, loc_q: ArrayLike, scale_q: ArrayLike) -> jax.Array:
    """W2 between two normal laws on the line; its gradient is zero where they coincide.

    Args:
        loc_p: mean of p, any shape.
        scale_p: standard deviation of p, a shape that broadcasts, not negative.
        loc_q: mean of q.
        scale_q: standard deviation of q.

    Returns:
        Broadcast shape, in the unit; NaN for a negative scale.

    Source: Givens and Shortt (1984).
    """
    m1, s1, m2, s2 = _line_laws(loc_p, scale_p, loc_q, scale_q)
    return safe_norm(jnp.stack([m1 - m2, s1 - s2], axis=-1))


def w1_gaussian(loc_p: ArrayLike, scale_p: ArrayLike, loc_q: ArrayLike, scale_q: ArrayLike) -> jax.Array:
    """W1 between two normal laws on the line, E |m_1 - m_2 + (s_1 - s_2) Z|.

    With s = |s_1 - s_2| and d = |m_1 - m_2|: s sqrt(2/pi) exp(-d^2/(2 s^2)) + d (1 - 2 Phi(-d/s)), d at s = 0.

    Args:
        loc_p: mean of p, any shape.
        scale_p: standard deviation of p, a shape that broadcasts, not negative.
        loc_q: mean of q.
        scale_q: standard deviation of q.

    Returns:
        Broadcast shape, in the unit; its gradient is zero where the laws coincide. NaN for a negative scale.

    Source: the quantile functions differ by m_1 - m_2 + (s_1 - s_2) z; mean of a folded normal law.
    """
    m1, s1, m2, s2 = _line_laws(loc_p, scale_p, loc_q, scale_q)
    d, s = jnp.abs(m1 - m2), jnp.abs(s1 - s2)
    spread = s > 0.0
    safe = jnp.where(spread, s, 1.0)
    # Beyond 40 standard deviations both corrections are zero, and so are their slopes.
    ratio = jnp.minimum(d / safe, 40.0)
    folded = safe * jnp.sqrt(2.0 / jnp.pi).astype(d.dtype) * jnp.exp(-0.5 * ratio**2) + d * (1.0 - 2.0 * ndtr(-ratio))
    return jnp.where(spread, folded, d + 0.0 * s)


def _covariances(function: str, **values: ArrayLike) -> list[jax.Array]:
    arrays = floats(*values.values())
    for name, array in zip(values, arrays, strict=True):
        if array.ndim != 2 or array.shape[0] != array.shape[1] or array.shape != arrays[0].shape:
            raise ValueError(f"{function}: {name} has shape {array.shape}, expected (d, d) with one d for all")
    return arrays


def laws(function: str, loc_a: ArrayLike, cov_a: ArrayLike, loc_b: ArrayLike, cov_b: ArrayLike) -> list[jax.Array]:
    loc_a, cov_a, loc_b, cov_b = floats(loc_a, cov_a, loc_b, cov_b)
    _covariances(function, cov_a=cov_a, cov_b=cov_b)
    for name, loc in (("loc_a", loc_a), ("loc_b", loc_b)):
        if loc.shape != cov_a.shape[:1]:
            raise ValueError(f"{function}: {name} has shape {loc.shape}, expected {cov_a.shape[:1]}")
    return [loc_a, cov_a, loc_b, cov_b]


def map_matrix(cov_a: jax.Array, cov_b: jax.Array) -> jax.Array:
    """T = B^1/2 (B^1/2 A B^1/2)^-1/2 B^1/2 with a pseudo-inverse, which a singular A maps out of its range too."""
    root = psd_sqrt(cov_b)
    return root @ psd_pinv(psd_sqrt(root @ cov_a @ root), of_root=True) @ root


@jax.custom_jvp
def _bures(cov_a, cov_b):
    """|A^1/2 - B^1/2 U|^2 at the rotation U that makes it smallest: nothing cancels."""
    root_a, root_b = psd_sqrt(cov_a), psd_sqrt(cov_b)
    left, _, right = jnp.linalg.svd(root_b @ root_a)
    return jnp.sum((root_a - root_b @ (left @ right)) ** 2)


@_bures.defjvp
def _(primals, tangents):
    (a, b), (da, db) = primals, tangents
    return _bures(a, b), (
        jnp.trace(da) - jnp.sum(map_matrix(a, b) * da) + jnp.trace(db) - jnp.sum(map_matrix(b, a) * db)
    )


def bures_squared(cov_a: ArrayLike, cov_b: ArrayLike) -> jax.Array:
    """Squared Bures distance tr A + tr B - 2 tr (A^1/2 B A^1/2)^1/2 between positive semidefinite matrices.

    Args:
        cov_a: (d, d), may be singular.
        cov_b: (d, d).

    Returns:
        () in the matrices' unit; NaN for a matrix that is not positive semidefinite.

    Raises:
        ValueError: shapes.

    Numerics: as the smallest |A^1/2 - B^1/2 U|_F^2 over rotations, so that close matrices keep their digits. The
        gradient in A is I - T with T the optimal map, without directions that A and B do not share (up to d eps of the
        largest eigenvalue): at a singular A it is that along all matrices of this rank. No eigenvectors are
        differentiated.

    Source: Bhatia, Jain and Lim, On the Bures-Wasserstein distance between positive definite matrices (2019),
        theorem 1.
    """
    return _bures(*_covariances("bures_squared", cov_a=cov_a, cov_b=cov_b))


def w2_squared_mvn(loc_a: ArrayLike, cov_a: ArrayLike, loc_b: ArrayLike, cov_b: ArrayLike) -> jax.Array:
    """W2^2 between normal laws, |m_a - m_b|^2 plus the squared Bures distance of the covariances.

    Args:
        loc_a: (d,) mean.
        cov_a: (d, d) covariance, may be singular.
        loc_b: (d,).
        cov_b: (d, d).

    Returns:
        () in the square of the unit.

    Raises:
        ValueError: shapes.

    Source: Givens and Shortt (1984), proposition 7.
    """
    loc_a, cov_a, loc_b, cov_b = laws("w2_squared_mvn", loc_a, cov_a, loc_b, cov_b)
    return jnp.sum((loc_a - loc_b) ** 2) + _bures(cov_a, cov_b)


def gaussian_map(loc_a: ArrayLike, cov_a: ArrayLike, loc_b: ArrayLike, cov_b: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """The optimal map x -> T x + s from one normal law to another.

    Args:
        loc_a: (d,) mean of the source.
        cov_a: (d, d) its covariance; T moves N(loc_a, cov_a) to N(loc_b, cov_b) if its rank reaches that of cov_b.
        loc_b: (d,) mean of the target.
        cov_b: (d, d).

    Returns:
        T, (d, d) symmetric, and s = m_b - T m_a, (d,).

    Raises:
        ValueError: shapes.

    Source: Bhatia, Jain and Lim (2019), eq. 35.
    """
    loc_a, cov_a, loc_b, cov_b = laws("gaussian_map", loc_a, cov_a, loc_b, cov_b)
    matrix = map_matrix(cov_a, cov_b)
    return matrix, loc_b - matrix @ loc_a


def frechet_distance_squared(x: ArrayLike, y: ArrayLike) -> jax.Array:
    """W2^2 between the normal laws of two samples' means and covariances (of divisor n - 1).

    Args:
        x: (n, d) features, n >= 2.
        y: (m, d).

    Returns:
        () in the square of the unit.

    Raises:
        ValueError: shapes, or a sample of one.

    Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule (2017), eq. 6.
    """
    name = "frechet_distance_squared"
    x, y = samples(name, x, y)
    for label, value in (("x", x), ("y", y)):
        if value.shape[0] < 2:
            raise ValueError(f"{name}: {label} has {value.shape[0]} row, expected at least 2 for a covariance")
    laws = []
    for value in (x, y):
        loc = jnp.mean(value, axis=0)
        centred = value - loc[None, :]
        laws += [loc, jnp.matmul(centred.T, centred, precision="highest") / (value.shape[0] - 1)]
    return w2_squared_mvn(*laws)


class GaussianBarycentre(NamedTuple):
    """A normal law.

    Attributes:
        loc: (d,) mean.
        cov: (d, d) covariance.
    """

    loc: jax.Array
    cov: jax.Array


def gaussian_barycentre(
    locs: ArrayLike, covs: ArrayLike, weights: ArrayLike | None = None, *, num_steps: int
) -> GaussianBarycentre:
    """The normal law that minimises the weighted sum of W2^2 to k normal laws.

    Args:
        locs: (k, d) means.
        covs: (k, d, d) covariances, at least one of them regular.
        weights: (k,) that sum to one; uniform if None.
        num_steps: static number of fixed-point steps S <- (sum w_i T_i) S (sum w_i T_i), T_i the map from S.

    Returns:
        `GaussianBarycentre`; the covariance is NaN where the last step still moved it by more than sqrt(eps) of its
        size.

    Raises:
        ValueError: shapes, no steps, or concrete weights that are negative or do not sum to one.

    Source: Alvarez-Esteban, del Barrio, Cuesta-Albertos and Matran, A fixed-point approach to barycenters in
        Wasserstein space (2016), eq. 9.
    """
    name = "gaussian_barycentre"
    at_least(name, "num_steps", num_steps, 1)
    locs, covs = floats(locs, covs)
    if locs.ndim != 2 or covs.shape != (*locs.shape, locs.shape[1]):
        raise ValueError(
            f"{name}: locs and covs have shapes {locs.shape} and {covs.shape}, expected (k, d) and (k, d, d)"
        )
    w = mass(name, "weights", weights, locs.shape[0], locs.dtype)

    def step(state, _):
        cov, _ = state
        mean = jnp.einsum("k,kij->ij", w, jax.vmap(lambda target: map_matrix(cov, target))(covs))
        new = mean @ cov @ mean
        return (new, jnp.linalg.norm(new - cov) / jnp.linalg.norm(new)), None

    start = (jnp.einsum("k,kij->ij", w, covs), jnp.zeros((), locs.dtype))
    (cov, moved), _ = jax.lax.scan(step, start, length=num_steps)
    settled = moved <= jnp.sqrt(jnp.finfo(cov.dtype).eps).astype(cov.dtype)
    return GaussianBarycentre(w @ locs, jnp.where(settled, cov, jnp.nan))
