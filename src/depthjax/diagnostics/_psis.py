"""Pareto-smoothed importance sampling."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.numerics import pareto_smooth


class PSISResult(NamedTuple):
    """Smoothed log weights and the shape of their tail.

    Attributes:
        log_weights: (S,) smoothed, normalised to sum to one.
        khat: () estimated shape of the generalised Pareto tail.
    """

    log_weights: jax.Array
    khat: jax.Array


def psis(log_weights: ArrayLike) -> PSISResult:
    """Replace the largest importance weights by expected order statistics of a fitted generalised Pareto tail.

    Args:
        log_weights: (S,) nats, unnormalised.

    Returns:
        `PSISResult`.

    Source:
        Vehtari et al., Pareto Smoothed Importance Sampling (2024), algorithm 1.
    """
    smoothed, khat = pareto_smooth(jnp.asarray(log_weights))
    return PSISResult(smoothed - jax.nn.logsumexp(smoothed), khat)


def psis_khat(log_weights: ArrayLike) -> jax.Array:
    """The k-hat diagnostic: how heavy the tail of the importance weights is.

    Args:
        log_weights: (S,) nats, unnormalised.

    Returns:
        () shape estimate; compare with `khat_threshold(S)`. Above 0.7 importance sampling from this guide is
        unreliable, above 1 the weights have no mean.

    Source:
        Yao et al., Yes, but Did It Work? (2018), sec. 3; Vehtari et al. (2024).
    """
    return psis(log_weights).khat


def khat_threshold(num_samples: int) -> float:
    """Largest k-hat at which `num_samples` draws suffice: min(1 - 1/log10(S), 0.7).

    Args:
        num_samples: S, at least 2.

    Raises:
        ValueError: num_samples < 2.

    Source:
        Vehtari et al., Pareto Smoothed Importance Sampling (2024), sec. 3.2.4.
    """
    at_least("khat_threshold", "num_samples", num_samples, 2)
    return min(1.0 - 1.0 / math.log10(num_samples), 0.7)


def ess(log_weights: ArrayLike) -> jax.Array:
    """Effective sample size of normalised importance weights, 1/sum w^2.

    Args:
        log_weights: (S,) nats, unnormalised.

    Returns:
        () between 1 and S; NaN where no weight is positive.

    Raises:
        ValueError: log_weights is not (S,).

    Source:
        Kong, A Note on Importance Sampling Using Standardized Weights (1992).
    """
    log_weights = jnp.asarray(log_weights)
    if log_weights.ndim != 1 or not log_weights.size:
        raise ValueError(f"ess: log_weights is (S,), got shape {log_weights.shape}")
    return jnp.exp(2.0 * jax.nn.logsumexp(log_weights) - jax.nn.logsumexp(2.0 * log_weights))
