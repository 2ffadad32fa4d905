"""One optimisation step of maximum likelihood, as a pure pair of functions."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from depthjax.core import Unconstrained, constrain, unconstrain

LogProb = Callable[..., jax.Array]


def default_log_prob(flow: Any, x: jax.Array) -> jax.Array:
    """`flow.log_prob(x)`."""
    return flow.log_prob(x)


def default_optimizer(num_steps: int) -> optax.GradientTransformation:
    """Adam with clipped gradients, warm-up and cosine decay from 1e-3."""
    warmup = min(max(num_steps // 20, 1), 500)
    schedule = optax.warmup_cosine_decay_schedule(0.0, 1e-3, warmup, max(num_steps, warmup + 1))
    return optax.chain(optax.clip_by_global_norm(10.0), optax.adam(schedule))


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FitState:
    """Everything that a step of maximum likelihood reads and writes.

    Args:
        raw: the flow in unconstrained coordinates.
        optimizer_state: state of the optax optimizer.
        key: PRNG key from which the order of the data is derived; it never changes.
        step: () int32, steps taken.
        finite: () bool, false from the first non-finite loss on, when steps stop changing anything.
        optimizer: static optax transformation.
        log_prob_fn: static function (flow, *batch) -> (B,) nats.
    """

    raw: Unconstrained
    optimizer_state: Any
    key: jax.Array
    step: jax.Array
    finite: jax.Array
    optimizer: optax.GradientTransformation = dataclasses.field(metadata={"static": True})
    log_prob_fn: LogProb = dataclasses.field(metadata={"static": True})

    @property
    def flow(self) -> Any:
        """The flow with its current parameters."""
        return constrain(self.raw)


def fit_init(
    key: jax.Array, flow: Any, optimizer: optax.GradientTransformation, *, log_prob_fn: LogProb = default_log_prob
) -> FitState:
    """State before the first step.

    Args:
        key: PRNG key that orders the data.
        flow: initial distribution.
        optimizer: optax transformation.
        log_prob_fn: (flow, *batch) -> (B,) nats.
    """
    raw = jax.tree.map(jnp.array, unconstrain(flow))
    step, finite = jnp.zeros((), jnp.int32), jnp.ones((), bool)
    return FitState(raw, optimizer.init(raw), jnp.array(key), step, finite, optimizer, log_prob_fn)


def fit_step(state: FitState, batch: Any) -> tuple[FitState, jax.Array]:
    """One gradient step on the mean negative log likelihood of a batch.

    Args:
        state: state of `fit_init` or of the last step.
        batch: x, or a tuple (x, ...) of the arguments of `log_prob_fn` after the flow; with weights,
            `{"data": (x, ...), "weights": (B,)}`.

    Returns:
        The next state and the loss, () nats. Where loss or gradient is not finite the state does not change, and it
        does not change any more from then on.
    """
    data, weights = batch_parts(batch)
    loss, gradient = jax.value_and_grad(negative_log_likelihood)(state.raw, state.log_prob_fn, data, weights)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes Python floats with its integer step counts
        updates, optimizer_state = state.optimizer.update(gradient, state.optimizer_state, state.raw)
        raw = optax.apply_updates(state.raw, updates)
    finite = state.finite & jnp.isfinite(loss) & all_finite(gradient)
    raw, optimizer_state = jax.tree.map(
        lambda new, old: jnp.where(finite, new, old), (raw, optimizer_state), (state.raw, state.optimizer_state)
    )
    step = state.step + finite.astype(jnp.int32)
    moved = dataclasses.replace(state, raw=raw, optimizer_state=optimizer_state, step=step, finite=finite)
    return moved, jnp.where(finite, loss, jnp.nan)


def negative_log_likelihood(raw: Unconstrained, log_prob_fn: LogProb, data: tuple, weights: Any = None) -> jax.Array:
    """Weighted mean of -log_prob over a batch, () nats."""
    log_prob = log_prob_fn(constrain(raw), *data)
    return -jnp.mean(log_prob) if weights is None else -jnp.sum(weights * log_prob) / jnp.sum(weights)


def batch_parts(batch: Any) -> tuple[tuple, Any]:
    """(data tuple, weights or None) of a batch."""
    if isinstance(batch, dict):
        return tuple(batch["data"]), batch.get("weights")
    return (tuple(batch), None) if isinstance(batch, (tuple, list)) else ((batch,), None)


def all_finite(tree: Any) -> jax.Array:
    """() bool, every inexact leaf is finite everywhere."""
    checks = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    return jnp.all(jnp.stack(checks))
