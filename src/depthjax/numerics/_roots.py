"""Bracketed roots of scalar monotone functions, differentiable in the function's arguments."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.numerics._elementwise import promote
from depthjax.numerics._implicit import RootResult, attach_root

_ARITHMETIC_STEPS = 6


class _Search(NamedTuple):
    lower: jax.Array
    upper: jax.Array
    root: jax.Array
    last_step: jax.Array
    done: jax.Array
    num_steps: jax.Array


def implicit_root(fn: Callable[..., jax.Array], root: jax.Array, *args: Any) -> jax.Array:
    """Attach the implicit derivative to a root found by other means.

    With `fn(root, *args) = 0`, d root / d args = -(d fn / d args) / (d fn / d x).

    Args:
        fn: `fn(x, *args)`, scalar in `x` or elementwise in an array `x`.
        root: the root; its own derivative is discarded.
        *args: pytrees.

    Returns:
        `root`, differentiable in `args` and in whatever `fn` closes over, to every order, forward and reverse; inside a
        `lax.scan` that is differentiated in reverse mode, to second order.

    Numerics: the derivative is infinite or NaN at a multiple root, where it does not exist.
    """
    converted, hoisted = jax.closure_convert(fn, root, *args)
    return attach_root(converted, lax.stop_gradient(root), (*args, *hoisted))


def find_root(
    fn: Callable[..., jax.Array], lower: ArrayLike, upper: ArrayLike, *args: Any, num_steps: int = 64
) -> RootResult:
    """Solve `fn(x, *args) = 0` between `lower` and `upper`.

    Newton's method, safeguarded by bisection: a step is taken only if it stays inside the bracket and halves the
    step before. Wide brackets of one sign are bisected in the exponent, so that 64 steps reach any float.

    Args:
        fn: `fn(x, *args)`, continuous, with one sign at each end; scalar in `x`, or elementwise in an array `x`.
        lower: lower end of the bracket, may be -inf.
        upper: upper end, may be inf.
        *args: pytrees that `fn` depends on.
        num_steps: largest number of iterations.

    Returns:
        `RootResult`: `value` is NaN and `converged` false where the ends have the same sign, where `fn` is NaN, or
        where the steps ran out. `residual` is `fn` at the last iterate, without derivative.

    Numerics: stops once the bracket or the step is down to a few units in the last place of `x`.
        Differentiation goes by the implicit function theorem, to every order, forward and reverse (to second order
        inside a `lax.scan` that is differentiated in reverse mode); the bracket has no derivative.

    Source: Press et al., "Numerical Recipes", 3rd ed., section 9.4 (rtsafe).
    """
    lower, upper = promote(lower, upper)
    converted, hoisted = jax.closure_convert(fn, lower, *args)
    args = (*args, *hoisted)
    frozen = lax.stop_gradient(args)
    result = _solve(lambda x: converted(x, *frozen), *lax.stop_gradient((lower, upper)), num_steps)
    return result._replace(value=attach_root(converted, result.value, args))


def invert_monotone(
    fn: Callable[..., jax.Array],
    y: ArrayLike,
    *args: Any,
    bracket: tuple[ArrayLike, ArrayLike] | None = None,
    num_steps: int = 64,
) -> RootResult:
    """Solve `fn(x, *args) = y` for a monotone `fn`, finding a bracket first.

    Args:
        fn: `fn(x, *args)`, strictly increasing or decreasing in `x`; scalar, or elementwise in an array `x`.
        y: value to invert, the shape of `x`.
        *args: pytrees that `fn` depends on.
        bracket: ends of the interval to search, possibly infinite; by default (-1, 1) is widened geometrically, at
            a growing rate, until it holds the root or reaches the largest floats.
        num_steps: largest number of iterations of the search inside the bracket.

    Returns:
        `RootResult` as of `find_root`, differentiable in `y` and `args`; NaN where `fn` never reaches `y`.
    """
    (y,) = promote(y)
    converted, hoisted = jax.closure_convert(fn, y, *args)
    args = (*args, *hoisted)

    def gap(x, target, *values):
        return converted(x, *values) - target

    frozen = lax.stop_gradient((y, *args))
    if bracket is None:
        lower, upper, used = _expand(lambda x: gap(x, *frozen), y)
    else:
        lower, upper, _ = promote(*bracket, y)
        used = 0
    result = find_root(gap, lower, upper, y, *args, num_steps=num_steps)
    return result._replace(num_steps=result.num_steps + used)


def _middle(lower, upper, num_steps):
    """Bisect the bracket: at zero if it holds zero, in the exponent if it is wide, else arithmetically."""
    tiny = jnp.finfo(lower.dtype).tiny
    arithmetic = 0.5 * lower + 0.5 * upper
    low, high = jnp.maximum(jnp.abs(lower), tiny), jnp.maximum(jnp.abs(upper), tiny)
    geometric = jnp.where(upper > 0.0, 1.0, -1.0) * jnp.sqrt(low) * jnp.sqrt(high)
    crosses = (lower < 0.0) & (upper > 0.0)
    wide = (jnp.maximum(low, high) > 4.0 * jnp.minimum(low, high)) & (num_steps >= _ARITHMETIC_STEPS)
    exponent = jnp.where(crosses, 0.0, geometric)
    inside = (exponent > lower) & (exponent < upper)
    return jnp.where(wide & inside, exponent, arithmetic)


def _start(fn, lower, upper):
    """Evaluate the ends and guess the root from their secant."""
    f_lower, f_upper = fn(lower), fn(upper)
    bracketed = (jnp.sign(f_lower) * jnp.sign(f_upper) <= 0.0) & (lower <= upper)
    fraction = f_lower / (f_lower - f_upper)
    secant = lower + fraction * (upper - lower)
    usable = (secant > lower) & (secant < upper)
    guess = jnp.where(usable, secant, _middle(lower, upper, 0))
    guess = jnp.where(f_lower == 0.0, lower, jnp.where(f_upper == 0.0, upper, guess))
    state = _Search(
        lower=lower,
        upper=upper,
        root=guess,
        last_step=upper - lower,
        done=~bracketed | (f_lower == 0.0) | (f_upper == 0.0),
        num_steps=jnp.asarray(0, jnp.int32),
    )
    return state, bracketed, jnp.where(f_upper == 0.0, -jnp.sign(f_lower), jnp.sign(f_upper))


def _advance(evaluate, direction, state):
    """One safeguarded Newton step; a finished element stays as it is."""
    eps, tiny = jnp.finfo(state.root.dtype).eps, jnp.finfo(state.root.dtype).tiny
    value, slope = evaluate(state.root)
    above = value * direction > 0.0
    lower = jnp.where(above, state.lower, state.root)
    upper = jnp.where(above, state.root, state.upper)
    newton = state.root - value / jnp.where(slope == 0.0, jnp.nan, slope)
    step = jnp.abs(newton - state.root)
    # A multiple or far root makes Newton's steps merely halve; every fourth of those gives way to a bisection.
    slow = (state.num_steps % 4 == 3) & (step > 0.2 * jnp.abs(newton))
    accept = (newton > lower) & (newton < upper) & (step <= 0.5 * state.last_step) & ~slow
    tiny_step = (newton >= lower) & (newton <= upper) & (step <= eps * jnp.abs(state.root) + tiny)
    middle = _middle(lower, upper, state.num_steps)
    root = jnp.where(accept | tiny_step, newton, middle)
    closed = (root <= lower) | (root >= upper)
    failed = jnp.isnan(value)
    root = jnp.where(value == 0.0, state.root, jnp.where(failed, jnp.nan, root))
    done = state.done | tiny_step | closed | (value == 0.0) | failed
    moved = _Search(lower, upper, root, jnp.where(accept, step, upper - lower), done, state.num_steps + 1)
    keep = state.done
    return _Search(*(jnp.where(keep, old, new) for old, new in zip(state[:5], moved[:5], strict=True)), moved.num_steps)


def _run(evaluate, direction, state, num_steps):
    return lax.while_loop(
        lambda state: jnp.any(~state.done) & (state.num_steps < num_steps),
        lambda state: _advance(evaluate, direction, state),
        state,
    )


def solve_increasing(evaluate, lower, upper, guess, *, num_steps=100):
    """Solve for the root of an increasing function whose bracket is known to hold it.

    `evaluate(x)` returns the value and the slope and is compiled once, which matters when it is long. NaN where the
    steps ran out.
    """
    start = _Search(lower, upper, guess, upper - lower, jnp.zeros(guess.shape, bool), jnp.asarray(0, jnp.int32))
    state = _run(evaluate, jnp.ones_like(guess), start, num_steps)
    return jnp.where(state.done, state.root, jnp.nan)


def _solve(fn, lower, upper, num_steps):
    """Run the search; no derivative passes through."""
    largest = jnp.finfo(lower.dtype).max
    state, bracketed, direction = _start(fn, jnp.clip(lower, -largest, largest), jnp.clip(upper, -largest, largest))

    def evaluate(x):
        return jax.jvp(fn, (x,), (jnp.ones_like(x),))

    state = _run(evaluate, direction, state, num_steps)
    residual = fn(state.root)
    converged = state.done & bracketed & ~jnp.isnan(residual)
    return RootResult(jnp.where(converged, state.root, jnp.nan), residual, converged, state.num_steps)


def _expand(fn, y):
    """Widen (-1, 1) on the side where the residual is smaller, until the signs at its ends differ."""
    largest = jnp.finfo(y.dtype).max

    def probe(lower, upper):
        f_lower, f_upper = fn(lower), fn(upper)
        open_ = jnp.sign(f_lower) * jnp.sign(f_upper) > 0.0
        return open_, open_ & (jnp.abs(f_upper) <= jnp.abs(f_lower)), open_ & (jnp.abs(f_lower) <= jnp.abs(f_upper))

    def cond(state):
        lower, upper, _, (open_, right, left), _ = state
        return jnp.any(open_ & ((right & (upper < largest)) | (left & (lower > -largest))))

    def body(state):
        lower, upper, factor, (_, right, left), count = state
        new_lower = jnp.where(left, _grow(lower, -1.0, factor), jnp.where(right, upper, lower))
        new_upper = jnp.where(right, _grow(upper, 1.0, factor), jnp.where(left, lower, upper))
        return new_lower, new_upper, 2.0 * factor, probe(new_lower, new_upper), count + 1

    def _grow(end, sign, factor):
        return jnp.clip(sign * jnp.maximum(sign * end, 1.0) * factor, -largest, largest)

    ones = jnp.ones_like(y)
    start = (-ones, ones, jnp.asarray(2.0, y.dtype), probe(-ones, ones), jnp.asarray(0, jnp.int32))
    lower, upper, _, _, count = lax.while_loop(cond, body, start)
    return lower, upper, count
