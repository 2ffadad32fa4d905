"""Arithmetic of truncated power series; coefficients lie on the last axis, the constant term first."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.numerics._elementwise import float_dtype


def series_mul(a: ArrayLike, b: ArrayLike) -> jax.Array:
    """Product of two power series, truncated to their common length.

    (ab)_n = sum_k a_k b_(n-k).

    Args:
        a: (..., n) coefficients of 1, x, ..., x^(n-1).
        b: (..., n); leading axes broadcast.

    Returns:
        (..., n).

    Raises:
        ValueError: for a scalar, or for two lengths.
    """
    a, b = _pair("series_mul", a, b)
    return _mul(a, b)


def series_log(a: ArrayLike) -> jax.Array:
    """Logarithm of a power series with positive constant term.

    From l' a = a': n a_0 l_n = n a_n - sum_(0<k<n) k l_k a_(n-k).

    Args:
        a: (..., n).

    Returns:
        (..., n); NaN where `a[..., 0] < 0`.
    """
    a = _series("series_log", a)
    terms = [jnp.log(a[..., 0])]
    for n in range(1, a.shape[-1]):
        known = sum((k * terms[k] * a[..., n - k] for k in range(1, n)), start=jnp.zeros_like(a[..., 0]))
        terms.append((a[..., n] - known / n) / a[..., 0])
    return jnp.stack(terms, axis=-1)


def series_exp(a: ArrayLike) -> jax.Array:
    """Exponential of a power series.

    From e' = a' e: n e_n = sum_(0<k<=n) k a_k e_(n-k).

    Args:
        a: (..., n).

    Returns:
        (..., n).
    """
    a = _series("series_exp", a)
    terms = [jnp.exp(a[..., 0])]
    for n in range(1, a.shape[-1]):
        terms.append(sum((k * a[..., k] * terms[n - k] for k in range(2, n + 1)), start=a[..., 1] * terms[n - 1]) / n)
    return jnp.stack(terms, axis=-1)


def series_pow(a: ArrayLike, exponent: ArrayLike) -> jax.Array:
    """Real power of a power series with positive constant term.

    From p a' c = a c': n a_0 c_n = sum_(0<k<=n) (k p - n + k) a_k c_(n-k).

    Args:
        a: (..., n).
        exponent: () or the leading shape of `a`; may be traced, negative or fractional.

    Returns:
        (..., n).

    Source:
        Knuth, The Art of Computer Programming, vol. 2, sec. 4.7, eq. 9 (Euler; Miller).
    """
    a = _series("series_pow", a)
    power = jnp.broadcast_to(jnp.asarray(exponent, a.dtype), a.shape[:-1])
    terms = [a[..., 0] ** power]
    for n in range(1, a.shape[-1]):
        parts = [(k * power - (n - k)) * a[..., k] * terms[n - k] for k in range(1, n + 1)]
        terms.append(sum(parts[1:], start=parts[0]) / (n * a[..., 0]))
    return jnp.stack(terms, axis=-1)


def series_compose(outer: ArrayLike, inner: ArrayLike) -> jax.Array:
    """Composition outer(inner(x)) of power series, by Horner's rule.

    Args:
        outer: (..., n).
        inner: (..., n); its constant term is taken to be zero, whatever it holds.

    Returns:
        (..., n).
    """
    outer, inner = _pair("series_compose", outer, inner)
    inner = inner.at[..., 0].set(0.0)
    total = jnp.zeros_like(outer)
    for k in reversed(range(outer.shape[-1])):
        total = _mul(total, inner)
        total = total.at[..., 0].add(outer[..., k])
    return total


def series_revert(a: ArrayLike) -> jax.Array:
    """Compositional inverse b of a power series: a(b(x)) = x.

    Lagrange: b_k = [x^(k-1)] (x / a(x))^k / k.

    Args:
        a: (..., n); its constant term is taken to be zero, its linear term must not be.

    Returns:
        (..., n), constant term zero.
    """
    a = _series("series_revert", a)
    n = a.shape[-1]
    if n == 1:
        return jnp.zeros_like(a)
    ratio = _reciprocal(a[..., 1:])
    power, terms = ratio, [jnp.zeros_like(a[..., 0]), ratio[..., 0]]
    for k in range(2, n):
        power = _mul(power, ratio)
        terms.append(power[..., k - 1] / k)
    return jnp.stack(terms, axis=-1)


def _reciprocal(a):
    terms = [1.0 / a[..., 0]]
    for n in range(1, a.shape[-1]):
        parts = [a[..., k] * terms[n - k] for k in range(1, n + 1)]
        terms.append(-sum(parts[1:], start=parts[0]) / a[..., 0])
    return jnp.stack(terms, axis=-1)


def _mul(a, b):
    n = a.shape[-1]
    gap = np.arange(n)[:, None] - np.arange(n)
    shifted = jnp.where(gap >= 0, b[..., np.maximum(gap, 0)], 0.0)
    return jnp.sum(a[..., None, :] * shifted, axis=-1)


def _series(name, a):
    a = np.asarray(a) if isinstance(a, (list, tuple)) else a
    a = jnp.asarray(a, float_dtype(a))
    if a.ndim == 0 or a.shape[-1] == 0:
        raise ValueError(f"{name}: expected coefficients on the last axis, got shape {a.shape}")
    return a


def _pair(name, a, b):
    a, b = (np.asarray(value) if isinstance(value, (list, tuple)) else value for value in (a, b))
    dtype = float_dtype(a, b)
    a, b = (_series(name, jnp.asarray(value, dtype)) for value in (a, b))
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(f"{name}: both series need one length, got {a.shape[-1]} and {b.shape[-1]}")
    shape = np.broadcast_shapes(a.shape, b.shape)
    return jnp.broadcast_to(a, shape), jnp.broadcast_to(b, shape)
