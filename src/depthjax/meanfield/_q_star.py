"""Fixed points of the length map."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.meanfield._activation import Activation, require_activation
from depthjax.meanfield._arguments import over_grid, require_scales
from depthjax.meanfield._expectation import second_moment_slope
from depthjax.meanfield._length import next_length
from depthjax.meanfield._length_table import length_table, root_of_table, tabulate
from depthjax.meanfield._newton import newton_in_bracket
from depthjax.numerics import implicit_root
from depthjax.numerics._elementwise import promote


class FixedPoint(NamedTuple):
    """A fixed point of a scalar map.

    Attributes:
        value: the point, NaN where there is none.
        slope: derivative of the map there.
        stable: Boolean, whether |slope| < 1, or the map approaches the diagonal from the right side at slope 1.
        residual: |map(value) - value|, relative where the value exceeds one.
        converged: Boolean, whether `value` can be trusted.
    """

    value: jax.Array
    slope: jax.Array
    stable: jax.Array
    residual: jax.Array
    converged: jax.Array


def _polish(log_low, log_high, falls, sigma_w, sigma_b, activation, moments):
    """The root of map(q)/q - 1 in a bracket, by Newton steps in log q from that of the table; no derivative passes."""
    sense = jnp.where(falls, -1.0, 1.0)

    def value(t):
        q = jnp.exp(t)
        return sense * (next_length(q, sigma_w, sigma_b, activation) / q - 1.0)

    def evaluate(t):
        return jax.jvp(value, (t,), (jnp.ones_like(t),))

    start = root_of_table(log_low, log_high, falls, sigma_w, sigma_b, moments)
    start = jnp.where(jnp.isnan(start), 0.5 * log_low + 0.5 * log_high, start)
    noise = 32.0 * float(jnp.finfo(start.dtype).eps)
    return jnp.exp(newton_in_bracket(evaluate, log_low, log_high, start, noise=noise))


def _finish(root, is_zero, sigma_w, sigma_b, activation):
    """Derivative, slope and residual of a root, exact at zero."""
    safe = jnp.where(is_zero | ~(root > 0.0), 1.0, root)
    found = implicit_root(
        lambda q, sw, sb, act: next_length(q, sw, sb, act) - q, lax.stop_gradient(safe), sigma_w, sigma_b, activation
    )
    failed = ~is_zero & ~(root > 0.0)
    value = jnp.where(is_zero, 0.0, jnp.where(failed, jnp.nan, found))
    q = jnp.where(failed, 1.0, value)
    slope = jnp.where(failed, jnp.nan, sigma_w**2 * second_moment_slope(activation, q))
    gap = next_length(q, sigma_w, sigma_b, activation) - q
    residual = jnp.abs(lax.stop_gradient(gap)) / jnp.maximum(1.0, lax.stop_gradient(q))
    tol = 1e3 * jnp.finfo(q.dtype).eps
    converged = ~failed & (residual <= tol)
    return FixedPoint(jnp.where(converged, value, jnp.nan), slope, slope < 1.0, residual, converged)


def _solve(sigma_w, sigma_b, q_init, activation, moments):
    frozen = lax.stop_gradient((sigma_w, sigma_b, activation))
    table = length_table(*frozen[:2], moments)
    ok = (sigma_w > 0.0) & (sigma_b >= 0.0)
    log_init = jnp.log(jnp.maximum(q_init, jnp.finfo(q_init.dtype).tiny))
    here = jnp.clip(jnp.sum(table.log_q <= log_init) - 1, 0, table.log_q.shape[0] - 1)
    index = jnp.arange(table.log_q.shape[0])
    at_init = next_length(q_init, *frozen) - q_init
    eps = 8.0 * jnp.finfo(q_init.dtype).eps
    rises = jnp.where(q_init > 0.0, at_init > eps * q_init, table.sign[0] > 0.0)
    resting = (q_init > 0.0) & (jnp.abs(at_init) <= eps * q_init)
    # upwards: the first interval, from the starting point, whose right end is not above the diagonal
    up = jnp.argmax((index > here) & (table.sign <= 0.0))
    has_up = jnp.any((index > here) & (table.sign <= 0.0))
    # downwards: the last interval whose left end is not below
    down_mask = (index <= here) & (table.sign >= 0.0)
    down = table.log_q.shape[0] - 1 - jnp.argmax(down_mask[::-1])
    has_down = jnp.any(down_mask)
    low = jnp.where(rises, jnp.maximum(table.log_q[up - 1], log_init), table.log_q[down])
    high = jnp.where(rises, table.log_q[up], jnp.minimum(table.log_q[jnp.minimum(down + 1, index[-1])], log_init))
    is_zero = table.from_zero & jnp.where(q_init > 0.0, ~rises & ~resting & ~has_down, table.sign[0] <= 0.0)
    bracketed = jnp.where(rises, has_up, has_down)
    root = _polish(low, high, jnp.ones_like(rises), *frozen, moments)
    root = jnp.where(resting, q_init, jnp.where(bracketed, root, jnp.nan))
    result = _finish(root, is_zero, sigma_w, sigma_b, activation)
    stable = result.stable | (is_zero & (table.sign[0] < 0.0))
    result = result._replace(stable=stable & result.converged)
    return FixedPoint(*(jnp.where(ok, leaf, jnp.nan) for leaf in result[:2]), result.stable & ok, result.residual,
                      result.converged & ok)  # fmt: skip


def q_star(
    sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation, *, q_init: ArrayLike | None = None
) -> FixedPoint:
    """Fixed point of the length map, q = sigma_w^2 E phi(sqrt(q) h)^2 + sigma_b^2.

    Args:
        sigma_w: standard deviation of weights times sqrt(fan_in), any shape, positive.
        sigma_b: standard deviation of biases, a shape that broadcasts, nonnegative.
        activation: phi.
        q_init: starting length; the fixed point that an increasing map takes it to is returned. By default the map
            starts next to zero, so that the smallest stable fixed point is returned.

    Returns:
        `FixedPoint` of the broadcast shape. Exactly 0 where zero is the attractor, also at slope one. NaN with
        `converged` false where lengths grow without bound.

    Raises:
        ValueError: sigma_w not positive, or sigma_b negative.

    Numerics: sign changes of map(q)/q - 1 on a table of log q between 1e-10 and 1e10, then safeguarded Newton steps;
        two roots within a twelfth of a decade of each other may go unseen. Derivatives in both standard deviations and
        in the parameters of the activation by the implicit function theorem, d q* = (d map)/(1 - slope).

    Source:
        Poole et al. (2016), sec. 3.
    """
    require_activation("q_star", activation)
    require_scales("q_star", sigma_w, sigma_b)
    start = 0.0 if q_init is None else q_init
    sigma_w, sigma_b, start = promote(sigma_w, sigma_b, start)
    moments = tabulate(lax.stop_gradient(activation), sigma_w.dtype)
    return over_grid(lambda sw, sb, q0: _solve(sw, sb, q0, activation, moments), sigma_w, sigma_b, start)


def q_star_all(sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation, *, max_roots: int = 4) -> FixedPoint:
    """All fixed points of the length map, ascending, stable or not.

    Args:
        sigma_w: standard deviation of weights times sqrt(fan_in), any shape.
        sigma_b: standard deviation of biases, a shape that broadcasts.
        activation: phi.
        max_roots: static number of entries.

    Returns:
        `FixedPoint` of the broadcast shape and `(max_roots,)`, NaN and not converged beyond the last root. A whole
        interval of fixed points (ReLU at sigma_w^2 = 2, sigma_b = 0) counts once, by its lower end.
    """
    require_activation("q_star_all", activation)
    require_scales("q_star_all", sigma_w, sigma_b)

    sigma_w, sigma_b = promote(sigma_w, sigma_b)
    moments = tabulate(lax.stop_gradient(activation), sigma_w.dtype)

    def solve(sigma_w, sigma_b):
        frozen = lax.stop_gradient((sigma_w, sigma_b, activation))
        table = length_table(*frozen[:2], moments)
        sign = table.sign
        changes = (sign[:-1] * sign[1:] < 0.0) | ((sign[:-1] != 0.0) & (sign[1:] == 0.0))
        order = jnp.argsort(jnp.where(changes, 0, 1), stable=True)[:max_roots]
        found = changes[order]
        roots = jax.vmap(lambda i: _polish(table.log_q[i], table.log_q[i + 1], sign[i] > 0.0, *frozen, moments))(order)
        roots = jnp.where(found, roots, jnp.nan)
        roots = jnp.where(table.from_zero, jnp.concatenate([jnp.zeros((1,), roots.dtype), roots[:-1]]), roots)
        result = jax.vmap(lambda r: _finish(r, r == 0.0, sigma_w, sigma_b, activation))(roots)
        return result._replace(stable=result.stable & result.converged)

    return over_grid(solve, sigma_w, sigma_b)
