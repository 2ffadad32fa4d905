"""What solvers return."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Solution(NamedTuple):
    """Solution of an initial value problem.

    Attributes:
        ts: (n,) times.
        ys: states; leaves lead with an axis of length n. All NaN where the solver failed; where a state outgrew the
            dtype, what came before it is kept.
        converged: Boolean, whether the solver came to the end, at a finite state.
        num_steps: steps taken, accepted and rejected.
        num_rejected: steps rejected.
        residual: largest defect of the implicit equations; 0 for explicit methods.
    """

    ts: jax.Array
    ys: Any
    converged: jax.Array
    num_steps: jax.Array
    num_rejected: jax.Array
    residual: jax.Array

    @property
    def y1(self) -> Any:
        """The last state."""
        return jax.tree.map(lambda leaf: leaf[-1], self.ys)


class StepResult(NamedTuple):
    """One step.

    Attributes:
        y: the new state, NaN if the implicit equations were not solved.
        error: difference from the embedded solution, or None.
        stages: slopes; leaves lead with the stages.
        converged: Boolean.
        residual: () largest defect of the stages.
    """

    y: Any
    error: Any
    stages: Any
    converged: jax.Array
    residual: jax.Array


def nan_unless(converged: jax.Array, tree: Any) -> Any:
    """`tree`, or NaN with NaN derivatives."""
    return jax.tree.map(lambda leaf: leaf * jnp.where(converged, 1.0, jnp.nan).astype(leaf.dtype), tree)


def ends_finite(ys: Any) -> jax.Array:
    """() bool, whether the last of the states along the leading axis is finite."""
    ok = [jnp.all(jnp.isfinite(leaf[-1])) for leaf in jax.tree.leaves(ys)]
    return jnp.all(jnp.stack(ok)) if ok else jnp.ones((), bool)
