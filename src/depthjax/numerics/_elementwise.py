"""The two helpers behind every elementwise function: one broadcast, one derivative rule."""

import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero
from jax.typing import ArrayLike

P = ParamSpec("P")


def float_dtype(*args: ArrayLike) -> np.dtype:
    """Return the floating dtype in which `args` meet.

    Floating arguments decide; integers and Booleans follow them, and become the default float when alone.
    """
    floating = [arg for arg in args if jnp.issubdtype(jnp.result_type(arg), jnp.inexact)]
    dtype = jnp.result_type(*floating) if floating else jnp.result_type(float)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        raise TypeError(f"expected real arguments, got dtype {dtype}")
    return dtype


def promote(*args: ArrayLike) -> tuple[jax.Array, ...]:
    """Cast `args` to their common floating dtype and broadcast them to their common shape."""
    dtype = float_dtype(*args)
    shape = np.broadcast_shapes(*(np.shape(arg) for arg in args))
    return tuple(jnp.broadcast_to(jnp.asarray(arg, dtype), shape) for arg in args)


def elementwise(fn: Callable[P, jax.Array]) -> Callable[P, jax.Array]:
    """Make `fn`, written for arrays of one shape and dtype, accept anything that broadcasts.

    Half-precision arguments are computed in float32 and the result is rounded back.
    """
    signature = inspect.signature(fn)

    @functools.wraps(fn)
    def wrapped(*args, **kwargs):
        arrays = promote(*signature.bind(*args, **kwargs).args)
        dtype = arrays[0].dtype
        if jnp.finfo(dtype).bits < 32:
            arrays = tuple(array.astype(jnp.float32) for array in arrays)
        return fn(*arrays).astype(dtype)

    return wrapped


def with_partials(*partials: Callable[..., jax.Array] | None) -> Callable:
    """Attach exact partial derivatives to an elementwise function of arrays of one shape.

    `partials[i](*args)` is the derivative in argument i; `None` declares it zero. A partial whose tangent is
    known to be zero is never computed, so an infinite partial cannot poison a constant argument.
    """

    def decorate(fn):
        differentiable = jax.custom_jvp(fn)

        def rule(primals, tangents):
            out = differentiable(*primals)
            total = jnp.zeros_like(out)
            for partial, tangent in zip(partials, tangents, strict=True):
                if partial is not None and not isinstance(tangent, SymbolicZero):
                    total = total + partial(*primals) * tangent
            return out, total

        differentiable.defjvp(rule, symbolic_zeros=True)
        return differentiable

    return decorate


def forward_mode(fn: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Make an elementwise `fn` that only forward mode can differentiate (it loops) work in every mode and order.

    Each partial derivative is a forward-mode derivative along one argument, wrapped the same way in its turn.
    """

    def partial_along(index):
        def partial(*args):
            tangents = tuple(jnp.ones_like(arg) if i == index else jnp.zeros_like(arg) for i, arg in enumerate(args))
            return jax.jvp(fn, args, tangents)[1]

        return lambda *args: forward_mode(partial)(*args)

    def evaluate(*args):
        return with_partials(*(partial_along(i) for i in range(len(args))))(fn)(*args)

    return evaluate
