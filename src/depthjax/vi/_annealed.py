"""Annealed importance sampling: a lower bound on the evidence, and an upper one from exact posterior draws."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core._options import at_least, positive
from depthjax.numerics._draws import standard_normal
from depthjax.vi._bounds import iwae_bound, one_number
from depthjax.vi._guide import as_guide

Transition = Callable[[jax.Array, jax.Array, Callable[[jax.Array], jax.Array]], tuple[jax.Array, jax.Array]]


class AISResult(NamedTuple):
    """Chains of annealed importance sampling.

    Attributes:
        log_weights: (num_chains,) nats.
        lower_bound: () mean log weight, below the log evidence in expectation; NaN for the reverse chains.
        upper_bound: () minus the mean reverse log weight, above it in expectation; NaN for the forward chains.
        log_evidence: () log of the mean weight (forward), or minus that of the reverse ones.
        acceptance: () mean acceptance rate of the transitions; 0 says that nothing moved.
        final: (num_chains, *event) last states.
    """

    log_weights: jax.Array
    lower_bound: jax.Array
    upper_bound: jax.Array
    log_evidence: jax.Array
    acceptance: jax.Array
    final: jax.Array


def hmc_transition(*, step_size: ArrayLike, num_leapfrog: int = 10) -> Transition:
    """One step of Hamiltonian Monte Carlo with unit masses.

    Args:
        step_size: () length of a leapfrog step.
        num_leapfrog: steps in a trajectory.

    Returns:
        `transition(key, z (*event), log_density) -> (z, acceptance)`.

    Raises:
        ValueError: a concrete step_size that is not positive, num_leapfrog < 1. A traced one gives NaN.

    Source:
        Neal, MCMC Using Hamiltonian Dynamics (2011), fig. 2.
    """
    positive("hmc_transition", step_size=step_size)
    at_least("hmc_transition", "num_leapfrog", num_leapfrog, 1)

    def transition(key, z, log_density):
        key_momentum, key_accept = jax.random.split(key)
        force = jax.grad(log_density)
        momentum = standard_normal(key_momentum, z.shape, z.dtype)
        step = jnp.asarray(step_size, z.dtype)
        step = jnp.where(step > 0, step, jnp.nan)

        def leap(state, _):
            x, p = state
            x = x + step * p
            return (x, p + step * force(x)), None

        first = momentum + 0.5 * step * force(z)
        (x, p), _ = jax.lax.scan(leap, (z, first), length=num_leapfrog)
        p = p - 0.5 * step * force(x)
        change = log_density(x) - log_density(z) - 0.5 * jnp.sum(p * p - momentum * momentum)
        chance = jnp.where(jnp.isfinite(change), jnp.exp(jnp.minimum(change, 0.0)), 0.0)
        accepted = jax.random.uniform(key_accept, (), z.dtype) < chance
        return jnp.where(jnp.isnan(step), jnp.nan, jnp.where(accepted, x, z)), chance

    return transition


def langevin_transition(*, step_size: ArrayLike) -> Transition:
    """One Langevin step with a Metropolis correction, so that it leaves the target alone.

    Args:
        step_size: () of the proposal z + step^2/2 grad + step N(0, I).

    Returns:
        `transition(key, z (*event), log_density) -> (z, acceptance)`.

    Source:
        Roberts and Tweedie, Exponential Convergence of Langevin Distributions (1996).
    """
    return hmc_transition(step_size=step_size, num_leapfrog=1)


def ais_bound(
    key: jax.Array,
    log_joint: Callable[..., jax.Array],
    q: Any,
    params: Any,
    *batch: Any,
    betas: ArrayLike,
    num_chains: int,
    transition: str | Transition = "hmc",
    step_size: ArrayLike = 0.1,
    num_leapfrog: int = 10,
) -> AISResult:
    """Annealed importance sampling from the guide to the posterior: log w = sum_t (b_t - b_{t-1}) log-ratio(z_{t-1}).

    The bridge is q^(1-b) p^b. E exp(log w) is the evidence, so E log w is at most its logarithm.

    Args:
        key: PRNG key.
        log_joint: (params, z, *batch) -> () nats for one z of shape (*event).
        q: a distribution record over the reals, or a function (params, *batch) -> record.
        params: what `q` and `log_joint` take.
        *batch: passed on.
        betas: (T+1,) static, increasing from 0 to 1.
        num_chains: independent chains.
        transition: "hmc", "ula" (a Metropolis-corrected Langevin step), or a function as `hmc_transition` gives.
        step_size: () of the built-in transitions.
        num_leapfrog: of "hmc".

    Returns:
        `AISResult`.

    Raises:
        ValueError: betas do not increase from 0 to 1, num_chains < 1, another transition, a step_size that is not
            positive, num_leapfrog < 1.

    Source:
        Neal, Annealed Importance Sampling (2001), eq. 11; Grosse et al., Sandwiching the Marginal Likelihood (2015).
    """
    grid, move = _checked("ais_bound", betas, num_chains, transition, step_size, num_leapfrog)
    key_start, key_chain = jax.random.split(key)
    guide = as_guide(q)(params, *batch)
    starts = guide.sample(key_start, (num_chains,))
    keys = jax.random.split(key_chain, num_chains)
    ratio, bridge = _bridge(log_joint, guide, params, batch)

    def chain(key, z):
        def step(state, inputs):
            z, total = state
            key, low, high = inputs
            total = total + (high - low) * ratio(z)
            z, accepted = move(key, z, lambda v: bridge(v, high))
            return (z, total), accepted

        steps = (jax.random.split(key, len(grid) - 1), *_pairs(grid, z.dtype))
        (z, total), accepted = jax.lax.scan(step, (z, jnp.zeros((), z.dtype)), steps)
        return total, z, jnp.mean(accepted)

    log_w, final, accepted = jax.vmap(chain)(keys, starts)
    nothing = jnp.full((), jnp.nan, log_w.dtype)
    return AISResult(log_w, jnp.mean(log_w), nothing, iwae_bound(log_w), jnp.mean(accepted), final)


def reverse_ais_bound(
    key: jax.Array,
    log_joint: Callable[..., jax.Array],
    q: Any,
    params: Any,
    *batch: Any,
    posterior_draws: ArrayLike,
    betas: ArrayLike,
    transition: str | Transition = "hmc",
    step_size: ArrayLike = 0.1,
    num_leapfrog: int = 10,
) -> AISResult:
    """The same chains run from exact posterior draws to the guide: minus the mean log weight is an upper bound.

    Args:
        key: PRNG key.
        log_joint: as for `ais_bound`.
        q: as for `ais_bound`.
        params: as for `ais_bound`.
        *batch: passed on.
        posterior_draws: (num_chains, *event) exact draws, which only simulated data give (bidirectional Monte Carlo).
        betas: (T+1,) static, increasing from 0 to 1; the chains go through them backwards.
        transition: as for `ais_bound`.
        step_size: as for `ais_bound`.
        num_leapfrog: as for `ais_bound`.

    Returns:
        `AISResult` with `upper_bound`.

    Raises:
        ValueError: as for `ais_bound`, or draws that are not (num_chains, *event).

    Source:
        Grosse, Ghahramani and Adams, Sandwiching the Marginal Likelihood (2015), sec. 3.2.
    """
    draws = jnp.asarray(posterior_draws)
    guide = as_guide(q)(params, *batch)
    if draws.ndim < 1 or draws.shape[1:] != guide.event_shape:
        raise ValueError(
            f"reverse_ais_bound: posterior_draws has shape {draws.shape}, expected (num_chains, *{guide.event_shape})"
        )
    grid, move = _checked("reverse_ais_bound", betas, len(draws), transition, step_size, num_leapfrog)
    ratio, bridge = _bridge(log_joint, guide, params, batch)

    def chain(key, z):
        def step(state, inputs):
            z, total = state
            key, low, high = inputs
            z, accepted = move(key, z, lambda v: bridge(v, high))
            return (z, total - (high - low) * ratio(z)), accepted

        lows, highs = (part[::-1] for part in _pairs(grid, z.dtype))
        steps = (jax.random.split(key, len(grid) - 1), lows, highs)
        (z, total), accepted = jax.lax.scan(step, (z, jnp.zeros((), z.dtype)), steps)
        return total, z, jnp.mean(accepted)

    log_w, final, accepted = jax.vmap(chain)(jax.random.split(key, len(draws)), draws)
    nothing = jnp.full((), jnp.nan, log_w.dtype)
    return AISResult(log_w, nothing, -jnp.mean(log_w), -iwae_bound(log_w), jnp.mean(accepted), final)


def _bridge(log_joint, guide, params, batch):
    """Log ratio p/q, and log density of the bridge at b, as functions of z."""

    def ratio(z):
        return one_number(log_joint(params, z, *batch)) - guide.log_prob(z)

    def bridge(z, b):
        return (1 - b) * guide.log_prob(z) + b * log_joint(params, z, *batch)

    return ratio, bridge


def _pairs(grid, dtype):
    return jnp.asarray(grid[:-1], dtype), jnp.asarray(grid[1:], dtype)


def _checked(name, betas, num_chains, transition, step_size, num_leapfrog):
    grid = np.asarray(betas, np.float64)
    if grid.ndim != 1 or len(grid) < 2 or grid[0] != 0 or grid[-1] != 1 or not (np.diff(grid) > 0).all():
        raise ValueError(f"{name}: betas must increase from 0 to 1, got {grid}")
    if num_chains < 1:
        raise ValueError(f"{name}: num_chains must be at least 1, got {num_chains}")
    if callable(transition):
        return grid, transition
    if transition == "hmc":
        return grid, hmc_transition(step_size=step_size, num_leapfrog=num_leapfrog)
    if transition == "ula":
        return grid, langevin_transition(step_size=step_size)
    raise ValueError(f"{name}: transition is 'hmc', 'ula' or a function, got {transition!r}")
