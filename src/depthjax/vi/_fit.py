"""Stochastic maximisation of an objective over a guide, as one compiled scan."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from depthjax.core import constrain, unconstrain
from depthjax.core._options import at_least
from depthjax.vi._estimator import Estimator
from depthjax.vi._guide import as_guide
from depthjax.vi._objectives import as_objective

_BLOCK_STEPS, _BLOCK_BYTES = 64, 2**18  # a block stays in the cache: sixteen times as much took half as long again


class FitResult(NamedTuple):
    """What `fit` found.

    Attributes:
        params: the fitted parameters, the last finite ones.
        value_trace: (num_steps,) estimates of the objective, nats; NaN from the first non-finite step on.
        grad_norm_trace: (num_steps,) norms of the gradient in unconstrained coordinates.
        estimator_state: last state of the estimator.
        optimizer_state: last state of the optimizer.
        converged: () bool, false when a value or gradient was not finite.
    """

    params: Any
    value_trace: jax.Array
    grad_norm_trace: jax.Array
    estimator_state: Any
    optimizer_state: Any
    converged: jax.Array


def fit(
    key: jax.Array,
    f: Any,
    q: Any,
    params: Any,
    *,
    estimator: Estimator,
    optimizer: optax.GradientTransformation,
    num_steps: int,
    batches: Any = None,
    annealing: Callable[[jax.Array], jax.Array] | None = None,
    first_step: int | jax.Array = 0,
    estimator_state: Any = None,
    optimizer_state: Any = None,
    log_every: int = 0,
) -> FitResult:
    """Maximise an objective over the parameters of a guide.

    Pure, so `jax.jit` and `jax.vmap` (over keys, starting points, targets) apply to it. Parameters move in
    unconstrained coordinates (`unconstrain`). Where a value or gradient is not finite, the parameters stay as they were
    from then on.

    Args:
        key: PRNG key; step t uses `fold_in(key, t)`.
        f: an `Objective`, or a function (params, z, *batch) -> () whose expectation is maximised.
        q: a distribution record or a function (params, *batch) -> record.
        params: initial parameters, any pytree; records in it keep their constraints.
        estimator: gradient estimator.
        optimizer: optax transformation, which minimises the negative objective, and the loss of the control variate's
            own parameters (`Aux.loss`) where the estimator's state holds some.
        num_steps: number of steps.
        batches: tuple of pytrees with a leading axis num_steps, one slice of each per step; or None.
        annealing: step (a float) -> inverse temperature b that weighs the log joint, as 0.01 + t/10000 up to 1 for
            targets whose modes are far apart; 1 throughout if None.
        first_step: number of the first step, to resume.
        estimator_state: to resume; the estimator's initial state if None.
        optimizer_state: to resume; the optimizer's initial state if None.
        log_every: print the value every so many steps; 0 for never.

    Returns:
        `FitResult`.

    Raises:
        ValueError: num_steps < 1, log_every < 0, or batches whose leading axis is not num_steps.
        TypeError: batches is no tuple, estimator no `Estimator`, optimizer no optax transformation.

    Source:
        Annealing: Rezende and Mohamed, Variational Inference with Normalizing Flows (2015), sec. 6.1 and eq. 20, with
        b on the log joint only.
    """
    if num_steps < 1:
        raise ValueError(f"fit: num_steps must be at least 1, got {num_steps}")
    if not isinstance(estimator, Estimator):
        raise TypeError(f"fit: estimator is {estimator!r}, expected an Estimator such as vi.pathwise(num_samples=16)")
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(f"fit: optimizer is {optimizer!r}, expected an optax transformation such as optax.adam(1e-2)")
    at_least("fit", "log_every", log_every, 0)
    if batches is not None and not isinstance(batches, tuple):
        raise TypeError(f"fit: batches is a tuple of pytrees or None, got {type(batches).__name__}")
    lengths = sorted({jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(batches)})
    if batches is not None and lengths != [(num_steps,)]:
        raise ValueError(f"fit: batches has leading axes {lengths}, expected num_steps = {num_steps} everywhere")
    objective = as_objective(f)
    raw = unconstrain(params)
    estimator_state = estimator.init(params) if estimator_state is None else estimator_state
    states = (
        raw,
        optimizer.init((raw, estimator_state)) if optimizer_state is None else optimizer_state,
        estimator_state,
        jnp.ones((), bool),
    )

    last = first_step + num_steps

    def step(carry, inputs):
        t, draws, batch = inputs
        if draws is None:
            guide_params = constrain(carry[0])
            draws = estimator.draw(jax.random.fold_in(key, t), q, guide_params, objective.num_particles, *batch)
        tempered = objective if annealing is None else _at_temperature(objective, annealing(t.astype(float)))
        carry, value, norm = _step(carry, draws, t < last, tempered, q, estimator, optimizer, batch)
        if log_every:
            _log(t, value, log_every, last)
        return carry, (value, norm)

    steps = first_step + jnp.arange(num_steps, dtype=jnp.int32)
    batches = batches or ()
    noise = _noise(key, q, params, estimator, objective, jax.tree.map(lambda leaf: leaf[0], batches))
    if noise is None:
        states, (values, norms) = jax.lax.scan(step, states, (steps, None, batches))
    else:
        states, (values, norms) = _in_blocks(step, states, steps, noise, batches)
    raw, optimizer_state, estimator_state, finite = states
    return FitResult(constrain(raw), values, norms, estimator_state, optimizer_state, finite)


def _noise(key, q, params, estimator, objective, batch):
    """Function from step numbers (C,) to the draws of these steps; None where draws depend on the parameters."""
    if not estimator.draws_noise or not hasattr(as_guide(q)(params, *batch), "from_noise"):
        return None

    def draw(t):
        return estimator.draw(jax.random.fold_in(key, t), q, params, objective.num_particles, *batch)

    return jax.vmap(draw)


def _in_blocks(step, states, steps, noise, batches):
    """The scan over steps, with the noise of a block of steps drawn at once: many small draws cost much more.

    Blocks are equally long, so the last may reach beyond the last step; `step` changes nothing there.
    """
    num_steps = steps.shape[0]
    one = jax.eval_shape(noise, steps[:1])
    size = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(one))
    longest = min(_BLOCK_STEPS, max(1, _BLOCK_BYTES // max(1, size)))
    blocks = -(-num_steps // longest)
    length = -(-num_steps // blocks)

    def block(states, start):
        offsets = start + jnp.arange(length, dtype=jnp.int32)

        def inner(states, inputs):
            offset, draws = inputs
            index = jnp.minimum(offset, num_steps - 1)
            batch = jax.tree.map(lambda leaf: jax.lax.dynamic_index_in_dim(leaf, index, keepdims=False), batches)
            return step(states, (steps[0] + offset, draws, batch))

        return jax.lax.scan(inner, states, (offsets, noise(steps[0] + offsets)))

    states, traces = jax.lax.scan(block, states, length * jnp.arange(blocks, dtype=jnp.int32))
    return states, jax.tree.map(lambda leaf: leaf.reshape(-1)[:num_steps], traces)


def _step(carry, draws, active, objective, q, estimator, optimizer, batch):
    """One step, which leaves everything as it is where not `active` or not finite."""
    raw, optimizer_state, estimator_state, finite = carry

    def objective_of(values, state):
        scalar, aux = estimator.surrogate(constrain(values), state, draws, q, objective, *batch)
        return -scalar, aux

    def control_loss(state):
        return objective_of(jax.lax.stop_gradient(raw), state)[1].loss

    gradient, aux = jax.grad(objective_of, has_aux=True)(raw, estimator_state)
    norm = optax.tree.norm(gradient)
    gradients = gradient, jax.grad(control_loss)(estimator_state) if jax.tree.leaves(estimator_state) else ()
    with jax.numpy_dtype_promotion("standard"):  # optax mixes Python floats with its integer step counts
        updates, moved_optimizer = optimizer.update(gradients, optimizer_state, (raw, estimator_state))
        moved_raw, moved_state = optax.apply_updates((raw, aux.state), updates)
    moved = moved_raw, moved_optimizer, moved_state
    good = finite & jnp.isfinite(aux.value) & jnp.isfinite(norm)
    kept = jax.tree.map(lambda new, old: jnp.where(good & active, new, old), moved, carry[:3])
    return (*kept, jnp.where(active, good, finite)), jnp.where(good, aux.value, jnp.nan), norm


def _at_temperature(objective, inverse_temperature):
    return dataclasses.replace(objective, inverse_temperature=inverse_temperature)


def _log(t, value, log_every, last):
    jax.lax.cond(
        (t % log_every == 0) & (t < last),
        lambda: jax.debug.print("step {t}: {value:.4f} nats", t=t, value=value),
        lambda: None,
    )
