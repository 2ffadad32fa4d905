"""Declared constraints of a record, and whether its parameters satisfy them."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.core.constraints import Constraint


def constraint_of(record: Any, field: dataclasses.Field) -> Constraint | None:
    """The declared constraint of a field, a dependent one resolved against the record; None if nothing is declared."""
    constraint = field.metadata.get("constraint")
    return constraint if constraint is None or isinstance(constraint, Constraint) else constraint(record)


def valid(record: Any) -> jax.Array | None:
    """() bool, whether all parameters satisfy their constraints; None if nothing is declared."""
    ok = None
    for field in dataclasses.fields(record) if dataclasses.is_dataclass(record) else ():
        constraint = constraint_of(record, field)
        if constraint is not None:
            check = constraint.check(getattr(record, field.name))
            ok = check if ok is None else ok & check
    return ok


def where_valid(ok: jax.Array | None, value: jax.Array) -> jax.Array:
    """`value`, or NaN throughout where the parameters are invalid; integer values pass unchanged."""
    if ok is None or not jnp.issubdtype(value.dtype, jnp.inexact):
        return value
    return jnp.where(ok, value, jnp.nan)
