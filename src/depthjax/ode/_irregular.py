"""Recurrent nets whose state follows a differential equation between observations."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.ode._arguments import require_field, state, state_dtype, times
from depthjax.ode._methods import Tableau
from depthjax.ode._solution import nan_unless
from depthjax.ode._step import Field, is_explicit, step
from depthjax.ode._tableaus import RK4


def ode_rnn(
    cell: Callable[[Any, Any], Any],
    f: Field,
    h0: Any,
    ts: ArrayLike,
    xs: Any,
    mask: ArrayLike,
    *,
    method: Tableau = RK4,
    substeps: int = 1,
) -> Any:
    """Evolve a hidden state by h' = f(t, h, None) between times, and update it by `cell` where there is an observation.

    Args:
        cell: from the hidden state and an observation to the new hidden state.
        f: slope, f(t, h, None); parameters may be closed over.
        h0: hidden state at ts[0], an array or a pytree of floating arrays.
        ts: (num_times,) strictly monotone times; falling ones read the series backwards.
        xs: observations; leaves lead with num_times. Masked ones may be anything, NaN too.
        mask: (num_times,) Booleans, True where there is an observation.
        method: static, one-step method.
        substeps: static, steps between two times.

    Returns:
        Hidden states behind each update; leaves lead with num_times.

    Raises:
        ValueError: a mask that is not Boolean, shapes, ts, f, or a cell that changes the hidden state's shape.
        TypeError: integer or complex h0.

    Numerics: a masked observation is replaced by zero before the cell sees it, so its NaN reaches no gradient. An
        implicit step that is not solved gives NaN from there on.

    Cost: one scan of num_times entries.

    Source: Rubanova, Chen and Duvenaud, Latent ODEs for Irregularly-Sampled Time Series (2019), algorithm 1.
    """
    name = "ode_rnn"
    at_least(name, "substeps", substeps, 1)
    h0 = state(name, h0, "h0")
    ts = times(name, ts, state_dtype(h0))
    mask = jnp.asarray(mask)
    if mask.dtype != jnp.bool_ or mask.shape != ts.shape:
        raise ValueError(f"{name}: mask is {mask.dtype}{list(mask.shape)}, expected bool{list(ts.shape)}; mask > 0?")
    xs = jax.tree.map(jnp.asarray, xs)
    for leaf in jax.tree.leaves(xs):
        if leaf.shape[:1] != ts.shape:
            raise ValueError(f"{name}: xs has shape {leaf.shape}, expected ({ts.shape[0]}, ...) as ts")
    require_field(name, f, ts[0], h0, None)
    first = jax.tree.map(lambda leaf: leaf[0], xs)
    require_field(f"{name} (cell)", lambda t, h, x: cell(h, x), ts[0], h0, first)

    def evolve(h, t, dt):
        def one(h, i):
            done = step(method, f, t + i * dt, dt, h, None)
            return (done.y if is_explicit(method) else nan_unless(done.converged, done.y)), None

        return lax.scan(one, h, jnp.arange(substeps, dtype=t.dtype))[0]

    def body(h, entry):
        t, dt, x, seen = entry
        h = evolve(h, t, dt)
        x = jax.tree.map(lambda v: jnp.where(seen, v, jnp.zeros_like(v)), x)
        h = jax.tree.map(lambda a, b: jnp.where(seen, a, b), cell(h, x), h)
        return h, h

    steps = jnp.concatenate([jnp.zeros_like(ts[:1]), jnp.diff(ts)]) / substeps
    starts = jnp.concatenate([ts[:1], ts[:-1]])
    return lax.scan(body, h0, (starts, steps, xs, mask))[1]
