"""The loss of a diffusion model."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import chosen
from depthjax.diffusion._arguments import PREDICTIONS, batch, like, same_event_shape
from depthjax.diffusion._discrete import DiscreteSchedule
from depthjax.diffusion._predictions import Schedule, add_noise
from depthjax.diffusion._weights import WEIGHTINGS, log_loss_weight
from depthjax.numerics._draws import standard_normal

Model = Callable[[jax.Array, jax.Array], jax.Array]


def diffusion_loss(
    key: jax.Array,
    schedule: Schedule,
    model: Model,
    x: ArrayLike,
    *,
    prediction: str = "noise",
    weighting: str = "uniform",
) -> jax.Array:
    """Weighted squared error of what a network predicts about noisy events, at one random noise level for each event.

    "uniform": the mean over events and coordinates. "min_snr": weight min(SNR, 5) of the error in the data. "edm":
    weight (s^2 + d^2)/(s d)^2 of the error in the data, s = sigma/alpha and d = 0.5. "elbo": an unbiased estimate of
    the negative evidence bound in nats, summed over coordinates, without the terms that do not depend on the network.

    Args:
        key: PRNG key.
        schedule: discrete (steps drawn evenly from 1..T) or continuous (times evenly from [1e-5, 1]; for `edm_schedule`
            levels with log sigma ~ N(-1.2, 1.2^2)).
        model: (z (n, *event), t (n,)) -> (n, *event).
        x: (n, *event) data.
        prediction: what the network predicts: "noise", "data", "velocity" or "score".
        weighting: "uniform", "elbo", "min_snr" or "edm".

    Returns:
        ().

    Raises:
        ValueError: an unknown prediction or weighting, or a network that changes the shape.
        TypeError: integer data.

    Numerics:
        Weights by logarithms of the schedule's tables, so those of data and
        velocity are finite at zero terminal signal. With "elbo" the step
        t = 1 has the variance beta_1 of a decoder, as `vlb`.

    Source:
        Ho, Jain and Abbeel (2020), eq. 14; Kingma et al., Variational Diffusion Models (2021), eq. 13 and 17; Hang et
        al., Min-SNR Weighting (2023), eq. 8; Karras et al. (2022), eq. 8.
    """
    name = "diffusion_loss"
    chosen(name, "prediction", prediction, PREDICTIONS)
    chosen(name, "weighting", weighting, WEIGHTINGS)
    x = batch(name, x)
    time_key, noise_key = jax.random.split(key)
    noise = standard_normal(noise_key, x.shape, x.dtype)
    if isinstance(schedule, DiscreteSchedule):
        t = jax.random.randint(time_key, x.shape[:1], 1, schedule.num_steps + 1, jnp.int32)
        log_density = jnp.zeros(x.shape[:1], x.dtype)
    else:
        t, log_density = schedule.draw_times(time_key, x.shape[0], x.dtype)
    z = add_noise(schedule, x, t, noise)
    target = _target(schedule, x, t, noise, prediction)
    error = (same_event_shape(name, "the result of model", model(z, t), x) - target) ** 2
    total = jnp.sum(error.reshape(x.shape[0], -1), axis=1)
    if weighting != "elbo":
        total = total / max(x[0].size, 1)
    weight = jnp.exp(log_loss_weight(schedule, t, log_density, weighting, prediction)).astype(x.dtype)
    return jnp.mean(jax.lax.stop_gradient(weight) * total)


def _target(schedule, x, t, noise, prediction):
    if prediction in ("noise", "data"):
        return noise if prediction == "noise" else x
    sigma = like(schedule.sigma(t), x)
    return -noise / sigma if prediction == "score" else like(schedule.alpha(t), x) * noise - sigma * x
