"""The equation of the Jacobian spectrum, one complex scalar, and what follows from its solution.

With d^ = phi'^2/mu_1, w in the open upper half plane and y = w - 1,

    log z(w) = log w + (L - 1) log1p(K1) + a L log1p(m) + L log chi_1,    z = lambda on the curve Im log z = 0,
    m = E[d^/(w - d^)],  K1 = E[(d^ - 1)/(w - d^)]/E[1/(w - d^)],  a = 1 Gaussian, a = 0 orthogonal weights.

No digits cancel at large L: K1 ~ Var(d^)/w and w ~ L in the bulk.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.meanfield._blocks import over_blocks
from depthjax.meanfield._slope_law import SlopeLaw

_TURN = 1.9


class Place(NamedTuple):
    """Logarithm of w, log_r + i angle, or log_r + i (pi - angle) where `turned`: either small angle keeps its digits.

    Where turned, w is nearer to the negative axis, so that E runs along the real line; elsewhere along the path.
    """

    log_r: jax.Array
    angle: jax.Array
    turned: jax.Array

    @property
    def theta(self) -> jax.Array:
        """The argument of w."""
        return jnp.where(self.turned, jnp.pi - self.angle, self.angle)


def placed(v: jax.Array) -> Place:
    """The place of log w = v, complex."""
    theta = jnp.imag(v)
    turned = theta > _TURN
    return Place(jnp.real(v), jnp.where(turned, jnp.pi - theta, theta), turned)


class Equation(NamedTuple):
    """log z and m with their derivatives in log w, 1 + m, and E (w - 1)/(w - d^) less one and in full."""

    log_z: jax.Array
    slope: jax.Array
    m: jax.Array
    m_slope: jax.Array
    one_plus_m: jax.Array
    away: jax.Array
    one_plus_away: jax.Array

    @property
    def log_one_plus_m(self) -> jax.Array:
        """log(1 + m)."""
        return log1p(self.m, self.one_plus_m)


class Setting(NamedTuple):
    """What besides w the equation depends on; `gaussian` is a static 0.0 or 1.0."""

    law: SlopeLaw
    log_chi: jax.Array
    depth: jax.Array


def differences(w: jax.Array, y: jax.Array, law: SlopeLaw, turned: Any = None) -> tuple[jax.Array, Any]:
    """Real and imaginary parts of w - d^ for every node, the nodes last; w is given also as y = w - 1.

    Near zero w and d^ are known better than their distances from one, and elsewhere these. Real w has an imaginary part
    of w - d^ on the path only.
    """
    low = (jnp.abs(jnp.real(w)) < 0.25)[..., None]
    start = jnp.where(low, jnp.real(w)[..., None], jnp.real(y)[..., None])
    above = jnp.imag(y)[..., None] if jnp.iscomplexobj(y) else None

    def node(a):
        return a.reshape((1,) * y.ndim + a.shape)

    def from_nodes(part):
        return start - jnp.where(low, node(part.points), node(part.excess))

    if law.path is None:
        re = from_nodes(law)
        return re, None if above is None else jnp.broadcast_to(above, re.shape)
    re = from_nodes(law.path)
    if above is None:
        return re, jnp.broadcast_to(-node(law.path.excess_im), re.shape)
    im = above - node(law.path.excess_im)
    far = turned[..., None]
    return jnp.where(far, from_nodes(law), re), jnp.where(far, above, im)


def log1p(z: jax.Array, full: jax.Array) -> jax.Array:
    """Principal log(1 + z) for z, given also as full = 1 + z; small relative errors for small z in both parts."""
    re, im = jnp.real(z), jnp.imag(z)
    near = jnp.abs(re) + jnp.abs(im) < 0.5
    above, right = jnp.where(near, im, jnp.imag(full)), jnp.where(near, 1.0 + re, jnp.real(full))
    safe_re, safe_im = jnp.where(near, re, 0.0), jnp.where(near, im, 0.0)
    small = 0.5 * jnp.log1p(safe_re * (2.0 + safe_re) + safe_im * safe_im)
    size = jnp.real(full) ** 2 + jnp.imag(full) ** 2
    modulus = jnp.where(near, small, 0.5 * jnp.log(jnp.where(near, 1.0, size)))
    return lax.complex(modulus, jnp.arctan2(above, right))


def point_of(place):
    """The numbers w and w - 1."""
    size, half = jnp.exp(place.log_r), jnp.sin(0.5 * place.angle)
    across, up = size * jnp.cos(place.angle), size * jnp.sin(place.angle)
    near = jnp.expm1(place.log_r) * jnp.cos(place.angle) - 2.0 * half * half
    real, less = jnp.where(place.turned, -across, across), jnp.where(place.turned, -across - 1.0, near)
    return lax.complex(real, up), lax.complex(less, up)


def minus_one(v: jax.Array) -> jax.Array:
    """exp(v) - 1 for complex v, without cancellation."""
    re, im = jnp.real(v), jnp.imag(v)
    half = jnp.sin(0.5 * im)
    return lax.complex(jnp.expm1(re) * jnp.cos(im) - 2.0 * half * half, jnp.exp(re) * jnp.sin(im))


def _inverse(z):
    """1/z; of a complex number by real parts, which compile and run faster than complex division."""
    if not jnp.iscomplexobj(z):
        return 1.0 / z
    re, im = jnp.real(z), jnp.imag(z)
    scale = 1.0 / (re * re + im * im)
    return lax.complex(re * scale, -im * scale)


def _columns(law):
    """Weights times 1, (d^ - 1)^2 and d^, (nodes, 3), on the line; and on the path, real and imaginary, (nodes, 6)."""
    x, d = law.excess, law.points
    line = jnp.stack([law.weights, law.weights * x * x, law.weights * d], axis=-1)
    if law.path is None:
        return line, None
    d, x, w, b, u = law.path
    square, cross = x * x - b * b, 2.0 * x * b
    real = [w, w * square - u * cross, w * d - u * b]
    return line, jnp.stack([*real, u, w * cross + u * square, w * b + u * d], axis=-1)


def dot(values, columns):
    return jnp.matmul(values, columns, precision=lax.Precision.HIGHEST)


def _sums(law, w, y, turned):
    """E 1/(w - d^), E (d^ - 1)^2/(w - d^) and E d^/(w - d^) on the last axis, and minus their derivatives in w."""
    # Real pairs: the compiler vectorises them, complex division it does not.
    re, im = differences(w, y, law, turned)
    line, path = _columns(law)
    if im is None:
        first = 1.0 / re
        return dot(first, line), dot(first * first, line)
    scale = 1.0 / (re * re + im * im)
    first_re, first_im = re * scale, -im * scale
    second_re, second_im = first_re * first_re - first_im * first_im, 2.0 * first_re * first_im
    if path is None:
        return lax.complex(dot(first_re, line), dot(first_im, line)), lax.complex(
            dot(second_re, line), dot(second_im, line)
        )
    if turned is None:
        real, imaginary = path[:, :3], path[:, 3:]
        return tuple(dot(a, real) - dot(b, imaginary) for a, b in ((first_re, first_im), (second_re, second_im)))
    every, far = jnp.concatenate([path, line], axis=-1), turned[..., None]

    def total(a, b):
        a, b = dot(a, every), dot(b, every)
        bent = a[..., :3] - b[..., 3:6], a[..., 3:6] + b[..., :3]
        return lax.complex(jnp.where(far, a[..., 6:], bent[0]), jnp.where(far, b[..., 6:], bent[1]))

    return total(first_re, first_im), total(second_re, second_im)


def is_near(y, law):
    """Whether w is nearer to one than d^ is as a rule."""
    return jnp.real(y) ** 2 + jnp.imag(y) ** 2 < jnp.sum(law.weights * law.excess * law.excess)


def turn_slope(place: Place, law: SlopeLaw) -> jax.Array:
    """Derivative in log w, complex, of what the turn has beyond arg(1 + m)."""
    y = point_of(place)[1]
    near = is_near(y, law)
    return jnp.where(near, 0.0, _inverse(jnp.where(near, jnp.ones_like(y), y)))


class _Parts(NamedTuple):
    """w, E 1/(w - d^), m, K = m/E 1/(w - d^) and K - 1; derivatives in w of m, log m and log E 1/(w - d^)."""

    w: jax.Array
    resolvent: jax.Array
    m: jax.Array
    k: jax.Array
    k1: jax.Array
    d_m: jax.Array
    d_log_k: jax.Array
    over_resolvent: jax.Array


def parts_at(w, y, law, turned=None):
    first, second = over_blocks(_sums, law, w, y, turned)
    resolvent, spread, m = first[..., 0], first[..., 1], first[..., 2]
    d_resolvent, d_spread, d_m = -second[..., 0], -second[..., 1], -second[..., 2]
    small = is_near(y, law)
    inverse = _inverse(jnp.where(small, jnp.ones_like(y), y))
    drift = jnp.where(small, y * resolvent - 1.0, spread * inverse)
    d_drift = jnp.where(small, resolvent + y * d_resolvent, (d_spread - spread * inverse) * inverse)
    over, under = _inverse(resolvent), _inverse(m)
    k, k1 = m * over, drift * over
    # Where K is far below one, K - 1 does not tell it.
    low = jnp.abs(jnp.real(w)) < 0.25
    d_log_k = jnp.where(low, d_m * under - d_resolvent * over, (d_drift - k1 * d_resolvent) * under)
    return _Parts(w, resolvent, m, k, jnp.where(low, k - 1.0, k1), d_m, d_log_k, over)


def _slope(parts, depth, gaussian):
    """The derivative of log z in log w."""
    slope = 1.0 + (depth - 1.0) * parts.w * parts.d_log_k
    return slope + depth * parts.d_m * parts.over_resolvent if gaussian else slope


def equation(place: Place, setting: Setting, gaussian: float) -> Equation:
    """Evaluate at w of any shape."""
    w, y = point_of(place)
    parts = parts_at(w, y, setting.law, place.turned)
    one_plus_m = w * parts.resolvent
    v = lax.complex(place.log_r, place.theta)
    layers = setting.depth.astype(v.dtype)
    log_z = v + (setting.depth * setting.log_chi).astype(v.dtype)
    if gaussian:
        # In one, which halves what there is to compile.
        log_k, log_m = log1p(jnp.stack([parts.k1, parts.m]), jnp.stack([parts.k, one_plus_m]))
        log_z = log_z + (layers - 1.0) * log_k + layers * log_m
    else:
        log_z = log_z + (layers - 1.0) * log1p(parts.k1, parts.k)
    slope = _slope(parts, layers, gaussian)
    away = parts.k1 * parts.resolvent
    return Equation(log_z, slope, parts.m, parts.d_m * parts.w, one_plus_m, away, y * parts.resolvent)


def turn_of(place: Place, at: Equation, law: SlopeLaw) -> jax.Array:
    """The argument of E r/(w - d^) for the pivot r of w."""
    near = is_near(point_of(place)[1], law)
    return jnp.imag(log1p(jnp.where(near, at.m, at.away), jnp.where(near, at.one_plus_m, at.one_plus_away)))


class OnAxis(NamedTuple):
    """E 1/(w - d^), m, dlog z/dlog w and log abs(z) at real w outside the support of d^."""

    resolvent: jax.Array
    m: jax.Array
    slope: jax.Array
    log_z: jax.Array


def on_axis(w: jax.Array, y: jax.Array, setting: Setting, gaussian: float) -> OnAxis:
    """Evaluate at real w = 1 + y, any shape."""
    depth = setting.depth
    parts = parts_at(w, y, setting.law)
    log_z = jnp.log(w) + (depth - 1.0) * _log_abs(parts.k1, parts.k) + depth * setting.log_chi
    if gaussian:
        log_z = log_z + depth * _log_abs(parts.m, parts.w * parts.resolvent)
    return OnAxis(parts.resolvent, parts.m, _slope(parts, depth, gaussian), log_z)


def _log_abs(x, full):
    near = jnp.abs(x) < 0.5
    far = jnp.abs(full)
    usable = far > 0.0
    far = jnp.where(usable, jnp.log(jnp.where(usable, far, 1.0)), -jnp.inf)
    return jnp.where(near, jnp.log1p(jnp.where(near, x, 0.0)), far)


def _path_sum(law, w, y, turned):
    re, im = differences(w, y, law, turned)
    _, _, shares, b, u = law.path
    size = jnp.hypot(shares, u) * jnp.hypot(law.path.points, b)
    return jnp.where(turned, 0.0, dot(1.0 / jnp.hypot(re, im), size))


def path_sum(place: Place, law: SlopeLaw) -> jax.Array:
    """Sum of |weight d^/(w - d^)| on the path, 0 on the line, where the terms of Im m all have one sign."""
    if law.path is None:
        return jnp.zeros_like(place.log_r)
    return over_blocks(_path_sum, law, *point_of(place), place.turned)
