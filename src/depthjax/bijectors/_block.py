"""One map on every entry of leading axes, and maps that only rename axes."""

import math

import jax.numpy as jnp

from depthjax.core import Bijector, derived, record, static


@record
class Block(Bijector):
    """Applies one bijector to every entry of leading event axes; log-dets add.

    Args:
        bijector: the map of one entry.
        shape: static leading axes, or their single length; the event shape is `shape + bijector.event_shape`.
    """

    bijector: Bijector
    shape: tuple[int, ...] = static()
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        shape = fields["shape"]
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        return {**fields, "shape": shape, "event_shape": (*shape, *fields["bijector"].event_shape)}

    @property
    def event_shape_out(self):
        """`shape + bijector.event_shape_out`."""
        return (*self.shape, *self.bijector.event_shape_out)

    @property
    def domain(self):
        """Domain of the map."""
        return self.bijector.domain

    @property
    def codomain(self):
        """Codomain of the map."""
        return self.bijector.codomain

    @property
    def elementwise(self):
        """As of the map."""
        return self.bijector.elementwise

    @property
    def inverse_kind(self):
        """As of the map."""
        return self.bijector.inverse_kind

    def _forward_and_log_det(self, x):
        y, log_dets = self.bijector.forward_and_log_det(x)
        return y, jnp.sum(log_dets)

    def _inverse_and_log_det(self, y):
        x, log_dets = self.bijector.inverse_and_log_det(y)
        return x, jnp.sum(log_dets)


@record
class Reshape(Bijector):
    """Rearranges an event into another shape of the same size, in row-major order; log-det 0.

    Args:
        shape_in: static shape of an input, or its length.
        shape_out: static shape of an output, or its length.

    Raises:
        ValueError: sizes that differ.
    """

    shape_in: tuple[int, ...] = static()
    shape_out: tuple[int, ...] = static()
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        shapes = {k: (v,) if isinstance(v, int) else tuple(v) for k, v in fields.items()}
        sizes = {k: math.prod(v) for k, v in shapes.items()}
        if sizes["shape_in"] != sizes["shape_out"]:
            raise ValueError(
                f"{cls.__name__}: shape_in {shapes['shape_in']} has {sizes['shape_in']} entries, "
                f"shape_out {shapes['shape_out']} has {sizes['shape_out']}"
            )
        return {**shapes, "event_shape": shapes["shape_in"]}

    @property
    def event_shape_out(self):
        """The shape of an output."""
        return self.shape_out

    def _forward_and_log_det(self, x):
        return jnp.reshape(x, self.shape_out), jnp.zeros((), x.dtype)

    def _inverse_and_log_det(self, y):
        return jnp.reshape(y, self.shape_in), jnp.zeros((), y.dtype)
