"""Fixed points of the correlation map, and how fast signals approach them."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.meanfield._activation import Activation, require_activation
from depthjax.meanfield._arguments import over_grid, require, require_scales
from depthjax.meanfield._correlation import next_gap, pair_gain
from depthjax.meanfield._length import gain, next_length
from depthjax.meanfield._q_star import FixedPoint, q_star
from depthjax.numerics import implicit_root
from depthjax.numerics._roots import solve_increasing


def _equation(gap, q, sigma_w, sigma_b, activation):
    return next_gap(gap, q, q, sigma_w, sigma_b, activation) - gap


def fixed_gap(q, sigma_w, sigma_b, activation) -> FixedPoint:
    """The stable 1 - c between signals of length q, for scalars; by bisection in its logarithm, safeguarded Newton."""
    alive = q > 0.0
    safe = jnp.where(alive, q, 1.0)
    growth = jnp.where(alive, next_length(safe, sigma_w, sigma_b, activation) / safe, 1.0)
    parallel = gain(q, sigma_w, activation) / growth
    frozen = lax.stop_gradient((safe, sigma_w, sigma_b, activation))
    tiny = 64.0 * jnp.finfo(q.dtype).eps
    chaotic = alive & (lax.stop_gradient(parallel) > 1.0 + tiny)

    def value(t):
        return -jnp.log(next_gap(jnp.exp(t), frozen[0], *frozen) / jnp.exp(t))

    low = jnp.log(jnp.asarray(tiny**2, q.dtype))
    root = solve_increasing(
        lambda t: jax.jvp(value, (t,), (jnp.ones_like(t),)), low, jnp.zeros_like(low), jnp.asarray(-1.0, q.dtype)
    )
    root = jnp.where(chaotic, jnp.exp(root), 0.5)
    gap = implicit_root(_equation, root, safe, sigma_w, sigma_b, activation)
    gap = jnp.where(chaotic, gap, 0.0)
    slope = pair_gain(jnp.where(chaotic, gap, 0.5), safe, sigma_w, activation) / growth
    slope = jnp.where(chaotic, slope, parallel)
    residual = jnp.where(chaotic, jnp.abs(lax.stop_gradient(_equation(root, *frozen))), 0.0)
    converged = jnp.isfinite(slope) & (residual <= 1e3 * jnp.finfo(q.dtype).eps)
    return FixedPoint(jnp.where(converged, gap, jnp.nan), slope, converged & (slope <= 1.0 + tiny), residual, converged)


def _lengths(name, sigma_w, sigma_b, activation, q):
    require_activation(name, activation)
    require_scales(name, sigma_w, sigma_b)
    if q is None:
        return q_star(sigma_w, sigma_b, activation).value
    require(name, "q", q, lambda v: v >= 0.0, "nonnegative (a variance)")
    return q


def c_star(sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation, *, q: ArrayLike | None = None) -> FixedPoint:
    """The cosine that the angle between any two signals tends to.

    The map of cosines is a power series with nonnegative coefficients, hence convex: c* = 1 where chi_1 <= 1, and
    otherwise there is exactly one stable point in [0, 1).

    Args:
        sigma_w: standard deviation of weights times sqrt(fan_in), any shape, positive.
        sigma_b: standard deviation of biases, a shape that broadcasts, nonnegative.
        activation: phi.
        q: length of both signals; the fixed point `q_star` by default.

    Returns:
        `FixedPoint` of the broadcast shape, with chi_c at c* as slope; NaN with `converged` false where lengths have no
        fixed point. Exactly 1 in the ordered phase and on the critical line, also where q* = 0.

    Raises:
        ValueError: sigma_w not positive, sigma_b or q negative.

    Numerics: solved in 1 - c, so that c* close to 1 keeps its digits up to the last subtraction; derivatives by the
        implicit function theorem.

    Source:
        Poole et al. (2016), sec. 3; Schoenholz et al. (2017), sec. 3.
    """
    q = _lengths("c_star", sigma_w, sigma_b, activation, q)
    found = over_grid(lambda q, w, b: fixed_gap(q, w, b, activation), q, sigma_w, sigma_b)
    return found._replace(value=1.0 - found.value)


def depth_scale(slope: jax.Array) -> jax.Array:
    """-1/log|slope|, 0 at slope 0 and inf from slope 1 on, from which rounding keeps some units in the last place."""
    size = jnp.abs(slope)
    size = jnp.where(jnp.abs(size - 1.0) <= 64.0 * jnp.finfo(slope.dtype).eps, 1.0, size)
    inside = (size > 0.0) & (size < 1.0)
    value = -1.0 / jnp.log(jnp.where(inside, size, 0.5))
    return jnp.where(jnp.isnan(slope), jnp.nan, jnp.where(inside, value, jnp.where(size > 0.0, jnp.inf, 0.0)))


def xi_q(sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation, *, q: ArrayLike | None = None) -> jax.Array:
    """Depth scale over which lengths approach their fixed point, -1/log of the length map's slope there.

    Args:
        sigma_w: standard deviation of weights times sqrt(fan_in), any shape, positive.
        sigma_b: standard deviation of biases, a shape that broadcasts, nonnegative.
        activation: phi.
        q: starting length, as `q_init` of `q_star`.

    Returns:
        Layers, broadcast shape; inf at slope 1, NaN where there is no fixed point.

    Raises:
        ValueError: sigma_w not positive, or sigma_b negative.

    Source:
        Schoenholz et al. (2017), eq. 7.
    """
    require_activation("xi_q", activation)
    require_scales("xi_q", sigma_w, sigma_b)
    return depth_scale(q_star(sigma_w, sigma_b, activation, q_init=q).slope)


def xi_c(sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation, *, q: ArrayLike | None = None) -> jax.Array:
    """Depth scale over which the angle between two signals approaches its fixed point, -1/log chi_c(c*).

    Args:
        sigma_w: standard deviation of weights times sqrt(fan_in), any shape, positive.
        sigma_b: standard deviation of biases, a shape that broadcasts, nonnegative.
        activation: phi.
        q: length of both signals; the fixed point `q_star` by default.

    Returns:
        Layers, broadcast shape; inf on the critical line, NaN where there is no fixed point.

    Raises:
        ValueError: sigma_w not positive, sigma_b or q negative.

    Source:
        Schoenholz et al. (2017), eq. 9.
    """
    return depth_scale(c_star(sigma_w, sigma_b, activation, q=_lengths("xi_c", sigma_w, sigma_b, activation, q)).slope)
