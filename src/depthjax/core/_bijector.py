"""What a bijector is: one invertible differentiable map with its log-determinant."""

import abc
from typing import Any

import jax
from jax.typing import ArrayLike

from depthjax.core import constraints
from depthjax.core._offers import offers
from depthjax.core._record import param_shapes
from depthjax.core._shapes import Shape, broadcast_params, event_argument, over_batch
from depthjax.core.constraints import Constraint


class Bijector(abc.ABC):
    """One invertible map as a record.

    A subclass, decorated with `record`, writes for **one event**

    - `_forward_and_log_det(x: event) -> (y: event_out, log_det: ())`, and
    - `_inverse_and_log_det(y: event_out) -> (x: event, log_det: ())`,

    where `log_det` is log|det d out / d in|, in nats, of the direction called.
    The public methods check shapes and map over leading batch axes; `forward` and `inverse` are the first half of
    these pairs, and under `jit` the compiler drops the rest.

    Attributes:
        event_shape: static shape of one input.
        event_shape_out: static shape of one output, the same unless overridden.
        domain: where inputs live.
        codomain: where outputs live.
        inverse_kind: "closed" (formula), "autoregressive" (up to d sequential steps) or "iterative" (root finding; NaN
            where it did not converge).
        elementwise: True for maps that act on every coordinate by itself and are monotone.
    """

    event_shape: Shape
    inverse_kind: Any = "closed"
    elementwise: Any = False

    @property
    def event_shape_out(self) -> Shape:
        """Static shape of one output."""
        return self.event_shape

    @property
    def domain(self) -> Constraint:
        """Where inputs live."""
        return constraints.real

    @property
    def codomain(self) -> Constraint:
        """Where outputs live."""
        return constraints.real

    @classmethod
    def _complete(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """Broadcast all parameters to one shape, which is the event shape, unless the shape was given."""
        if "event_shape" in fields or "event_shape" not in cls.__dataclass_fields__:
            return fields
        arrays = {k: v for k, v in fields.items() if isinstance(v, jax.Array)}
        arrays, shape = broadcast_params(cls.__name__, arrays)
        return {**fields, **arrays, "event_shape": shape}

    @abc.abstractmethod
    def _forward_and_log_det(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """One event through the map, and log|det dy/dx|."""

    @abc.abstractmethod
    def _inverse_and_log_det(self, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        """One event through the inverse map, and log|det dx/dy|."""

    def param_shapes(self) -> dict[str, Shape]:
        """Shapes that the array fields have in one record, by field name; a stacked leaf has more axes."""
        return param_shapes(self)

    def forward(self, x: ArrayLike) -> jax.Array:
        """The map, (*batch, *event_shape) -> (*batch, *event_shape_out)."""
        return self._call("forward", "x", x, self.event_shape, lambda v: self._forward_and_log_det(v)[0])

    def inverse(self, y: ArrayLike) -> jax.Array:
        """The inverse map, (*batch, *event_shape_out) -> (*batch, *event_shape)."""
        return self._call("inverse", "y", y, self.event_shape_out, lambda v: self._inverse_and_log_det(v)[0])

    def forward_and_log_det(self, x: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """The map and its log-determinant.

        Args:
            x: (*batch, *event_shape).

        Returns:
            y (*batch, *event_shape_out) and log|det dy/dx| (*batch) nats.

        Raises:
            ValueError: wrong trailing shape, or a stacked record.
        """
        return self._call("forward_and_log_det", "x", x, self.event_shape, self._forward_and_log_det)

    def inverse_and_log_det(self, y: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """The inverse map and its log-determinant.

        Args:
            y: (*batch, *event_shape_out).

        Returns:
            x (*batch, *event_shape) and log|det dx/dy| (*batch) nats.

        Raises:
            ValueError: wrong trailing shape, or a stacked record.
        """
        return self._call("inverse_and_log_det", "y", y, self.event_shape_out, self._inverse_and_log_det)

    def forward_log_det(self, x: ArrayLike) -> jax.Array:
        """Log|det dy/dx| at x, (*batch, *event_shape) -> (*batch) nats."""
        return self._call("forward_log_det", "x", x, self.event_shape, lambda v: self._forward_and_log_det(v)[1])

    def inverse_log_det(self, y: ArrayLike) -> jax.Array:
        """Log|det dx/dy| at y, (*batch, *event_shape_out) -> (*batch) nats."""
        return self._call("inverse_log_det", "y", y, self.event_shape_out, lambda v: self._inverse_and_log_det(v)[1])

    @offers("_inverse_with_info")
    def inverse_with_info(self, y: ArrayLike) -> tuple[jax.Array, jax.Array, Any]:
        """The inverse of an iterative map with the account of its root finding.

        Args:
            y: (*batch, *event_shape_out).

        Returns:
            x (*batch, *event_shape) and log_det (*batch) as of `inverse_and_log_det`, and a `RootResult` with leading
            batch axes, which tells what a NaN means.
        """
        return self._call("inverse_with_info", "y", y, self.event_shape_out, self._inverse_with_info)

    def invert(self) -> "Bijector":
        """The inverse as a bijector."""
        from depthjax.core._invert import Invert

        return Invert(self)

    def _call(self, method, name, value, event_shape, half):
        value = event_argument(self, method, name, value, event_shape)
        return over_batch(half, value, len(event_shape))
