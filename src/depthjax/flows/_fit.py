"""Maximum likelihood with validation, early stopping, progress, checkpoints and exact resume."""

import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from depthjax.core import constrain
from depthjax.flows._checkpoint import load_state_and_notes, save_state
from depthjax.flows._fit_step import (
    FitState,
    LogProb,
    default_log_prob,
    default_optimizer,
    fit_init,
    fit_step,
    negative_log_likelihood,
)


class FitResult(NamedTuple):
    """What `fit_maximum_likelihood` found.

    Attributes:
        flow: the flow of the best validation loss, or of the last finite step without validation.
        best_step: the step that it belongs to.
        train_losses: (num_steps,) mean negative log likelihood of each batch, nats.
        validation_losses: (num_evaluations,) mean negative log likelihood of the validation data, nats; empty without.
        converged: false when a loss or gradient was not finite.
        num_steps: steps taken.
    """

    flow: Any
    best_step: int
    train_losses: np.ndarray
    validation_losses: np.ndarray
    converged: bool
    num_steps: int


class _Progress(NamedTuple):
    """The carried state and the best parameters so far."""

    state: FitState
    best_raw: Any
    best_loss: jax.Array
    best_step: jax.Array
    stale: jax.Array


def fit_maximum_likelihood(
    key: jax.Array,
    flow: Any,
    data: Any,
    *,
    num_steps: int,
    optimizer: optax.GradientTransformation | None = None,
    batch_size: int = 256,
    validation: Any = None,
    patience: int | None = None,
    eval_every: int = 100,
    log_prob_fn: LogProb | None = None,
    weights: Any = None,
    progress: bool = False,
    checkpoint: str | os.PathLike | None = None,
    resume: bool = True,
) -> FitResult:
    """Fit a distribution to data by stochastic gradient ascent on the log likelihood.

    Parameters move in unconstrained coordinates. Steps run in compiled chunks of `eval_every`; after each, validation,
    early stopping and the checkpoint happen. Within a chunk the data are drawn in shuffled passes without replacement.

    Args:
        key: PRNG key of the order of the data.
        flow: any distribution record.
        data: (N, *event), or a tuple of arrays with leading N that `log_prob_fn` takes, such as (x, context).
        num_steps: largest number of gradient steps.
        optimizer: optax transformation; Adam with clipping, warm-up and cosine decay if None.
        batch_size: data per step.
        validation: data held out, of the same form.
        patience: stop after this many evaluations without improvement of the validation loss.
        eval_every: steps per chunk.
        log_prob_fn: (flow, *batch) -> (B,) nats; `flow.log_prob(x)` if None.
        weights: (N,) nonnegative weights of the data.
        progress: show a progress bar (needs tqdm).
        checkpoint: file that is rewritten after every chunk, atomically.
        resume: continue from the checkpoint if it exists. The result equals that of an uninterrupted run bit for bit.

    Returns:
        `FitResult`.

    Raises:
        ValueError: data of the wrong shape, batch_size > N, patience without validation, negative weights, or a
            checkpoint that is truncated or belongs to another fit.
        TypeError: optimizer is no optax transformation.
    """
    log_prob_fn = log_prob_fn or default_log_prob
    data = _as_data("data", data, flow, log_prob_fn)
    held_out = None if validation is None else _as_data("validation", validation, flow, log_prob_fn)
    weights = None if weights is None else jnp.asarray(weights)
    _check_options(data, held_out, weights, batch_size, num_steps, patience, eval_every)
    optimizer = default_optimizer(num_steps) if optimizer is None else optimizer
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        raise TypeError(f"fit_maximum_likelihood: optimizer is {optimizer!r}, expected an optax transformation")
    state = fit_init(key, flow, optimizer, log_prob_fn=log_prob_fn)
    progress_state = _start(state)
    notes = _fingerprint(data, held_out, weights, batch_size, eval_every)
    train, held = np.zeros(0), np.zeros(0)
    if checkpoint is not None and resume and Path(checkpoint).exists():
        progress_state, train, held = _resume(checkpoint, progress_state, notes)
    with _bar(progress, num_steps, len(train)) as bar:
        while len(train) < num_steps and not _finished(progress_state, patience):
            length = min(eval_every, num_steps - len(train))
            index = jnp.asarray(len(train) // eval_every, jnp.int32)
            progress_state, losses, loss = _chunk(progress_state, index, data, held_out, weights, length, batch_size)
            train = np.concatenate([train, np.asarray(losses, np.float64)])
            held = held if held_out is None else np.append(held, float(loss))
            if checkpoint is not None:
                save_state(checkpoint, progress_state, notes=notes, train=train, held=held)
            bar(length, train[-1], held[-1] if len(held) else None)
    return _result(progress_state, train, held)


@partial(jax.jit, static_argnames=("length", "batch_size"), donate_argnums=0)
def _chunk(progress_state, index, data, held_out, weights, length, batch_size):
    """`length` steps, then the validation loss and the new best parameters."""
    state = progress_state.state
    rows = _order(jax.random.fold_in(state.key, index), data[0].shape[0], length, batch_size)

    def step(carry, chosen):
        batch = tuple(part[chosen] for part in data)
        picked = {"data": batch} if weights is None else {"data": batch, "weights": weights[chosen]}
        return fit_step(carry, picked)

    state, losses = jax.lax.scan(step, state, rows)
    if held_out is None:
        loss = jnp.nan
        best = progress_state._replace(state=state, best_raw=state.raw, best_step=state.step)
        return best, losses, loss
    loss = negative_log_likelihood(state.raw, state.log_prob_fn, held_out)
    better = state.finite & (loss < progress_state.best_loss)
    best_raw = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.raw, progress_state.best_raw)
    best = _Progress(
        state,
        best_raw,
        jnp.where(better, loss, progress_state.best_loss).astype(progress_state.best_loss.dtype),
        jnp.where(better, state.step, progress_state.best_step),
        jnp.where(better, 0, progress_state.stale + 1),
    )
    return best, losses, loss


def _order(key, num_data, length, batch_size):
    """(length, batch_size) row numbers: shuffled passes over the data laid end to end."""
    total = length * batch_size
    passes = -(-total // num_data)
    shuffles = jax.vmap(lambda k: jax.random.permutation(k, num_data))(jax.random.split(key, passes))
    return shuffles.reshape(-1)[:total].reshape(length, batch_size)


def _start(state):
    raw = jax.tree.map(jnp.array, state.raw)
    return _Progress(state, raw, jnp.asarray(jnp.inf), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def _finished(progress_state, patience):
    if not bool(progress_state.state.finite):
        return True
    return patience is not None and int(progress_state.stale) >= patience


def _result(progress_state, train, held):
    steps = int(progress_state.state.step)
    return FitResult(
        flow=constrain(progress_state.best_raw),
        best_step=int(progress_state.best_step),
        train_losses=train,
        validation_losses=held,
        converged=bool(progress_state.state.finite),
        num_steps=steps,
    )


def _resume(path, like, notes):
    progress_state, stored, arrays = load_state_and_notes(path, like)
    for name, value in notes.items():
        if stored.get(name) != value:
            raise ValueError(f"{path}: checkpoint of another fit: {name} was {stored.get(name)}, now {value}")
    return progress_state, arrays["train"], arrays["held"]


def _fingerprint(data, held_out, weights, batch_size, eval_every):
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves((data, held_out, weights)):
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return {"data": digest.hexdigest(), "batch_size": batch_size, "eval_every": eval_every}


def _as_data(name, data, flow, log_prob_fn):
    parts = tuple(jnp.asarray(part) for part in (data if isinstance(data, (tuple, list)) else (data,)))
    event = tuple(getattr(flow, "event_shape", ()))
    x = parts[0]
    if log_prob_fn is default_log_prob and (x.ndim != len(event) + 1 or x.shape[1:] != event):
        raise ValueError(f"fit_maximum_likelihood: {name} has shape {x.shape}, expected (N, {str(event)[1:]}")
    if any(part.ndim == 0 or part.shape[0] != x.shape[0] for part in parts):
        raise ValueError(f"fit_maximum_likelihood: parts of {name} differ in length: {[p.shape for p in parts]}")
    return parts


def _check_options(data, held_out, weights, batch_size, num_steps, patience, eval_every):
    num_data = data[0].shape[0]
    if not 1 <= batch_size <= num_data:
        raise ValueError(f"fit_maximum_likelihood: batch_size must lie in 1..{num_data}, got {batch_size}")
    if num_steps < 1 or eval_every < 1:
        raise ValueError(f"fit_maximum_likelihood: num_steps={num_steps} and eval_every={eval_every} must be positive")
    if patience is not None and (held_out is None or patience < 1):
        raise ValueError(f"fit_maximum_likelihood: patience, at least 1, needs validation data; got {patience}")
    if held_out is not None and [p.shape[1:] for p in held_out] != [p.shape[1:] for p in data]:
        got, expected = [p.shape for p in held_out], [p.shape for p in data]
        raise ValueError(f"fit_maximum_likelihood: validation has shapes {got}, data {expected}")
    if weights is not None and weights.shape != (num_data,):
        raise ValueError(f"fit_maximum_likelihood: weights has shape {weights.shape}, expected ({num_data},)")
    if weights is not None and not (np.all(np.asarray(weights) >= 0) and 0 < np.sum(weights) < np.inf):
        raise ValueError("fit_maximum_likelihood: weights must be nonnegative and finite, and not all zero")


class _bar:  # noqa: N801
    """Context of a progress bar, or of nothing; called with steps done and losses."""

    def __init__(self, show: bool, total: int, done: int):  # noqa: FBT001
        self._bar = None
        if show:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=total, initial=done, unit="step")

    def __enter__(self) -> Callable:
        return self._update

    def __exit__(self, *exc):
        if self._bar is not None:
            self._bar.close()

    def _update(self, steps, train, held):
        if self._bar is not None:
            shown = {"train": f"{train:.4f}"} if held is None else {"train": f"{train:.4f}", "held out": f"{held:.4f}"}
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update(steps)
