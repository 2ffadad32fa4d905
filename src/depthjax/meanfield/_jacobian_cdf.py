"""The cdf of the Jacobian spectrum in closed form, from Phi, the antiderivative of m dlog z, at the solution."""

import jax
import jax.numpy as jnp

from depthjax.meanfield._blocks import over_blocks
from depthjax.meanfield._jacobian_equation import Place, Setting, differences, dot, is_near, parts_at, point_of
from depthjax.meanfield._slope_law import SlopeLaw


def _mean_log(law, w, y, turned, near):
    """Real and imaginary part of E log((w - d^)/r)."""
    re, im = differences(w, y, law, turned)
    r = jnp.where(near, w, y)
    across, up = jnp.real(r)[..., None], jnp.imag(r)[..., None]

    def spread(x, b):
        # Im (w - d^) conj(w - 1) from d^ - 1, which at large w is small beside w.
        x, b = (part.reshape((1,) * y.ndim + part.shape) for part in (x, b))
        return jnp.where(near[..., None], im * across - re * up, x * up - b * across)

    rise = spread(law.excess, jnp.zeros_like(law.excess))
    if law.path is not None:
        rise = jnp.where(turned[..., None], rise, spread(law.path.excess, law.path.excess_im))
    angle = jnp.arctan2(rise, re * across + im * up)
    # Both arguments lie in [0, pi]; of a node of the path on the axis that may seem otherwise by rounding.
    half = 0.5 * jnp.pi
    angle = jnp.where((angle < -half) & (across > 0.0), angle + 2.0 * jnp.pi, angle)
    angle = jnp.where((angle > half) & (across < 0.0), angle - 2.0 * jnp.pi, angle)
    size = 0.5 * (jnp.log(re * re + im * im) - jnp.log(across * across + up * up))
    line = dot(size, law.weights), dot(angle, law.weights)
    if law.path is None:
        return line
    shares, u = law.path.weights, law.path.weights_im
    bent = dot(size, shares) - dot(angle, u), dot(size, u) + dot(angle, shares)
    return jnp.where(turned, line[0], bent[0]), jnp.where(turned, line[1], bent[1])


def mean_log(place: Place, law: SlopeLaw) -> tuple[jax.Array, jax.Array, jax.Array]:
    """E log((w - d^)/r), real and imaginary parts, and r, the pivot: w - 1, or w where that is near zero."""
    w, y = point_of(place)
    near = is_near(y, law)
    return *over_blocks(_mean_log, law, w, y, place.turned, near), jnp.where(near, w, y)


def cdf_above(place: Place, m, arg, turn, setting: Setting, gaussian: float) -> jax.Array:
    """P(> lambda) at the solution with arg = arg(1 + m): Im Phi(w)/pi with Phi the antiderivative of m dlog z."""
    total = setting.depth * (mean_log(place, setting.law)[1] + turn) - arg
    if gaussian:
        total = total + setting.depth * (jnp.imag(m) - arg)
    return total / jnp.pi


def cdf_above_gap(w: jax.Array, y: jax.Array, setting: Setting, gaussian: float) -> jax.Array:
    """The same at real w = 1 + y in a gap of the support of d^, approached from above."""
    law, depth = setting.law, setting.depth
    re, im = differences(w, y, law)
    if im is None or law.path is None:
        above = jnp.sum(jnp.where(re < 0.0, law.weights, 0.0), axis=-1)
    else:
        angle, size = jnp.arctan2(im, re), jnp.log(re * re + im * im)
        angle = jnp.where(angle < -0.5 * jnp.pi, angle + 2.0 * jnp.pi, angle)
        above = (dot(angle, law.path.weights) + 0.5 * dot(size, law.path.weights_im)) / jnp.pi
    # Im m < 0 above the axis, so that arg(1 + m) is -pi where 1 + m < 0.
    arg = jnp.where(parts_at(w, y, law).resolvent < 0.0, -1.0, 0.0)
    return depth * above + (depth - 1.0) * arg - (depth * arg if gaussian else 0.0)
