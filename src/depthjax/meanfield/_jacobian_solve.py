"""Solution of the equation of the Jacobian spectrum at given log lambda."""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.meanfield._jacobian_edges import Edges
from depthjax.meanfield._jacobian_equation import Equation, Place, Setting, equation, placed, turn_of, turn_slope

_RADII = 64
_NEWTON = 14
_DEEP, _SPREADS = -10.0, 3.0
_FROM_END = 8
_ANGLES = 24
_FINE_ANGLES = 46
_HALVINGS = 52


class Options(NamedTuple):
    """Static: Newton steps at most, and whether what they leave goes through the global search."""

    num_newton: int = _NEWTON
    fallback: bool = True


class Solution(NamedTuple):
    """w, what the equation gives there, arg(1 + m) and the turn, and log z - log lambda.

    Outside the spectrum log w is i, and nothing there has a meaning.
    """

    place: Place
    m: jax.Array
    arg: jax.Array
    turn: jax.Array
    gap: jax.Array


class _Point(NamedTuple):
    """A place, the equation there, and log z - log lambda."""

    place: Place
    at: Equation
    gap: jax.Array


def _curve(log_r, setting, gaussian, steps):
    """theta(r) with Im log z = 0 by bisection in log theta, and log lambda; (almost) 0 in a gap.

    Im log z/theta increases with theta.
    """
    low = jnp.full_like(log_r, -40.0)
    high = jnp.full_like(log_r, float(np.log(np.pi)))

    def body(_, state):
        low, high, _, _ = state
        middle = jnp.exp(0.5 * low + 0.5 * high)
        log_z = equation(placed(lax.complex(log_r, middle)), setting, gaussian).log_z
        above = jnp.imag(log_z) > 0.0
        at = jnp.log(middle)
        return jnp.where(above, low, at), jnp.where(above, at, high), middle, jnp.real(log_z)

    return lax.fori_loop(0, steps, body, (low, high, low, low))[2:]


def _search(log_lam, knots, is_table, setting, gaussian):
    """Global search: lambda(r) increases, so bisect in log r, with a bisection in theta inside.

    Or, to compile the bisection in theta once, the curve at the knots, log r, if `is_table`: log r, theta, log lambda.
    """
    top = jnp.log1p(jnp.max(setting.law.high)) + jnp.log(2.0 * (1.0 + setting.depth)) + 2.0
    low = jnp.minimum(log_lam - setting.depth * setting.log_chi, 0.0) - 60.0
    halvings, angles = (jnp.where(is_table, *counts) for counts in ((1, _HALVINGS), (_ANGLES, _FINE_ANGLES)))

    def body(_, state):
        low, high, *_ = state
        middle = jnp.where(is_table, knots, 0.5 * low + 0.5 * high)
        theta, level = _curve(middle, setting, gaussian, angles)
        below = level < log_lam
        return jnp.where(below, middle, low), jnp.where(below, high, middle), middle, theta, level

    start = (low, jnp.broadcast_to(top, low.shape), low, low, low)
    return lax.fori_loop(0, halvings, body, start)[2:]


class _Ends(NamedTuple):
    """Ends of the table of starting points, in log r, and of the spectrum; the bottom may be chosen."""

    top: jax.Array
    bottom: jax.Array
    low: jax.Array
    high: jax.Array


def _ends(setting, edges: Edges):
    last = jnp.sum(~jnp.isnan(edges.log_w[:, 1])) - 1
    top = edges.log_w[jnp.maximum(last, 0), 1]
    law = setting.law
    spread = law.weights @ jnp.where(
        law.points > 0.0, jnp.abs(jnp.log(jnp.where(law.points > 0.0, law.points, 1.0))), 0.0
    )
    deep = jnp.minimum(top, 0.0) + _DEEP - _SPREADS * jnp.maximum(spread - 1.0, 0.0)
    bottom = jnp.where(jnp.isfinite(edges.log_w[0, 0]), edges.log_w[0, 0], deep)
    return _Ends(top, bottom, edges.log_lam[0, 0], edges.log_lam[jnp.maximum(last, 0), 1])


def _phases(dtype):
    return jnp.asarray(np.pi * (np.arange(_RADII) + 0.5) / _RADII, dtype)


def _knots(ends: _Ends):
    """Radii clustered at both ends of the curve."""
    return ends.top - (ends.top - ends.bottom) * jnp.sin(0.5 * _phases(ends.top.dtype)) ** 2


def _start(log_lam, ends: _Ends, log_r, theta, knots):
    """Starting point by interpolation in the variable that resolves the square roots at both edges.

    On the curve at `log_r` the angles are `theta` and the levels, log lambda, `knots`.
    """
    top, bottom, low, high = ends
    phase = _phases(top.dtype)
    low = jnp.where(jnp.isfinite(low), low, knots[-1])
    rate = (log_r[-1] - log_r[-_FROM_END]) / (knots[-1] - knots[-_FROM_END])
    width = jnp.maximum(high - low, jnp.finfo(high.dtype).tiny)

    def resolved(t):
        return 2.0 * jnp.arcsin(jnp.sqrt(jnp.clip((high - t) / width, 0.0, 1.0)))

    ends = jnp.asarray(np.array([0.0, np.pi]), phase.dtype)
    xs = jnp.concatenate([ends[:1], resolved(knots), ends[1:]])
    ys = jnp.concatenate([ends[:1], phase, ends[1:]])
    thetas = jnp.concatenate([jnp.zeros_like(theta[:1]), theta, theta[-1:]])
    found, angle = _cubic(resolved(log_lam), xs, jnp.stack([ys, thetas]))
    below = jnp.where(jnp.isfinite(rate), rate, 1.0) * jnp.minimum(log_lam - low, 0.0)
    return top - (top - bottom) * jnp.sin(0.5 * found) ** 2 + below, jnp.maximum(angle, 1e-6)


def _cubic(at, xs, ys):
    """Interpolation of every row of `ys` by the cubic through four neighbours, within the range of those around."""
    first = jnp.clip(jnp.searchsorted(xs, at, method="compare_all") - 2, 0, xs.shape[0] - 4)
    index = first[None] + jnp.arange(4, dtype=first.dtype)[:, None]
    x, y = xs[index], ys[:, index]
    factors = []
    for k in range(4):
        others = [j for j in range(4) if j != k]
        gap = [jnp.where(x[k] == x[j], jnp.inf, x[k] - x[j]) for j in others]
        factors.append(math.prod((at - x[j]) / g for j, g in zip(others, gap, strict=True)))
    value = sum(y[:, k] * factor[None] for k, factor in enumerate(factors))
    return jnp.clip(value, jnp.min(y, axis=1), jnp.max(y, axis=1))


def tolerance(log_lam, setting):
    """What rounding leaves of |log z - log lambda|."""
    eps = float(jnp.finfo(log_lam.dtype).eps)
    return 64.0 * eps * (1.0 + jnp.abs(log_lam) + setting.depth * jnp.abs(setting.log_chi))


class _State(NamedTuple):
    point: _Point
    close: jax.Array
    done: jax.Array
    count: jax.Array


def moved(old: Place, step, shrink):
    """`old` after a step in log w, its argument kept between a quarter of what it was and the middle to pi."""
    along = shrink * jnp.imag(step)
    angle = old.angle + jnp.where(old.turned, -along, along)
    least = jnp.where(old.turned, 0.5, 0.25) * old.angle
    most = jnp.where(old.turned, 0.25, 0.5) * old.angle + jnp.where(old.turned, 0.75 * np.pi, 0.5 * np.pi)
    angle = jnp.clip(angle, least, most)
    theta = jnp.where(old.turned, np.pi - angle, angle)
    new = placed(lax.complex(old.log_r + shrink * jnp.real(step), theta))
    return new._replace(angle=jnp.where(new.turned == old.turned, angle, new.angle))


def _newton(log_lam, state: _State, setting, gaussian, num_steps):
    """Clipped Newton steps in log w until every point has settled, and one more from where it is close.

    What is carried belongs to the point before the last step.
    """
    tol = tolerance(log_lam, setting)
    near = tol * float(jnp.finfo(log_lam.dtype).eps) ** -0.4

    def body(state):
        old = state.point.place
        parts = equation(old, setting, gaussian)
        gap = parts.log_z - lax.complex(log_lam, jnp.zeros_like(log_lam))
        residual = jnp.hypot(jnp.real(gap), jnp.imag(gap))
        step = -gap / parts.slope
        size = jnp.hypot(jnp.real(step), jnp.imag(step))
        shrink = jnp.minimum(1.0, 0.5 / jnp.maximum(size, 1e-30))
        # Some points stall where rounding leaves a little more than `tol`.
        before = jnp.hypot(jnp.real(state.point.gap), jnp.imag(state.point.gap))
        stalls = (residual <= 4.0 * tol) & (residual >= 0.1 * before)
        done = state.done | (((residual <= tol) | stalls) & state.close)
        place = jax.tree.map(lambda a, b: jnp.where(done, a, b), old, moved(old, step, shrink))
        return _State(_Point(place, parts, gap), residual <= near, done, state.count + 1)

    def go_on(state):
        return jnp.any(~state.done) & (state.count < num_steps)

    return lax.while_loop(go_on, body, state._replace(count=jnp.zeros_like(state.count)))


def _solve(log_lam, inside, setting, coarse, edges, gaussian, options) -> Solution:
    """Newton's method from a table, then, a few points at a time, from the globally convergent search."""
    zero, no = jnp.zeros_like(log_lam), jnp.zeros(log_lam.shape, bool)
    none = lax.complex(zero, zero)
    place = placed(lax.complex(zero, jnp.ones_like(zero)))
    state = _State(_Point(place, Equation(*[none] * 7), none), no, ~inside, jnp.zeros((), jnp.int32))
    count = log_lam.shape[0]
    attempts = 1 + -(-count // _RADII) if options.fallback else 1
    ends = _ends(coarse, edges)

    def attempt(carry):
        state, tried = carry
        first = tried == 0
        order = jnp.argsort(state.done, stable=True)[np.arange(_RADII) % count]
        log_r, theta, level = _search(log_lam[order], _knots(ends), first, coarse, gaussian)
        start = placed(lax.complex(*_start(log_lam, ends, log_r, theta, level)))
        chosen = placed(lax.complex(log_r, theta))
        old, undone = state.point.place, ~state.done
        place = jax.tree.map(
            lambda now, a, b: jnp.where(undone, jnp.where(first, a, now.at[order].set(b)), now), old, start, chosen
        )
        state = state._replace(point=state.point._replace(place=place), close=state.close & state.done)
        return _newton(log_lam, state, setting, gaussian, options.num_newton), tried + 1

    def go_on(carry):
        state, tried = carry
        return jnp.any(~state.done) & (tried < attempts)

    place, at, gap = lax.while_loop(go_on, attempt, (state, jnp.zeros((), jnp.int32)))[0].point
    return Solution(place, at.m, jnp.imag(at.log_one_plus_m), turn_of(place, at, setting.law), gap)


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def solve(gaussian: float, options: Options, log_lam, setting: Setting, coarse: Setting, edges: Edges, inside):
    """Solve for flat `log_lam`, (n,), where `inside`; derivatives in `log_lam` and `setting` by the implicit function.

    `coarse` is the setting of fewer nodes, good enough for starting points.
    """
    return _solve(log_lam, inside, setting, coarse, edges, gaussian, options)


@solve.defjvp
def _solve_jvp(gaussian, options, primals, tangents):
    log_lam, setting = primals[:2]
    found = solve(gaussian, options, *primals)

    def at(setting):
        parts = equation(found.place, setting, gaussian)
        return parts.log_z, parts.m

    _, (d_log_z, d_m) = jax.jvp(at, (setting,), (tangents[1],))
    parts = equation(found.place, setting, gaussian)
    dv = (lax.complex(tangents[0], jnp.zeros_like(log_lam)) - d_log_z) / parts.slope
    d_m = d_m + parts.m_slope * dv
    d_arg = jnp.imag(d_m / (1.0 + parts.m))
    d_turn = d_arg + jnp.imag(turn_slope(found.place, setting.law) * dv)
    turned = found.place.turned
    along = jnp.where(turned, -jnp.imag(dv), jnp.imag(dv))
    place = Place(jnp.real(dv), along, np.zeros(turned.shape, jax.dtypes.float0))
    return found, Solution(place, d_m, d_arg, d_turn, jnp.zeros_like(d_m))
