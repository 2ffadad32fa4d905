"""The evidence bound of a diffusion model in discrete steps, term by term."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least, chosen
from depthjax.diffusion._arguments import PREDICTIONS, batch, same_event_shape
from depthjax.diffusion._discrete import DiscreteSchedule
from depthjax.diffusion._loss import Model
from depthjax.diffusion._predictions import add_noise, convert_prediction
from depthjax.numerics._draws import standard_normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class VLBTerms(NamedTuple):
    """Terms of the evidence bound, total = reconstruction - sum(diffusion) - prior, in nats an event.

    Attributes:
        prior: () KL(q(z_T | x) | N(0, I)).
        diffusion: (T,) E KL(q(z_{t-1} | z_t, x) | p(z_{t-1} | z_t)) for t = 1, ..., T; the first is 0, its place taken
            by `reconstruction`.
        reconstruction: () E log p(x | z_1).
        total: () lower bound on E log p(x).
        standard_error: () of `total` over the noise, given the data.
    """

    prior: jax.Array
    diffusion: jax.Array
    reconstruction: jax.Array
    total: jax.Array
    standard_error: jax.Array


def vlb(
    key: jax.Array,
    schedule: DiscreteSchedule,
    model: Model,
    x: ArrayLike,
    *,
    num_samples: int,
    prediction: str = "noise",
) -> VLBTerms:
    """Evidence lower bound, E log p(x | z_1) - sum_{t >= 2} E KL(q(z_{t-1} | z_t, x) | p) - KL(q(z_T | x) | N(0, I)).

    p(z_{t-1} | z_t) is the posterior with the data replaced by their prediction, of the same variance, and p(x | z_1)
    is normal about the prediction with variance beta_1.

    Args:
        key: PRNG key.
        schedule: discrete.
        model: (z (n, *event), t (n,)) -> (n, *event).
        x: (n, *event) data.
        num_samples: static, noises for each event and step, at least 2.
        prediction: what the network predicts.

    Returns:
        Means over events and noises.

    Raises:
        ValueError: an unknown prediction, fewer than two samples, or a network that changes the shape.
        TypeError: integer data, or a continuous schedule.

    Numerics:
        KL terms as (SNR(t-1) - SNR(t)) |x - x_hat|^2/2 by expm1 of log SNR; the prior term is exact.

    Cost:
        T network calls on num_samples n events.

    Source:
        Ho, Jain and Abbeel (2020), eq. 5; Kingma et al. (2021), eq. 11 to 15.
    """
    name = "vlb"
    if not isinstance(schedule, DiscreteSchedule):
        raise TypeError(f"{name}: schedule is {type(schedule).__name__}, expected DiscreteSchedule")
    chosen(name, "prediction", prediction, PREDICTIONS)
    at_least(name, "num_samples", num_samples, 2)
    x = batch(name, x)
    size = max(x[0].size, 1)
    repeated = jnp.broadcast_to(x[None], (num_samples, *x.shape)).reshape(-1, *x.shape[1:])

    def squared_error(carry, step):
        t, step_key = step
        times = jnp.full(repeated.shape[:1], t)
        noise = standard_normal(step_key, repeated.shape, x.dtype)
        z = add_noise(schedule, repeated, times, noise)
        value = same_event_shape(name, "the result of model", model(z, times), z)
        data = convert_prediction(value, z, times, schedule, source=prediction, target="data")
        return carry, jnp.sum((data - repeated).reshape(num_samples, -1) ** 2, axis=1)

    steps = jnp.arange(1, schedule.num_steps + 1, dtype=jnp.int32)
    _, errors = jax.lax.scan(squared_error, None, (steps, jax.random.split(key, schedule.num_steps)))
    errors = errors / x.shape[0]
    terms = _kl_weights(schedule).astype(x.dtype)[:, None] * errors
    log_beta = jnp.log(schedule.betas[0]).astype(x.dtype)
    reconstructions = -0.5 * errors[0] * jnp.exp(-log_beta) - size * (_HALF_LOG_2PI + 0.5 * log_beta)
    prior = _prior(schedule, x, size)
    totals = reconstructions - jnp.sum(terms, axis=0) - prior
    error = jnp.std(totals, ddof=1) / num_samples**0.5
    return VLBTerms(prior, jnp.mean(terms, axis=1), jnp.mean(reconstructions), jnp.mean(totals), error)


def _kl_weights(schedule):
    """(SNR(t-1) - SNR(t))/2 for t = 1..T, 0 in the first place."""
    log_snr = (schedule.log_alpha_bar - schedule.log_noise)[1:]
    change = -jnp.expm1(log_snr[1:] - log_snr[:-1])
    return jnp.concatenate([jnp.zeros(1, log_snr.dtype), 0.5 * jnp.exp(log_snr[:-1]) * change])


def _prior(schedule, x, size):
    """Mean of (ab |x|^2 - d ab - d log(1 - ab))/2 at the last step."""
    signal = schedule.alpha_bar[-1].astype(x.dtype)
    square = jnp.sum(x * x) / x.shape[0]
    return 0.5 * (signal * (square - size) - size * schedule.log_noise[-1].astype(x.dtype))
