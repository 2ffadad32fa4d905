"""Coordinatewise affine maps."""

import jax
import jax.numpy as jnp

from depthjax.core import Bijector, derived, param, record


@record
class Affine(Bijector):
    """y = shift + scale x, coordinatewise; scale may have either sign but not be zero.

    Args:
        shift: (*event).
        scale: (*event), nonzero.

    Source:
        log|det| = sum log|scale|; Papamakarios et al., Normalizing Flows (2021), sec. 3.1.
    """

    shift: jax.Array = param()
    scale: jax.Array = param()
    event_shape: tuple[int, ...] = derived()
    elementwise = True

    def _forward_and_log_det(self, x):
        return self.shift + self.scale * x, self._log_det()

    def _inverse_and_log_det(self, y):
        return (y - self.shift) / self.scale, -self._log_det()

    def _log_det(self):
        return jnp.sum(jnp.log(jnp.abs(self.scale)))


@record
class Shift(Bijector):
    """y = x + shift; log-det 0.

    Args:
        shift: (*event).

    Source:
        Dinh et al., NICE (2015), sec. 3.
    """

    shift: jax.Array = param()
    event_shape: tuple[int, ...] = derived()
    elementwise = True

    def _forward_and_log_det(self, x):
        return x + self.shift, jnp.zeros((), x.dtype)

    def _inverse_and_log_det(self, y):
        return y - self.shift, jnp.zeros((), y.dtype)
