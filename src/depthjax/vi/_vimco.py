"""Multi-sample score-function gradients: VIMCO; and NVIL, with a learned and a moving baseline."""

import math
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from depthjax.vi._baselines import _check_decay, float_dtype_of, leave_one_out_sum, moved, moving_mean
from depthjax.vi._bounds import iwae_bound
from depthjax.vi._estimator import Aux, Estimator, no_state, require_samples
from depthjax.vi._objectives import as_objective
from depthjax.vi._outcomes import sample_outcomes
from depthjax.vi._score_function import integrands, rewards, sample_drawer


def vimco(*, num_samples: int, mean: Literal["geometric", "arithmetic"] = "geometric") -> Estimator:
    """Gradient of the importance-weighted bound for any guide: sum_k (L - L_{-k}) grad log q(z_k) + grad L.

    L_{-k} is the bound with log w_k replaced by the mean of the other log weights (geometric), or w_k by the mean of
    the other weights (arithmetic).

    Args:
        num_samples: repetitions that are averaged, each of K >= 2 particles.
        mean: static, "geometric" or "arithmetic".

    Returns:
        An unbiased, stateless estimator for `iwae_objective`.

    Raises:
        ValueError: num_samples < 1, another mean; at trace time, fewer than two particles.
        TypeError: at trace time, another objective.

    Numerics:
        The bounds without one weight come from prefix and suffix sums, relative to the largest weight that is among the
        others, never by subtraction: O(K).

    Source:
        Mnih and Rezende, Variational Inference for Monte Carlo Objectives (2016), eq. 9 and 10.
    """
    require_samples("vimco", num_samples)
    if mean not in ("geometric", "arithmetic"):
        raise ValueError(f"vimco: mean is 'geometric' or 'arithmetic', got {mean!r}")

    def surrogate(params, state, draws, q, f, *batch):
        objective = as_objective(f)
        if objective.combine is not iwae_bound:
            raise TypeError("vimco: the objective is iwae_objective")
        if objective.num_particles < 2:
            raise ValueError(f"vimco: num_particles must be at least 2, got {objective.num_particles}")
        log_w, log_q = integrands(params, draws, q, f, *batch)
        bounds = iwae_bound(log_w, axis=1)
        fixed = jax.lax.stop_gradient(bounds)
        without = jax.vmap(lambda row: bounds_without(row, mean))(jax.lax.stop_gradient(log_w))
        signal = jnp.where(without == -jnp.inf, 0.0, fixed[:, None] - without)
        scalar = jnp.mean(jnp.sum(signal * log_q, axis=1)) + jnp.mean(bounds)
        value = jnp.mean(fixed)
        return scalar, Aux(value, fixed, state, jnp.zeros_like(value))

    return Estimator(
        "vimco", num_samples, unbiased=True, init=no_state, draw=sample_drawer(num_samples), surrogate=surrogate,
        outcomes=sample_outcomes,
    )  # fmt: skip


def bounds_without(log_weights: jax.Array, mean: str) -> jax.Array:
    """The K bounds in which one weight is replaced by the mean of the others: (K,) -> (K,)."""
    count = log_weights.shape[0]
    others = _log_sum_of_others(log_weights)
    if mean == "arithmetic":
        replaced = others - math.log(count - 1)
    else:
        replaced = leave_one_out_sum(log_weights) / (count - 1)
    return jnp.logaddexp(others, replaced) - math.log(count)


def _log_sum_of_others(log_weights):
    """(K,): relative to the largest weight where that is among the others, to the second largest where it is not."""
    top = jnp.max(log_weights)
    alone = (log_weights == top) & (jnp.sum(log_weights == top) == 1)
    rest = jnp.where(alone, -jnp.inf, log_weights)
    top, second = (jnp.where(shift == -jnp.inf, 0.0, shift) for shift in (top, jnp.max(rest)))
    with_top = top + jnp.log(leave_one_out_sum(jnp.exp(log_weights - top)))
    return jnp.where(alone, second + jnp.log(jnp.sum(jnp.exp(rest - second))), with_top)


def nvil(
    *,
    num_samples: int,
    baseline_apply: Callable[..., jax.Array],
    baseline_params: Any = (),
    decay: float = 0.9,
    normalize_variance: bool = False,
) -> Estimator:
    """Score-function gradient with a learned baseline b(x) and a moving mean of what b leaves over.

    Args:
        num_samples: repetitions that are averaged.
        baseline_apply: (baseline_params, *batch) -> () prediction of the objective.
        baseline_params: its first parameters, a pytree of floating-point arrays.
        decay: weight of the past in the moving moments, in [0, 1).
        normalize_variance: divide the signal by max(1, its moving standard deviation). That factor depends on the past
            only, but it scales the gradient: the estimator is then declared biased.

    Returns:
        An estimator with state (baseline_params, moments); the squared error of the baseline is `Aux.loss`.

    Raises:
        ValueError: num_samples < 1, decay outside [0, 1).

    Source:
        Mnih and Gregor, Neural Variational Inference and Learning in Belief Networks (2014), sec. 2.3 and 2.4.
    """
    require_samples("nvil", num_samples)
    _check_decay("nvil", decay)

    def init(params):
        zero = jnp.zeros((), float_dtype_of(params))
        return jax.tree.map(jnp.asarray, baseline_params), (zero, zero), (zero, zero)

    def surrogate(params, state, draws, q, f, *batch):
        weights, first, second = state
        per_sample, log_q = rewards(params, draws, q, f, *batch)
        fixed = jax.lax.stop_gradient(per_sample)
        left = fixed - baseline_apply(weights, *batch)
        centred = jax.lax.stop_gradient(left) - moving_mean(first).astype(fixed.dtype)
        scale = 1.0
        if normalize_variance:
            variance = moving_mean(second) - moving_mean(first) ** 2
            scale = jax.lax.rsqrt(jnp.maximum(1.0, variance)).astype(fixed.dtype)
        scalar = jnp.mean(jax.lax.stop_gradient(scale * centred) * log_q) + jnp.mean(per_sample)
        moments = moved(first, left, decay), moved(second, left**2, decay)
        return scalar, Aux(jnp.mean(fixed), fixed, (weights, *moments), jnp.mean((left - _mean_of(first)) ** 2))

    return Estimator(
        "nvil", num_samples, unbiased=not normalize_variance, init=init, draw=sample_drawer(num_samples),
        surrogate=surrogate, outcomes=sample_outcomes,
    )  # fmt: skip


def _mean_of(state):
    return jax.lax.stop_gradient(moving_mean(state))
