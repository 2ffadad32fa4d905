"""Tails of the beta negative binomial distribution at any distance, by 64 masses and an integral."""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.distributions._count_masses import log_real_polya_mass
from depthjax.numerics import gauss_legendre_rule

_NUM_TERMS = 64
_DEPTH = 40.0
_FAR, _END = 1e20, 1e26
_PANELS = 12
_NODES, _NODE_WEIGHTS = gauss_legendre_rule(12)
_STEPS = ((np.arange(_PANELS)[:, None] + 0.5 + 0.5 * _NODES) / _PANELS).ravel()
_STEP_WEIGHTS = np.tile(0.5 * _NODE_WEIGHTS / _PANELS, _PANELS)
# A sum from K on is the integral from K - 1/2 on plus these multiples of the terms K - 3, ..., K + 2.
_FIRST, _THIRD, _FIFTH = (
    np.array([0, 0, -1, 1, 0, 0]),
    np.array([0, -1, 3, -3, 1, 0]),
    np.array([-1, 5, -10, 10, -5, 1]),
)
_STENCIL = _FIRST / 24 - 17 * _THIRD / 5760 + 367 * _FIFTH / 967680
_OFFSETS = np.arange(-2.5, 3.0)


def log_mass(x, count, a, b):
    """Log mass at any real x >= 0."""
    return log_real_polya_mass(x, count, a, b) - jnp.log1p(x / count)


def mode(count, a, b):
    """The first x whose mass is not below that of x + 1."""
    return jnp.maximum(jnp.ceil((count * a - a - b - count) / (b + 1.0)), 0.0)


def log_tails(k, count, a, b):
    """Log cdf and log survival at a whole number k >= 0, the far one as one minus the near one.

    Numerics:
        Sums outward from k, up or down according to the side of the mode: 64 masses, and for the rest the integral of
        the mass, which is smooth in log x, with the Euler-Maclaurin corrections at its ends. Below, the first 64 masses
        from 0 on are summed too. Beyond k = 1e20 the tail is a power law. All of it is in units of the largest term.
    """
    near = jnp.minimum(k, _FAR)
    up = near >= jax.lax.stop_gradient(mode(count, a, b))
    log_sum = _log_outward_sum(near, up, count, a, b) - b * (jnp.log(jnp.maximum(k, _FAR)) - np.log(_FAR).item())
    smaller = jnp.minimum(log_sum, -jnp.finfo(k.dtype).tiny)
    larger = jnp.where(smaller < -1.0, jnp.log1p(-jnp.exp(smaller)), jnp.log(-jnp.expm1(smaller)))
    return jnp.where(up, larger, smaller), jnp.where(up, smaller, larger)


def _column(values, like):
    return jnp.asarray(values, like.dtype).reshape((-1,) + (1,) * like.ndim)


def _log_outward_sum(k, up, count, a, b):
    """Log of the sum of the masses above k where `up`, of those up to k elsewhere."""
    sign = jnp.where(up, 1.0, -1.0).astype(k.dtype)
    start = jnp.where(up, k + (_NUM_TERMS + 0.5), jnp.maximum(k - (_NUM_TERMS - 0.5), _NUM_TERMS - 0.5))
    end = jnp.where(up, _END, _NUM_TERMS - 0.5).astype(k.dtype)
    reach = _reach(start, end, sign, *jax.lax.stop_gradient((count, a, b)))
    steps = _column(np.arange(_NUM_TERMS), k)
    direct = jnp.where(up, k + 1.0, k)[None] + sign[None] * steps
    inner = start[None] * jnp.exp(sign[None] * reach[None] * _column(_STEPS, k))
    outer, first = start[None] + sign[None] * _column(_OFFSETS, k), jnp.broadcast_to(steps, direct.shape)
    low = jnp.broadcast_to(_column(_NUM_TERMS - 0.5 + _OFFSETS, k), outer.shape)
    split = ~up & (k >= 2 * _NUM_TERMS)
    rest = up | split
    weights = (
        (direct >= 0).astype(k.dtype),
        jnp.where(rest[None], reach[None] * _column(_STEP_WEIGHTS, k) * inner, 0.0),
        jnp.where(rest[None], _column(_STENCIL, k), 0.0),
        jnp.where(~up[None] & (first < direct[-1:]), 1.0, 0.0).astype(k.dtype),
        jnp.where(split[None], _column(_STENCIL, k), 0.0),
        jnp.where(up, end / b, 0.0)[None],
    )
    x = jnp.concatenate([jnp.maximum(direct, 0.0), inner, outer, first, low, jnp.maximum(end, 1.0)[None]])
    weights = jnp.concatenate([jnp.broadcast_to(w, (w.shape[0], *k.shape)) for w in weights])
    logs = log_mass(x, *(jnp.broadcast_to(v[None], x.shape) for v in (count, a, b)))
    used = weights != 0
    terms = jnp.where(used, logs + jnp.log(jnp.abs(jnp.where(used, weights, 1.0))), -jnp.inf)
    top = jax.lax.stop_gradient(jnp.max(terms, axis=0))
    return top + jnp.log(jnp.sum(jnp.sign(weights) * jnp.exp(terms - top[None]), axis=0))


def _reach(start, end, sign, count, a, b):
    """How far in log x the mass times x falls by exp(-40), at most to `end`."""
    limit = jnp.abs(jnp.log(end / start))

    def height(s):
        return log_mass(start * jnp.exp(sign * s), count, a, b) + sign * s

    floor = height(jnp.zeros_like(start)) - _DEPTH

    def halve(_, bracket):
        low, high = bracket
        middle = 0.5 * (low + high)
        above = height(middle) > floor
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    reach = jax.lax.fori_loop(0, 30, halve, (jnp.zeros_like(start), limit))[1]
    return jax.lax.stop_gradient(jnp.where(height(limit) > floor, limit, reach))
