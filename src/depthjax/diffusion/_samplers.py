"""Ancestral and implicit samplers of diffusion models in discrete steps."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core._options import chosen
from depthjax.diffusion._arguments import PREDICTIONS, descending, same_event_shape
from depthjax.diffusion._discrete import DiscreteSchedule
from depthjax.diffusion._loss import Model
from depthjax.diffusion._predictions import convert_prediction
from depthjax.numerics import safe_sqrt
from depthjax.numerics._arguments import is_concrete
from depthjax.numerics._draws import standard_normal


class Samples(NamedTuple):
    """What a sampler made.

    Attributes:
        x: (n, *event).
        trajectory: (steps + 1, n, *event) from the noise to x, or None where it was not asked for.
    """

    x: jax.Array
    trajectory: jax.Array | None


def run_steps(step: Callable, z: jax.Array, steps, *, keep_trajectory: bool) -> Samples:
    """Scan `step(z, inputs) -> z`, which keeps one state unless the trajectory is asked for."""

    def body(state, inputs):
        state = step(state, inputs)
        return state, state if keep_trajectory else None

    x, states = jax.lax.scan(body, z, steps)
    return Samples(x, jnp.concatenate([z[None], states]) if keep_trajectory else None)


def _prepared(function, key, schedule, shape, timesteps, prediction):
    """Noise (n, *event), and of each step its key, t and the s < t after it."""
    if not isinstance(schedule, DiscreteSchedule):
        raise TypeError(f"{function}: schedule is {type(schedule).__name__}, expected DiscreteSchedule")
    chosen(function, "prediction", prediction, PREDICTIONS)
    if len(shape) == 0:
        raise ValueError(f"{function}: shape is {shape}, expected (n, *event)")
    times = descending(function, timesteps, schedule.num_steps).astype(np.int32)
    first, later = jax.random.split(key)
    z = standard_normal(first, tuple(shape), schedule.betas.dtype)
    before = np.append(times[1:], np.int32(0))
    return z, jax.random.split(later, times.size), jnp.asarray(times), jnp.asarray(before)


def _coefficients(mean, scale, times, before, dtype):
    """Of z, of the network's value and of fresh noise in every step: a step is linear in all three."""
    one, zero = jnp.ones((1,), dtype), jnp.zeros((1,), dtype)

    def at(t, s):
        return mean(one, zero, t, s)[0], mean(zero, one, t, s)[0], scale(t, s)[0]

    return jax.vmap(at)(times, before)


def _predict(function, schedule, model, prediction):
    """The network's (z, t) -> prediction, at one step for all events."""

    def predict(z, t):
        value = model(z, jnp.full(z.shape[:1], t))
        return same_event_shape(function, "the result of model", value, z)

    return predict


def sample_ddpm(
    key: jax.Array,
    schedule: DiscreteSchedule,
    model: Model,
    shape: Sequence[int],
    *,
    timesteps: Sequence[int] | None = None,
    variance: str = "posterior",
    prediction: str = "noise",
    keep_trajectory: bool = False,
) -> Samples:
    """Ancestral sampling, z_s ~ N(posterior mean with x replaced by its prediction, variance I).

    Args:
        key: PRNG key.
        schedule: discrete, T steps.
        model: (z (n, *event), t (n,)) -> (n, *event).
        shape: (n, *event).
        timesteps: static, strictly decreasing steps in 1..T at which the network is called; all of them by default.
        variance: "posterior", (1 - r) (1 - ab_s)/(1 - ab_t), or "beta", 1 - r, with r = ab_t/ab_s: the least and the
            largest variance of the step for any data. No noise is added in the last step.
        prediction: what the network predicts.
        keep_trajectory: static, return the states too.

    Returns:
        Events in the dtype of the schedule.

    Raises:
        ValueError: an unknown variance or prediction, timesteps that do not decrease, an empty shape, or a network that
            changes the shape.
        TypeError: a continuous schedule.

    Cost:
        One network call a step, one compiled step; memory does not grow with the steps but for the trajectory.

    Source:
        Ho, Jain and Abbeel, Denoising Diffusion Probabilistic Models (2020), algorithm 2 and sec. 3.2.
    """
    name = "sample_ddpm"
    chosen(name, "variance", variance, ("posterior", "beta"))
    z, keys, times, before = _prepared(name, key, schedule, shape, timesteps, prediction)
    predict = _predict(name, schedule, model, prediction)

    def mean(z, value, t, s):
        data = convert_prediction(value, z, t, schedule, source=prediction, target="data")
        return schedule.posterior(data, z, t, s)[0]

    def scale(t, s):
        spread = schedule.posterior(one, one, t, s)[1]
        if variance == "beta":
            change = schedule._at(name, schedule.log_alpha_bar, t) - schedule._at(name, schedule.log_alpha_bar, s)
            spread = jnp.where(s > 0, -jnp.expm1(change), 0.0)
        return safe_sqrt(jnp.broadcast_to(spread, (1,)))

    one = jnp.ones((1,), z.dtype)

    def step(z, inputs):
        step_key, t, (of_z, of_value, of_noise) = inputs
        noise = standard_normal(step_key, z.shape, z.dtype)
        return of_z * z + of_value * predict(z, t) + of_noise * noise

    return run_steps(
        step, z, (keys, times, _coefficients(mean, scale, times, before, z.dtype)), keep_trajectory=keep_trajectory
    )


def sample_ddim(
    key: jax.Array,
    schedule: DiscreteSchedule,
    model: Model,
    shape: Sequence[int],
    *,
    timesteps: Sequence[int] | None = None,
    eta: ArrayLike = 0.0,
    prediction: str = "noise",
    keep_trajectory: bool = False,
) -> Samples:
    """Implicit sampling, z_s = sqrt(ab_s) x_hat + sqrt(1 - ab_s - v) noise_hat + sqrt(v) e.

    v is eta^2 times the posterior variance.

    Args:
        key: PRNG key.
        schedule: discrete, T steps.
        model: (z (n, *event), t (n,)) -> (n, *event).
        shape: (n, *event).
        timesteps: static, strictly decreasing steps in 1..T at which the network is called; all of them by default.
        eta: () in [0, 1]: 0 is a deterministic map of the first noise, 1 is `sample_ddpm` with "posterior".
        prediction: what the network predicts.
        keep_trajectory: static, return the states too.

    Returns:
        Events in the dtype of the schedule.

    Raises:
        ValueError: a concrete eta outside [0, 1], an unknown prediction, timesteps that do not decrease, an empty
            shape, or a network that changes the shape.
        TypeError: a continuous schedule.

    Numerics:
        1 - ab_s - v as (1 - ab_s)(1 - eta^2 (1 - r)/(1 - ab_t)), which does not cancel.

    Cost:
        One network call a step, one compiled step; memory does not grow with the steps but for the trajectory.

    Source:
        Song, Meng and Ermon, Denoising Diffusion Implicit Models (2021), eq. 12 and 16.
    """
    name = "sample_ddim"
    if is_concrete(eta) and not 0 <= float(eta) <= 1:
        raise ValueError(f"{name}: eta is {eta}, expected a number in [0, 1]")
    z, keys, times, before = _prepared(name, key, schedule, shape, timesteps, prediction)
    predict = _predict(name, schedule, model, prediction)
    eta, deterministic = jnp.asarray(eta, z.dtype), is_concrete(eta) and float(eta) == 0.0

    def share(t, s):
        log_r = schedule._at(name, schedule.log_alpha_bar, t) - schedule._at(name, schedule.log_alpha_bar, s)
        return jnp.minimum(-jnp.expm1(log_r) * jnp.exp(-schedule._at(name, schedule.log_noise, t)), 1.0)

    def mean(z, value, t, s):
        data, noise = (
            convert_prediction(value, z, t, schedule, source=prediction, target=k) for k in ("data", "noise")
        )
        return schedule.alpha(s) * data + schedule.sigma(s) * safe_sqrt(1.0 - eta**2 * share(t, s)) * noise

    def scale(t, s):
        return jnp.reshape(schedule.sigma(s) * eta * safe_sqrt(share(t, s)), (1,))

    def step(z, inputs):
        step_key, t, (of_z, of_value, of_noise) = inputs
        z = of_z * z + of_value * predict(z, t)
        return z if deterministic else z + of_noise * standard_normal(step_key, z.shape, z.dtype)

    return run_steps(
        step, z, (keys, times, _coefficients(mean, scale, times, before, z.dtype)), keep_trajectory=keep_trajectory
    )
