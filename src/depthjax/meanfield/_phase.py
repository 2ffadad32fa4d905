"""Order, criticality, chaos and divergence over a grid of standard deviations."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.meanfield._activation import Activation, require_activation
from depthjax.meanfield._arguments import over_grid, require_scales
from depthjax.meanfield._c_star import depth_scale, fixed_gap
from depthjax.meanfield._expectation import rule_for, safe_root, slope_moment
from depthjax.meanfield._q_star import q_star

_ORDERS = 128
_CRITICAL = 1e-6


class PhaseDiagram(NamedTuple):
    """What a grid of (sigma_w, sigma_b) does to signals; all of the broadcast shape.

    Attributes:
        q_star: fixed length, NaN where lengths diverge.
        chi_1: growth of small differences there.
        c_star: cosine that two signals tend to.
        xi_q: depth scale of lengths, in layers.
        xi_c: depth scale of angles, in layers.
        phase: int32, 0 ordered, 1 critical (chi_1 within 1e-6 of 1), 2 chaotic, 3 divergent.
        residual: the larger of the residuals of q* and c*.
    """

    q_star: jax.Array
    chi_1: jax.Array
    c_star: jax.Array
    xi_q: jax.Array
    xi_c: jax.Array
    phase: jax.Array
    residual: jax.Array


def _energies(activation: Activation, q: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Squared Hermite coefficients of phi(sqrt(q) h), orders 0 to 128, and what is left of E phi^2."""
    nodes, weights = rule_for(activation, q)
    values = activation.fn(safe_root(q) * nodes)

    def step(state, order):
        before, now = state
        after = (nodes * now - jnp.sqrt(order) * before) / jnp.sqrt(order + 1.0)
        return (now, after), weights @ (values * now)

    start = (jnp.zeros_like(nodes), jnp.ones_like(nodes))
    _, coefficients = lax.scan(step, start, jnp.arange(_ORDERS + 1, dtype=q.dtype))
    squares = coefficients**2
    return squares, jnp.maximum(weights @ values**2 - jnp.sum(squares), 0.0)


def _gap_of_series(q, sigma_w, sigma_b, activation):
    """Gap and slope of c*, from the power series of the correlation map, its tail lumped in the next order."""
    squares, rest = _energies(activation, q)
    total = jnp.concatenate([squares, rest[None]]) * sigma_w**2
    total = total.at[0].add(sigma_b**2)
    total = total / jnp.sum(total)
    orders = jnp.arange(1, _ORDERS + 2, dtype=q.dtype)
    energy = total[1:]

    def value(gap):
        return jnp.sum(energy * -jnp.expm1(orders * jnp.log1p(-gap))) - gap

    def halve(bracket, _):
        low, high = bracket
        middle = jnp.sqrt(low * high)
        above = value(middle) > 0.0
        return (jnp.where(above, middle, low), jnp.where(above, high, middle)), None

    tiny = jnp.asarray(1e-9, q.dtype)
    (low, high), _ = lax.scan(halve, (tiny, jnp.ones_like(tiny)), length=52)
    gap = jnp.sqrt(low * high)
    powers = jnp.exp(orders[:-1] * jnp.log1p(-gap))
    slope = energy[0] + jnp.sum(energy[1:] * orders[1:] * powers)
    return gap, slope, jnp.abs(value(gap))


def _angle(q, chi, sigma_w, sigma_b, activation):
    """Gap, slope and residual of c* for scalars."""
    ok = q > 0.0
    safe = jnp.where(ok, q, 1.0)
    if activation.is_piecewise_linear or activation.derivative_covariance is not None:
        found = fixed_gap(safe, sigma_w, sigma_b, activation)
        gap, slope, residual = found.value, found.slope, found.residual
    else:
        gap, slope, residual = _gap_of_series(safe, sigma_w, sigma_b, activation)
    chaotic = ok & (chi > 1.0 + _CRITICAL)
    return jnp.where(chaotic, gap, 0.0), jnp.where(chaotic, slope, chi), jnp.where(chaotic, residual, 0.0)


def phase_diagram(sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation) -> PhaseDiagram:
    """Fixed points, depth scales and phases over a grid.

    Args:
        sigma_w: standard deviation of weights times sqrt(fan_in), any shape, positive.
        sigma_b: standard deviation of biases, a shape that broadcasts, nonnegative.
        activation: phi.

    Returns:
        `PhaseDiagram` of the broadcast shape.

    Raises:
        ValueError: sigma_w not positive, or sigma_b negative.

    Numerics: q*, chi_1 and xi_q are those of `q_star` and `chi_1`. Where the joint expectations have no closed form,
        c* comes from 128 terms of the correlation map's power series: absolute error below 1e-6 where chi_1 > 1.05,
        of the order of 1 - c* itself nearer to the critical line; `c_star` is exact there too.

    Source:
        Poole et al. (2016), fig. 2; Schoenholz et al. (2017), fig. 1.
    """
    require_activation("phase_diagram", activation)
    require_scales("phase_diagram", sigma_w, sigma_b)
    lengths = q_star(sigma_w, sigma_b, activation)

    def rest(q, residual, sigma_w, sigma_b):
        finite = q >= 0.0
        chi = jnp.where(finite, sigma_w**2 * slope_moment(activation, jnp.where(finite, q, 1.0)), jnp.nan)
        gap, slope, of_angle = _angle(q, chi, sigma_w, sigma_b, activation)
        critical = jnp.abs(chi - 1.0) <= _CRITICAL
        phase = jnp.where(chi < 1.0, 0, jnp.where(finite, 2, 3))
        slope = jnp.where(critical, 1.0, slope)
        missing = jnp.where(finite, 0.0, jnp.nan)
        return (
            chi,
            1.0 - gap + missing,
            depth_scale(slope),
            jnp.where(critical, 1, phase).astype(jnp.int32),
            (jnp.maximum(residual, of_angle)),
        )

    chi, cosine, depth, phase, residual = over_grid(rest, lengths.value, lengths.residual, sigma_w, sigma_b)
    return PhaseDiagram(lengths.value, chi, cosine, depth_scale(lengths.slope), depth, phase, residual)
