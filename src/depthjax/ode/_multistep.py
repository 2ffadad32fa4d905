"""Linear multistep methods on a uniform grid."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from depthjax.numerics._arguments import is_concrete
from depthjax.ode._blocks import block_length, scan_steps
from depthjax.ode._families import adams_bashforth
from depthjax.ode._methods import LMM, Tableau
from depthjax.ode._newton import newton
from depthjax.ode._orders import lmm_order, rk_order
from depthjax.ode._roots import root_condition
from depthjax.ode._solution import Solution, ends_finite, nan_unless
from depthjax.ode._step import step
from depthjax.ode._tableaus import DOPRI5, GAUSS6, RK4

_NAME = "solve_fixed"
_UNIFORM = 64.0


def _starter(method: LMM, starter: Tableau | None) -> Tableau:
    order = lmm_order(method).order
    if starter is None:
        return RK4 if order <= 5 else DOPRI5 if order == 6 else GAUSS6
    got = rk_order(starter)
    if got < order - 1:
        raise ValueError(
            f"{_NAME}: starter has order {got}, expected at least {order - 1}, one below the method's {order}"
        )
    return starter


def _require_stable(method):
    report = root_condition(method)
    if not report.satisfied:
        raise ValueError(
            f"{_NAME}: root_condition fails: largest root {np.abs(report.roots[0]):.4f}, expected zero-stability; "
            f"pass allow_unstable=True to study it"
        )


def _uniform(given: Any, ts: jax.Array) -> jax.Array:
    """Whether the grid is uniform up to rounding; raises if a concrete one is not."""
    values = np.asarray(given, np.float64) if is_concrete(given) else None
    if values is not None:
        eps = float(jnp.finfo(ts.dtype).eps)
        steps = np.diff(values)
        slack = _UNIFORM * eps * np.abs(values).max()
        if np.abs(steps - steps.mean()).max() > slack:
            raise ValueError(
                f"{_NAME}: ts is not uniform (steps {steps.min():.6g} to {steps.max():.6g}), expected equal steps for "
                f"an LMM; use a Tableau"
            )
        return jnp.ones((), bool)
    steps = jnp.diff(ts)
    slack = _UNIFORM * jnp.finfo(ts.dtype).eps * jnp.abs(ts).sum() / ts.shape[0] * 2
    return (jnp.abs(steps - steps[0]) <= slack.astype(ts.dtype)).all()


def _weighted(weights, stack):
    """sum_j weights_j stack_j over the leading axis, leaf by leaf."""
    terms = [(j, float(w)) for j, w in enumerate(weights) if w != 0]
    if not terms:
        return jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), stack)
    return jax.tree.map(lambda leaf: sum(w * leaf[j] for j, w in terms[1:]) + terms[0][1] * leaf[terms[0][0]], stack)


def _axpy(h, x, y):
    return jax.tree.map(lambda a, b: h.astype(a.dtype) * a + b, x, y)


def _shifted(stack, new):
    return jax.tree.map(lambda leaf, last: jnp.concatenate([leaf[1:], last[None]]), stack, new)


def _implicit_state(f, t, gain, known, guess, args, num_newton, newton_tol):
    """Solve y = known + gain f(t, y)."""
    flat, unravel = ravel_pytree(known)
    f, hoisted = jax.closure_convert(f, t, known, args)

    def defect(z, params):
        t, gain, flat, args, hoisted = params
        return z - flat - gain.astype(z.dtype) * ravel_pytree(f(t, unravel(z), args, *hoisted))[0]

    scale = jnp.max(jnp.abs(flat), initial=0.0)
    params = (t, gain, flat, args, hoisted)
    got = newton(defect, ravel_pytree(guess)[0], params, scale, num_newton=num_newton, tol=newton_tol)
    return unravel(got.value), got.converged, got.residual


def _advance(f, args, method, t, h, ys, fs, *, corrector, num_newton, newton_tol):
    """The next state and its slope from the last k of each; t is the new time."""
    lead, k = float(method.alpha[-1]), method.num_steps_back
    known = _axpy(h, _weighted(method.beta[:-1] / lead, fs), _weighted(-method.alpha[:-1] / lead, ys))
    fine = (jnp.ones((), bool), jnp.zeros((), h.dtype))
    if method.is_explicit:
        return known, f(t, known, args), fine
    gain = float(method.beta[-1]) / lead * h
    last = jax.tree.map(lambda leaf: leaf[-1], ys)
    if corrector == "newton":
        y, converged, residual = _implicit_state(f, t, gain, known, last, args, num_newton, newton_tol)
        return y, f(t, y, args), (converged, residual.astype(h.dtype))
    predicted = f(t, _axpy(h, _weighted(adams_bashforth(k).beta[:-1], fs), last), args)
    y = _axpy(gain, predicted, known)
    return y, (f(t, y, args) if corrector == "pece" else predicted), fine


def solve_multistep(f, y0, ts, args, method, given, substeps, remat, save, starter, options, *, allow_unstable):
    """`solve_fixed` for an `LMM`, on checked arguments."""
    starter = _starter(method, starter)
    if not allow_unstable:
        _require_stable(method)
    uniform = _uniform(given, ts)
    num_steps, k = (ts.shape[0] - 1) * substeps, method.num_steps_back
    num_start = min(k - 1, num_steps)
    h = (ts[-1] - ts[0]) / num_steps
    grid = ts[0] + h * jnp.arange(num_steps, dtype=ts.dtype)
    newton_options = {name: options[name] for name in ("num_newton", "newton_tol")}

    def start(carry, th):
        y, converged, residual = carry
        done = step(starter, f, *th, y, args, **newton_options)
        converged, residual = converged & done.converged, jnp.maximum(residual, done.residual.astype(residual.dtype))
        return (done.y, converged, residual), done.y

    hs = jnp.broadcast_to(h, grid.shape)
    first = (y0, uniform, jnp.zeros((), ts.dtype))
    (_, converged, residual), later = scan_steps(start, first, grid[:num_start], hs[:num_start], None)
    states = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), y0, later)
    if num_steps > num_start:
        fs = jax.vmap(lambda t, y: f(t, y, args))(ts[0] + h * jnp.arange(k, dtype=ts.dtype), states)

        def body(carry, th):
            ys, fs, converged, residual = carry
            t, h = th
            y, slope, (fine, defect) = _advance(f, args, method, t + h, h, ys, fs, **options)
            moved = h != 0
            ys, fs = (
                jax.tree.map(lambda a, b: jnp.where(moved, b, a), old, _shifted(old, new))
                for old, new in ((ys, y), (fs, slope))
            )
            carry = ys, fs, converged & (fine | ~moved), jnp.maximum(residual, defect)
            return carry, (y if save == "all" else None)

        block = block_length(_NAME, remat, num_steps - num_start)
        carry = (states, fs, converged, residual)
        (last, _, converged, residual), out = scan_steps(body, carry, grid[num_start:], hs[num_start:], block)
        if save == "all":
            states = jax.tree.map(lambda a, b: jnp.concatenate([a, b]), states, out)
        else:
            states = last
    keep = slice(None, None, substeps) if save == "all" else slice(-1, None)
    ys = nan_unless(converged, jax.tree.map(lambda leaf: leaf[keep], states))
    times = ts if save == "all" else ts[-1:]
    return Solution(times, ys, converged & ends_finite(ys), jnp.int32(num_steps), jnp.int32(0), residual)
