"""Baselines of the score-function estimator: numbers that leave its mean alone and lower its variance."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.vi._estimator import no_state


class Baseline(NamedTuple):
    """What is subtracted from the integrand of each sample, from what does not depend on that sample.

    Attributes:
        name: the field's term.
        least: smallest number of samples that it needs.
        init: (params) -> state.
        values: (state, per_sample (M,), *batch) -> (M,), with the state from before the samples.
        update: (state, per_sample (M,)) -> the next state.
        loss: (state, per_sample (M,), *batch) -> (), whose gradient in the state trains it; 0 when nothing is trained.
        per_coordinate: whether it differs between coordinates of the parameters (`optimal_baseline`).
    """

    name: str
    least: int
    init: Callable[[Any], Any]
    values: Callable[..., jax.Array]
    update: Callable[[Any, jax.Array], Any]
    loss: Callable[..., jax.Array]
    per_coordinate: bool = False


def leave_one_out_sum(x: jax.Array) -> jax.Array:
    """Sums over the first axis without the own row, as prefix plus suffix: (M, ...) -> (M, ...)."""
    pad = jnp.zeros_like(x[:1])
    before = jnp.concatenate([pad, jnp.cumsum(x, axis=0)[:-1]])
    after = jnp.concatenate([jnp.cumsum(x[::-1], axis=0)[-2::-1], pad])
    return before + after


def constant_baseline(value: ArrayLike) -> Baseline:
    """The same number b for every sample.

    Args:
        value: () b, in the unit of the integrand.

    Returns:
        A stateless baseline.
    """

    def values(state, per_sample, *batch):
        return jnp.full_like(per_sample, value)

    return Baseline("constant", 1, no_state, values, _keep, _no_loss)


def moving_average_baseline(decay: float = 0.9) -> Baseline:
    """Exponentially weighted mean of the integrand over the steps before this one; 0 at the first.

    The state (sum, weight) is read before the samples of a step enter it, so that the estimator stays unbiased.

    Args:
        decay: weight of the past per step, in [0, 1).

    Returns:
        A baseline with a state of two numbers.

    Raises:
        ValueError: decay outside [0, 1).
    """
    _check_decay("moving_average_baseline", decay)

    def init(params):
        return (jnp.zeros((), float_dtype_of(params)),) * 2

    def values(state, per_sample, *batch):
        return jnp.broadcast_to(moving_mean(state).astype(per_sample.dtype), per_sample.shape)

    return Baseline("moving_average", 1, init, values, lambda state, x: moved(state, x, decay), _no_loss)


def leave_one_out_baseline() -> Baseline:
    """The mean integrand of the other samples (RLOO).

    Returns:
        A stateless baseline for two or more samples.

    Source:
        Mnih and Rezende, Variational Inference for Monte Carlo Objectives (2016); Kool et al. (2019).
    """

    def values(state, per_sample, *batch):
        return leave_one_out_sum(per_sample) / (len(per_sample) - 1)

    return Baseline("leave_one_out", 2, no_state, values, _keep, _no_loss)


def optimal_baseline() -> Baseline:
    """For each coordinate j the number E[s_j^2 f] / E[s_j^2] of least variance, estimated from the other samples.

    Returns:
        A stateless baseline for two or more samples.

    Cost:
        One score (a gradient of log q) per sample.

    Source:
        Ranganath et al., Black Box Variational Inference (2014), eq. 8; Weaver and Tao (2001).
    """

    def values(state, per_sample, *batch):
        return jnp.zeros_like(per_sample)

    return Baseline("optimal", 2, no_state, values, _keep, _no_loss, per_coordinate=True)


def learned_baseline(apply: Callable[..., jax.Array], params: Any) -> Baseline:
    """A function of the data trained to predict the integrand.

    Args:
        apply: (baseline_params, *batch) -> () prediction.
        params: its first parameters, a pytree of floating-point arrays.

    Returns:
        A baseline whose state is those parameters; the mean squared error is `Aux.loss`, which `fit` minimises.

    Source:
        Mnih and Gregor, Neural Variational Inference and Learning in Belief Networks (2014), sec. 2.3.
    """

    def values(state, per_sample, *batch):
        return jnp.broadcast_to(apply(state, *batch), per_sample.shape)

    def loss(state, per_sample, *batch):
        return jnp.mean((jax.lax.stop_gradient(per_sample) - apply(state, *batch)) ** 2)

    return Baseline("learned", 1, lambda _: jax.tree.map(jnp.asarray, params), values, _keep, loss)


def moving_mean(state: tuple[jax.Array, jax.Array]) -> jax.Array:
    """The mean held by (sum, weight), 0 before the first step."""
    total, weight = state
    return jnp.where(weight > 0, total / jnp.where(weight > 0, weight, 1.0), 0.0)


def moved(state: tuple[jax.Array, jax.Array], per_sample: jax.Array, decay: float) -> tuple[jax.Array, jax.Array]:
    """(sum, weight) after one more step."""
    total, weight = state
    new = jax.lax.stop_gradient(jnp.mean(per_sample)).astype(total.dtype)
    return decay * total + (1 - decay) * new, decay * weight + (1 - decay)


def float_dtype_of(params: Any) -> Any:
    """The dtype of the inexact leaves of a pytree."""
    found = [leaf for leaf in jax.tree.leaves(params) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]
    return jnp.result_type(*found) if found else jnp.result_type(float)


def _check_decay(name, decay):
    if not 0 <= decay < 1:
        raise ValueError(f"{name}: decay must lie in [0, 1), got {decay}")


def _keep(state, per_sample):
    del per_sample
    return state


def _no_loss(state, per_sample, *batch):
    return jnp.zeros((), per_sample.dtype)
