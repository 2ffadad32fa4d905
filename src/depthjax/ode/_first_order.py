"""What the hand-written adjoints share: their inputs, and a refusal of second and of forward-mode derivatives."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from depthjax.core._options import at_least
from depthjax.ode._arguments import require_field, scalar_time, state, state_dtype, tolerances
from depthjax.ode._controller import Settings, require_pair


def _refuse(*_: Any, function: str, **__: Any) -> Any:
    raise TypeError(
        f"{function} has first derivatives only, in reverse mode; for second or forward-mode derivatives use "
        f"solve_fixed"
    )


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def first_order_only(function: str, tree: Any) -> Any:
    """`tree`, which cannot be differentiated again."""
    return tree


@first_order_only.defjvp
def _(function, primals, tangents):
    return _refuse(function=function)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def reverse_only(function: str, tree: Any) -> Any:
    """`tree`, whose tangents can be transposed but not computed."""
    return tree


@reverse_only.defjvp
def _(function, primals, tangents):
    leaves, treedef = jax.tree.flatten(tangents[0])
    return primals[0], jax.tree.unflatten(treedef, _tangents.bind(*leaves, function=function))


def _transposed(cotangents, *tangents, function):
    return [c if ad.is_undefined_primal(t) else None for c, t in zip(cotangents, tangents, strict=True)]


def _batched(tangents, dims, *, function):
    return _tangents.bind(*tangents, function=function), dims


# Forward and reverse mode both start by pushing tangents forwards; what tells them apart is that the reverse mode never
# evaluates its tangents. So this identity has a transpose, and nothing to run.
_tangents = Primitive("reverse_only_tangents")
_tangents.multiple_results = True
_tangents.def_impl(_refuse)
_tangents.def_abstract_eval(lambda *tangents, function: tangents)
ad.primitive_jvps[_tangents] = _refuse
ad.primitive_transposes[_tangents] = _transposed
batching.primitive_batchers[_tangents] = _batched
mlir.register_lowering(_tangents, _refuse)


class Problem(NamedTuple):
    """An initial value problem whose f closes over nothing: f(t, y, inputs)."""

    f: Callable
    y0: Any
    t0: jax.Array
    t1: jax.Array
    inputs: Any


def problem(function: str, f: Callable, y0: Any, t0: Any, t1: Any, args: Any) -> Problem:
    """Check the arguments and hoist what f closes over; the inputs are pairs (floating leaves, other leaves)."""
    y0 = state(function, y0)
    t0, t1 = (scalar_time(function, name, t, state_dtype(y0)) for name, t in (("t0", t0), ("t1", t1)))
    args = jax.tree.map(jnp.asarray, args)
    require_field(function, f, t0, y0, args)
    converted, hoisted = jax.closure_convert(f, t0, y0, args)
    leaves, treedef = jax.tree.flatten((args, tuple(hoisted)))
    is_float = [jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves]

    def field(t, y, inputs):
        floats, others = (iter(part) for part in inputs)
        args, hoisted = jax.tree.unflatten(treedef, [next(floats if known else others) for known in is_float])
        return converted(t, y, args, *hoisted)

    floats = [leaf for leaf, known in zip(leaves, is_float, strict=True) if known]
    others = [leaf for leaf, known in zip(leaves, is_float, strict=True) if not known]
    y0, t0, t1, floats = reverse_only(function, (y0, t0, t1, floats))
    return Problem(field, y0, t0, t1, (floats, others))


def settings(function: str, method: Any, rtol: float, atol: float, max_steps: int, **options: Any) -> Settings:
    """Check the static options of the adaptive loop."""
    require_pair(function, method)
    at_least(function, "max_steps", max_steps, 1)
    tolerances(function, rtol, atol)
    return Settings(method, float(rtol), float(atol), max_steps, **options)


def inner(a: Any, b: Any, dtype: Any) -> jax.Array:
    """Sum of the products of all entries."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return sum((jnp.sum(x * y).astype(dtype) for x, y in pairs), jnp.zeros((), dtype))
