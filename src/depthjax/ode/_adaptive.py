"""Adaptive solutions by diffrax behind one function call."""

from collections.abc import Callable
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from jax.typing import ArrayLike

from depthjax.core._options import at_least, chosen
from depthjax.numerics._arguments import is_concrete
from depthjax.ode._arguments import require_field, scalar_time, state, state_dtype, times, tolerances
from depthjax.ode._solution import Solution, nan_unless

_NAME = "solve_ivp"


def _kencarp4():
    """By the chord method, as diffrax's default iteration stalls here at tolerances of 1e-7."""
    return diffrax.KenCarp4(root_finder=diffrax.with_stepsize_controller_tols(optimistix.Chord)())


SOLVERS: dict[str, Callable[[], Any]] = {
    "euler": lambda: diffrax.HalfSolver(diffrax.Euler()),
    "midpoint": diffrax.Midpoint,
    "heun": diffrax.Heun,
    "ralston": diffrax.Ralston,
    "bosh3": diffrax.Bosh3,
    "dopri5": diffrax.Dopri5,
    "tsit5": diffrax.Tsit5,
    "dopri8": diffrax.Dopri8,
    "implicit_euler": diffrax.ImplicitEuler,
    "kvaerno3": diffrax.Kvaerno3,
    "kvaerno5": diffrax.Kvaerno5,
    "kencarp4": _kencarp4,
}
ADJOINTS: dict[str, Callable[[], Any]] = {
    "recursive": diffrax.RecursiveCheckpointAdjoint,
    "direct": diffrax.DirectAdjoint,
    "forward": diffrax.ForwardMode,
    "backsolve": diffrax.BacksolveAdjoint,
}


def solve_ivp(
    f: Callable[[jax.Array, Any, Any], Any],
    y0: Any,
    t0: ArrayLike,
    t1: ArrayLike,
    args: Any = None,
    *,
    solver: str = "dopri5",
    rtol: float = 1e-6,
    atol: float = 1e-6,
    max_steps: int = 4096,
    ts: ArrayLike | None = None,
    adjoint: str = "recursive",
) -> Solution:
    """Integrate y' = f(t, y, args) adaptively with a solver of diffrax.

    Args:
        f: slope, f(t, y, args).
        y0: state at t0, a pytree of floating arrays.
        t0: () start.
        t1: () end, before or after t0.
        args: pytree passed to f.
        solver: static, euler, midpoint, heun, ralston, bosh3, dopri5, tsit5, dopri8; implicit_euler, kvaerno3, kvaerno5
            and kencarp4 for stiff problems.
        rtol: relative tolerance.
        atol: absolute tolerance.
        max_steps: static, steps at most.
        ts: (n,) times to save within [t0, t1], or None for t1 alone.
        adjoint: static, "recursive" checkpoints, "direct" differentiation, "forward" mode, or "backsolve".

    Returns:
        `Solution`.

    Raises:
        ValueError: unknown solver or adjoint, "backsolve" with kencarp4, f, negative tolerances or both 0, times that
            are not finite, or ts that do not run from t0 towards t1.
        TypeError: integer or complex y0.

    Numerics: "backsolve" reconstructs y backwards in time, which is wrong, and says nothing, where solutions contract:
        use it only where `adjoint_check` finds it right. "euler" is compared with two half steps. Running into
        `max_steps`, and traced times or tolerances that would be refused, give NaN and `converged` False. At t1 = t0
        the derivative in t1 is f(t0, y0), and in t0 the negative of it.

    Source: Kidger, On Neural Differential Equations (2022), chapter 5.
    """
    chosen(_NAME, "solver", solver, SOLVERS)
    chosen(_NAME, "adjoint", adjoint, ADJOINTS)
    if (solver, adjoint) == ("kencarp4", "backsolve"):
        raise ValueError(f"{_NAME}: adjoint is 'backsolve', which kencarp4 does not have; use kvaerno3 or kvaerno5")
    at_least(_NAME, "max_steps", max_steps, 1)
    tolerances(_NAME, rtol, atol)
    y0 = state(_NAME, y0)
    dtype = state_dtype(y0)
    ends = t0, t1
    t0, t1 = (scalar_time(_NAME, name, t, dtype) for name, t in (("t0", t0), ("t1", t1)))
    require_field(_NAME, f, t0, y0, args)
    grid, inside = (None, True) if ts is None else _within(ts, ends, dtype)
    sound = jnp.isfinite(t0) & jnp.isfinite(t1) & inside & (jnp.minimum(jnp.asarray(rtol), jnp.asarray(atol)) >= 0)
    result = diffrax.diffeqsolve(
        _terms(solver, f),
        SOLVERS[solver](),
        t0,
        t1,
        None,
        y0,
        args,
        saveat=diffrax.SaveAt(t1=True) if grid is None else diffrax.SaveAt(ts=grid),
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        adjoint=ADJOINTS[adjoint](),
        max_steps=max_steps,
        throw=False,
    )
    converged = sound & (result.result == diffrax.RESULTS.successful)
    counts = [jnp.asarray(result.stats[name], jnp.int32) for name in ("num_steps", "num_rejected_steps")]
    ys = result.ys
    if grid is None:
        grid, ys = t1[None], _with_ends(f, y0, t0, t1, args, ys)
    return Solution(grid, nan_unless(converged, ys), converged, *counts, jnp.zeros((), dtype))


def _terms(solver, f):
    """All of f is stiff to a solver that takes a slope in two parts."""
    if solver != "kencarp4":
        return diffrax.ODETerm(f)
    return diffrax.MultiTerm(diffrax.ODETerm(lambda t, y, args: jax.tree.map(jnp.zeros_like, y)), diffrax.ODETerm(f))


def _within(ts, ends, dtype):
    """The times to save, and whether they run from t0 towards t1.

    Where traced ones do not, t0 stands for all of them: diffrax would stop the program.
    """
    grid = times(_NAME, ts, dtype)
    known = all(is_concrete(value) for value in (ts, *ends))
    array = np if known else jnp
    values, t0, t1 = (array.asarray(value).astype(dtype) for value in (ts, *ends))
    onwards = array.sign(t1 - t0)
    inside = ((values - t0) * onwards >= 0) & ((t1 - values) * onwards >= 0) & (onwards != 0)
    inside = inside.all() & (array.diff(values) * onwards >= 0).all()
    if known and not inside:
        raise ValueError(
            f"{_NAME}: ts runs from {values[0]:.6g} to {values[-1]:.6g}, expected times that run from t0 = {t0:.6g} "
            f"towards t1 = {t1:.6g}"
        )
    return (grid, True) if known else (jnp.where(inside, grid, t0), inside)


def _with_ends(f, y0, t0, t1, args, ys):
    """The solution at t1; where t1 is t0, with the derivatives of an interval without length, which no step has."""
    at_once, length = t0 == t1, t1 - t0

    def leaf(y, slope, known):
        return jnp.where(at_once, y + length.astype(y.dtype) * slope, known[0])[None]

    return jax.tree.map(leaf, y0, f(t0, y0, args), ys)
