"""Bounds on the log evidence as functions of log weights, log w = log p(x, z) - log q(z)."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.numerics._arguments import floats
from depthjax.vi._guide import as_guide


def elbo(log_weights: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Evidence lower bound: the mean log weight.

    L = E_q[log p(x, z) - log q(z)] = log p(x) - KL(q || p(. | x)).

    Args:
        log_weights: (..., S, ...) nats, S independent draws along `axis`.
        axis: the axis of the draws.

    Returns:
        The estimate with `axis` removed, nats.

    Source:
        Jordan et al., An Introduction to Variational Methods (1999); Blei et al. (2017), eq. 13.
    """
    return jnp.mean(over_draws("elbo", log_weights, axis), axis=axis)


def iwae_bound(log_weights: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Importance-weighted bound: L_K = log (1/K) sum_k w_k for K draws.

    In expectation L_1 <= L_K <= L_{K+1} <= log p(x).

    Args:
        log_weights: (..., K, ...) nats, K independent draws along `axis`.
        axis: the axis of the draws.

    Returns:
        The estimate with `axis` removed, nats; -inf, with zero gradient, where all weights are zero.

    Numerics:
        logsumexp - log K; weights of zero among positive ones are exact.

    Source:
        Burda et al., Importance Weighted Autoencoders (2016), eq. 8.
    """
    log_weights = over_draws("iwae_bound", log_weights, axis)
    top = jax.lax.stop_gradient(jnp.max(log_weights, axis=axis, keepdims=True))
    dead = jnp.broadcast_to(top == -jnp.inf, log_weights.shape)
    total = jax.nn.logsumexp(jnp.where(dead, 0.0, log_weights), axis=axis) - math.log(log_weights.shape[axis])
    return jnp.where(jnp.squeeze(top, axis) == -jnp.inf, -jnp.inf, total)


def log_weights(
    key: jax.Array, log_joint: Callable[..., jax.Array], q: Any, params: Any, *batch: Any, num_samples: int
) -> jax.Array:
    """Log importance weights of draws from a guide.

    Args:
        key: PRNG key.
        log_joint: (params, z, *batch) -> () nats, for one z.
        q: a distribution record, or a function (params, *batch) -> record.
        params: what `q` and `log_joint` take; ignored when `q` is a record and `log_joint` ignores it.
        *batch: passed on.
        num_samples: number of draws S.

    Returns:
        (S,) nats.

    Raises:
        ValueError: num_samples < 1, or a log_joint that does not return one number.
    """
    at_least("log_weights", "num_samples", num_samples, 1)
    guide = as_guide(q)(params, *batch)
    z, log_q = guide.sample_and_log_prob(key, (num_samples,))
    return jax.vmap(lambda value: one_number(log_joint(params, value, *batch)))(z) - log_q


def over_draws(function: str, log_weights: ArrayLike, axis: int) -> jax.Array:
    """Log weights as floats, which must have draws along `axis`."""
    (log_weights,) = floats(log_weights)
    shape = log_weights.shape
    if not -len(shape) <= axis < len(shape) or not shape[axis]:
        raise ValueError(f"{function}: log_weights has shape {shape}, expected at least one draw along axis {axis}")
    return log_weights


def one_number(value: ArrayLike) -> jax.Array:
    """What a function of one z returned, which must have shape ()."""
    if jnp.shape(value) != ():
        raise ValueError(
            f"the function of one z returned shape {jnp.shape(value)}, expected (): f sees one z; the library adds vmap"
        )
    return jnp.asarray(value)
