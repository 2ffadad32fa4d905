"""Powers of nonnegative numbers."""

import jax
import jax.numpy as jnp

from depthjax.bijectors._terms import Terms
from depthjax.core import constraints, derived, param, record
from depthjax.numerics import clip_open, xlogy


@record
class Power(Terms):
    """y = x^power on [0, inf); power 2 is the square, power 1/2 the root.

    log slope = log(power) + (power - 1) log(x).

    Args:
        power: (*event), positive.

    Numerics:
        At x = 0 the log-det is what the limit is: 0 for power 1, -inf above and +inf below. Each direction takes it
        from its own input, so that it stays finite where the value over- or underflows.
    """

    power: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    domain = constraints.nonnegative
    codomain = constraints.nonnegative

    def _terms(self, x):
        return _finite(jnp.power(x, self.power)), jnp.log(self.power) + xlogy(self.power - 1.0, x)

    def _inverse_terms(self, y):
        root = 1.0 / self.power
        return _finite(jnp.power(y, root)), -jnp.log(self.power) + xlogy(root - 1.0, y)


def _finite(x):
    """The largest float where a power overflows."""
    return clip_open(x, -1.0, jnp.inf)
