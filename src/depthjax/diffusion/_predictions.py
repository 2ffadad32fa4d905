"""Noisy events, and what a network may predict about them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import require_shape
from depthjax.core._options import chosen, positive
from depthjax.diffusion._arguments import PREDICTIONS, floating, like
from depthjax.diffusion._continuous import ContinuousSchedule
from depthjax.diffusion._discrete import DiscreteSchedule

Schedule = DiscreteSchedule | ContinuousSchedule


def add_noise(schedule: Schedule, x: ArrayLike, t: ArrayLike, noise: ArrayLike) -> jax.Array:
    """Noisy events z_t = alpha(t) x + sigma(t) noise.

    Args:
        schedule: discrete or continuous.
        x: (*batch, *event) data.
        t: step or time, () or the leading axes of x.
        noise: standard normal, like x.

    Returns:
        Like x.

    Raises:
        ValueError: shapes that do not fit, or a concrete step out of range.

    Source:
        Ho, Jain and Abbeel, Denoising Diffusion Probabilistic Models (2020), eq. 4.
    """
    x, noise = floating(x), floating(noise)
    require_shape("add_noise", "noise", noise, x.shape)
    return like(schedule.alpha(t), x) * x + like(schedule.sigma(t), x) * noise.astype(x.dtype)


def convert_prediction(
    value: ArrayLike, z: ArrayLike, t: ArrayLike, schedule: Schedule, *, source: str, target: str
) -> jax.Array:
    """One prediction from another, about the same noisy events z = alpha x + sigma noise.

    velocity = alpha noise - sigma x, and score = -noise/sigma, the gradient of log p(z | x) and, where `value` is an
    expectation given z, of log p(z).

    Args:
        value: a prediction, like z.
        z: (*batch, *event) noisy events.
        t: step or time, () or the leading axes of z.
        schedule: discrete or continuous.
        source: what `value` is: "noise", "data", "velocity" or "score".
        target: what is wanted, one of the same.

    Returns:
        Like z.

    Raises:
        ValueError: an unknown prediction, or shapes that do not fit.

    Numerics:
        Data from noise or score divide by alpha, noise from data by sigma: infinite or NaN where that is 0, since there
        the one says nothing about the other. Velocity converts everywhere.

    Source:
        Salimans and Ho, Progressive Distillation (2022), app. D.
    """
    for name, kind in (("source", source), ("target", target)):
        chosen("convert_prediction", name, kind, PREDICTIONS)
    value, z = floating(value), floating(z)
    require_shape("convert_prediction", "value", value, z.shape)
    if source == target:
        return value
    alpha, sigma = like(schedule.alpha(t), z), like(schedule.sigma(t), z)
    if source == "noise" and target == "score":
        return -value / sigma
    if source == "score" and target == "noise":
        return -sigma * value
    noise, data = _both(value, z, alpha, sigma, source)
    if target == "velocity":
        return alpha * noise - sigma * data
    return {"noise": noise, "data": data, "score": -noise / sigma}[target]


def _both(value, z, alpha, sigma, source):
    """Noise and data."""
    if source == "velocity":
        norm = alpha * alpha + sigma * sigma
        return (sigma * z + alpha * value) / norm, (alpha * z - sigma * value) / norm
    if source == "data":
        return (z - alpha * value) / sigma, value
    noise = value if source == "noise" else -sigma * value
    return noise, (z - sigma * noise) / alpha


def classifier_free_guidance(unconditional: ArrayLike, conditional: ArrayLike, *, guidance: ArrayLike) -> jax.Array:
    """Guided prediction u + guidance (c - u): the score of p_u^(1 - w) p_c^w up to a constant, w the guidance.

    Args:
        unconditional: u, any shape; a prediction linear in the score.
        conditional: c, like u.
        guidance: () weight; 0 is unconditional, 1 conditional, more exaggerates the condition.

    Returns:
        Like u.

    Raises:
        ValueError: shapes differ.

    Source:
        Ho and Salimans, Classifier-Free Diffusion Guidance (2022), eq. 6 with guidance = 1 + w.
    """
    unconditional, conditional = floating(unconditional), floating(conditional)
    require_shape("classifier_free_guidance", "conditional", conditional, unconditional.shape)
    return unconditional + jnp.asarray(guidance, unconditional.dtype) * (conditional - unconditional)


class Preconditioning(NamedTuple):
    """Coefficients of D(x, sigma) = c_skip x + c_out F(c_in x, c_noise), and the weight of its loss.

    Attributes:
        c_skip: like sigma.
        c_out: like sigma.
        c_in: like sigma.
        c_noise: like sigma.
        weight: like sigma; 1/c_out^2.
    """

    c_skip: jax.Array
    c_out: jax.Array
    c_in: jax.Array
    c_noise: jax.Array
    weight: jax.Array


def edm_preconditioning(sigma: ArrayLike, *, data_scale: float = 0.5) -> Preconditioning:
    """Coefficients that give a denoising network inputs and targets of unit variance at every noise level.

    With s = sigma and d = data_scale: c_skip = d^2/(s^2 + d^2), c_out = s d/sqrt(s^2 + d^2), c_in = 1/sqrt(s^2 + d^2),
    c_noise = log(s)/4, weight = (s^2 + d^2)/(s d)^2.

    Args:
        sigma: (...) noise levels, positive; all five are NaN for a traced one that is not.
        data_scale: standard deviation of the data, positive.

    Raises:
        ValueError: data_scale or a concrete sigma is not positive.

    Source:
        Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models (2022), table 1.
    """
    if not data_scale > 0:
        raise ValueError(f"edm_preconditioning: data_scale is {data_scale}, expected a positive number")
    positive("edm_preconditioning", sigma=sigma)
    sigma = floating(sigma)
    sigma = jnp.where(sigma > 0, sigma, jnp.nan)
    norm = jnp.hypot(sigma, jnp.full_like(sigma, data_scale))
    c_out = (sigma / norm) * data_scale
    weight = 1.0 / (data_scale * data_scale) + 1.0 / (sigma * sigma)
    return Preconditioning((data_scale / norm) ** 2, c_out, 1.0 / norm, 0.25 * jnp.log(sigma), weight)
