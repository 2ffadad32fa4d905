"""Closed forms between normal laws."""

import math

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jax.typing import ArrayLike

from depthjax.divergences._orders import checked_order
from depthjax.numerics import deviance, promote, safe_sqrt
from depthjax.numerics._arguments import floats

HIGHEST = jax.lax.Precision.HIGHEST


def scale_gap(scale_p: jax.Array, scale_q: jax.Array) -> jax.Array:
    """((s_p/s_q)^2 - 1)/2 - log(s_p/s_q), never negative."""
    return 0.5 * ((scale_p - scale_q) / scale_q) ** 2 + deviance(scale_q, scale_p) / scale_q


def kl_gaussian(loc_p: ArrayLike, scale_p: ArrayLike, loc_q: ArrayLike, scale_q: ArrayLike) -> jax.Array:
    """KL divergence of normal laws on the line, log(s_q/s_p) + (s_p^2 + (m_p - m_q)^2)/(2 s_q^2) - 1/2.

    Args:
        loc_p: mean of p, any shape.
        scale_p: standard deviation of p, a shape that broadcasts, positive.
        loc_q: mean of q.
        scale_q: standard deviation of q.

    Returns:
        Broadcast shape, nats, elementwise.

    Numerics:
        A sum of nonnegative terms, each relatively accurate.

    Source:
        Kullback, Information Theory and Statistics (1959), ch. 9.
    """
    loc_p, scale_p, loc_q, scale_q = promote(loc_p, scale_p, loc_q, scale_q)
    return scale_gap(scale_p, scale_q) + 0.5 * ((loc_p - loc_q) / scale_q) ** 2


def _whitened(function, loc_p, scale_tril_p, loc_q, scale_tril_q):
    """L_q^-1 L_p and L_q^-1 (m_p - m_q)."""
    loc_p, tril_p, loc_q, tril_q = floats(loc_p, scale_tril_p, loc_q, scale_tril_q)
    d = loc_p.shape[0] if loc_p.ndim == 1 else -1
    square = (d, d)
    arrays = {"loc_p": loc_p, "loc_q": loc_q, "scale_tril_p": tril_p, "scale_tril_q": tril_q}
    for name, value in arrays.items():
        shape = (d,) if name.startswith("loc") else square
        if value.shape != shape:
            raise ValueError(f"{function}: {name} has shape {value.shape}, expected {shape if d >= 0 else '(d,)'}")
    columns = jnp.concatenate([tril_p, (loc_p - loc_q)[:, None]], axis=1)
    white = solve_triangular(tril_q, columns, lower=True)
    return tril_p, tril_q, white[:, :-1], white[:, -1]


def kl_mvn(loc_p: ArrayLike, scale_tril_p: ArrayLike, loc_q: ArrayLike, scale_tril_q: ArrayLike) -> jax.Array:
    """KL divergence of two normal vectors.

    (|M|_F^2 - d + |L_q^-1 (m_p - m_q)|^2)/2 - log|M| with M = L_q^-1 L_p.

    Args:
        loc_p: (d,).
        scale_tril_p: L_p, (d, d), lower triangular with positive diagonal.
        loc_q: (d,).
        scale_tril_q: L_q, (d, d).

    Returns:
        () nats.

    Raises:
        ValueError: wrong shapes.

    Numerics:
        M is triangular, so the sum splits into nonnegative terms.

    Source:
        Kullback (1959), ch. 9, eq. 1.4.
    """
    tril_p, tril_q, ratio, shift = _whitened("kl_mvn", loc_p, scale_tril_p, loc_q, scale_tril_q)
    off = jnp.sum(jnp.tril(ratio, -1) ** 2)
    return jnp.sum(scale_gap(jnp.diagonal(tril_p), jnp.diagonal(tril_q))) + 0.5 * (off + jnp.sum(shift * shift))


_MOST_IN_SERIES, _TERMS = 1 / 64, 8


def _log_det_slope(step: jax.Array, excess: jax.Array) -> jax.Array:
    """log|I + s E|/s = sum_k (-1)^(k + 1) tr E (s E)^(k - 1)/k for s E of norm at most 1/64."""
    power, total = excess, jnp.zeros((), excess.dtype)
    for order in range(1, _TERMS + 1):
        total = total - (-1) ** order * jnp.trace(power) / order
        power = jnp.matmul(power, step * excess, precision=HIGHEST)
    return total


def renyi_mvn(
    loc_p: ArrayLike,
    scale_tril_p: ArrayLike,
    loc_q: ArrayLike,
    scale_tril_q: ArrayLike,
    *,
    order: ArrayLike | None = None,
) -> jax.Array:
    """Renyi divergence of two normal vectors.

    With V = a B + (1 - a) A for covariances A of p and B of q,
    a/2 dm.V^-1 dm - log(|V|/(|A|^(1-a) |B|^a))/(2 (a - 1)).

    Args:
        loc_p: (d,).
        scale_tril_p: (d, d), lower triangular with positive diagonal.
        loc_q: (d,).
        scale_tril_q: (d, d).
        order: a, positive and not 1.

    Returns:
        () nats; +inf, with zero gradient, where V is not positive definite.

    Raises:
        ValueError: wrong shapes, or `order` is missing, 1 or not positive.

    Numerics:
        Near order 1 the log determinant is a series in 1 - a, which loses no digits to the division.

    Source:
        Gil, Alajaji and Linder, Renyi Divergence Measures for Commonly Used Univariate Continuous Distributions (2013).
    """
    tril_p, tril_q, ratio, shift = _whitened("renyi_mvn", loc_p, scale_tril_p, loc_q, scale_tril_q)
    a = checked_order("renyi_mvn", order, shift.dtype)
    eye = jnp.eye(shift.size, dtype=shift.dtype)
    step, excess = 1.0 - a, jnp.matmul(ratio, ratio.T, precision=HIGHEST) - eye
    mixed = eye + step * excess
    positive = jnp.all(jnp.isfinite(jnp.linalg.cholesky(jax.lax.stop_gradient(mixed))))
    factor = jnp.linalg.cholesky(jnp.where(positive, mixed, eye))
    z = solve_triangular(factor, shift, lower=True)
    log_ratio = jnp.sum(jnp.log(jnp.diagonal(tril_p)) - jnp.log(jnp.diagonal(tril_q)))
    is_near = jnp.sum(jax.lax.stop_gradient(step * excess) ** 2) <= _MOST_IN_SERIES**2
    slope = jnp.where(
        is_near,
        _log_det_slope(jnp.where(is_near, step, 0.0), excess),
        2.0 * jnp.sum(jnp.log(jnp.diagonal(factor))) / jnp.where(is_near, 1.0, step),
    )
    value = 0.5 * a * jnp.sum(z * z) + 0.5 * slope - log_ratio
    value = jnp.where(value < 0.0, 0.0, value)  # by rounding, between laws that coincide
    bad = jnp.isnan(jnp.sum(mixed))
    return jnp.where(positive, value, jnp.where(bad, jnp.nan, jnp.inf))


def bhattacharyya_mvn(
    loc_p: ArrayLike, scale_tril_p: ArrayLike, loc_q: ArrayLike, scale_tril_q: ArrayLike
) -> jax.Array:
    """Bhattacharyya distance of two normal vectors, dm.S^-1 dm/8 + log(|S|/sqrt(|A| |B|))/2 with S = (A + B)/2.

    Args:
        loc_p: (d,).
        scale_tril_p: (d, d), lower triangular with positive diagonal.
        loc_q: (d,).
        scale_tril_q: (d, d).

    Returns:
        () nats, half the Renyi divergence of order 1/2.

    Source:
        Bhattacharyya (1943); Kailath (1967), eq. 61.
    """
    return 0.5 * renyi_mvn(loc_p, scale_tril_p, loc_q, scale_tril_q, order=0.5)


def hellinger_squared_mvn(
    loc_p: ArrayLike, scale_tril_p: ArrayLike, loc_q: ArrayLike, scale_tril_q: ArrayLike
) -> jax.Array:
    """Squared Hellinger distance of two normal vectors, 1 - exp(-Bhattacharyya distance).

    Args:
        loc_p: (d,).
        scale_tril_p: (d, d), lower triangular with positive diagonal.
        loc_q: (d,).
        scale_tril_q: (d, d).

    Returns:
        (), in [0, 1].

    Source:
        Pardo, Statistical Inference Based on Divergence Measures (2005), sec. 1.2.
    """
    return -jnp.expm1(-bhattacharyya_mvn(loc_p, scale_tril_p, loc_q, scale_tril_q))


def tv_gaussian_equal_scale(loc_p: ArrayLike, loc_q: ArrayLike, scale: ArrayLike) -> jax.Array:
    """Total variation of normal laws on the line with one standard deviation, 2 Phi(|dm|/(2 s)) - 1.

    Args:
        loc_p: any shape.
        loc_q: a shape that broadcasts.
        scale: common standard deviation, positive.

    Returns:
        Broadcast shape, in [0, 1], elementwise; NaN for a scale that is not positive.

    Source:
        Tsybakov (2009), sec. 2.4.
    """
    loc_p, loc_q, scale = promote(loc_p, loc_q, scale)
    scale = jnp.where(scale > 0.0, scale, jnp.nan)
    return jax.lax.erf(jnp.abs(loc_p - loc_q) / scale * math.sqrt(0.125))


def fisher_rao_gaussian(loc_p: ArrayLike, scale_p: ArrayLike, loc_q: ArrayLike, scale_q: ArrayLike) -> jax.Array:
    """Fisher-Rao distance of normal laws on the line, 2 sqrt 2 arcsinh sqrt((dm^2/2 + ds^2)/(4 s_p s_q)).

    Args:
        loc_p: any shape.
        scale_p: standard deviation of p, positive.
        loc_q: mean of q.
        scale_q: standard deviation of q.

    Returns:
        Broadcast shape, elementwise; the gradient is 0 at coincidence.

    Source:
        Atkinson and Mitchell, Rao's Distance Measure (1981).
    """
    loc_p, scale_p, loc_q, scale_q = promote(loc_p, scale_p, loc_q, scale_q)
    squared = (0.5 * (loc_p - loc_q) ** 2 + (scale_p - scale_q) ** 2) / (4.0 * scale_p * scale_q)
    return 2.0 * math.sqrt(2.0) * jnp.arcsinh(safe_sqrt(squared))
