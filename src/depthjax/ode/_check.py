"""Comparison of adjoints on the user's own problem."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from depthjax.core._options import at_least, chosen
from depthjax.ode._arguments import state, state_dtype
from depthjax.ode._continuous import Adjoint, backward_path, odeint_backsolve, odeint_interpolated
from depthjax.ode._controller import adaptive
from depthjax.ode._first_order import problem, settings
from depthjax.ode._replay import odeint_replay
from depthjax.ode._reversible import largest_difference, odeint_reversible, reversible_problem, round_trip_error
from depthjax.ode._solution import Solution
from depthjax.ode._step import Field
from depthjax.ode._tableaus import DOPRI5, RK4

_NAME = "adjoint_check"
_STAGES = DOPRI5.num_stages - 1
_ADAPTIVE = {"replay": odeint_replay, "interpolated": odeint_interpolated, "backsolve": odeint_backsolve}
_SCHEMES = ("heun", "alf", "coupled")
ADJOINTS = (*_ADAPTIVE, *_SCHEMES)


class AdjointReport(NamedTuple):
    """What `adjoint_check` measured; every field but `reference` is a dict from an adjoint's name to its number.

    Attributes:
        gradient_error: |gradient - reference| / |reference| over y0 and args.
        reconstruction_error: largest |y0 - y0 reconstructed by the reverse pass|; 0 where nothing is reconstructed.
        forward_evaluations: slopes computed by the forward pass.
        backward_evaluations: slopes, each with its product, computed by the reverse pass.
        reference: the gradient (with respect to y0, args) that the others are compared with.
    """

    gradient_error: dict[str, float]
    reconstruction_error: dict[str, float]
    forward_evaluations: dict[str, int]
    backward_evaluations: dict[str, int]
    reference: Any


def adjoint_check(
    loss_of_solution: Callable[[Solution], jax.Array],
    f: Field,
    y0: Any,
    t0: ArrayLike,
    t1: ArrayLike,
    args: Any,
    *,
    adjoints: Sequence[str] = ("replay", "interpolated", "backsolve"),
    reference_tol: float = 1e-12,
    rtol: float = 1e-6,
    atol: float = 1e-6,
    max_steps: int = 4096,
    num_steps: int = 256,
) -> AdjointReport:
    """Compare the gradients of several adjoints with one of high accuracy, on a given problem.

    Args:
        loss_of_solution: from a `Solution` of the end t1 to a scalar.
        f: slope, f(t, y, args).
        y0: state at t0, a pytree of floating arrays.
        t0: () start.
        t1: () end.
        args: pytree of floating arrays passed to f.
        adjoints: of "replay", "interpolated", "backsolve" (by DOPRI5), and the reversible schemes "heun", "alf",
            "coupled" (RK4 with coupling 0.99).
        reference_tol: tolerance of the reference, `odeint_replay`; at least 16 eps of the state's dtype.
        rtol: relative tolerance of the adaptive adjoints.
        atol: absolute tolerance of the adaptive adjoints.
        max_steps: steps at most of the adaptive adjoints; sixteen times that for the reference.
        num_steps: steps of the reversible schemes.

    Returns:
        `AdjointReport`, numbers on the host.

    Raises:
        ValueError: an unknown adjoint, or as `odeint_replay`.
        TypeError: integer or complex y0 or args.
    """
    at_least(_NAME, "num_steps", num_steps, 1)
    for name in adjoints:
        chosen(_NAME, "adjoints", name, ADJOINTS)
    y0, args = state(_NAME, y0), state(_NAME, args, "args")
    floor = max(reference_tol, 16 * float(jnp.finfo(state_dtype(y0)).eps))
    options = {"rtol": rtol, "atol": atol, "max_steps": max_steps}
    grid = jnp.linspace(t0, t1, num_steps + 1)

    def graded(solve):
        gradient = jax.jit(jax.grad(lambda y, args: loss_of_solution(solve(y, args)), argnums=(0, 1)))(y0, args)
        return gradient, np.asarray(ravel_pytree(gradient)[0], np.float64)

    def solver(name):
        if name in _ADAPTIVE:
            return lambda y, args: _ADAPTIVE[name](f, y, t0, t1, args, **options)
        return lambda y, args: odeint_reversible(f, y, grid, args, scheme=name)

    tight = {"rtol": floor, "atol": floor, "max_steps": 16 * max_steps}
    reference, want = graded(lambda y, args: odeint_replay(f, y, t0, t1, args, **tight))
    report = AdjointReport({}, {}, {}, {}, reference)
    for name in adjoints:
        got = graded(solver(name))[1]
        report.gradient_error[name] = float(np.linalg.norm(got - want) / np.linalg.norm(want))
        if name in _ADAPTIVE:
            facts = _adaptive_facts(name, loss_of_solution, f, y0, t0, t1, args, options)
        else:
            facts = _reversible_facts(name, f, y0, grid, args)
        report.reconstruction_error[name] = float(facts[0])
        report.forward_evaluations[name], report.backward_evaluations[name] = int(facts[1]), int(facts[2])
    return report


def _adaptive_facts(name, loss, f, y0, t0, t1, args, options):
    """Reconstruction error and the slopes of both passes."""
    given = problem(_NAME, f, y0, t0, t1, args)
    kept = {"keep_every": None} if name == "backsolve" else {"keep_slopes": name == "interpolated"}
    static = settings(_NAME, DOPRI5, **options, **kept)

    def run(y, t0, t1, inputs):
        path = adaptive(static, given.f, y, t0, t1, inputs)
        forward = 2 + _STAGES * path.num_attempts
        if name == "replay":
            return jnp.zeros(()), forward, 1 + _STAGES * path.num_accepted
        one = jnp.int32(0)
        end = Solution(t1[None], None, path.done, path.num_attempts, one, jnp.zeros_like(t1))
        cotangent = jax.grad(lambda y: loss(end._replace(ys=jax.tree.map(lambda v: v[None], y))))(path.y)
        back = backward_path(Adjoint(_NAME, given.f, static, seminorm=True), t0, t1, inputs, path, cotangent)
        error = largest_difference(back.y[0], y) if name == "backsolve" else jnp.zeros(())
        return error, forward, 3 + _STAGES * back.num_attempts

    return jax.jit(run)(given.y0, given.t0, given.t1, given.inputs)


def _reversible_facts(name, f, y0, grid, args):
    given, ts = reversible_problem(f, y0, grid, args)
    run = jax.jit(lambda y, ts, inputs: round_trip_error((given.f, name, RK4, 0.99), y, ts, inputs))
    slopes, extra = {"heun": (2, 0), "alf": (1, 1), "coupled": (2 * RK4.num_stages, 0)}[name]
    count = slopes * (len(ts) - 1)
    return run(given.y0, ts, given.inputs), count + extra, 2 * count + extra
