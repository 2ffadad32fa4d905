"""Checks of samples, weights and log probabilities that the packages above share."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core._options import is_concrete
from depthjax.numerics._elementwise import promote


def floats(*values: ArrayLike) -> list[jax.Array]:
    """`values` as arrays of their common floating dtype, each of its own shape."""
    dtype = jnp.result_type(*(promote(value)[0].dtype for value in values))
    return [jnp.asarray(value, dtype) for value in values]


def log_probs(function: str, **values: ArrayLike) -> list[jax.Array]:
    """Log probabilities of one shape; NaN in place of traced ones that are positive.

    Raises:
        ValueError: shapes differ, or a concrete entry is positive.
    """
    arrays = floats(*values.values())
    for i, (name, given) in enumerate(values.items()):
        array = arrays[i]
        if array.ndim == 0:
            raise ValueError(f"{function}: {name} has shape (), expected (..., k) log probabilities")
        slack = 64 * float(jnp.finfo(array.dtype).eps)
        if not is_concrete(given):
            arrays[i] = jnp.where(array <= slack, array, jnp.nan)
        elif bool(np.any(np.asarray(given) > slack)):
            raise ValueError(
                f"{function}: {name} has a positive entry {float(np.nanmax(np.asarray(given))):.6g}, expected log "
                f"probabilities, which are at most 0; pass jnp.log(p)"
            )
    same_shape(function, **dict(zip(values, arrays, strict=True)))
    return arrays


def same_shape(function: str, **values: jax.Array) -> None:
    """Raise `ValueError` unless all shapes agree."""
    (first, reference), *others = values.items()
    for name, value in others:
        if value.shape != reference.shape:
            raise ValueError(
                f"{function}: {name} has shape {value.shape}, expected the shape {reference.shape} of {first}"
            )


def samples(function: str, x: ArrayLike, y: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Two samples (n, d) and (m, d) of one dtype.

    Raises:
        ValueError: other ranks, different d, or an empty sample.
    """
    x, y = floats(x, y)
    for name, value in (("x", x), ("y", y)):
        if value.ndim != 2 or value.shape[0] == 0:
            hint = "; for scalars pass x[:, None]" if value.ndim == 1 else ""
            raise ValueError(f"{function}: {name} has shape {value.shape}, expected (n, d) with n >= 1{hint}")
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"{function}: y has events of shape {y.shape[1:]}, expected {x.shape[1:]} as in x")
    return x, y


def weights(function: str, name: str, values: ArrayLike | None, size: int, dtype: Any) -> jax.Array:
    """Weights (n,) that sum to one; uniform for None, NaN for traced ones that fail the test below.

    Raises:
        ValueError: wrong shape, or concrete weights that are negative or do not sum to one within 1e-3.
    """
    if values is None:
        return jnp.full((size,), 1.0 / size, dtype)
    array = jnp.asarray(values, dtype)
    if array.shape != (size,):
        raise ValueError(f"{function}: {name} has shape {array.shape}, expected ({size},)")
    if not is_concrete(values):
        sound = (array >= 0).all() & (jnp.abs(jnp.sum(array) - 1.0) <= 1e-3)
        return jnp.where(sound, array, jnp.nan)
    concrete = np.asarray(values, np.float64)
    if (concrete < 0).any():
        raise ValueError(f"{function}: {name} has a negative entry {concrete.min():.6g}, expected nonnegative ones")
    total = concrete.sum()
    if not abs(total - 1) <= 1e-3:
        raise ValueError(f"{function}: {name} sums to {total:.6g}, expected 1; normalise: {name} / {name}.sum()")
    return array
