"""Arguments of the methods of laws: complex points, dtypes, declared constraints."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core import float_dtype, is_record
from depthjax.core._shapes import event_argument
from depthjax.core._validity import constraint_of


def cast_law(law: Any, dtype: Any) -> Any:
    """The law with its parameters in another floating dtype."""
    return jax.tree.map(lambda leaf: leaf if leaf.dtype == dtype else leaf.astype(dtype), law)


def complex_argument(owner: Any, method: str, name: str, value: ArrayLike) -> tuple[bool, jax.Array]:
    """Whether an argument is complex, and it as an array of the precision in which it meets the law's parameters."""
    is_number = isinstance(value, (bool, int, float, complex))
    dtype = np.dtype(type(value)) if is_number else np.dtype(getattr(value, "dtype", None) or np.asarray(value).dtype)
    if not np.issubdtype(dtype, np.complexfloating):
        real = event_argument(owner, method, name, value, ())
        return False, real.astype(jnp.promote_types(real.dtype, float_dtype(owner)))
    if dtype == np.complex128 and not is_number and not jax.config.jax_enable_x64:
        raise TypeError(
            f"{type(owner).__name__}.{method}: {name} is complex128 while float64 is off; pass complex64 or enable "
            f"jax_enable_x64"
        )
    part = float_dtype(owner)
    if not is_number:
        part = jnp.promote_types(np.finfo(dtype).dtype, part)
    return True, jnp.asarray(value, complex_dtype(part))


def complex_dtype(real: Any) -> Any:
    """The complex dtype of a real one."""
    return np.complex64 if jnp.finfo(real).bits <= 32 else np.complex128


def valid_law(law: Any) -> jax.Array:
    """() bool, whether the parameters of a record and of the records within satisfy their constraints."""
    ok = jnp.asarray(True)  # noqa: FBT003
    for field in dataclasses.fields(law):
        value, constraint = getattr(law, field.name), constraint_of(law, field)
        if constraint is not None:
            ok = ok & constraint.check(value)
        if is_record(value):
            ok = ok & (value._valid() if hasattr(value, "_valid") else valid_law(value))
    return ok
