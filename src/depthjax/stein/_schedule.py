"""Schedules for the score term of annealed Stein variational gradient descent."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least, chosen


def annealing_schedule(
    kind: str = "linear", *, num_steps: int, num_cycles: int = 1, power: float = 1.0
) -> Callable[[ArrayLike], jax.Array]:
    """Factor of the score term that rises from 0 to 1 over `num_steps`, and stays there.

    With u the fraction of the steps (of the cycle) that has passed: "linear" u^power, "tanh"
    tanh((1.3 u)^power)/tanh(1.3^power), "cyclic" u^power within each cycle.

    Args:
        kind: static, "linear", "tanh" or "cyclic".
        num_steps: steps until 1.
        num_cycles: cycles of "cyclic".
        power: positive exponent; the larger, the longer the factor stays near 0.

    Returns:
        `schedule(step) -> ()`, as optax's schedules.

    Raises:
        ValueError: another kind, num_steps or num_cycles below 1, power not positive.

    Source:
        D'Angelo and Fortuin, Annealed Stein Variational Gradient Descent (2021), sec. 3.
    """
    chosen("annealing_schedule", "kind", kind, ("linear", "tanh", "cyclic"))
    at_least("annealing_schedule", "num_steps", num_steps, 1)
    at_least("annealing_schedule", "num_cycles", num_cycles, 1)
    if not power > 0:
        raise ValueError(f"annealing_schedule: power is {power}, expected a positive number")
    cycles = num_cycles if kind == "cyclic" else 1

    def schedule(step):
        done = jnp.asarray(step).astype(jnp.result_type(float)) / num_steps
        u = jnp.where(done < 1.0, jnp.mod(done * cycles, 1.0), 1.0)
        if kind == "tanh":
            return jnp.tanh((1.3 * u) ** power) / math.tanh(1.3**power)
        return u**power

    return schedule
