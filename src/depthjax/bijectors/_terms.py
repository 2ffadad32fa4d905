"""What coordinatewise maps share: value and log slope of every coordinate."""

import abc

import jax

from depthjax.core import Bijector
from depthjax.core._sums import total_of_few


class Terms(Bijector):
    """A coordinatewise monotone map; subclasses write `_terms(x)` and `_inverse_terms(y)`, value and log slope."""

    elementwise = True
    _sum = staticmethod(total_of_few)

    @abc.abstractmethod
    def _terms(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Outputs and their log slopes, of the event's shape."""

    @abc.abstractmethod
    def _inverse_terms(self, y: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Inputs and the log slopes of the inverse, of the event's shape."""

    def _forward_and_log_det(self, x):
        y, log_slope = self._terms(x)
        return y, self._sum(log_slope)

    def _inverse_and_log_det(self, y):
        x, log_slope = self._inverse_terms(y)
        return x, self._sum(log_slope)


class Pointwise(Terms):
    """A coordinatewise map without array parameters, whose event shape is given as a number or a tuple."""

    @classmethod
    def _complete(cls, fields):
        shape = fields["event_shape"]
        return {**fields, "event_shape": (shape,) if isinstance(shape, int) else tuple(shape)}
