"""What a classifier's logits say about two laws, and contrastive losses."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import positive
from depthjax.divergences._scalars import LOG_2
from depthjax.numerics import log_sigmoid, promote
from depthjax.numerics._arguments import floats


def log_ratio_from_logits(logits: ArrayLike, *, log_prior_odds: ArrayLike = 0.0) -> jax.Array:
    """Log p - log q from the logits of a classifier of p against q.

    Args:
        logits: any shape.
        log_prior_odds: log of how many times more often p was shown than q.

    Returns:
        The log ratio, nats.

    Source:
        Sugiyama, Suzuki and Kanamori, Density Ratio Estimation in Machine Learning (2012), sec. 3.
    """
    logits, odds = promote(logits, jnp.asarray(log_prior_odds, promote(logits)[0].dtype))
    return logits - odds


def js_from_logits(logits_p: ArrayLike, logits_q: ArrayLike) -> jax.Array:
    """Jensen-Shannon divergence from a classifier, log 2 + (E_p log D + E_q log(1 - D))/2.

    Args:
        logits_p: logits of D at samples of p.
        logits_q: logits of D at samples of q.

    Returns:
        () nats; exact for the optimal classifier, in expectation a lower bound for any other.

    Source:
        Goodfellow et al., Generative Adversarial Nets (2014), theorem 1.
    """
    logits_p, logits_q = floats(logits_p, logits_q)
    return LOG_2 + 0.5 * (jnp.mean(log_sigmoid(logits_p)) + jnp.mean(log_sigmoid(-logits_q)))


def optimal_discriminator_logits(log_f1: ArrayLike, log_f0: ArrayLike) -> jax.Array:
    """Logits of D* = f1/(f0 + f1), which are log f1 - log f0.

    Args:
        log_f1: log density of class 1, any shape.
        log_f0: log density of class 0, of a shape that broadcasts.

    Returns:
        Broadcast shape; 0 where both densities vanish.

    Source:
        Goodfellow et al. (2014), proposition 1.
    """
    log_f1, log_f0 = promote(log_f1, log_f0)
    gone = (log_f1 == -jnp.inf) & (log_f0 == -jnp.inf)
    return jnp.where(gone, 0.0, jnp.where(gone, 0.0, log_f1) - jnp.where(gone, 0.0, log_f0))


def nce_loss(
    log_model_data: ArrayLike,
    log_noise_data: ArrayLike,
    log_model_noise: ArrayLike,
    log_noise_noise: ArrayLike,
    *,
    noise_ratio: ArrayLike,
) -> jax.Array:
    """Noise-contrastive estimation, -E_data log sigmoid(g) - nu E_noise log sigmoid(-g).

    The logit is g = log p_model - log p_noise - log nu.

    Args:
        log_model_data: (n,) log density of the model at data; it may be unnormalised with a learned constant.
        log_noise_data: (n,) log density of the noise at data.
        log_model_noise: (m,) log density of the model at noise.
        log_noise_noise: (m,) log density of the noise at noise.
        noise_ratio: nu, noise draws for each datum, positive.

    Returns:
        () nats, to be minimised; at nu = 1 the optimum is 2 log 2 - 2 JSD(data, noise).

    Raises:
        ValueError: the two densities at the same points differ in shape, or a concrete noise_ratio is not positive.

    Source:
        Gutmann and Hyvarinen, Noise-Contrastive Estimation (2012), eq. 8.
    """
    arrays = floats(log_model_data, log_noise_data, log_model_noise, log_noise_noise)
    for name, model, noise in (("data", arrays[0], arrays[1]), ("noise", arrays[2], arrays[3])):
        if model.shape != noise.shape:
            raise ValueError(f"nce_loss: log_noise_{name} has shape {noise.shape}, expected {model.shape}")
    positive("nce_loss", noise_ratio=noise_ratio)
    nu = jnp.asarray(noise_ratio, arrays[0].dtype)
    at_data = log_sigmoid(arrays[0] - arrays[1] - jnp.log(nu))
    at_noise = log_sigmoid(jnp.log(nu) - (arrays[2] - arrays[3]))
    return -jnp.mean(at_data) - nu * jnp.mean(at_noise)


def infonce_loss(scores: ArrayLike) -> jax.Array:
    """InfoNCE, mean_i [logsumexp_j s_ij - s_ii].

    Args:
        scores: (n, n), positive pairs on the diagonal.

    Returns:
        () nats, to be minimised.

    Raises:
        ValueError: `scores` is not square.

    Source:
        van den Oord, Li and Vinyals, Representation Learning with Contrastive Predictive Coding (2018), eq. 4.
    """
    (scores,) = floats(scores)
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1]:
        raise ValueError(f"infonce_loss: scores has shape {scores.shape}, expected (n, n), positives on the diagonal")
    return -jnp.mean(jnp.diagonal(jax.nn.log_softmax(scores, axis=1)))


def infonce_bound(scores: ArrayLike) -> jax.Array:
    """Lower bound on the mutual information, log n - InfoNCE loss.

    Args:
        scores: (n, n), positive pairs on the diagonal.

    Returns:
        () nats, at most log n.

    Raises:
        ValueError: `scores` is not square.

    Source:
        van den Oord, Li and Vinyals (2018), eq. 5; Poole et al., On Variational Bounds of Mutual Information (2019).
    """
    return math.log(jnp.shape(scores)[0]) - infonce_loss(scores)


def negative_sampling_loss(positive: ArrayLike, negative: ArrayLike) -> jax.Array:
    """Skip-gram negative sampling, mean of -log sigmoid(positive) - sum_k log sigmoid(-negative_k).

    Args:
        positive: (...) scores of observed pairs.
        negative: (..., k) scores of noise pairs.

    Returns:
        () nats, to be minimised; the optimum is score = PMI - log k.

    Raises:
        ValueError: the leading shapes differ.

    Source:
        Mikolov et al. (2013), eq. 4; Levy and Goldberg, Neural Word Embedding as Implicit Matrix Factorization (2014).
    """
    positive, negative = floats(positive, negative)
    if negative.shape[:-1] != positive.shape or negative.ndim == 0:
        raise ValueError(
            f"negative_sampling_loss: negative has shape {negative.shape}, expected (*{positive.shape}, k) as positive"
        )
    return -jnp.mean(log_sigmoid(positive) + jnp.sum(log_sigmoid(-negative), axis=-1))
