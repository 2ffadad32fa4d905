"""Moments, free cumulants and S-transforms as truncated series; the last axis is the order."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.numerics import series_mul, series_pow, series_revert


def moments_to_free_cumulants(m: ArrayLike) -> jax.Array:
    """Free cumulants kappa_1..kappa_n of raw moments m_1..m_n.

    kappa_1 = m_1, kappa_n = -[u^n] (1 + sum m_k u^k)^(1-n) / (n - 1).

    Args:
        m: (..., n) raw moments, m_1 first.

    Returns:
        (..., n), kappa_1 first.

    Source:
        Nica and Speicher, Lectures on the Combinatorics of Free Probability (2006), lecture 16 (Lagrange inversion of
        M(u) = C(u M(u))).
    """
    series = _with_one("moments_to_free_cumulants", m)
    inverse = series_pow(series, -1.0)
    power, terms = inverse, [series[..., 1]]
    for n in range(2, series.shape[-1]):
        terms.append(power[..., n] / (1 - n))
        power = series_mul(power, inverse)
    return jnp.stack(terms, axis=-1)


def free_cumulants_to_moments(kappa: ArrayLike) -> jax.Array:
    """Raw moments m_1..m_n of free cumulants kappa_1..kappa_n.

    m_n = [x^n] (1 + sum kappa_k x^k)^(n+1) / (n + 1), a sum over non-crossing partitions.

    Args:
        kappa: (..., n), kappa_1 first.

    Returns:
        (..., n), m_1 first.

    Source:
        Nica and Speicher (2006), lecture 16.
    """
    series = _with_one("free_cumulants_to_moments", kappa)
    power, terms = series, []
    for n in range(1, series.shape[-1]):
        power = series_mul(power, series)
        terms.append(power[..., n] / (n + 1))
    return jnp.stack(terms, axis=-1)


def moments_to_s_series(m: ArrayLike) -> jax.Array:
    """Taylor coefficients S_0..S_(n-1) of the S-transform of raw moments m_1..m_n, m_1 not 0.

    S(y) = chi(y) (1 + y)/y with chi the inverse of psi(u) = sum m_k u^k.

    Args:
        m: (..., n).

    Returns:
        (..., n); S_0 = 1/m_1. Not finite for a law of mean 0, whose S-transform has a pole.

    Source:
        Voiculescu, Dykema and Nica, Free Random Variables (1992), sec. 3.6.
    """
    psi = _with_one("moments_to_s_series", m).at[..., 0].set(0.0)
    chi = series_revert(psi)[..., 1:]
    return chi.at[..., 1:].add(chi[..., :-1])


def s_series_to_moments(s: ArrayLike) -> jax.Array:
    """Raw moments m_1..m_n of the Taylor coefficients S_0..S_(n-1) of an S-transform.

    Args:
        s: (..., n), S_0 not 0.

    Returns:
        (..., n), m_1 first.
    """
    series = _with_one("s_series_to_moments", s)[..., 1:]
    terms = [series[..., 0]]
    for n in range(1, series.shape[-1]):
        terms.append(series[..., n] - terms[-1])
    chi = jnp.stack([jnp.zeros_like(terms[0]), *terms], axis=-1)
    return series_revert(chi)[..., 1:]


def _with_one(name, values):
    values = jnp.asarray(values)
    if not jnp.issubdtype(values.dtype, jnp.inexact):
        values = values.astype(jnp.result_type(float))
    if values.ndim == 0 or values.shape[-1] == 0:
        raise ValueError(f"{name}: expected (..., order) with order >= 1, got shape {values.shape}")
    return jnp.concatenate([jnp.ones_like(values[..., :1]), values], axis=-1)


def affine_moments(m: jax.Array, loc: jax.Array, scale: jax.Array) -> jax.Array:
    """Raw moments (n,) of loc + scale X from those of X, by the binomial formula."""
    order = m.shape[-1]
    with_one = jnp.concatenate([jnp.ones_like(m[..., :1]), m], axis=-1)
    rows = []
    for n in range(1, order + 1):
        terms = [math.comb(n, k) * loc ** (n - k) * scale**k * with_one[..., k] for k in range(n + 1)]
        rows.append(sum(terms[1:], terms[0]))
    return jnp.stack(rows, axis=-1)
