"""Solutions on a fixed grid, as one scan."""

import contextlib
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least, chosen, is_concrete
from depthjax.ode._arguments import require_field, state, state_dtype, times
from depthjax.ode._blocks import block_length, scan_steps
from depthjax.ode._methods import LMM, Tableau
from depthjax.ode._multistep import solve_multistep
from depthjax.ode._solution import Solution, ends_finite, nan_unless
from depthjax.ode._step import Field, is_explicit, step
from depthjax.ode._tableaus import RK4

_NAME = "solve_fixed"


def solve_fixed(
    f: Field,
    y0: Any,
    ts: ArrayLike,
    args: Any = None,
    *,
    method: Tableau | LMM = RK4,
    substeps: int = 1,
    remat: str | int | None = None,
    save: str = "all",
    starter: Tableau | None = None,
    corrector: str = "newton",
    num_newton: int = 8,
    newton_tol: float | None = None,
    allow_unstable: bool = False,
) -> Solution:
    """Integrate y' = f(t, y, args) on a fixed grid.

    Args:
        f: slope, f(t, y, args); it may close over traced values.
        y0: state at ts[0], a pytree of floating arrays.
        ts: (n,) strictly monotone times, rising or falling; traced times are not checked.
        args: pytree passed to f.
        method: `Tableau`, or `LMM` on a uniform grid.
        substeps: static, steps in each interval.
        remat: static, what the reverse pass recomputes: None nothing, "step" each step once, "sqrt" blocks of about the
            square root of the number of steps, an int blocks of that length; a step of a block twice.
        save: static, "all" times or the "last" one.
        starter: one-step method for the first k - 1 steps of an `LMM`; RK4 up to order 5, DOPRI5 at 6, else GAUSS6.
        corrector: static, how an implicit `LMM` is solved: "newton", or a predictor of Adams and Bashforth with one
            correction: "pece" evaluates the slope again behind it, "pec" does not.
        num_newton: static, Newton iterations at most in an implicit step.
        newton_tol: as in `rk_step`.
        allow_unstable: accept an `LMM` that is not zero-stable.

    Returns:
        `Solution`; `save="last"` gives ts and ys one entry.

    Raises:
        ValueError: ts, f, remat, save or corrector as they should not be; an `LMM` on a concrete grid that is not
            uniform, not zero-stable, or with a starter of too low an order.
        TypeError: integer or complex y0.

    Numerics: differentiable to any order (implicit steps to the third) in y0, args, ts and closed-over values; the
        derivative is that of the discrete solution. A failed Newton iteration, or a traced grid that is not uniform
        under an `LMM`, gives NaN everywhere and `converged` False; so does, for `converged`, a state that overflows.

    Cost: memory of the reverse pass for N steps: O(N stages activations) for None, O(N |y|) for "step",
        O(sqrt(N) |y| + activations) for "sqrt" with `save="last"`. Compile time does not grow with N.

    Source: Griewank and Walther, Evaluating Derivatives (2008), 12.2, for the blocks.
    """
    for name, value in (("substeps", substeps), ("num_newton", num_newton)):
        at_least(_NAME, name, value, 1)
    chosen(_NAME, "save", save, ("all", "last"))
    chosen(_NAME, "corrector", corrector, ("newton", "pece", "pec"))
    y0 = state(_NAME, y0)
    grid = times(_NAME, ts, state_dtype(y0))
    require_field(_NAME, f, grid[0], y0, args)
    block_length(_NAME, remat, 1)
    if isinstance(method, LMM):
        options = {"num_newton": num_newton, "newton_tol": newton_tol, "corrector": corrector}
        return solve_multistep(
            f, y0, grid, args, method, ts, substeps, remat, save, starter, options, allow_unstable=allow_unstable
        )
    if not isinstance(method, Tableau):
        raise TypeError(f"{_NAME}: method is a {type(method).__name__}, expected a Tableau or an LMM")
    return _one_step(f, y0, grid, args, method, substeps, remat, save, num_newton, newton_tol)


def _one_step(f, y0, ts, args, method, substeps, remat, save, num_newton, newton_tol):
    flags = (jnp.ones((), bool), jnp.zeros((), ts.dtype))

    def body(carry, th):
        y, (converged, residual) = carry
        done = step(method, f, *th, y, args, num_newton=num_newton, newton_tol=newton_tol)
        if not is_explicit(method):
            residual = jnp.maximum(residual, done.residual.astype(residual.dtype))
            converged = converged & done.converged
        return (done.y, (converged, residual)), done.y

    t, h = _substeps(ts, substeps)
    num_steps = t.size
    if save == "last":
        block = block_length(_NAME, remat, num_steps)
        (y, flags), _ = scan_steps(lambda c, th: (body(c, th)[0], None), (y0, flags), t.ravel(), h.ravel(), block)
        ts, ys = ts[-1:], jax.tree.map(lambda leaf: leaf[None], y)
    else:
        (_, flags), later = _intervals(body, (y0, flags), t, h, remat)
        ys = jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), y0, later)
    if not is_explicit(method):
        ys = nan_unless(flags[0], ys)
    return Solution(ts, ys, flags[0] & ends_finite(ys), jnp.int32(num_steps), jnp.int32(0), flags[1])


def _substeps(ts, substeps):
    """Starts and lengths of the steps in each interval, both (n - 1, substeps); constants where the times are."""
    with jax.ensure_compile_time_eval() if is_concrete(ts) else contextlib.nullcontext():
        h = jnp.diff(ts) / substeps
        t = ts[:-1, None] + h[:, None] * jnp.arange(substeps, dtype=ts.dtype)[None, :]
        return t, jnp.broadcast_to(h[:, None], t.shape)


def _intervals(body, carry, t, h, remat):
    """Scan over intervals of several steps each, giving the state behind each."""
    if t.shape[1] == 1:
        return scan_steps(body, carry, t[:, 0], h[:, 0], block_length(_NAME, remat, t.shape[0]))
    block = block_length(_NAME, remat, t.shape[1])

    def interval(carry, th):
        carry, _ = scan_steps(lambda c, s: (body(c, s)[0], None), carry, *th, block)
        return carry, carry[0]

    if remat is not None:
        interval = jax.checkpoint(interval, prevent_cse=False)
    return jax.lax.scan(interval, carry, (t, h))
