"""Quantiles of the standard gamma distribution from log probabilities too small for a float."""

import jax
import jax.numpy as jnp

from depthjax.numerics import find_root, gammainccinv, gammaincinv, log_gammainc, log_gammaincc

_DEEP = -80.0


def quantile_from_log_p(a: jax.Array, log_p: jax.Array) -> jax.Array:
    """The x with log P(a, x) = log_p.

    Numerics:
        Below exp(-80) by a root in log x between the bounds x^a exp(-x) < P Gamma(a + 1) < x^a.
    """
    deep = log_p < _DEEP
    target = jnp.where(deep & jnp.isfinite(log_p), log_p, _DEEP)
    leading = (target + jax.lax.lgamma(a + 1.0)) / a
    floor = jnp.log(jnp.finfo(a.dtype).tiny).astype(a.dtype) + 2.0
    underflow = leading < floor
    lower = jnp.where(underflow, floor, leading)
    shape = jnp.where(underflow, 1.0, a)
    wanted = jnp.where(underflow, floor, target)
    start = lower - 1e-3 * (1.0 + jnp.abs(lower))
    root = find_root(_lower_gap, jnp.where(underflow, lower - 1.0, start), lower + 1.1, shape, wanted).value
    tail = jnp.exp(jnp.where(underflow, leading, root))
    regular = gammaincinv(a, jnp.exp(jnp.where(deep, -1.0, log_p)))
    return jnp.where(jnp.isneginf(log_p), 0.0, jnp.where(deep, tail, regular))


def quantile_from_log_q(a: jax.Array, log_q: jax.Array) -> jax.Array:
    """The x with log Q(a, x) = log_q."""
    deep = log_q < _DEEP
    target = jnp.where(deep & jnp.isfinite(log_q), log_q, _DEEP)
    depth = 1.0 - jax.lax.stop_gradient(target)
    upper = jnp.log(a + jnp.sqrt(2.0 * a * depth) + depth)
    tail = jnp.exp(find_root(_upper_gap, jnp.log(a), upper, a, target).value)
    regular = gammainccinv(a, jnp.exp(jnp.where(deep, -1.0, log_q)))
    return jnp.where(jnp.isneginf(log_q), jnp.inf, jnp.where(deep, tail, regular))


def _lower_gap(log_x, a, log_p):
    return log_gammainc(a, jnp.exp(log_x)) - log_p


def _upper_gap(log_x, a, log_q):
    return log_q - log_gammaincc(a, jnp.exp(log_x))
