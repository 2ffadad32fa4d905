"""Powers of nonnegative numbers."""

import jax
import jax.numpy as jnp

from depthjax.bijectors._terms import Terms
from depthjax.core import constraints, derived, param, record
from depthjax.numerics import xlogy


@record
class Power(Terms):
    """y = x^power on [0, inf); power 2 is the square, power 1/2 the root.

    log slope = log(power) + (power - 1) log(x).

    Args:
        power: (*event), positive.

    Numerics:
        At x = 0 the log-det is what the limit is: 0 for power 1, -inf above and +inf below. Neither direction forms the
        slope, so nothing overflows before the value does.
    """

    power: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    domain = constraints.nonnegative
    codomain = constraints.nonnegative

    def _terms(self, x):
        return jnp.power(x, self.power), self._log_slope(x)

    def _inverse_terms(self, y):
        x = jnp.power(y, 1.0 / self.power)
        return x, -self._log_slope(x)

    def _log_slope(self, x):
        return jnp.log(self.power) + xlogy(self.power - 1.0, x)
