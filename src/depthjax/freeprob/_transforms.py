"""Transforms of a law, and the inverted ones with how well they are known."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import is_concrete
from depthjax.core._shapes import check_unstacked, over_batch
from depthjax.freeprob._argument import cast_law, complex_argument
from depthjax.freeprob._branch import on_axis, plus, times
from depthjax.freeprob._law import InverseResult, SpectralLaw, in_plane
from depthjax.numerics import implicit_root

_STAGES = 40
_NEWTON = 4
_LAST = 8


def stieltjes(law: SpectralLaw, z: ArrayLike) -> jax.Array:
    """G(z) = E 1/(z - X), as `law.stieltjes`: (*batch) complex or real to the same.

    Args:
        law: any law.
        z: points, (*batch), complex or real.

    Returns:
        (*batch), complex or real as `z` is.
    """
    return law.stieltjes(z)


def moment_transform(law: SpectralLaw, z: ArrayLike) -> jax.Array:
    """M(z) = z G(z) - 1 = sum m_k z^-k, (*batch); real for real z off the support, NaN for real z on it.

    Args:
        law: any law.
        z: points, (*batch), complex or real.

    Returns:
        (*batch), complex or real as `z` is.
    """
    return _forward("moment_transform", law, z, _moment)


def psi_transform(law: SpectralLaw, u: ArrayLike) -> jax.Array:
    """psi(u) = M(1/u) = sum m_k u^k, (*batch).

    Args:
        law: any law.
        u: points, (*batch), complex or real.

    Returns:
        (*batch), complex or real as `u` is.
    """
    return _forward("psi_transform", law, u, _psi)


def eta_transform(law: SpectralLaw, u: ArrayLike) -> jax.Array:
    """eta(u) = psi(u)/(1 + psi(u)), (*batch).

    Args:
        law: any law.
        u: points, (*batch), complex or real.

    Returns:
        (*batch), complex or real as `u` is.
    """

    def eta(law, u):
        value, ok = _psi(law, u)
        return value / (1.0 + value), ok

    return _forward("eta_transform", law, u, eta)


def solve_blue_function(law: SpectralLaw, g: ArrayLike) -> InverseResult:
    """B(g), the inverse of G on the branch B ~ 1/g, with its residual.

    Args:
        law: any law.
        g: (*batch), complex or real, not 0.

    Returns:
        `InverseResult`: NaN and converged false where `g` lies outside the image of the branch.

    Numerics: followed from 0 along the ray to `g` by 40 Newton solves in 1/z.
    """
    return _inverse("solve_blue_function", law, g, _resolvent, lambda law: jnp.ones_like(law._bounds()[0]), _reciprocal)


def blue_function(law: SpectralLaw, g: ArrayLike) -> jax.Array:
    """B(g) = G^-1(g), B ~ 1/g at 0; NaN outside the image. (*batch).

    Args:
        law: any law.
        g: values of G, (*batch), complex or real.

    Returns:
        (*batch), complex or real as `g` is.
    """
    return solve_blue_function(law, g).value


def solve_r_transform(law: SpectralLaw, g: ArrayLike) -> InverseResult:
    """R(g) = B(g) - 1/g = sum kappa_n g^(n-1), with the residual of B.

    Args:
        law: any law.
        g: (*batch), complex or real; R(0) is the mean.

    Returns:
        `InverseResult`: NaN and converged false where `g` lies outside the image of G.

    Numerics: R = 1/u - 1/g at G(1/u) = g loses digits as g -> 0; where |g| times the radius of the support is
        below eps^(1/5)/2 the first four cumulants are used.
    """

    def finish(law, u, g):
        kappa = law._free_cumulants(4)
        size = jnp.max(jnp.stack([jnp.abs(end) for end in law._bounds()]))
        small = jnp.abs(g) * size < 0.5 * float(jnp.finfo(kappa.dtype).eps) ** (1.0 / 5.0)
        series = plus(g * plus(g * plus(times(g, kappa[3]), kappa[2]), kappa[1]), kappa[0])
        safe_g, safe_u = jnp.where(small, 1.0, g), jnp.where(small, 1.0, u)
        return jnp.where(small, series, (safe_g - safe_u) / (safe_u * safe_g)), small

    return _inverse("solve_r_transform", law, g, _resolvent, lambda law: jnp.ones_like(law._bounds()[0]), finish)


def r_transform(law: SpectralLaw, g: ArrayLike) -> jax.Array:
    """R(g) = B(g) - 1/g, (*batch); NaN outside the image of G.

    Args:
        law: any law.
        g: values of G, (*batch), complex or real.

    Returns:
        (*batch), complex or real as `g` is.
    """
    return solve_r_transform(law, g).value


def solve_s_transform(law: SpectralLaw, m: ArrayLike) -> InverseResult:
    """S(m) = (1 + m)/(m M^-1(m)), with the residual of the inverse.

    Args:
        law: a law of mean other than 0; for mean 0 S has a pole, use `r_transform`.
        m: (*batch), complex or real; S(0) = 1/mean. Real m of a law on [0, inf) with mass p at 0 is above p - 1.

    Returns:
        `InverseResult`: NaN and converged false outside the image.

    Raises:
        ValueError: a concrete law of mean exactly 0.
    """
    centre = law._moments(1)[0]
    if is_concrete(centre) and float(centre) == 0.0:
        raise ValueError("solve_s_transform: the law has mean 0, where S has a pole; use r_transform")

    def mean(law):
        return law._moments(1)[0]

    def finish(law, u, m):
        small = jnp.abs(m) == 0.0
        at_zero = on_axis(1.0 / mean(law))
        return jnp.where(small, at_zero, (1.0 + m) * u / jnp.where(small, 1.0, m)), small

    return _inverse("solve_s_transform", law, m, _psi, mean, finish)


def s_transform(law: SpectralLaw, m: ArrayLike) -> jax.Array:
    """S(m) = (1 + m)/(m M^-1(m)), (*batch); NaN outside the image and for laws of mean 0.

    Args:
        law: any law.
        m: values of M, (*batch), complex or real.

    Returns:
        (*batch), complex or real as `m` is.
    """
    return solve_s_transform(law, m).value


def t_transform(law: SpectralLaw, m: ArrayLike) -> jax.Array:
    """T(m) = 1/S(m), (*batch).

    Args:
        law: any law.
        m: values of M, (*batch), complex or real.

    Returns:
        (*batch), complex or real as `m` is.
    """
    return 1.0 / s_transform(law, m)


def _resolvent(law, u):
    result = in_plane(law, 1.0 / u)
    return result.value, result.converged


def _moment(law, z):
    below = jnp.imag(z) < 0.0
    value = law._moment_transform(jnp.where(below, jnp.conj(z), z))
    return jnp.where(below, jnp.conj(value), value), jnp.isfinite(value)


def _psi(law, u):
    at_zero = u == 0.0
    value, ok = _moment(law, 1.0 / jnp.where(at_zero, 1.0, u))
    return jnp.where(at_zero, 0.0, value), ok | at_zero


def _reciprocal(law, u, g):
    del law, g
    return 1.0 / u, jnp.zeros((), bool)


def _forward(name, law, z, fn):
    check_unstacked(law, name)
    is_complex, z = complex_argument(law, name, "z", z)
    law = cast_law(law, jnp.finfo(z.dtype).dtype)
    if is_complex:
        return over_batch(lambda point: law._guard(fn(law, point)[0]), z, 0)
    value = over_batch(lambda point: law._guard(fn(law, on_axis(point))[0]), z, 0)
    return jnp.where(jnp.imag(value) == 0.0, jnp.real(value), jnp.nan)


def _inverse(
    name: str, law: SpectralLaw, target: ArrayLike, fn: Callable, slope: Callable, finish: Callable
) -> InverseResult:
    """Solve fn(law, u) = target on the branch through u = 0, and turn u into the result."""
    check_unstacked(law, name)
    is_complex, target = complex_argument(law, name, "argument", target)
    law = cast_law(law, jnp.finfo(target.dtype).dtype)

    def one(goal):
        point = goal if is_complex else on_axis(goal)
        root, residual, ok = _follow(law, point, fn, slope, is_complex)
        value, known = finish(law, root, point)
        ok = (ok | known) & jnp.isfinite(value)
        value = jnp.where(ok, value, jnp.nan)
        value = value if is_complex else jnp.real(value)
        return law._guard(InverseResult(value, jnp.where(known, 0.0, residual), ok))

    return over_batch(one, target, 0)


def _follow(law, target, fn, slope, is_complex):
    """U with fn(u) = target, followed along the ray from 0."""
    frozen, goal = lax.stop_gradient((law, target))
    eps = float(jnp.finfo(jnp.real(goal).dtype).eps)
    start = times(goal, 1.0 / (_STAGES * slope(frozen)))
    sides = jnp.sign(jnp.imag(goal))

    def newton(u, aim):
        value, by_u = jax.jvp(lambda t: fn(frozen, t)[0], (u,), (jnp.ones_like(u),))
        return u - (value - aim) / by_u

    def stage(k, u):
        aim = times(goal, (k + 1.0) / _STAGES)
        by_u = jax.jvp(lambda t: fn(frozen, t)[0], (u,), (jnp.ones_like(u),))[1]
        u = jnp.where(k > 0, u + goal / _STAGES / by_u, u)
        return lax.fori_loop(0, _NEWTON, lambda _, t: newton(t, aim), u)

    u = lax.fori_loop(0, _STAGES, lambda k, u: stage(jnp.asarray(k, jnp.real(u).dtype), u), start)
    u = lax.fori_loop(0, _LAST, lambda _, t: newton(t, goal), u)
    value, sound = fn(frozen, u)
    residual = jnp.abs(value - goal) / jnp.maximum(jnp.abs(goal), jnp.finfo(jnp.real(goal).dtype).tiny)
    # G maps the upper half plane to the lower one; the branch keeps u on the side of its target.
    same_side = (jnp.sign(jnp.imag(u)) == sides) if is_complex else (jnp.imag(u) == 0.0) & (jnp.imag(value) == 0.0)
    ok = sound & (residual <= 1e4 * eps) & same_side
    ok = ok | (is_complex & sound & (residual <= 1e4 * eps) & (sides == 0.0) & (jnp.imag(u) == 0.0))

    def gap(t, law, aim):
        return fn(law, t)[0] - aim

    root = implicit_root(gap, jnp.where(ok, u, jnp.nan), law, target)
    return root, residual, ok
