"""Expectation maximisation until the likelihood stops growing."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from depthjax.core._options import at_least


class FitResult(NamedTuple):
    """A model fitted by expectation maximisation.

    Attributes:
        model: the fitted distribution.
        log_likelihoods: (num_steps + 1,) mean log-likelihood of a point in nats, before the first step and after each;
            constant after the last step taken.
        converged: () bool; the last step gained at most the tolerance, and no part of the model is empty or at its
            floor, where the likelihood says nothing but what the floor is.
        num_steps: () steps taken.
    """

    model: Any
    log_likelihoods: jax.Array
    converged: jax.Array
    num_steps: jax.Array


def maximise(function: str, model: Any, e_step: Callable, m_step: Callable, *, num_steps: int, tol: float) -> FitResult:
    """Alternate the two steps at most `num_steps` times.

    Args:
        function: caller, for messages.
        model: where to start.
        e_step: model -> (expectations, () mean log-likelihood).
        m_step: (model, expectations) -> (model, () bool whether no part of it is degenerate).
        num_steps: most steps, at least 1.
        tol: gain in nats a point at which it has converged, not negative.

    Raises:
        ValueError: no steps, or a negative tolerance.
    """
    at_least(function, "num_steps", num_steps, 1)
    if not tol >= 0:
        raise ValueError(f"{function}: tol is {tol}, expected a nonnegative number")
    expectations, start = e_step(model)
    trace = jnp.full((num_steps + 1,), start)
    one = jnp.ones((), bool)

    def unfinished(state):
        _, _, _, step, small, _ = state
        return (step < num_steps) & ~small

    def body(state):
        model, expectations, trace, step, _, _ = state
        model, sound = m_step(model, expectations)
        expectations, value = e_step(model)
        small = ~(value - trace[step] > tol)
        later = jnp.arange(num_steps + 1, dtype=jnp.int32) > step
        return model, expectations, jnp.where(later, value, trace), step + 1, small, sound

    first = (model, expectations, trace, jnp.zeros((), jnp.int32), ~one, one)
    model, _, trace, step, small, sound = jax.lax.while_loop(unfinished, body, first)
    return FitResult(model, trace, small & sound & jnp.isfinite(trace[-1]), step)
