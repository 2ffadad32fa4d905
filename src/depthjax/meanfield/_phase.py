"""Order, criticality, chaos and divergence over a grid of standard deviations."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.meanfield._activation import Activation, require_activation
from depthjax.meanfield._angle_series import angle_by_series, tails_between
from depthjax.meanfield._arguments import over_grid, require_scales
from depthjax.meanfield._c_star import depth_scale, fixed_gap
from depthjax.meanfield._length import gain
from depthjax.meanfield._q_star import q_star
from depthjax.numerics._elementwise import promote

_CRITICAL = 1e-6
_NEARLY = 1.05


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


def _angle(q, chi, sigma_w, sigma_b, activation, table):
    """Gap, slope and residual of c* for scalars."""
    chaotic = (q > 0.0) & (chi > 1.0 + _CRITICAL)
    safe = jnp.where(chaotic, q, 1.0)
    if _has_joint_moments(activation):
        found = fixed_gap(safe, sigma_w, sigma_b, activation)
        gap, slope, residual = found.value, found.slope, found.residual
    else:
        gap, slope, residual = angle_by_series(safe, sigma_w, sigma_b, activation, table)
        # From chi_1 at c = 1 to the nearby root of a convex map the slope falls by twice the excess.
        slope = jnp.where(gap > 0.0, slope, jnp.where(chi < _NEARLY, 2.0 - chi, jnp.nan))
    return jnp.where(chaotic, gap, 0.0), jnp.where(chaotic, slope, chi), jnp.where(chaotic, residual, 0.0)


def _has_joint_moments(activation):
    return activation.is_piecewise_linear or activation.derivative_covariance is not None


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
        of the order of 1 - c* itself nearer to the critical line; `c_star` is exact there too. On a grid of more than
        160 networks the terms are interpolated in log q; what that costs counts in the residual.

    Source:
        Poole et al. (2016), fig. 2; Schoenholz et al. (2017), fig. 1.
    """
    require_activation("phase_diagram", activation)
    require_scales("phase_diagram", sigma_w, sigma_b)
    sigma_w, sigma_b = promote(sigma_w, sigma_b)
    lengths = q_star(sigma_w, sigma_b, activation)
    finite = lengths.value >= 0.0
    gains = over_grid(lambda q, w: gain(q, w, activation), jnp.where(finite, lengths.value, 1.0), sigma_w)
    chi = jnp.where(finite, gains, jnp.nan)
    table = None
    if not _has_joint_moments(activation):
        matters = lax.stop_gradient((lengths.value > 0.0) & (chi > 1.0 + _CRITICAL))
        log_q = jnp.log(lax.stop_gradient(jnp.where(matters, lengths.value, jnp.nan)))
        table = tails_between(lax.stop_gradient(activation), log_q)

    def rest(q, chi, residual, sigma_w, sigma_b):
        finite = q >= 0.0
        gap, slope, of_angle = _angle(q, chi, sigma_w, sigma_b, activation, table)
        critical = jnp.abs(chi - 1.0) <= _CRITICAL
        phase = jnp.where(chi < 1.0, 0, jnp.where(finite, 2, 3))
        slope = jnp.where(critical, 1.0, slope)
        missing = jnp.where(finite, 0.0, jnp.nan)
        return (
            1.0 - gap + missing,
            depth_scale(slope),
            jnp.where(critical, 1, phase).astype(jnp.int32),
            jnp.maximum(residual, of_angle),
        )

    cosine, depth, phase, residual = over_grid(rest, lengths.value, chi, lengths.residual, sigma_w, sigma_b)
    return PhaseDiagram(lengths.value, chi, cosine, depth_scale(lengths.slope), depth, phase, residual)
