"""A bijector out of plain functions."""

from collections.abc import Callable

import jax

from depthjax.core import Bijector, Constraint, constraints, record, static

Half = Callable[[jax.Array], jax.Array]


def _shape(value):
    return (value,) if isinstance(value, int) else tuple(value)


@record
class Lambda(Bijector):
    """A map given by three functions of one event; it has no parameters.

    A map with parameters is a class of its own, of about as many lines: they would be constants here.

    Args:
        forward_fn: static, x (*event) -> y (*event_shape_out).
        inverse_fn: static, y -> x.
        log_det_fn: static, x -> log|det dy/dx| () nats.
        event_shape: static shape of an input; () by default.
        shape_out: static shape of an output; that of an input if None.
        domain: where inputs live.
        codomain: where outputs live.
        elementwise: True for a monotone map of each coordinate by itself.
    """

    forward_fn: Half = static()
    inverse_fn: Half = static()
    log_det_fn: Half = static()
    event_shape: tuple[int, ...] = static(default=())
    shape_out: tuple[int, ...] | None = static(default=None)
    domain: Constraint = static(default=constraints.real)
    codomain: Constraint = static(default=constraints.real)
    elementwise: bool = static(default=False)

    @classmethod
    def _complete(cls, fields):
        shape = _shape(fields["event_shape"])
        shape_out = shape if fields["shape_out"] is None else _shape(fields["shape_out"])
        return {**fields, "event_shape": shape, "shape_out": shape_out}

    @property
    def event_shape_out(self):
        """The shape of an output."""
        return self.shape_out

    def _forward_and_log_det(self, x):
        return self.forward_fn(x), self.log_det_fn(x)

    def _inverse_and_log_det(self, y):
        x = self.inverse_fn(y)
        return x, -self.log_det_fn(x)
