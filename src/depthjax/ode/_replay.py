"""Adaptive solutions whose reverse pass replays the accepted steps."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.ode._controller import Path, Settings, adaptive
from depthjax.ode._first_order import first_order_only, inner, problem, settings
from depthjax.ode._methods import Tableau
from depthjax.ode._solution import Solution, nan_unless
from depthjax.ode._step import Field, combine, explicit_slopes
from depthjax.ode._tableaus import DOPRI5

_NAME = "odeint_replay"


def odeint_replay(
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
    checkpoint_every: int = 1,
    step_times: bool = False,
) -> Solution:
    """Integrate adaptively; the reverse pass is one vector-Jacobian product of each accepted step.

    The gradient is that of the discrete solution with its step sizes held constant, which for a Runge-Kutta method is
    the symplectic adjoint: no error of reconstruction, and no differentiation of the step control.

    Args:
        f: slope, f(t, y, args); it may close over traced values.
        y0: state at t0, a pytree of floating arrays.
        t0: () start.
        t1: () end, before or after t0.
        args: pytree of arrays passed to f.
        method: explicit pair.
        rtol: static, relative tolerance.
        atol: static, absolute tolerance.
        max_steps: static, steps at most, accepted and rejected.
        checkpoint_every: static, keep every k-th state and recompute those between.
        step_times: static, give the times and states of all accepted steps, padded with the last, in place of the end
            alone; needs `checkpoint_every=1`.

    Returns:
        `Solution` of the end t1, or with `step_times` of (max_steps + 1,) times, which carry no derivative.

    Raises:
        ValueError: f or method as they should not be, or options out of range.
        TypeError: integer or complex y0; forward-mode or second derivatives, which `solve_fixed` has.

    Numerics: derivatives in t0 and t1 are the boundary terms -lambda(t0).f(t0, y0) and lambda(t1).f(t1, y1). Running
        into `max_steps`, or a step below the resolution of time, gives NaN and `converged` False.

    Cost: memory O((max_steps/k + k) |y|) for k = `checkpoint_every`; a step costs s - 1 slopes forwards (s stages, the
        last one reused) and s slopes with their products backwards. Under vmap every lane waits for the slowest; a
        batch held as one state shares its steps.

    Source: Zhuang et al., Adaptive Checkpoint Adjoint (2020); Sanz-Serna, Symplectic Runge-Kutta Schemes for Adjoint
        Equations (2016).
    """
    at_least(_NAME, "checkpoint_every", checkpoint_every, 1)
    if step_times and checkpoint_every != 1:
        raise ValueError(f"{_NAME}: step_times=True keeps every state, expected checkpoint_every=1")
    given = problem(_NAME, f, y0, t0, t1, args)
    options = settings(_NAME, method, rtol, atol, max_steps, keep_every=checkpoint_every)
    static = (given.f, options, bool(step_times))
    ys, path = _solve(static, given.y0, given.t0, given.t1, given.inputs)
    if step_times:
        ts = jnp.where(
            jnp.arange(max_steps + 1, dtype=jnp.int32) < path.num_accepted, jnp.append(path.ts, 0.0), given.t1
        )
    else:
        ts, ys = given.t1[None], jax.tree.map(lambda leaf: leaf[None], ys)
    return as_solution(lax.stop_gradient(ts) if step_times else ts, ys, path)


def as_solution(ts: jax.Array, ys: Any, path: Path) -> Solution:
    """What a path amounts to; NaN if it did not come to its end."""
    rejected = path.num_attempts - path.num_accepted
    residual = jnp.zeros((), ts.dtype)
    return Solution(ts, nan_unless(path.done, ys), path.done, path.num_attempts, rejected, residual)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _solve(static, y0, t0, t1, inputs):
    return _forward(static, y0, t0, t1, inputs)[0]


def _forward(static, y0, t0, t1, inputs):
    f, options, step_times = static
    y0, t0, t1, inputs = first_order_only(_NAME, (y0, t0, t1, inputs))
    path = adaptive(options, f, y0, t0, t1, inputs)
    ys = path.y
    if step_times:
        count = jnp.arange(options.max_steps + 1, dtype=jnp.int32)

        def padded(kept, last):
            full = jnp.concatenate([kept, last[None]])
            known = (count < path.num_accepted).reshape(-1, *[1] * last.ndim)
            return jnp.where(known, full, last[None])

        ys = jax.tree.map(padded, path.kept, path.y)
    facts = path._replace(y=None, slope=None, kept=None, hs=None)
    return (ys, facts), (y0, t0, t1, inputs, path)


def _backward(static, saved, cotangents):
    f, options, step_times = static
    y0, t0, t1, inputs, path = saved
    given = first_order_only(_NAME, cotangents[0])
    last = given
    if step_times:
        beyond = jnp.arange(options.max_steps + 1, dtype=jnp.int32) >= path.num_accepted
        last = jax.tree.map(
            lambda g: jnp.sum(jnp.where(beyond.reshape(-1, *[1] * (g.ndim - 1)), g, 0.0), axis=0), given
        )
    end = inner(last, path.slope, t1.dtype)
    at_start, grads = _replay(options, f, path, inputs, last, given if step_times else None)
    start = -inner(at_start, f(t0, y0, inputs), t0.dtype)
    return at_start, start, end, (grads, None)


_solve.defvjp(_forward, _backward)


def _replay(options: Settings, f: Field, path: Path, inputs: Any, cotangent: Any, extra: Any) -> tuple[Any, Any]:
    """Pull `cotangent` back through the accepted steps; `extra` is added at their starts."""
    method, every = options.method, options.keep_every
    floats, others = inputs

    def one(t, h, y, floats):
        return combine(y, h, list(method.b), explicit_slopes(method, f, t, h, y, (floats, others)))

    def pull(t, h, y, cotangent, grads):
        _, back = jax.vjp(functools.partial(one, t, h), y, floats)
        cotangent, more = back(cotangent)
        return cotangent, jax.tree.map(jnp.add, grads, more)

    def single(j, carry):
        i = path.num_accepted - 1 - j
        cotangent, grads = pull(path.ts[i], path.hs[i], jax.tree.map(lambda v: v[i], path.kept), *carry)
        if extra is not None:
            cotangent = jax.tree.map(lambda c, e: c + e[i], cotangent, extra)
        return cotangent, grads

    def block(j, carry):
        b = num_blocks - 1 - j
        index = b * every + jnp.arange(every, dtype=jnp.int32)
        known = index < path.num_accepted
        index = jnp.minimum(index, path.ts.shape[0] - 1)
        t, h = path.ts[index], jnp.where(known, path.hs[index], 0.0)
        first = jax.tree.map(lambda v: v[b], path.kept)
        _, ys = lax.scan(lambda y, th: (one(*th, y, floats), y), first, (t, h))
        back = lambda carry, thy: (pull(*thy, *carry), None)  # noqa: E731
        return lax.scan(back, carry, (t, h, ys), reverse=True)[0]

    carry = (cotangent, jax.tree.map(jnp.zeros_like, floats))
    if every == 1:
        return lax.fori_loop(0, path.num_accepted, single, carry)
    num_blocks = (path.num_accepted + every - 1) // every
    return lax.fori_loop(0, num_blocks, block, carry)
