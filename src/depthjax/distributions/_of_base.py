"""What families over one elementwise base distribution share."""

from typing import Any

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise, float_dtype


class OfBase(Elementwise):
    """An elementwise family whose field `base` is an elementwise distribution; NaN where the base is invalid."""

    base: Any

    def _guard(self, value):
        return super()._guard(self.base._guard(value))

    def _supported_terms(self, x):
        return self.base._guard(super()._supported_terms(x))


def require_base(name: str, base: Any, methods: tuple[str, ...], *, discrete: bool) -> None:
    """Raise `TypeError` unless `base` is an elementwise distribution of the right kind with these methods."""
    kind = "discrete" if discrete else "continuous"
    if not isinstance(base, Elementwise) or base.support.discrete != discrete:
        raise TypeError(f"{name}: base is {type(base).__name__}, expected a {kind} elementwise distribution")
    for method in methods:
        if not hasattr(base, method):
            raise TypeError(f"{name}: base {type(base).__name__} has no {method}()")


def like_event(name: str, base: Elementwise, field: str, value: jax.Array) -> jax.Array:
    """A parameter in the dtype and event shape of the base.

    Raises:
        ValueError: it is neither a number nor of the rank of the event, or does not broadcast to it.
    """
    value = jnp.asarray(value, float_dtype(base))
    shape = base.event_shape
    if value.ndim not in (0, len(shape)) or any(a not in (1, b) for a, b in zip(value.shape, shape, strict=False)):
        raise ValueError(f"{name}: {field} has shape {value.shape}, expected {shape}, the event shape of the base")
    return jnp.broadcast_to(value, shape)
