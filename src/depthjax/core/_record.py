"""Frozen pytree records: the one way in which this library holds parameters."""

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core.constraints import Constraint

T = TypeVar("T")
_SCALARS = (bool, int, float, complex, np.ndarray, np.generic, jax.Array)


def static(default: Any = dataclasses.MISSING) -> Any:
    """Field that belongs to the treedef: a hashable, array-free fact such as a shape or an option.

    A static field named ``event_shape`` without a default is worked out from the parameters when it is not given.

    Args:
        default: value used when the argument is not given.

    Returns:
        A field specifier for a class decorated with `record`.
    """
    return dataclasses.field(default=default, metadata={"static": True})


def derived(*, init: bool = False) -> Any:
    """Static field that the constructor works out (`_complete`) and a user never gives."""
    del init
    return dataclasses.field(metadata={"static": True, "derived": True})


def param(
    constraint: Constraint | Callable[[Any], Constraint] | None = None, *, default: Any = dataclasses.MISSING
) -> Any:
    """Array field with a declared constraint.

    Args:
        constraint: the set that the value lives in; or, where it depends on other fields (``low < high``), a function
            of the record that gives it. None means unconstrained.
        default: value used when the argument is not given.

    Returns:
        A field specifier for a class decorated with `record`.
    """
    return dataclasses.field(default=default, metadata={"constraint": constraint, "array": True})


@typing.dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(static, derived, param))
def record(cls: type[T]) -> type[T]:
    """Class decorator: a frozen dataclass whose array fields are pytree leaves and whose static fields are treedef.

    Construction takes positional or keyword arguments; Python numbers, numpy and JAX arrays become JAX arrays of one
    inexact dtype (`jnp.result_type` of those given), then the classmethod ``_complete(fields) -> fields`` broadcasts
    them and fills in the derived fields. The shapes that the array fields then have are remembered in the treedef
    (`param_shapes`), which is how a stacked record is told from one that is not.

    Rebuilding from leaves (``tree_map``, ``vmap``, ``jit``, ``dataclasses.replace``) runs none of that and accepts any
    leaf: jax's C++ unflatten passes every field by keyword, the remembered shapes among them, and no user does.

    Records compare and hash by identity, so no array ``==`` is ever called. A class with ``_variadic = True`` takes the
    items of its first field as positional arguments (`Chain(a, b, c)`).
    """
    cls.__annotations__ = {**cls.__dict__.get("__annotations__", {}), "_shapes": tuple}
    cls._shapes = static(default=())
    cls = dataclasses.dataclass(frozen=True, eq=False, init=False, repr=False)(cls)
    variadic = cls.__dict__.get("_variadic")
    if not hasattr(cls, "_complete"):
        cls._complete = staticmethod(lambda values: values)
    fields = dataclasses.fields(cls)
    cls.__init__ = _make_init(fields, is_variadic=variadic)
    cls.__signature__ = _signature(fields, is_variadic=variadic)
    cls.__repr__ = _repr
    meta = [f.name for f in fields if f.metadata.get("static")]
    data = [f.name for f in fields if not f.metadata.get("static")]
    jax.tree_util.register_dataclass(cls, data_fields=data, meta_fields=meta)
    return cls


def is_record(value: Any) -> bool:
    """True for instances of classes made by `record`."""
    return dataclasses.is_dataclass(value) and not isinstance(value, type) and hasattr(value, "_shapes")


def param_shapes(value: Any) -> dict[str, tuple[int, ...]]:
    """Shapes of a record's array fields as they were when it was constructed, by field name."""
    return {name: shape for name, shape in value._shapes if not isinstance(shape, _Nested)}


class _Nested(tuple):
    """Shapes of the leaves of a field that is a pytree of arrays, such as the weights of a network."""

    __slots__ = ()


class _Remembered(tuple):
    """The shapes of a record's fields: one object per content, so that treedefs compare and hash them by identity."""

    __slots__ = ()
    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__
    _known: typing.ClassVar[dict] = {}

    def __new__(cls, items):
        key = tuple(items)
        return cls._known.setdefault(key, super().__new__(cls, key))


def leaf_shapes(value: Any) -> tuple | None:
    """The shape of an array, the `_Nested` shapes of a pytree of arrays, None for a tree that holds records."""
    if isinstance(value, jax.Array):
        return jnp.shape(value)
    leaves = jax.tree.leaves(value, is_leaf=is_record)
    if not leaves or not all(isinstance(leaf, jax.Array) for leaf in leaves):
        return None
    return _Nested(jnp.shape(leaf) for leaf in leaves)


def _make_init(fields, *, is_variadic):
    given = [f for f in fields if f.name != "_shapes" and not f.metadata.get("derived")]
    names = [f.name for f in given]
    known = frozenset(names)
    defaults = {f.name: f.default for f in given if f.default is not dataclasses.MISSING}
    arrays = {f.name: bool(f.metadata.get("array")) for f in given if not f.metadata.get("static")}
    needed = [f.name for f in given if f.default is dataclasses.MISSING and f.name != "event_shape"]

    def __init__(self, *args, **kwargs):
        if "_shapes" in kwargs:
            self.__dict__.update(kwargs)
            return
        cls = type(self)
        if is_variadic and args:
            args = (tuple(args[0]) if len(args) == 1 and isinstance(args[0], (list, tuple)) else args,)
        if len(args) > len(names):
            raise TypeError(
                f"{cls.__name__} takes at most {len(names)} arguments ({', '.join(names)}), got {len(args)}"
            )
        values = dict(zip(names, args, strict=False))
        for name, value in kwargs.items():
            if name not in known or name in values:
                reason = "given twice" if name in values else f"unknown; it takes {', '.join(names)}"
                raise TypeError(f"{cls.__name__}: argument {name!r} is {reason}")
            values[name] = value
        for name, default in defaults.items():
            values.setdefault(name, default)
        for name in needed:
            if name not in values:
                raise TypeError(f"{cls.__name__}: missing argument {name!r}")
        values = cls._complete(_as_arrays(cls.__name__, values, arrays))
        shapes = _Remembered((n, shape) for n in arrays if (shape := leaf_shapes(values[n])) is not None)
        self.__dict__.update(values, _shapes=shapes)

    return __init__


def _signature(fields, *, is_variadic):
    parameters = [
        inspect.Parameter(
            f.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=inspect.Parameter.empty if f.default is dataclasses.MISSING else f.default,
        )
        for f in fields
        if f.name != "_shapes" and not f.metadata.get("derived")
    ]
    if is_variadic:
        parameters[0] = parameters[0].replace(kind=inspect.Parameter.VAR_POSITIONAL)
        parameters[1:] = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters[1:]]
    if any(a.default is not a.empty and b.default is b.empty for a, b in zip(parameters, parameters[1:], strict=False)):
        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    return inspect.Signature(parameters)


def _as_arrays(name, values, arrays):
    """Convert the array-like fields to JAX arrays of their common inexact dtype."""
    found = {}
    for field, declared in arrays.items():
        value = values.get(field)
        if declared and isinstance(value, (list, tuple)):
            traced = any(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(value))
            value = values[field] = (jnp if traced else np).asarray(value)
        if isinstance(value, _SCALARS):
            found[field] = value
    if not _is_uniform(found):
        dtype = _common_dtype(name, found)
        for field, value in found.items():
            if not (isinstance(value, jax.Array) and value.dtype == dtype and not value.aval.weak_type):
                found[field] = jnp.asarray(value, dtype)
        values.update(found)
    return values


def _is_uniform(found):
    """True when all values are JAX arrays of one inexact dtype already, the common case, tested fast."""
    dtype = None
    for value in found.values():
        if not isinstance(value, jax.Array) or value.aval.weak_type or value.dtype != (dtype or value.dtype):
            return False
        dtype = value.dtype
    return dtype is None or jnp.issubdtype(dtype, jnp.floating)


def _common_dtype(name, found):
    inexact = []
    for field, value in found.items():
        dtype = jnp.result_type(value)
        if jnp.issubdtype(dtype, jnp.complexfloating):
            raise TypeError(f"{name}: {field} is complex ({dtype}); parameters are real")
        if not (jnp.issubdtype(dtype, jnp.number) or jnp.issubdtype(dtype, jnp.bool_)):
            raise TypeError(f"{name}: {field} has dtype {dtype}; parameters are numbers")
        if jnp.issubdtype(dtype, jnp.inexact):
            inexact.append(value)
    return jnp.result_type(*inexact) if inexact else jnp.result_type(float)


def _repr(self):
    shown = ", ".join(
        f"{f.name}={_short(getattr(self, f.name, None))}"
        for f in dataclasses.fields(self)
        if f.name != "_shapes" and not f.metadata.get("derived")
    )
    return f"{type(self).__name__}({shown})"


def _short(value):
    if isinstance(value, jax.core.Tracer):
        return f"{value.dtype.name}{list(value.shape)}<traced>"
    if isinstance(value, jax.Array):
        return f"{float(value):.6g}" if value.ndim == 0 else f"{value.dtype.name}{list(value.shape)}"
    return repr(value)
