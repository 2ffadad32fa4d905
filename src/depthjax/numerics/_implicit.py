"""One implicit-function rule for roots and fixed points, valid to every order of differentiation."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class RootResult(NamedTuple):
    """What a solver found and how well.

    Attributes:
        value: the solution, NaN where the solver failed.
        residual: what is left of the equation at the last iterate, also after a failure.
        converged: Boolean, whether `value` can be trusted.
        num_steps: iterations used.
    """

    value: Any
    residual: jax.Array
    converged: jax.Array
    num_steps: jax.Array


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def attach_root(fn: Callable, root: jax.Array, args: tuple) -> jax.Array:
    """Return `root` with the derivative `-(df/dargs) / (df/dx)`; `fn` may not close over tracers.

    Reverse mode through `lax.scan` forgets custom rules in what a second derivative then differentiates, so the value
    itself is a Newton step of size zero, whose own derivative is right.
    """
    value, slope = jax.jvp(lambda x: fn(x, *args), (root,), (jnp.ones_like(root),))
    usable = jnp.isfinite(value) & jnp.isfinite(slope) & (slope != 0.0)
    change = jnp.where(usable, value, 0.0)
    return root - (change - lax.stop_gradient(change)) / jnp.where(usable, slope, 1.0)


@attach_root.defjvp
def _(fn, primals, tangents):
    root, args = primals
    root = attach_root(fn, root, args)
    _, slope = jax.jvp(lambda x: fn(x, *args), (root,), (jnp.ones_like(root),))
    _, change = jax.jvp(lambda values: fn(root, *values), (args,), (tangents[1],))
    return root, -change / slope


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def attach_fixed_point(fn: Callable, max_steps: int, point: Any, args: tuple) -> Any:
    """Return `point` with the derivative `(I - df/dx)^-1 df/dargs`; `fn` may not close over tracers.

    The value is a Newton step of size zero for the reason given at `attach_root`.
    """
    safe = jax.tree.map(lambda leaf: jnp.where(jnp.isfinite(leaf), leaf, 0.0), point)
    change = jax.tree.map(lambda leaf: leaf - lax.stop_gradient(leaf), fn(safe, *args))
    return jax.tree.map(jnp.add, point, _solve_linear(fn, max_steps, safe, args, change))


@attach_fixed_point.defjvp
def _(fn, max_steps, primals, tangents):
    point, args = primals
    point = attach_fixed_point(fn, max_steps, point, args)
    _, change = jax.jvp(lambda values: fn(point, *values), (args,), (tangents[1],))
    return point, _solve_linear(fn, max_steps, point, args, change)


def _solve_linear(fn, max_steps, point, args, target):
    """Solve `(I - df/dx) v = target`."""

    def residual_map(vector):
        return jax.tree.map(jnp.subtract, vector, jax.jvp(lambda x: fn(x, *args), (point,), (vector,))[1])

    solve = functools.partial(_neumann, max_steps=max_steps)
    return lax.custom_linear_solve(residual_map, target, solve, transpose_solve=solve)


def tree_close(step: Any, scale: Any, tol: jax.Array | float) -> jax.Array:
    """Return whether every entry of `step` is within `tol * max|scale|`; false as soon as a NaN occurs."""
    leaves = jax.tree.leaves(scale)
    bound = functools.reduce(jnp.maximum, [jnp.max(jnp.abs(leaf), initial=0.0) for leaf in leaves])
    inside = [jnp.all(jnp.abs(leaf) <= jnp.asarray(tol, leaf.dtype) * bound) for leaf in jax.tree.leaves(step)]
    return functools.reduce(jnp.logical_and, inside)


def tree_eps(tree: Any) -> float:
    """Return the unit roundoff of the coarsest leaf."""
    return max(float(jnp.finfo(leaf.dtype).eps) for leaf in jax.tree.leaves(tree))


def tree_fill(keep: jax.Array, tree: Any) -> Any:
    """Return `tree`, or NaN everywhere unless `keep`."""
    return jax.tree.map(lambda leaf: jnp.where(keep, leaf, jnp.nan), tree)


def _neumann(matvec, target, *, max_steps):
    """Solve `(I - J) v = target` by `v <- target + J v`, the series of a contraction."""
    tol = 2.0 * tree_eps(target)

    def cond(state):
        _, done, step = state
        return ~done & (step < max_steps)

    def body(state):
        vector, _, step = state
        update = jax.tree.map(lambda t, m: t - m, target, matvec(vector))
        new = jax.tree.map(jnp.add, vector, update)
        return new, tree_close(update, new, tol), step + 1

    vector, done, _ = lax.while_loop(cond, body, (target, jnp.zeros((), bool), jnp.asarray(0, jnp.int32)))
    return tree_fill(done, vector)
