"""Pathfinder: Gaussians along the path of an optimiser, the best of which is kept."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from depthjax.numerics import pareto_smooth
from depthjax.numerics._arguments import floats
from depthjax.vi._line_search import line_search
from depthjax.vi._quasi_newton import (
    QuasiNewtonNormal,
    apply_factor,
    apply_factor_transposed,
    inverse_hessian_factors,
)


class PathfinderResult(NamedTuple):
    """Gaussians met on the way to a mode; of several paths, the fields marked P have a leading axis of them.

    Attributes:
        guide: P the Gaussian of the largest lower bound; NaN where no bound was finite.
        elbo_trace: P (max_steps,) estimated lower bound after each step, nats; NaN after the last one.
        best_step: P () which step the guide belongs to; -1 where there is none.
        draws: (num_draws, d) of the guide; of several paths, of their mixture, resampled or not.
        log_weights: (num_draws,) raw log weights of these draws, log density minus log q (of the mixture), nats.
        num_evaluations: () evaluations of the log density, with or without its gradient, of all paths together.
        converged: P () bool, whether the optimiser came to rest within max_steps and a bound was finite.
        khat: () shape of the tail of the weights, before resampling; above 0.7 they are not to be trusted.
    """

    guide: QuasiNewtonNormal
    elbo_trace: jax.Array
    best_step: jax.Array
    draws: jax.Array
    log_weights: jax.Array
    num_evaluations: jax.Array
    converged: jax.Array
    khat: jax.Array


class _State(NamedTuple):
    x: jax.Array
    value: jax.Array
    gradient: jax.Array
    variance: jax.Array
    steps: jax.Array
    changes: jax.Array
    factors: tuple[jax.Array, jax.Array]
    guide: QuasiNewtonNormal
    best: jax.Array
    best_step: jax.Array
    trace: jax.Array
    count: jax.Array
    evaluations: jax.Array
    rest: jax.Array
    stuck: jax.Array


def pathfinder(
    key: jax.Array,
    log_density: Callable[[jax.Array], jax.Array],
    init: jax.Array,
    *,
    num_draws: int = 1000,
    num_elbo_samples: int = 25,
    history: int = 6,
    max_steps: int = 100,
) -> PathfinderResult:
    """A Gaussian by quasi-Newton ascent: that of the largest evidence lower bound along the path to a mode.

    After each step of limited-memory BFGS, the inverse Hessian H gives the Gaussian N(x + H grad log p(x), H).

    Args:
        key: PRNG key.
        log_density: (d,) -> () nats, over unconstrained space, differentiable.
        init: (d,) start, away from a stationary point.
        num_draws: draws of the best Gaussian.
        num_elbo_samples: draws for each lower bound.
        history: J, updates kept in the inverse Hessian.
        max_steps: largest number of steps.

    Returns:
        `PathfinderResult`. On a target without a mode the path runs on; the guide is still the best one met.

    Raises:
        ValueError: init is no vector, or a number is below 1.

    Numerics:
        The inverse Hessian is held as a product, `QuasiNewtonNormal`, so it is positive definite in any precision. The
        path ends where half a Newton decrement squared is lost in the rounding of the log density.

    Cost:
        num_elbo_samples evaluations and about two gradients a step, O(d J^2) arithmetic, O(d J) memory.

    Source:
        Zhang, Carpenter, Gelman and Vehtari, Pathfinder: Parallel Quasi-Newton Variational Inference (2022), alg. 1-4.
    """
    (init,) = floats(jnp.asarray(init))
    _check("pathfinder", init, 1, num_draws, num_elbo_samples, history, max_steps)
    key_path, key_draws = jax.random.split(key)
    state = _path(key_path, log_density, init, num_elbo_samples, history, max_steps)
    draws, log_q = state.guide.sample_and_log_prob(key_draws, (num_draws,))
    log_weights = jax.vmap(log_density)(draws) - log_q
    converged = state.rest & (state.best_step >= 0)
    evaluations = state.evaluations + num_draws
    khat = _khat(log_weights)
    return PathfinderResult(state.guide, state.trace, state.best_step, draws, log_weights, evaluations, converged, khat)


def multipath_pathfinder(
    key: jax.Array,
    log_density: Callable[[jax.Array], jax.Array],
    inits: jax.Array,
    *,
    num_draws: int = 1000,
    resample: str = "psis",
    num_elbo_samples: int = 25,
    history: int = 6,
    max_steps: int = 100,
) -> PathfinderResult:
    """Pathfinder from several starts, and draws of the posterior from the mixture of the Gaussians found.

    Weights are taken against the mixture of all paths, p / ((1/P) sum_k q_k), so that a mode counts by its mass and not
    by the number of paths that ended there.

    Args:
        key: PRNG key.
        log_density: (d,) -> () nats, over unconstrained space, differentiable.
        inits: (P, d) starts.
        num_draws: draws returned.
        resample: "psis" draws from 4 num_draws candidates by their Pareto-smoothed importance weights, with
            replacement; "none" gives as many draws of each path.
        num_elbo_samples: as for `pathfinder`.
        history: as for `pathfinder`.
        max_steps: as for `pathfinder`.

    Returns:
        `PathfinderResult`. A path without a guide is replaced by another one in the mixture; where all failed, draws
        are NaN.

    Raises:
        ValueError: inits is not (P, d), a number is below 1, another resample.

    Source:
        Zhang et al., Pathfinder (2022), alg. 5; mixture weights, Veach and Guibas, Optimally Combining Sampling
        Techniques (1995), the balance heuristic.
    """
    (inits,) = floats(jnp.asarray(inits))
    _check("multipath_pathfinder", inits, 2, num_draws, num_elbo_samples, history, max_steps)
    if resample not in ("psis", "none"):
        raise ValueError(f"multipath_pathfinder: resample is 'psis' or 'none', got {resample!r}")
    num_paths = inits.shape[0]
    key_path, key_draws, key_choice = jax.random.split(key, 3)
    states = jax.vmap(lambda k, x: _path(k, log_density, x, num_elbo_samples, history, max_steps))(
        jax.random.split(key_path, num_paths), inits
    )
    found = states.best_step >= 0
    guides = jax.tree.map(lambda leaf: leaf[_replacement(found)], states.guide)
    wanted = 4 * num_draws if resample == "psis" else num_draws
    each = math.ceil(wanted / num_paths)
    draws = jax.vmap(lambda g, k: g.sample(k, (each,)))(guides, jax.random.split(key_draws, num_paths))
    draws = draws.swapaxes(0, 1).reshape(-1, inits.shape[1])[:wanted]
    log_q = jax.vmap(lambda g: g.log_prob(draws))(guides)
    log_weights = jax.vmap(log_density)(draws) - (jax.nn.logsumexp(log_q, axis=0) - math.log(num_paths))
    smoothed, khat = pareto_smooth(log_weights)
    if resample == "psis":
        chosen = jax.random.categorical(key_choice, smoothed, shape=(num_draws,))
        lost = jnp.isnan(khat)
        draws = jnp.where(lost, jnp.nan, draws[chosen])
        log_weights = jnp.where(lost, jnp.nan, log_weights[chosen])
    converged = states.rest & found
    evaluations = jnp.sum(states.evaluations) + wanted
    return PathfinderResult(
        states.guide, states.trace, states.best_step, draws, log_weights, evaluations, converged, khat
    )


def _check(name, init, rank, *counts):
    if jnp.ndim(init) != rank or 0 in jnp.shape(init):
        argument = "init is (d,)" if rank == 1 else "inits is (P, d)"
        raise ValueError(f"{name}: {argument}, got shape {jnp.shape(init)}")
    if min(counts) < 1:
        raise ValueError(f"{name}: num_draws, num_elbo_samples, history and max_steps must be at least 1, got {counts}")


def _khat(log_weights):
    return pareto_smooth(log_weights)[1]


def _replacement(found):
    """(P,) for each path its own index, or for one that failed the index of the next that did not, cyclically."""
    size = found.shape[0]
    index = jnp.arange(size)
    ahead = (index[:, None] + index[None, :]) % size
    return ahead[index, jnp.argmax(found[ahead], axis=1)]


def _path(key, log_density, init, num_elbo_samples, history, max_steps) -> _State:
    """The ascent, with the best Gaussian so far."""
    objective = jax.value_and_grad(lambda x: -log_density(x))
    size, dtype = init.shape[0], init.dtype
    value, gradient = objective(init)
    nothing = jnp.zeros((history, size), dtype)
    factors = nothing, jnp.ones(history, dtype)
    missing = jnp.full((size,), jnp.nan, dtype)
    zero = jnp.zeros((), jnp.int32)
    start = _State(
        init, value, gradient, jnp.ones_like(init), nothing, nothing, factors,
        QuasiNewtonNormal(missing, jnp.ones_like(init), nothing, *factors), jnp.full((), -jnp.inf, dtype), zero - 1,
        jnp.full(max_steps, jnp.nan, dtype), zero, zero + 1, jnp.zeros((), bool), ~jnp.isfinite(value),
    )  # fmt: skip

    def step(state: _State) -> _State:
        moved = _ascend(objective, state)
        guide, elbo = _gaussian_here(jax.random.fold_in(key, state.count), log_density, moved, num_elbo_samples)
        valid = ~moved.stuck & jnp.isfinite(elbo)
        better = valid & (elbo > state.best)
        return moved._replace(
            guide=jax.tree.map(lambda new, old: jnp.where(better, new, old), guide, state.guide),
            best=jnp.where(better, elbo, state.best),
            best_step=jnp.where(better, state.count, state.best_step),
            trace=state.trace.at[state.count].set(jnp.where(moved.stuck, jnp.nan, elbo)),
            count=state.count + 1,
            evaluations=moved.evaluations + num_elbo_samples,
        )

    def unfinished(state: _State):
        return ~state.rest & ~state.stuck & (state.count < max_steps)

    return jax.lax.while_loop(unfinished, step, start)


def _gaussian_here(key, log_density, state: _State, num_samples):
    """The Gaussian at the current point and its lower bound, -inf where that is not finite."""
    root = jnp.sqrt(state.variance)
    factor = root, state.steps, state.factors[0]
    newton = apply_factor(*factor, apply_factor_transposed(*factor, state.gradient))
    guide = QuasiNewtonNormal(state.x - newton, root, state.steps, *state.factors)
    z, log_q = guide.sample_and_log_prob(key, (num_samples,))
    elbo = jnp.mean(jax.vmap(log_density)(z) - log_q)
    return guide, jnp.where(jnp.isfinite(elbo), elbo, -jnp.inf)


def _ascend(objective, state: _State) -> _State:
    """One step of limited-memory BFGS; `rest` once the expected gain is below rounding."""
    factor = jnp.sqrt(state.variance), state.steps, state.factors[0]
    direction = -apply_factor(*factor, apply_factor_transposed(*factor, state.gradient))
    slope = jnp.sum(direction * state.gradient)
    first = jnp.where(state.count == 0, 1.0 / jnp.maximum(1.0, jnp.sqrt(-slope)), 1.0)
    length, x, value, gradient, trials = line_search(
        objective, (state.x, state.value, state.gradient), direction, slope, first
    )
    stuck = ~(length > 0)
    step, change = x - state.x, gradient - state.gradient
    curved = ~stuck & (jnp.sum(step * change) > jnp.finfo(x.dtype).eps * jnp.sum(change * change) * 1e-3)
    variance = jnp.where(curved, _diagonal(state.variance, step, change), state.variance)
    shifted = [
        jnp.where(curved, jnp.concatenate([old[1:], new[None]]), old)
        for old, new in ((state.steps, step), (state.changes, change))
    ]
    factors = inverse_hessian_factors(variance, *shifted)
    ahead = apply_factor_transposed(jnp.sqrt(variance), shifted[0], factors[0], gradient)
    noise = 4 * float(jnp.finfo(x.dtype).eps) * jnp.maximum(1.0, jnp.abs(value))
    rest = ~stuck & jnp.any(shifted[0] != 0) & (0.5 * jnp.sum(ahead * ahead) <= noise)
    return state._replace(
        x=jnp.where(stuck, state.x, x), value=jnp.where(stuck, state.value, value),
        gradient=jnp.where(stuck, state.gradient, gradient), variance=variance, steps=shifted[0], changes=shifted[1],
        factors=factors, evaluations=state.evaluations + trials, rest=rest, stuck=stuck,
    )  # fmt: skip


def _diagonal(variance, step, change):
    """The diagonal of the BFGS update of diag(variance), Zhang et al. (2022), alg. 3."""
    a = jnp.sum(change * variance * change)
    b, c = jnp.sum(change * step), jnp.sum(step * step / variance)
    new = 1.0 / (a / (b * variance) + change**2 / b - a * step**2 / (b * c * variance**2))
    return jnp.where(jnp.all(jnp.isfinite(new)) & jnp.all(new > 0), new, variance)
