"""What the Wishart families share: triangular factors of chi and normal variables, and the root for the mean."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core import constraints
from depthjax.distributions._gamma import Gamma, log_density
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._gaussian_algebra import cholesky, log_diagonal
from depthjax.numerics import clip_open, find_root, multigammaln
from depthjax.numerics._draws import standard_normal

_LOG_2 = math.log(2.0)
_LOG_2PI = math.log(2 * math.pi)
_DIGAMMA = jax.scipy.special.digamma


def enough_freedom(record):
    """The constraint on the degrees of freedom: above d - 1."""
    return constraints.greater_than(record.event_shape[0] - 1.0)


def complete_freedom(name, fields):
    """Check `df` () and a square `scale_tril` (d, d); the event has the shape of the latter."""
    tril = fields["scale_tril"]
    if fields["df"].ndim:
        raise ValueError(f"{name}: df has shape {fields['df'].shape}, expected a scalar")
    if tril.ndim != 2 or tril.shape[0] != tril.shape[1]:
        raise ValueError(f"{name}: scale_tril has shape {tril.shape}, expected a square matrix (d, d)")
    return {**fields, "event_shape": tril.shape}


def ranks(size, dtype):
    """0, ..., d - 1 in the dtype."""
    return jnp.asarray(np.arange(size), dtype)


def log_factor(factor: jax.Array, freedoms: jax.Array) -> jax.Array:
    """Log density of a lower triangle with chi variables of the given freedoms (d,) on and normals below the diagonal.

    The chi density is that of a gamma variable c^2, by its saddle point for large freedoms.
    """
    diagonal, size = jnp.diagonal(factor), factor.shape[0]
    rate = jnp.full_like(freedoms, 0.5)
    chi = log_density(0.5 * freedoms, rate, diagonal * diagonal) + jnp.log(diagonal) + _LOG_2
    below = jnp.tril(factor, -1)
    return jnp.sum(chi) - 0.5 * jnp.sum(below * below) - 0.25 * size * (size - 1) * _LOG_2PI


def sample_factor(key: jax.Array, freedoms: jax.Array, sample_shape: tuple[int, ...]) -> jax.Array:
    """Draws (*sample_shape, d, d) of the triangle of `log_factor`: Bartlett's decomposition.

    Numerics:
        Diagonal entries are held above a floor (1e-16 in float32), so that products and quotients of a few of them
        stay finite for degrees of freedom at the edge.
    """
    key_chi, key_normal = jax.random.split(key)
    size, dtype = freedoms.shape[0], freedoms.dtype
    floor = 2.0 ** (0.42 * jnp.finfo(dtype).minexp)
    chi = jnp.exp(0.5 * (_LOG_2 + sample_log_gamma(key_chi, 0.5 * freedoms, sample_shape)))
    chi = clip_open(chi, floor, jnp.inf)
    normal = standard_normal(key_normal, (*sample_shape, size, size), dtype)
    eye = jnp.broadcast_to(jnp.eye(size, dtype=bool), normal.shape)
    return jnp.where(eye, jnp.broadcast_to(chi[..., None], normal.shape), jnp.tril(normal, -1))


def chi_entropy_parts(freedoms: jax.Array) -> tuple[jax.Array, jax.Array, float]:
    """Entropy of c^2 and E log c for chi variables (d,), and the entropy of the normals below the diagonal."""
    half, size = 0.5 * freedoms, freedoms.shape[0]
    squares = Gamma(half, jnp.full_like(half, 0.5))._entropy_terms()
    return squares, 0.5 * (_DIGAMMA(half) + _LOG_2), 0.25 * size * (size - 1) * (1.0 + _LOG_2PI)


def mean_log_det(df: jax.Array, size: int) -> jax.Array:
    """E log|W| for W of the Wishart distribution with unit scale."""
    return jnp.sum(_DIGAMMA(0.5 * (df - ranks(size, df.dtype)))) + size * _LOG_2


def log_normalizer(df: jax.Array, inverse_scale: jax.Array) -> jax.Array:
    """Log of the integral of |X|^((df-d-1)/2) exp(-tr(S X)/2) for S = `inverse_scale`."""
    size = inverse_scale.shape[0]
    return multigammaln(0.5 * df, size) + 0.5 * size * df * _LOG_2 - df * log_diagonal(cholesky(inverse_scale))


def freedom_from_gap(gap: jax.Array, size: int) -> jax.Array:
    """The df with log|E W| - E log|W| = gap, for W Wishart of the given size; by a root in log(df - d + 1)."""

    def excess(log_spare, target):
        df = jnp.exp(log_spare) + (size - 1.0)
        return jnp.log(size * jnp.log(df) - mean_log_det(df, size)) - jnp.log(target)

    low, high = jnp.asarray(-12.0, gap.dtype), jnp.asarray(18.0, gap.dtype)
    return jnp.exp(find_root(excess, low, high, gap).value) + (size - 1.0)


def triangle_inside(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Whether a matrix is positive definite, and the Cholesky factor of it, or of the identity where it is not."""
    inside = constraints.positive_definite.contains(x)
    return inside, cholesky(jnp.where(inside, x, jnp.eye(x.shape[-1], dtype=x.dtype)))
