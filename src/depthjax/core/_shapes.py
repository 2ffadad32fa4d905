"""The one shape check and the one place where batch axes are added."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._record import is_record, leaf_shapes, param_shapes

Shape = tuple[int, ...]


def check_unstacked(owner: Any, method: str) -> None:
    """Raise if a leaf of `owner` has another shape than at construction: a stacked record used without vmap.

    Args:
        owner: a record.
        method: name of the public method that was called, for the message.

    Raises:
        ValueError: naming class, field, shapes, and the way to map over the stack.
    """
    for field, got, expected in _moved_shapes(owner):
        name = type(owner).__name__
        remedy = "sample_each(key, stacked)" if method.startswith("sample") else "log_prob_each(stacked, xs)"
        raise ValueError(
            f"{name}.{method}: field {field!r} has shape {got}, expected {expected}. "
            f"This is a stack of records, and a record is one random variable or one map. Map over it: "
            f"jax.vmap(lambda d, x: d.{method}(x))(stacked, xs), or depthjax.{remedy} for distributions."
        )


def _moved_shapes(owner: Any) -> Iterator[tuple[str, Any, Any]]:
    """(field, got, expected) of fields, own or of conditioners within, whose shape is not that of construction."""
    if not is_record(owner):
        return
    for field, expected in owner._shapes:
        got = leaf_shapes(getattr(owner, field))
        if got != expected:
            pairs = [(got, expected)] if field in param_shapes(owner) else zip(got or (), expected, strict=False)
            yield field, *next(((g, e) for g, e in pairs if g != e), (got, expected))
    for field in dataclasses.fields(owner):
        value = getattr(owner, field.name, None)
        if is_record(value) and not hasattr(value, "event_shape"):
            yield from ((f"{field.name}.{inner}", got, expected) for inner, got, expected in _moved_shapes(value))


def event_argument(owner: Any, method: str, name: str, value: ArrayLike, event_shape: Shape) -> jax.Array:
    """`value` as an array of inexact dtype whose trailing axes are checked against `event_shape`.

    Python numbers and integer arrays take the dtype of the record's parameters.

    Raises:
        ValueError: naming class, method, argument, got and expected shape.
        TypeError: for complex input.
    """
    check_unstacked(owner, method)
    if isinstance(value, (list, tuple)):
        value = jnp.asarray(value, float_dtype(owner))
    dtype = jnp.result_type(value)
    if jnp.issubdtype(dtype, jnp.complexfloating):
        raise TypeError(f"{type(owner).__name__}.{method}: {name} is complex; events are real")
    if not isinstance(value, jax.Array) or not jnp.issubdtype(dtype, jnp.inexact) or value.aval.weak_type:
        is_weak = isinstance(value, (bool, int, float)) or not jnp.issubdtype(dtype, jnp.inexact)
        value = jnp.asarray(value, float_dtype(owner) if is_weak else dtype)
    rank = len(event_shape)
    got = value.shape[value.ndim - rank :] if value.ndim >= rank else value.shape
    if got != event_shape:
        expected = "(..., " + ", ".join(map(str, event_shape)) + ")"
        raise ValueError(
            f"{type(owner).__name__}.{method}: {name} has shape {value.shape}, expected {expected}; batch axes lead"
        )
    return value


def float_dtype(owner: Any) -> jnp.dtype:
    """Common inexact dtype of a record's leaves; JAX's default float if there are none."""
    leaves = [x for x in jax.tree.leaves(owner) if jnp.issubdtype(jnp.result_type(x), jnp.inexact)]
    return jnp.result_type(*leaves) if leaves else jnp.result_type(float)


def as_float(owner: Any, value: jax.Array) -> jax.Array:
    """`value` unchanged if inexact, else in the dtype of the record's parameters."""
    return value if jnp.issubdtype(value.dtype, jnp.inexact) else value.astype(float_dtype(owner))


def over_batch(fn: Callable, value: jax.Array, event_ndim: int) -> Any:
    """Apply `fn`, which sees one event, over every leading axis of `value`."""
    for _ in range(value.ndim - event_ndim):
        fn = jax.vmap(fn)
    return fn(value)


def as_shape(shape: int | tuple[int, ...]) -> Shape:
    """A sample shape as a tuple."""
    return (shape,) if isinstance(shape, int) else tuple(shape)


def broadcast_params(name: str, fields: dict[str, jax.Array]) -> tuple[dict[str, jax.Array], Shape]:
    """Broadcast parameters to one shape: rank-0 ones to any, the others only among equal ranks.

    Args:
        name: class name for the message.
        fields: arrays by field name.

    Returns:
        The broadcast arrays and their common shape.

    Raises:
        ValueError: naming two fields and their shapes that do not broadcast.
    """
    shapes = {value.shape for value in fields.values()}
    if len(shapes) == 1:
        return fields, shapes.pop()
    shape, widest = (), next(iter(fields), "")
    for field, value in fields.items():
        if value.ndim == 0:
            continue
        if shape and len(shape) != value.ndim:
            raise ValueError(_mismatch(name, widest, shape, field, value.shape) + " (ranks differ)")
        try:
            merged = jnp.broadcast_shapes(shape, value.shape)
        except ValueError as error:
            raise ValueError(_mismatch(name, widest, shape, field, value.shape)) from error
        if merged != shape:
            shape, widest = merged, field
    return {f: v if v.shape == shape else jnp.broadcast_to(v, shape) for f, v in fields.items()}, shape


def require_shape(name: str, field: str, value: Any, expected: Shape) -> None:
    """Raise `ValueError` unless a parameter has exactly the expected shape."""
    if jnp.shape(value) != expected:
        raise ValueError(f"{name}: {field} has shape {jnp.shape(value)}, expected {expected}")


def require_rank(name: str, field: str, value: Any, rank: int) -> None:
    """Raise `ValueError` unless a parameter has exactly the expected number of axes."""
    if jnp.ndim(value) != rank:
        raise ValueError(f"{name}: {field} has shape {jnp.shape(value)}, expected {rank} axes")


def _mismatch(name, field_a, shape_a, field_b, shape_b):
    return f"{name}: {field_a} with shape {shape_a} and {field_b} with shape {shape_b} do not broadcast"
