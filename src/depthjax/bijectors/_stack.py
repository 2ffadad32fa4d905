"""Different maps side by side on the slices of an axis."""

import jax.numpy as jnp

from depthjax.core import Bijector, derived, record, static


@record
class Stack(Bijector):
    """Applies the i-th bijector to the i-th slice along an axis; log-dets add.

    Args:
        bijectors: tuple of maps with one common event shape and one common output shape.
        axis: static position of the new axis in the event, which has as many entries as there are bijectors.

    Raises:
        ValueError: no bijectors, different shapes, or an axis out of range.
    """

    bijectors: tuple[Bijector, ...]
    axis: int = static(default=0)
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        parts = tuple(fields["bijectors"])
        if not parts:
            raise ValueError("Stack: give at least one bijector")
        for i, part in enumerate(parts):
            if (part.event_shape, part.event_shape_out) != (parts[0].event_shape, parts[0].event_shape_out):
                raise ValueError(
                    f"Stack: bijector {i} maps {part.event_shape} to {part.event_shape_out}, "
                    f"bijector 0 maps {parts[0].event_shape} to {parts[0].event_shape_out}"
                )
        rank = len(parts[0].event_shape) + 1
        if not -rank <= fields["axis"] < rank or rank != len(parts[0].event_shape_out) + 1:
            raise ValueError(f"Stack: axis {fields['axis']} out of range for events of rank {rank}")
        shape = _insert(parts[0].event_shape, fields["axis"] % rank, len(parts))
        return {"bijectors": parts, "axis": fields["axis"] % rank, "event_shape": shape}

    @property
    def event_shape_out(self):
        """Common output shape with the new axis."""
        return _insert(self.bijectors[0].event_shape_out, self.axis, len(self.bijectors))

    @property
    def domain(self):
        """Domain of the first map."""
        return self.bijectors[0].domain

    @property
    def codomain(self):
        """Codomain of the first map."""
        return self.bijectors[0].codomain

    @property
    def elementwise(self):
        """True when every part is."""
        return all(b.elementwise for b in self.bijectors)

    @property
    def inverse_kind(self):
        """The hardest of the parts."""
        kinds = {b.inverse_kind for b in self.bijectors}
        return next(k for k in ("iterative", "autoregressive", "closed") if k in kinds)

    def _forward_and_log_det(self, x):
        return self._apply(x, lambda bijector, value: bijector.forward_and_log_det(value))

    def _inverse_and_log_det(self, y):
        return self._apply(y, lambda bijector, value: bijector.inverse_and_log_det(value))

    def _apply(self, x, call):
        slices = [jnp.squeeze(part, self.axis) for part in jnp.split(x, len(self.bijectors), self.axis)]
        pairs = [call(bijector, part) for bijector, part in zip(self.bijectors, slices, strict=True)]
        values, log_dets = zip(*pairs, strict=True)
        return jnp.stack(values, self.axis), jnp.sum(jnp.stack(log_dets))


def _insert(shape, axis, size):
    return (*shape[:axis], size, *shape[axis:])
