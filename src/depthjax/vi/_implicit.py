"""Implicit reparameterisation of a value that was drawn somehow."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.distributions import Mixture, MixtureSameFamily, MultivariateNormalDiag, Normal, Product
from depthjax.distributions._mixture_pathwise import attach_pathwise


def implicit_reparameterize(record: Any, value: ArrayLike) -> jax.Array:
    """The value itself, with derivative d z/d theta = -(dF/d theta)/p(z) in the record's parameters.

    Args:
        record: a distribution with a `cdf` of each coordinate: a scalar family or independent coordinates; a `Product`
            of such; or a mixture of such, through the cdf of each coordinate given those before it (Rosenblatt).
        value: (*event) a draw.

    Returns:
        (*event) the value.

    Raises:
        TypeError: a record without these cdfs, or a discrete one. ValueError: a value that is no single event.

    Numerics:
        From the logarithm of the smaller tail, so that it holds where the density underflows beside 1.

    Source:
        Figurnov, Mohamed and Mnih, Implicit Reparameterization Gradients (2018), eq. 5 and sec. 4.
    """
    fixed = jax.lax.stop_gradient(jnp.asarray(value))
    if fixed.shape != record.event_shape:
        raise ValueError(f"implicit_reparameterize: value has shape {fixed.shape}, expected {record.event_shape}")
    if isinstance(record, Product):
        parts, tree = jax.tree.flatten(record.components, is_leaf=lambda part: hasattr(part, "log_prob"))
        events = tree.flatten_up_to(record.split(fixed))
        moved = [implicit_reparameterize(part, event) for part, event in zip(parts, events, strict=True)]
        return record.join(jax.tree.unflatten(tree, moved))
    if isinstance(record, Mixture | MixtureSameFamily) and record.reparameterized == "implicit":
        return attach_pathwise(fixed, record)
    if isinstance(record, MultivariateNormalDiag):
        record = Normal(record.loc, record.scale)
    if not hasattr(record, "log_cdf") or record.support.discrete:
        raise TypeError(f"implicit_reparameterize: {type(record).__name__} has no continuous cdf of its coordinates")
    slope = jax.grad(lambda z: jnp.sum(_signed_log_tail(jax.lax.stop_gradient(record), z)))(fixed)
    level = _signed_log_tail(record, fixed)
    return fixed - (level - jax.lax.stop_gradient(level)) / slope


def _signed_log_tail(record, z):
    """Log F, or minus the log survival where that is the smaller tail; it increases in z on either side."""
    lower, upper = record.log_cdf(z), record.log_survival(z)
    return jnp.where(lower < upper, lower, -upper)
