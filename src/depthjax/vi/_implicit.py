"""Implicit reparameterisation of a value that was drawn somehow."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def implicit_reparameterize(record: Any, value: ArrayLike) -> jax.Array:
    """The value itself, with derivative d z/d theta = -(dF/d theta)/p(z) in the record's parameters.

    Args:
        record: a distribution with a `cdf` of each coordinate: a scalar family or independent coordinates.
        value: (*event) a draw.

    Returns:
        (*event) the value.

    Raises:
        TypeError: a record without a cdf, or with a discrete one.

    Source:
        Figurnov, Mohamed and Mnih, Implicit Reparameterization Gradients (2018), eq. 5.
    """
    if not hasattr(record, "cdf") or record.support.discrete:
        raise TypeError(f"implicit_reparameterize: {type(record).__name__} has no continuous cdf")
    fixed = jax.lax.stop_gradient(jnp.asarray(value))
    density = jax.grad(lambda z: jnp.sum(jax.lax.stop_gradient(record).cdf(z)))(fixed)
    probability = record.cdf(fixed)
    return fixed - (probability - jax.lax.stop_gradient(probability)) / density
