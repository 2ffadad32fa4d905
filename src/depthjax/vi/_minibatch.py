"""Estimates of whole-data quantities from a batch of the data."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp


def minibatch_log_joint(
    log_prior: Callable[..., jax.Array], log_likelihood: Callable[..., jax.Array], *, num_data: int
) -> Callable[..., jax.Array]:
    """Log p(z) + (N/B) sum over a batch of log p(x_i | z), an unbiased estimate of the log joint of all N data.

    Args:
        log_prior: (params, z) -> () nats.
        log_likelihood: (params, z, datum) -> () nats for one datum, a slice of `batch`.
        num_data: N, the size of the whole data set.

    Returns:
        log_joint(params, z, batch) for a pytree `batch` with leading axis B.

    Raises:
        ValueError: num_data < 1; at trace time, a batch larger than the data, empty, or of arrays of several lengths.

    Source:
        Hoffman et al., Stochastic Variational Inference (2013), sec. 2.3.
    """
    if num_data < 1:
        raise ValueError(f"minibatch_log_joint: num_data must be at least 1, got {num_data}")

    def log_joint(params, z, batch):
        size = _batch_size("minibatch_log_joint", batch, num_data)
        terms = jax.vmap(lambda datum: log_likelihood(params, z, datum))(batch)
        return log_prior(params, z) + (num_data / size) * jnp.sum(terms)

    return log_joint


def minibatch_elbo(
    local_term: Callable[..., jax.Array], global_term: Callable[..., jax.Array], *, num_data: int
) -> Callable[..., jax.Array]:
    """(N/B) sum over a batch of [log p(x_i, z_i | theta) - log q(z_i | x_i)] + log p(theta) - log q(theta).

    An integrand for `expectation`: it holds the densities of the guide itself, so only the local ones are scaled.

    Args:
        local_term: (params, z_i, datum) -> () nats for one datum; z_i is (theta, z_i) if there are global latents.
        global_term: (params, theta) -> () nats, or (params) -> () nats without global latents.
        num_data: N, the size of the whole data set.

    Returns:
        f(params, z, batch) for a pytree `batch` with leading axis B. The draw z is the local latents, leading axis B,
        or a pair (theta, local latents).

    Raises:
        ValueError: num_data < 1; at trace time, a batch larger than the data or not of the size of the latents.

    Source:
        Hoffman et al., Stochastic Variational Inference (2013), sec. 2.3; Kingma and Welling (2014), eq. 8.
    """
    if num_data < 1:
        raise ValueError(f"minibatch_elbo: num_data must be at least 1, got {num_data}")

    def f(params, z, batch):
        size = _batch_size("minibatch_elbo", batch, num_data)
        has_global = isinstance(z, tuple) and len(z) == 2
        theta, local = z if has_global else (None, z)
        sizes = {leaf.shape[:1] for leaf in jax.tree.leaves(local)}
        if sizes != {(size,)}:
            raise ValueError(f"minibatch_elbo: {size} data, but local latents with leading axes {sorted(sizes)}")

        def one(latent: Any, datum: Any) -> jax.Array:
            return local_term(params, (theta, latent) if has_global else latent, datum)

        terms = jax.vmap(one)(local, batch)
        whole = global_term(params, theta) if has_global else global_term(params)
        return whole + (num_data / size) * jnp.sum(terms)

    return f


def _batch_size(name, batch, num_data):
    sizes = sorted({jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(batch)})
    if len(sizes) != 1 or sizes[0] in ((), (0,)):
        raise ValueError(f"{name}: the arrays of a batch have one leading axis of data, got leading axes {sizes}")
    ((size,),) = sizes
    if size > num_data:
        raise ValueError(f"{name}: a batch of {size} is larger than num_data = {num_data}")
    return size
