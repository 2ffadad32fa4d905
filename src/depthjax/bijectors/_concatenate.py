"""Different maps on consecutive pieces of an axis."""

import itertools

import jax.numpy as jnp

from depthjax.bijectors._parts import common_set, hardest_inverse
from depthjax.core import Bijector, constraints, derived, record, static


@record
class Concatenate(Bijector):
    """Applies the i-th bijector to the i-th piece of an axis; log-dets add.

    Args:
        bijectors: tuple of maps whose event shapes, and whose output shapes, agree but for this axis.
        axis: static axis of the event that is cut into pieces.

    Raises:
        ValueError: no bijectors, an axis out of range, or shapes that differ elsewhere, naming positions.
    """

    bijectors: tuple[Bijector, ...]
    axis: int = static(default=0)
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        parts, axis = tuple(fields["bijectors"]), fields["axis"]
        if not parts:
            raise ValueError("Concatenate: give at least one bijector")
        rank = len(parts[0].event_shape)
        if not -rank <= axis < rank:
            raise ValueError(f"Concatenate: axis {axis} out of range for events of rank {rank}")
        axis %= rank
        shape = _joined([part.event_shape for part in parts], axis, "takes")
        _joined([part.event_shape_out for part in parts], axis, "gives")
        return {"bijectors": parts, "axis": axis, "event_shape": shape}

    @property
    def event_shape_out(self):
        """Output shapes joined along the axis."""
        return _joined([part.event_shape_out for part in self.bijectors], self.axis, "gives")

    @property
    def domain(self):
        """The common domain, or all reals where the parts differ."""
        return common_set([part.domain for part in self.bijectors], constraints.real)

    @property
    def codomain(self):
        """The common codomain, or all reals where the parts differ."""
        return common_set([part.codomain for part in self.bijectors], constraints.real)

    @property
    def elementwise(self):
        """True when every part is."""
        return all(part.elementwise for part in self.bijectors)

    @property
    def inverse_kind(self):
        """The hardest of the parts."""
        return hardest_inverse(self.bijectors)

    def _forward_and_log_det(self, x):
        sizes = [part.event_shape[self.axis] for part in self.bijectors]
        return self._apply(x, sizes, [part.forward_and_log_det for part in self.bijectors])

    def _inverse_and_log_det(self, y):
        sizes = [part.event_shape_out[self.axis] for part in self.bijectors]
        return self._apply(y, sizes, [part.inverse_and_log_det for part in self.bijectors])

    def _apply(self, x, sizes, calls):
        pieces = jnp.split(x, list(itertools.accumulate(sizes))[:-1], self.axis)
        values, log_dets = zip(*(call(piece) for call, piece in zip(calls, pieces, strict=True)), strict=True)
        return jnp.concatenate(values, self.axis), sum(log_dets[1:], log_dets[0])


def _joined(shapes, axis, verb):
    """The shape of the pieces side by side."""
    for i, shape in enumerate(shapes):
        if (*shape[:axis], *shape[axis + 1 :]) != (*shapes[0][:axis], *shapes[0][axis + 1 :]):
            raise ValueError(
                f"Concatenate: bijector {i} {verb} {shape}, bijector 0 {verb} {shapes[0]}; only axis {axis} may differ"
            )
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])
