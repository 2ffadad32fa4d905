"""Quantiles of a truncated standard normal, measured from the point of largest density."""

import math

import jax
import jax.numpy as jnp

from depthjax.numerics import log_add, log_ndtr, mills_ratio, ndtri, ndtri_exp

_NUM_STEPS = 5
_DEEP = 2.0


def quantile_from_levels(
    lower: jax.Array, upper: jax.Array, peak: jax.Array, log_p: jax.Array, log_q: jax.Array
) -> jax.Array:
    """The offset y = z - peak of the p-quantile on [lower, upper].

    Where the interval holds 0, z is the normal quantile of the log-mixture of two log tails, taken on the side where
    both are small. In a tail, the equation is solved for the offset, so no digits go to the size of z.

    Args:
        lower: lower end.
        upper: upper end.
        peak: the point of [lower, upper] nearest to 0.
        log_p: log of the level.
        log_q: log of one minus the level.
    """
    tail = peak != 0
    flip = peak < 0
    near = jnp.where(tail, jnp.abs(peak), 1.0)
    far = jnp.where(tail, jnp.where(flip, -lower, upper), 2.0)
    log_rest, log_level = jnp.where(flip, log_p, log_q), jnp.where(flip, log_q, log_p)
    in_tail = _tail_offset(near, far, log_level, log_rest)
    low, high = jnp.where(tail, -1.0, lower), jnp.where(tail, 1.0, upper)
    return jnp.where(tail, jnp.where(flip, -in_tail, in_tail), _central(low, high, log_p, log_q))


def offset_of_draw(lower: jax.Array, upper: jax.Array, peak: jax.Array, p: jax.Array) -> jax.Array:
    """`quantile_from_levels` for uniform p in [0, 1), by one normal quantile unless some interval is deep in a tail."""

    def direct(lower, upper, peak, p):
        below = (1.0 - p) * _tail(-lower) + p * _tail(-upper)
        above = (1.0 - p) * _tail(lower) + p * _tail(upper)
        left = below < above
        z = ndtri(jnp.where(left, below, above))
        return jnp.where(left, z, -z) - peak

    def solved(lower, upper, peak, p):
        return quantile_from_levels(lower, upper, peak, jnp.log(p), jnp.log1p(-p))

    return jax.lax.cond(jnp.any(jnp.abs(peak) > _DEEP), solved, direct, lower, upper, peak, p)


def _tail(z):
    """P(Z > z) of a standard normal Z."""
    return 0.5 * jax.lax.erfc(z * math.sqrt(0.5))


def _central(low, high, log_p, log_q):
    """Phi(z) = q Phi(low) + p Phi(high), or the mirror image, whichever is below one half."""
    from_below = log_add(log_q + log_ndtr(low), log_p + log_ndtr(high))
    from_above = log_add(log_q + log_ndtr(-low), log_p + log_ndtr(-high))
    below = from_below < from_above
    z = ndtri_exp(jnp.where(below, from_below, from_above))
    return jnp.where(below, z, -z)


def _log_tail_ratio(near, y):
    """Log of Q(near + y)/Q(near) for the upper tail Q."""
    return jnp.log(mills_ratio(near + y)) - jnp.log(mills_ratio(near)) - y * (near + 0.5 * y)


def _tail_offset(near, far, log_level, log_rest):
    """The y >= 0 with Q(near + y) = rest Q(near) + level Q(far)."""
    finite = jnp.isfinite(far)
    width = jnp.where(finite, far, near + 1.0) - near
    log_far = jnp.where(finite, _log_tail_ratio(near, width), -jnp.inf)
    target = log_add(log_rest, log_level + log_far)

    def newton(y, near, target):
        return y + (_log_tail_ratio(near, y) - target) * mills_ratio(near + y)

    fixed_near, fixed = jax.lax.stop_gradient((near, target))
    fixed = jnp.maximum(fixed, -1e30)
    y = -2.0 * fixed / (fixed_near + jnp.sqrt(fixed_near * fixed_near - 2.0 * fixed))
    for _ in range(_NUM_STEPS):
        y = jnp.maximum(newton(y, fixed_near, fixed), 0.0)
    # Two live steps carry the derivatives, exact to second order.
    y = jax.lax.stop_gradient(y)
    for _ in range(2):
        y = newton(y, near, jnp.maximum(target, -1e30))
    return jnp.maximum(y, 0.0)
