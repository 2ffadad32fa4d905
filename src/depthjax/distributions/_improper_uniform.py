"""The improper uniform density."""

import jax.numpy as jnp

from depthjax.core import Constraint, Distribution, record, static
from depthjax.distributions._masked import masked
from depthjax.distributions._repeated import as_static_shape


@record
class ImproperUniform(Distribution):
    """Density one on a set of infinite measure: a prior that says nothing.

    log p(x) = 0 for x in the support, -inf outside.

    Args:
        support: a constraint; with trailing `event_ndim` axes making one element.
        event_shape: static shape of one event.

    Raises:
        TypeError: `support` is not a constraint; and on `sample`, for there is nothing to draw from.
        ValueError: the event has fewer axes than an element of the support.

    Source:
        Gelman et al., Bayesian Data Analysis (2013), sec. 2.8.
    """

    support: Constraint = static()
    event_shape: tuple[int, ...] = static()

    reparameterized = "none"

    @classmethod
    def _complete(cls, fields):
        support = fields["support"]
        if not isinstance(support, Constraint):
            raise TypeError(f"{cls.__name__}: support is {support!r}, expected a constraint")
        shape = as_static_shape(cls.__name__, fields.get("event_shape", ()))
        if len(shape) < support.event_ndim:
            raise ValueError(
                f"{cls.__name__}: event_shape {shape} has fewer axes than {support}, which takes {support.event_ndim}"
            )
        return {**fields, "event_shape": shape}

    def _log_prob(self, x):
        return masked(self.support.check(x), jnp.zeros((), x.dtype), x)
