"""The constraint on log-probabilities and log-rates, which may be infinite."""

import dataclasses

import jax.numpy as jnp

from depthjax.core import constraints


def _contains(x):
    return ~jnp.isnan(x)


not_nan = dataclasses.replace(
    constraints.real,
    name="extended_real",
    check=lambda x: jnp.all(_contains(x)),
    contains=_contains,
    bounds=None,
)
