"""Weights of the noise levels in losses."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import chosen
from depthjax.diffusion._arguments import step_index
from depthjax.diffusion._continuous import ContinuousSchedule
from depthjax.diffusion._discrete import DiscreteSchedule
from depthjax.numerics import log1mexp, log_add

WEIGHTINGS = ("uniform", "elbo", "min_snr", "edm")
_GAMMA = 5.0
_DATA_SCALE = 0.5
_FLOOR = -80.0


def elbo_weight(schedule: DiscreteSchedule, t: ArrayLike, variance: str) -> jax.Array:
    """Weight of |noise - noise_hat|^2 in the evidence bound, beta^2/(2 sigma^2 (1 - beta) (1 - ab_t)).

    sigma^2 is the variance of the model's step from t to t - 1: "posterior", beta (1 - ab_{t-1})/(1 - ab_t), or "beta".

    Args:
        schedule: discrete.
        t: integer steps in 1..T, any shape.
        variance: "posterior" or "beta".

    Returns:
        Like t; inf at t = 1 for "posterior", whose variance is 0 there.

    Raises:
        ValueError: another variance, or a concrete step out of range.
        TypeError: t is not an integer.

    Source:
        Ho, Jain and Abbeel, Denoising Diffusion Probabilistic Models (2020), eq. 12.
    """
    chosen("elbo_weight", "variance", variance, ("posterior", "beta"))
    t = step_index("elbo_weight", "t", t, schedule.num_steps, 1)
    beta = schedule.betas[t - 1]
    log_noise = schedule._at("elbo_weight", schedule.log_noise, t - 1 if variance == "posterior" else t)
    return 0.5 * beta / (1.0 - beta) * jnp.exp(-log_noise)


def log_loss_weight(
    schedule: DiscreteSchedule | ContinuousSchedule, t: jax.Array, log_density: jax.Array, weighting: str, kind: str
) -> jax.Array:
    """Log weight (n,) of the squared error of a prediction of this kind.

    Every weighting but "uniform" is one of the squared error in the data, whose ratio to that of another prediction is
    the signal-to-noise ratio (noise), its product with 1/sigma^2 (score), or (alpha^2 + sigma^2)^2/sigma^2 (velocity).
    """
    if weighting == "uniform":
        return jnp.zeros_like(log_density)
    log_snr = jnp.maximum(schedule.log_snr(t).astype(log_density.dtype), _FLOOR)
    if weighting == "min_snr":
        of_data = jnp.minimum(log_snr, math.log(_GAMMA))
    elif weighting == "edm":
        of_data = log_add(log_snr, -2.0 * math.log(_DATA_SCALE))
    elif isinstance(schedule, DiscreteSchedule):
        of_data = _log_elbo(schedule, t, log_snr)
    else:
        log_rate = jnp.log(schedule.diffusion_squared(t)) - 2.0 * jnp.log(schedule.sigma(t))
        of_data = log_rate + log_snr - math.log(2.0) - log_density
    if kind == "data":
        return of_data
    log_noise = 2.0 * jnp.log(schedule.sigma(t)).astype(log_density.dtype)
    if kind == "velocity":
        norm = schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2
        return of_data + log_noise - 2.0 * jnp.log(norm).astype(log_density.dtype)
    return of_data - log_snr + (log_noise if kind == "score" else 0.0)


def _log_elbo(schedule, t, log_snr):
    """Log of T (SNR(t - 1) - SNR(t))/2, and of T/(2 beta_1) at t = 1, where the decoder has variance beta_1."""
    first = t == 1
    before = schedule.log_snr(jnp.where(first, 1, t - 1)).astype(log_snr.dtype)
    change = before + log1mexp(jnp.where(first, -1.0, log_snr - before))
    decoder = -jnp.log(schedule.betas[0]).astype(log_snr.dtype)
    return jnp.where(first, decoder, change) + math.log(0.5 * schedule.num_steps)
