"""Fixed points of contractions of pytrees, differentiable in the map's arguments."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.numerics._implicit import RootResult, attach_fixed_point, tree_close, tree_eps, tree_fill


def fixed_point(
    fn: Callable[..., Any], x0: Any, *args: Any, tol: float | None = None, max_steps: int = 512
) -> RootResult:
    """Solve `x = fn(x, *args)` by iterating `fn`.

    Args:
        fn: `fn(x, *args)`, a contraction near the solution (or a nilpotent map, such as a strictly triangular
            one); returns the structure, shapes and dtypes of `x`.
        x0: starting point, an array or a pytree of floating arrays.
        *args: pytrees that `fn` depends on.
        tol: iteration stops once `max|fn(x) - x| <= tol max(1, max|x|)`; 4 eps of the dtype by default.
        max_steps: largest number of iterations, here and in each linear solve of a derivative.

    Returns:
        `RootResult`: `value` is NaN everywhere and `converged` false where the iteration did not settle;
        `residual` is the last `max|fn(x) - x|`, without derivative.

    Numerics: derivatives go by the implicit function theorem, (I - J) dx = (d fn / d args) d args, to every order,
        forward and reverse; to second order inside a `lax.scan` that is differentiated in reverse mode. That system,
        or its transpose, is solved by its own fixed-point iteration (the Neumann series), so memory does not grow with
        the number of steps and J is never formed; it gives NaN if the series has not settled within `max_steps`.

    Source: Bai, Kolter and Koltun, "Deep equilibrium models", 2019, theorem 1.
    """
    x0 = jax.tree.map(jnp.asarray, x0)
    tol = 4.0 * tree_eps(x0) if tol is None else tol
    converted, hoisted = jax.closure_convert(fn, x0, *args)
    args = (*args, *hoisted)
    result = _iterate(converted, lax.stop_gradient(x0), lax.stop_gradient(args), tol, max_steps)
    return result._replace(value=attach_fixed_point(converted, max_steps, result.value, args))


def _iterate(fn, x0, args, tol, max_steps):
    def step_from(x):
        new = fn(x, *args)
        return new, jax.tree.map(jnp.subtract, new, x)

    def cond(state):
        _, _, done, count = state
        return ~done & (count < max_steps)

    def body(state):
        x, _, _, count = state
        new, step = step_from(x)
        scale = jax.tree.map(lambda leaf: jnp.maximum(jnp.max(jnp.abs(leaf), initial=0.0), 1.0), new)
        return new, step, tree_close(step, scale, tol), count + 1

    start = (x0, jax.tree.map(jnp.zeros_like, x0), jnp.zeros((), bool), jnp.asarray(0, jnp.int32))
    x, step, converged, count = lax.while_loop(cond, body, start)
    residual = jnp.stack([jnp.max(jnp.abs(leaf), initial=0.0) for leaf in jax.tree.leaves(step)]).max()
    return RootResult(tree_fill(converged, x), residual, converged, count)
