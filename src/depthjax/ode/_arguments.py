"""Checks of states, fields and times that the solvers share."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.numerics._arguments import is_concrete


def state(function: str, y0: Any, name: str = "y0") -> Any:
    """`y0` with floating arrays as leaves.

    Raises:
        TypeError: integer, Boolean or complex leaves.
        ValueError: no leaf at all.
    """
    leaves = jax.tree_util.tree_leaves_with_path(y0)
    if not leaves:
        raise ValueError(f"{function}: {name} has no array, expected a pytree of floating arrays")
    for path, leaf in leaves:
        dtype = jnp.result_type(leaf)
        if not jnp.issubdtype(dtype, jnp.floating):
            raise TypeError(
                f"{function}: {name}{jax.tree_util.keystr(path)} has dtype {dtype}, expected floats; "
                f"write 1.0 for 1, and real and imaginary parts as two arrays"
            )
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), y0)


def state_dtype(y: Any) -> jnp.dtype:
    """The dtype in which time is kept: the widest of the state's."""
    with jax.numpy_dtype_promotion("standard"):
        return functools.reduce(jnp.promote_types, [leaf.dtype for leaf in jax.tree.leaves(y)])


def require_field(function: str, f: Callable, t: Any, y: Any, args: Any) -> None:
    """Raise `ValueError` unless f(t, y, args) has the structure, shapes and dtypes of y."""
    got = jax.eval_shape(f, t, y, args)
    if jax.tree.structure(got) != jax.tree.structure(y):
        raise ValueError(
            f"{function}: f returns the structure {jax.tree.structure(got)}, expected that of y0, "
            f"{jax.tree.structure(y)}"
        )
    for (path, leaf), out in zip(jax.tree_util.tree_leaves_with_path(y), jax.tree.leaves(got), strict=True):
        if (leaf.shape, leaf.dtype) != (out.shape, out.dtype):
            place = jax.tree_util.keystr(path) or "the state"
            raise ValueError(
                f"{function}: f returns {out.dtype}{list(out.shape)} for {place}, expected {leaf.dtype}"
                f"{list(leaf.shape)} as in y0; cast or reshape the slope"
            )


def times(function: str, ts: Any, dtype: Any) -> jax.Array:
    """Grid (n,) in the state's dtype.

    Raises:
        ValueError: not (n,) with n >= 2, or concrete and not finite or not strictly monotone.
    """
    shape = np.shape(ts)
    if len(shape) != 1 or shape[0] < 2:
        raise ValueError(f"{function}: ts has shape {shape}, expected (n,) with n >= 2; for one interval pass [t0, t1]")
    if is_concrete(ts):
        values = np.asarray(ts, np.float64)
        steps = np.diff(values)
        if not np.isfinite(values).all():
            i = int(np.argmin(np.isfinite(values)))
            raise ValueError(f"{function}: ts[{i}] is {values[i]}, expected finite times")
        if not ((steps > 0).all() or (steps < 0).all()):
            i = int(np.argmax(steps * np.sign(steps.sum()) <= 0))
            raise ValueError(f"{function}: ts is not strictly monotone at index {i + 1}; sort it and drop repeats")
        with jax.ensure_compile_time_eval():
            return jnp.asarray(ts).astype(dtype)
    return jnp.asarray(ts).astype(dtype)


def scalar_time(function: str, name: str, t: Any, dtype: Any) -> jax.Array:
    """A time () in the state's dtype.

    Raises:
        ValueError: not a scalar, or concrete and not finite.
    """
    if np.shape(t) != ():
        raise ValueError(f"{function}: {name} has shape {np.shape(t)}, expected a scalar")
    if is_concrete(t) and not np.isfinite(np.asarray(t, np.float64)):
        raise ValueError(f"{function}: {name} is {t}, expected a finite number")
    return jnp.asarray(t).astype(dtype)


def tolerances(function: str, rtol: Any, atol: Any) -> None:
    """Raise `ValueError` for concrete tolerances that are negative, NaN, or both 0."""
    for name, value in (("rtol", rtol), ("atol", atol)):
        if is_concrete(value) and not np.all(np.asarray(value) >= 0):
            raise ValueError(f"{function}: {name} is {value}, expected a nonnegative number")
    if is_concrete(rtol) and is_concrete(atol) and not np.all(np.asarray(rtol) + np.asarray(atol) > 0):
        raise ValueError(f"{function}: rtol and atol are both 0, expected one of them positive")
