"""Adaptive solutions whose reverse pass solves the continuous adjoint equation."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.ode._controller import Path, Settings, adaptive, rms_norm
from depthjax.ode._first_order import first_order_only, inner, problem, settings
from depthjax.ode._methods import Tableau
from depthjax.ode._replay import as_solution
from depthjax.ode._solution import Solution, nan_unless
from depthjax.ode._step import Field
from depthjax.ode._tableaus import DOPRI5


class Adjoint(NamedTuple):
    """Static facts of a continuous adjoint."""

    name: str
    f: Callable
    options: Settings
    seminorm: bool


def odeint_backsolve(
    f: Field,
    y0: Any,
    t0: ArrayLike,
    t1: ArrayLike,
    args: Any = None,
    *,
    method: Tableau = DOPRI5,
    rtol: float = 1e-6,
    atol: float = 1e-6,
    max_steps: int = 1024,
    seminorm: bool = True,
) -> Solution:
    """Integrate adaptively; the reverse pass solves for state, adjoint and parameter gradient backwards in time.

    lambda' = -f_y' lambda from lambda(t1) = dL/dy(t1), with y reconstructed by the same equation run backwards, and
    dL/dargs the integral of lambda' f_args.

    Args:
        f: slope, f(t, y, args); it may close over traced values.
        y0: state at t0, a pytree of floating arrays.
        t0: () start.
        t1: () end, before or after t0.
        args: pytree of arrays passed to f.
        method: explicit pair.
        rtol: static, relative tolerance of both passes.
        atol: static, absolute tolerance of both passes.
        max_steps: static, steps at most of each pass.
        seminorm: static, leave the parameter gradient, a mere quadrature, out of the error norm.

    Returns:
        `Solution` of the end t1.

    Raises:
        ValueError: f or method as they should not be, or options out of range.
        TypeError: integer or complex y0; forward-mode or second derivatives, which `solve_fixed` has.

    Numerics: where solutions contract, the backward equation for y expands: over a time T the reconstruction error
        grows like exp(T |rate|), and the gradient is wrong at any tolerance without a sign of it. Ask `adjoint_check`
        for the reconstruction error, or use `odeint_replay`. A reverse pass out of steps gives NaN gradients.

    Cost: memory independent of the number of steps; a step backwards costs s slopes and s products.

    Source: Chen et al., Neural Ordinary Differential Equations (2018), algorithm 1; Kidger, Chen and Lyons, "Hey,
        that's not an ODE" (2021), for the seminorm.
    """
    name = "odeint_backsolve"
    given = problem(name, f, y0, t0, t1, args)
    options = settings(name, method, rtol, atol, max_steps, keep_every=None)
    return _solved(Adjoint(name, given.f, options, bool(seminorm)), given)


def odeint_interpolated(
    f: Field,
    y0: Any,
    t0: ArrayLike,
    t1: ArrayLike,
    args: Any = None,
    *,
    method: Tableau = DOPRI5,
    rtol: float = 1e-6,
    atol: float = 1e-6,
    max_steps: int = 1024,
) -> Solution:
    """Integrate adaptively; the reverse pass solves the adjoint equation along the interpolated forward solution.

    lambda' = -f_y' lambda and the quadrature of lambda' f_args, with y(t) the cubic Hermite interpolant of the accepted
    states and slopes.

    Args:
        f: slope, f(t, y, args); it may close over traced values.
        y0: state at t0, a pytree of floating arrays.
        t0: () start.
        t1: () end, before or after t0.
        args: pytree of arrays passed to f.
        method: explicit pair.
        rtol: static, relative tolerance of both passes.
        atol: static, absolute tolerance of both passes.
        max_steps: static, steps at most of each pass.

    Returns:
        `Solution` of the end t1.

    Raises:
        ValueError: f or method as they should not be, or options out of range.
        TypeError: integer or complex y0; forward-mode or second derivatives, which `solve_fixed` has.

    Numerics: no reconstruction, so contraction does no harm; the interpolant has error O(h^4), which bounds the
        gradient's. A reverse pass out of steps gives NaN gradients.

    Cost: memory O(max_steps |y|); the reverse pass chooses its own steps.

    Source: Daulbaev et al., Interpolation Technique to Speed Up Gradients Propagation in Neural ODEs (2020).
    """
    name = "odeint_interpolated"
    given = problem(name, f, y0, t0, t1, args)
    options = settings(name, method, rtol, atol, max_steps, keep_every=1, keep_slopes=True)
    return _solved(Adjoint(name, given.f, options, seminorm=True), given)


def _solved(adjoint, given):
    y, path = _solve(adjoint, given.y0, given.t0, given.t1, given.inputs)
    return as_solution(given.t1[None], jax.tree.map(lambda leaf: leaf[None], y), path)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _solve(adjoint, y0, t0, t1, inputs):
    return _forward(adjoint, y0, t0, t1, inputs)[0]


def _forward(adjoint, y0, t0, t1, inputs):
    y0, t0, t1, inputs = first_order_only(adjoint.name, (y0, t0, t1, inputs))
    path = adaptive(adjoint.options, adjoint.f, y0, t0, t1, inputs)
    facts = path._replace(y=None, slope=None, kept=None, slopes=None, ts=None, hs=None)
    return (path.y, facts), (y0, t0, t1, inputs, path)


def _backward(adjoint, saved, cotangents):
    y0, t0, t1, inputs, path = saved
    given = first_order_only(adjoint.name, cotangents[0])
    back = backward_path(adjoint, t0, t1, inputs, path, given)
    at_start, grads = nan_unless(back.done, back.y[-2:])
    start = -inner(at_start, adjoint.f(t0, y0, inputs), t0.dtype)
    return at_start, start, inner(given, path.slope, t1.dtype), (grads, None)


_solve.defvjp(_forward, _backward)


def backward_path(adjoint: Adjoint, t0: jax.Array, t1: jax.Array, inputs: Any, path: Path, cotangent: Any) -> Path:
    """Integrate the adjoint from t1 to t0; the state is (adjoint, gradient), behind y where that is reconstructed."""
    floats, others = inputs
    options = adjoint.options._replace(keep_every=None, keep_slopes=False)

    def slopes(t, y, cotangent):
        value, pull = jax.vjp(lambda y, floats: adjoint.f(t, y, (floats, others)), y, floats)
        return value, *jax.tree.map(jnp.negative, pull(cotangent))

    zeros = jax.tree.map(jnp.zeros_like, floats)
    if adjoint.options.keep_slopes:
        at = hermite(path, jnp.sign(t1 - t0))
        start, field = (cotangent, zeros), (lambda t, s, _: slopes(t, at(t), s[0])[1:])
    else:
        start, field = (path.y, cotangent, zeros), (lambda t, s, _: slopes(t, s[0], s[1]))
    watched = len(start) - 1 if adjoint.seminorm else len(start)
    return adaptive(options, field, start, t1, t0, None, lambda e, s: rms_norm(e[:watched], s[:watched]))


def hermite(path: Path, sign: jax.Array) -> Callable[[jax.Array], Any]:
    """The cubic interpolant t -> y(t) of the kept states and slopes."""
    n = path.num_accepted

    def closed(kept, last):
        return jnp.concatenate([kept, jnp.zeros_like(last)[None]]).at[n].set(last)

    ys, fs = jax.tree.map(closed, path.kept, path.y), jax.tree.map(closed, path.slopes, path.slope)
    starts = jnp.where(jnp.arange(path.ts.shape[0], dtype=jnp.int32) < n, sign * path.ts, jnp.inf)

    def at(t):
        found = jnp.searchsorted(starts, sign * t, side="right").astype(jnp.int32) - 1
        i = jnp.clip(found, 0, jnp.maximum(n - 1, 0))
        h = path.hs[i]
        u = (t - path.ts[i]) / jnp.where(h == 0, 1.0, h)

        def leaf(y, f):
            x, step = u.astype(y.dtype), h.astype(y.dtype)
            bend = (1 - 2 * x) * (y[i + 1] - y[i]) + (x - 1) * step * f[i] + x * step * f[i + 1]
            return (1 - x) * y[i] + x * y[i + 1] + x * (x - 1) * bend

        return jax.tree.map(leaf, ys, fs)

    return at
