"""The two Kullback-Leibler losses of a flow."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def forward_kl_loss(flow: Any, x: ArrayLike) -> jax.Array:
    """KL(data || flow) up to the entropy of the data: the mean of -log p(x).

    Args:
        flow: any distribution.
        x: (N, *event), draws of the data.

    Returns:
        () nats.

    Source:
        Papamakarios et al., Normalizing Flows for Probabilistic Modeling and Inference (2021), eq. 13.
    """
    return -jnp.mean(flow.log_prob(x))


def reverse_kl_loss(
    key: jax.Array, flow: Any, log_target: Callable[[jax.Array], jax.Array], num_samples: int
) -> jax.Array:
    """KL(flow || target) up to the target's log constant: the mean of log q(x) - log_target(x) over draws of the flow.

    Args:
        key: PRNG key.
        flow: any distribution; its gradient is pathwise, so differentiating a flow whose draws have none raises.
        log_target: unnormalised log density of one event, event -> () nats.
        num_samples: number of draws.

    Returns:
        () nats.

    Raises:
        ValueError: `log_target` does not return one number for one event.

    Source:
        Papamakarios et al. (2021), eq. 17.
    """
    x, log_prob = flow.sample_and_log_prob(key, (num_samples,))
    shape = jax.eval_shape(log_target, jax.ShapeDtypeStruct(x.shape[1:], x.dtype)).shape
    if shape != ():
        raise ValueError(f"reverse_kl_loss: log_target returned shape {shape}, expected (): it sees one event")
    return jnp.mean(log_prob - jax.vmap(log_target)(x))
