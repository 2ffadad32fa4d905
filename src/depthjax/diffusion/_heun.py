"""The sampler of Karras et al. over noise levels."""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core._options import non_negative
from depthjax.diffusion._arguments import floating, same_event_shape
from depthjax.diffusion._samplers import Samples, run_steps
from depthjax.numerics._arguments import is_concrete
from depthjax.numerics._draws import standard_normal

Denoiser = Callable[[jax.Array, jax.Array], jax.Array]


def sample_heun(
    key: jax.Array,
    denoiser: Denoiser,
    sigmas: ArrayLike,
    shape: Sequence[int],
    *,
    churn: float = 0.0,
    churn_range: tuple[float, float] = (0.0, math.inf),
    noise_scale: float = 1.0,
    keep_trajectory: bool = False,
) -> Samples:
    """Heun steps along dx/ds = (x - D(x, s))/s from the first noise level to 0, with fresh noise where asked for.

    Each step raises the level s to s (1 + g), g = min(churn/n, sqrt(2) - 1) for s in `churn_range` and 0 elsewhere, by
    noise of `noise_scale`, and goes from there to the next level; the last one is an Euler step, x = D(x, s).

    Args:
        key: PRNG key.
        denoiser: (x (n, *event), sigma (n,)) -> E[x_0 | x], (n, *event).
        sigmas: (steps + 1,) strictly decreasing levels that end in 0, as `edm_sigmas` gives; the dtype of the result.
        shape: (n, *event).
        churn: static, amount of fresh noise, not negative; 0 is deterministic given the first noise.
        churn_range: static, levels at which there is fresh noise.
        noise_scale: static, standard deviation of the fresh noise relative to what the level asks for.
        keep_trajectory: static, return the states too.

    Returns:
        Events; x_0 starts from N(0, sigmas[0]^2 I).

    Raises:
        ValueError: concrete levels that do not decrease to 0, a negative churn or noise_scale, or a denoiser that
            changes the shape.

    Cost:
        2 steps - 1 calls of the denoiser, one compiled step; memory does not grow with the steps but for the
        trajectory.

    Source:
        Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models (2022), algorithm 2.
    """
    name = "sample_heun"
    _check_levels(name, sigmas, shape, churn)
    non_negative(name, noise_scale=noise_scale)
    sigmas = floating(sigmas)
    count = sigmas.shape[0] - 1
    first, later = jax.random.split(key)
    x = sigmas[0] * standard_normal(first, tuple(shape), sigmas.dtype)
    keys = jax.random.split(later, count)
    most = min(churn / count, math.sqrt(2.0) - 1.0)

    def denoised(x, level):
        value = denoiser(x, jnp.full(x.shape[:1], level))
        return same_event_shape(name, "the result of denoiser", value, x)

    def raised(x, step_key, level):
        if churn == 0:
            return x, level
        inside = (level >= churn_range[0]) & (level <= churn_range[1])
        more = jnp.where(inside, most, 0.0).astype(x.dtype)
        # sqrt((1 + g)^2 - 1) = sqrt(g (2 + g))
        fresh = level * jnp.sqrt(more * (2.0 + more)) * noise_scale
        return x + fresh * standard_normal(step_key, x.shape, x.dtype), level * (1.0 + more)

    def step(x, inputs):
        step_key, level, following = inputs
        x, level = raised(x, step_key, level)
        slope = (x - denoised(x, level)) / level
        guess = x + (following - level) * slope
        return x + (following - level) * 0.5 * (slope + (guess - denoised(guess, following)) / following)

    body = run_steps(step, x, (keys[:-1], sigmas[:-2], sigmas[1:-1]), keep_trajectory=keep_trajectory)
    last = denoised(*raised(body.x, keys[-1], sigmas[-2]))
    return Samples(last, jnp.concatenate([body.trajectory, last[None]]) if body.trajectory is not None else None)


def _check_levels(function, sigmas, shape, churn):
    levels = np.shape(sigmas)
    if len(levels) != 1 or levels[0] < 2:
        raise ValueError(f"{function}: sigmas has shape {levels}, expected (steps + 1,) with at least one step")
    if len(shape) == 0:
        raise ValueError(f"{function}: shape is {shape}, expected (n, *event)")
    if is_concrete(sigmas):
        host = np.asarray(sigmas)
        if host[-1] != 0 or not (np.diff(host) < 0).all() or not np.isfinite(host[0]):
            raise ValueError(f"{function}: sigmas run from {host[0]} to {host[-1]}, expected strictly decreasing to 0")
    if not churn >= 0:
        raise ValueError(f"{function}: churn is {churn}, expected a nonnegative number")
