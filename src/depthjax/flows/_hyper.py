"""Flows whose parameters another network emits."""

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import ravel


def hyper_flow(template: Any) -> tuple[int, Callable[[ArrayLike], Any]]:
    """How many numbers determine a flow like `template`, and the flow that such a vector is.

    An encoder that ends in `num_params` outputs amortises the flow: `build(encoder(x))` is the posterior of x. One flow
    for each datum: `jax.vmap(lambda v, z: build(v).log_prob(z))(vectors, zs)`.

    Args:
        template: any distribution, bijector or tree of them.

    Returns:
        `num_params`, and `build(vector: (num_params,)) -> flow` of the template's structure. The vector holds
        unconstrained coordinates, in the order of `ravel(template)`.

    Raises:
        ValueError: by `build`, for a vector of another shape.

    Source:
        Rezende and Mohamed, Variational Inference with Normalizing Flows (2015), sec. 4.2; van den Berg et al.,
        Sylvester Normalizing Flows (2018), sec. 4.
    """
    vector, unravel = ravel(template)

    def build(values: ArrayLike) -> Any:
        values = jnp.asarray(values)
        if values.shape != vector.shape:
            raise ValueError(f"hyper_flow: vector has shape {values.shape}, expected {vector.shape}")
        return unravel(values.astype(vector.dtype))

    return vector.size, build
