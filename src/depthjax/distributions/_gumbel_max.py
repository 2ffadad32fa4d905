"""Categorical draws from perturbed logits."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike


def gumbel_max(key: jax.Array, logits: ArrayLike) -> jax.Array:
    """Categorical draws by the Gumbel maximum, argmax_k(logits_k + G_k).

    Args:
        key: PRNG key.
        logits: unnormalised log probabilities, (*batch, K); -inf entries are never drawn.

    Returns:
        (*batch) int32, one draw for each row.

    Source:
        Maddison, Tarlow and Minka, A* Sampling (2014), sec. 2.
    """
    logits = jnp.asarray(logits)
    return jnp.argmax(logits + jax.random.gumbel(key, logits.shape, logits.dtype), axis=-1).astype(jnp.int32)


def straight_through_categorical(key: jax.Array, logits: ArrayLike, *, temperature: ArrayLike) -> jax.Array:
    """One-hot categorical draws whose gradient is that of their relaxation.

    Forward, the one-hot vector of argmax_k(logits_k + G_k); backward, softmax((logits + G)/temperature). The draws are
    exact and the gradient is biased.

    Args:
        key: PRNG key.
        logits: unnormalised log probabilities, (*batch, K).
        temperature: of the relaxation, (), positive.

    Returns:
        (*batch, K), one-hot in the dtype of the logits.

    Source:
        Jang, Gu and Poole, Categorical Reparameterization with Gumbel-Softmax (2017), sec. 2.2.
    """
    logits = jnp.asarray(logits)
    perturbed = logits + jax.random.gumbel(key, logits.shape, logits.dtype)
    soft = jax.nn.softmax(perturbed / jnp.asarray(temperature, logits.dtype), axis=-1)
    hard = jax.nn.one_hot(jnp.argmax(perturbed, axis=-1), logits.shape[-1], dtype=logits.dtype)
    return jax.lax.stop_gradient(hard) + (soft - jax.lax.stop_gradient(soft))
