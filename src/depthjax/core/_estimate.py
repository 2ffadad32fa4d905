"""The record of every Monte Carlo number."""

import jax

from depthjax.core._record import record


@record
class Estimate:
    """A Monte Carlo estimate with its standard error.

    Args:
        value: the estimate.
        standard_error: its standard error, of the same shape and unit.
    """

    value: jax.Array
    standard_error: jax.Array
