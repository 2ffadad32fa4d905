"""Declared constraints of a record, and whether its parameters satisfy them."""

import dataclasses
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from depthjax.core._record import is_record
from depthjax.core.constraints import Constraint

T = TypeVar("T")


def constraint_of(record: Any, field: dataclasses.Field) -> Constraint | None:
    """The declared constraint of a field, a dependent one resolved against the record; None if nothing is declared."""
    constraint = field.metadata.get("constraint")
    return constraint if constraint is None or isinstance(constraint, Constraint) else constraint(record)


def valid(record: Any) -> jax.Array | None:
    """() bool, whether the parameters of a record and of the distributions within satisfy their constraints.

    None if nothing is declared.
    """
    ok = None
    for check in _checks(record):
        ok = check if ok is None else ok & check
    return ok


def valid_terms(record: Any) -> jax.Array | None:
    """Bool of the event shape, whether the parameters of each coordinate satisfy their constraints; None if none has.

    It fuses into the loop over coordinates, where `valid` would be a pass of its own over large parameters.
    """
    ok = None
    for _, check in _checks_by_coordinate(record):
        ok = check if ok is None else ok & check
    return None if ok is None else jnp.broadcast_to(ok, record.event_shape)


def poisoned(record: T) -> T:
    """The record with NaN, and NaN derivatives, for every parameter that does not satisfy its constraint.

    The NaN then spreads by arithmetic: a choice made after it would part the loop over a batch from its sum.
    """
    marked = {}
    for name, check in _checks_by_coordinate(record):
        value = getattr(record, name)
        marked[name] = value * jnp.where(check, 1.0, jnp.nan).astype(jnp.result_type(value))
    return dataclasses.replace(record, **marked) if marked else record


def _checks_by_coordinate(record):
    for field in dataclasses.fields(record):
        value, constraint = getattr(record, field.name), constraint_of(record, field)
        if constraint is not None:
            by_coordinate = constraint.event_ndim == 0 and jnp.shape(value) == record.event_shape
            yield field.name, constraint.contains(value) if by_coordinate else constraint.check(value)


def _checks(record):
    for field in dataclasses.fields(record) if is_record(record) else ():
        if field.metadata.get("static"):
            continue
        value, constraint = getattr(record, field.name), constraint_of(record, field)
        if constraint is not None:
            yield constraint.check(value)
        for part in jax.tree.leaves(value, is_leaf=is_record):
            if is_record(part) and hasattr(part, "_log_prob"):
                yield from _checks(part)


def where_valid(ok: jax.Array | None, value: jax.Array) -> jax.Array:
    """`value`, or NaN throughout where the parameters are invalid; integer values pass unchanged."""
    if ok is None or not jnp.issubdtype(value.dtype, jnp.inexact):
        return value
    return jnp.where(ok, value, jnp.nan)
