"""The normal law: maximum likelihood and conditioning in covariance form."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import require_rank, require_shape
from depthjax.distributions._gaussian_algebra import (
    HIGHEST,
    cholesky,
    matvec,
    observed_values,
    solve_lower,
    split_indices,
)
from depthjax.latent._data import centred, points
from depthjax.numerics._arguments import floats


def gaussian_mle(x: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Mean and covariance of largest likelihood, m = mean x and S = (1/n) sum (x - m)(x - m)^T.

    Args:
        x: (n, d).

    Returns:
        m (d,) and S (d, d), singular where n <= d.

    Raises:
        ValueError: `x` is not (n, d).
        TypeError: integer data.

    Numerics:
        The mean is taken twice, so that a large common offset costs no digits of S.

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), eq. 2.121 and 2.122.
    """
    x = points("gaussian_mle", x)
    loc, rest = centred(x)
    return loc, jnp.matmul(rest.T, rest, precision=HIGHEST) / x.shape[0]


def gaussian_condition(
    loc: ArrayLike, cov: ArrayLike, index: int | Sequence[int], value: ArrayLike
) -> tuple[jax.Array, jax.Array]:
    """Mean and covariance of the other coordinates of a normal vector given x[index] = value.

    m_r + S_ro S_oo^-1 (value - m_o) and the Schur complement S_rr - S_ro S_oo^-1 S_or.

    Args:
        loc: m, (d,).
        cov: S, (d, d), symmetric; only the block S_oo must be positive definite.
        index: k distinct static integers.
        value: (k,).

    Returns:
        Mean (d - k,) and covariance (d - k, d - k), coordinates in ascending order; NaN where S_oo is not positive
        definite, S is not symmetric, or a conditional variance is negative beyond rounding.

    Raises:
        ValueError: wrong shapes, or an index out of range or repeated.
        TypeError: `index` is not integers known at trace time.

    Numerics:
        S_oo by Cholesky. Where the covariance is nearly singular, `distributions.MultivariateNormal.condition` updates
        its factor without forming the difference.

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), eq. 2.81 and 2.82.
    """
    name = "gaussian_condition"
    loc, cov = floats(loc, cov)
    require_rank(name, "loc", loc, 1)
    require_shape(name, "cov", cov, (loc.size, loc.size))
    chosen, rest = split_indices(name, index, loc.size)
    value = observed_values(name, value, len(chosen), loc.dtype)
    factor = cholesky(cov[chosen][:, chosen])
    across = solve_lower(factor, cov[chosen][:, rest])
    mean = loc[rest] + matvec(across.T, solve_lower(factor, value - loc[chosen]))
    left = cov[rest][:, rest] - jnp.matmul(across.T, across, precision=HIGHEST)
    slack = 16 * loc.size * jnp.finfo(cov.dtype).eps
    symmetric = jnp.max(jnp.abs(cov - cov.T)) <= slack * jnp.max(jnp.abs(cov))
    ok = symmetric & jnp.all(jnp.diagonal(left) >= -slack * jnp.diagonal(cov)[rest])
    return jnp.where(ok, mean, jnp.nan), jnp.where(ok, left, jnp.nan)
