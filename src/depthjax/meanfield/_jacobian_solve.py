"""Solution of the equation of the Jacobian spectrum at given log lambda."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.meanfield._jacobian_edges import Edges
from depthjax.meanfield._jacobian_equation import Setting, equation

_RADII = 64
_NEWTON = 14
_CHUNK = 64
_DEEP = -10.0


class Solution(NamedTuple):
    """log w = log r + i theta with theta in (0, pi), and |log z - log lambda| there."""

    log_r: jax.Array
    theta: jax.Array
    residual: jax.Array


def _angle(log_r, setting, gaussian, steps):
    """theta(r) with Im log z = 0 by bisection in log theta: Im log z/theta increases; (almost) 0 in a gap."""
    low = jnp.full_like(log_r, -40.0)
    high = jnp.full_like(log_r, float(np.log(np.pi)))

    def body(_, pair):
        low, high = pair
        middle = 0.5 * low + 0.5 * high
        above = jnp.imag(equation(lax.complex(log_r, jnp.exp(middle)), setting, gaussian).log_z) > 0.0
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    low, high = lax.fori_loop(0, steps, body, (low, high))
    return jnp.exp(0.5 * low + 0.5 * high)


def _nested(log_lam, setting, gaussian):
    """Global search: lambda(r) increases, so bisect in log r, with a bisection in theta inside."""
    top = jnp.log1p(jnp.max(setting.law.high)) + jnp.log(2.0 * (1.0 + setting.depth)) + 2.0
    low = jnp.minimum(log_lam - setting.depth * setting.log_chi, 0.0) - 60.0
    high = jnp.broadcast_to(top, log_lam.shape)

    def body(_, pair):
        low, high = pair
        middle = 0.5 * low + 0.5 * high
        theta = _angle(middle, setting, gaussian, 44)
        below = jnp.real(equation(lax.complex(middle, theta), setting, gaussian).log_z) < log_lam
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    low, high = lax.fori_loop(0, 52, body, (low, high))
    log_r = 0.5 * low + 0.5 * high
    return log_r, _angle(log_r, setting, gaussian, 52)


def _table(setting, edges: Edges, gaussian):
    """Radii clustered at both ends of the curve, with theta and log lambda on it."""
    last = jnp.sum(~jnp.isnan(edges.log_w[:, 1])) - 1
    top = edges.log_w[jnp.maximum(last, 0), 1]
    bottom = jnp.where(jnp.isfinite(edges.log_w[0, 0]), edges.log_w[0, 0], jnp.minimum(top, 0.0) + _DEEP)
    phase = jnp.asarray(np.pi * (np.arange(_RADII) + 0.5) / _RADII, top.dtype)
    log_r = top - (top - bottom) * jnp.sin(0.5 * phase) ** 2
    theta = _angle(log_r, setting, gaussian, 30)
    log_lam = jnp.real(equation(lax.complex(log_r, theta), setting, gaussian).log_z)
    high = edges.log_lam[jnp.maximum(last, 0), 1]
    low = jnp.where(jnp.isfinite(edges.log_lam[0, 0]), edges.log_lam[0, 0], log_lam[-1])
    return top, bottom, phase, theta, log_lam, low, high


def _start(log_lam, table):
    """Starting point by interpolation in the variable that resolves the square roots at both edges."""
    top, bottom, phase, theta, knots, low, high = table
    width = jnp.maximum(high - low, jnp.finfo(high.dtype).tiny)

    def resolved(t):
        return 2.0 * jnp.arcsin(jnp.sqrt(jnp.clip((high - t) / width, 0.0, 1.0)))

    ends = jnp.asarray(np.array([0.0, np.pi]), phase.dtype)
    xs = jnp.concatenate([ends[:1], resolved(knots), ends[1:]])
    ys = jnp.concatenate([ends[:1], phase, ends[1:]])
    thetas = jnp.concatenate([jnp.zeros_like(theta[:1]), theta, theta[-1:]])
    at = resolved(log_lam)
    found = jnp.interp(at, xs, ys)
    angle = jnp.interp(at, xs, thetas)
    below = jnp.minimum(log_lam - low, 0.0)
    return top - (top - bottom) * jnp.sin(0.5 * found) ** 2 + below, jnp.maximum(angle, 1e-6)


def _newton(log_lam, log_r, theta, setting, gaussian, num_steps):
    """Clipped Newton steps in log w until every point has settled."""
    eps = float(jnp.finfo(log_lam.dtype).eps)

    def tolerance(parts):
        return 64.0 * eps * (1.0 + jnp.abs(log_lam) + setting.depth * jnp.abs(setting.log_chi))

    def body(state):
        log_r, theta, _, best, count = state
        parts = equation(lax.complex(log_r, theta), setting, gaussian)
        gap = parts.log_z - lax.complex(log_lam, jnp.zeros_like(log_lam))
        residual = jnp.hypot(jnp.real(gap), jnp.imag(gap))
        step = -gap / parts.slope
        size = jnp.hypot(jnp.real(step), jnp.imag(step))
        shrink = jnp.minimum(1.0, 0.5 / jnp.maximum(size, 1e-30))
        done = residual <= tolerance(parts)
        new_theta = theta + shrink * jnp.imag(step)
        new_theta = jnp.clip(new_theta, 0.25 * theta, 0.5 * (theta + np.pi))
        moved = jnp.where(done, log_r, log_r + shrink * jnp.real(step))
        return moved, jnp.where(done, theta, new_theta), done, residual, count + 1

    def cond(state):
        return jnp.any(~state[2]) & (state[4] < num_steps)

    start = (log_r, theta, jnp.zeros(log_r.shape, bool), jnp.full_like(log_r, jnp.inf), jnp.asarray(0, jnp.int32))
    log_r, theta, done, residual, _ = lax.while_loop(cond, body, start)
    return log_r, theta, done, residual


def solve(log_lam, setting: Setting, edges: Edges, gaussian: float, *, num_newton=_NEWTON, fallback=True) -> Solution:
    """Solve for flat `log_lam`, (n,); nothing here carries a derivative.

    Points that Newton's method did not settle go, a few at a time, through the globally convergent search.
    """
    setting, edges = lax.stop_gradient((setting, edges))
    log_r, theta = _start(log_lam, _table(setting, edges, gaussian))
    log_r, theta, done, residual = _newton(log_lam, log_r, theta, setting, gaussian, num_newton)
    inside = jnp.any(
        (log_lam[:, None] > edges.log_lam[None, :, 0]) & (log_lam[:, None] < edges.log_lam[None, :, 1]), axis=1
    )
    todo = inside & ~done
    if fallback:
        size = min(_CHUNK, log_lam.shape[0])

        def body(state):
            log_r, theta, residual, todo = state
            order = jnp.argsort(~todo, stable=True)[:size]
            target = log_lam[order]
            new_r, new_theta = _nested(target, setting, gaussian)
            new_r, new_theta, _, new_residual = _newton(target, new_r, new_theta, setting, gaussian, 8)
            use = todo[order]
            return (
                log_r.at[order].set(jnp.where(use, new_r, log_r[order])),
                theta.at[order].set(jnp.where(use, new_theta, theta[order])),
                residual.at[order].set(jnp.where(use, new_residual, residual[order])),
                todo.at[order].set(False),
            )

        log_r, theta, residual, _ = lax.while_loop(
            lambda state: jnp.any(state[3]), body, (log_r, theta, residual, todo)
        )
    return Solution(log_r, theta, residual)
