"""The inverse of a bijector as a bijector."""

from depthjax.core._bijector import Bijector
from depthjax.core._record import derived, record


@record
class Invert(Bijector):
    """Swaps the directions of a bijector: forward is `bijector.inverse`.

    Args:
        bijector: the map to invert.
    """

    bijector: Bijector
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        return {**fields, "event_shape": fields["bijector"].event_shape_out}

    @property
    def event_shape_out(self):
        """Input shape of the inverted bijector."""
        return self.bijector.event_shape

    @property
    def domain(self):
        """Codomain of the inverted bijector."""
        return self.bijector.codomain

    @property
    def codomain(self):
        """Domain of the inverted bijector."""
        return self.bijector.domain

    @property
    def inverse_kind(self):
        """Always "closed": the inverse of an inverse is the forward map."""
        return "closed"

    @property
    def elementwise(self):
        """As of the inverted bijector."""
        return self.bijector.elementwise

    def _forward_and_log_det(self, x):
        return self.bijector.inverse_and_log_det(x)

    def _inverse_and_log_det(self, y):
        return self.bijector.forward_and_log_det(y)

    def invert(self) -> Bijector:
        """The original bijector."""
        return self.bijector
