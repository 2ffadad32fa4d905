"""Half lines: as constraints, and values outside them or where an exponential leaves the range of the dtype."""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Constraint, constraints
from depthjax.numerics import clip_open


def at_least(low: ArrayLike) -> Constraint:
    """The closed half line [low, inf)."""
    return constraints.interval(low, math.inf)


def _finite_and_not_negative(x):
    """By one comparison, which the compiler repeats where it is used, while it would write two to an array."""
    x = jnp.asarray(x)
    x = x.astype(jnp.result_type(float, x))
    return jnp.minimum(x, jnp.inf - x) >= 0.0


half_line = dataclasses.replace(
    constraints.nonnegative,
    check=lambda x: jnp.all(_finite_and_not_negative(x)),
    contains=_finite_and_not_negative,
)
"""`constraints.nonnegative` for densities so cheap that its test would be most of their cost."""


def beyond(low: jax.Array) -> Constraint:
    """The half line above `low`, infinity included: where the upper end of an interval lives."""

    def contains(x):
        return x > low

    return dataclasses.replace(constraints.greater_than(low), check=lambda x: jnp.all(contains(x)), contains=contains)


def above(
    x: jax.Array, fn: Callable[[jax.Array], jax.Array], below: float, *, low: jax.Array | float = 0.0
) -> jax.Array:
    """`fn(x)` for x > low and the constant `below` elsewhere, with zero gradient there; NaN stays NaN."""
    outside = x <= low
    value = fn(jnp.where(outside, low + 1.0, x))
    return jnp.where(outside, below, value)


def exp_in_range(log_x: jax.Array) -> jax.Array:
    """exp(log_x), held at the smallest and largest numbers of the dtype, with zero gradient there."""
    limits = jnp.finfo(log_x.dtype)
    inner = jnp.clip(log_x, math.log(float(limits.tiny)), math.log(float(limits.max)))
    return clip_open(jnp.exp(inner), 0.0, jnp.inf)
