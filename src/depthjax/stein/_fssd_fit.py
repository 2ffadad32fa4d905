"""Test locations and kernel of the finite-set Stein discrepancy, fitted to its power."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from depthjax.core import constrain, unconstrain
from depthjax.core._options import at_least
from depthjax.stein._fssd import features, u_statistic
from depthjax.stein._kernel import Kernel


class FSSDFit(NamedTuple):
    """Test locations and kernel of the largest power criterion found.

    Attributes:
        locations: (J, d).
        kernel: kernel record.
        power_trace: (num_steps,) the criterion before each step.
    """

    locations: jax.Array
    kernel: Kernel
    power_trace: jax.Array


def fssd_optimise(
    x_train: ArrayLike,
    scores: ArrayLike,
    init_locations: ArrayLike,
    kernel: Kernel,
    *,
    optimizer: optax.GradientTransformation,
    num_steps: int,
    regulariser: float = 1e-4,
) -> FSSDFit:
    """Fit locations and kernel to the power of `fssd_test`: FSSD^2/(sd of it under the alternative).

    Args:
        x_train: (n, d), points that the test is not made with.
        scores: grad log p at x_train, (n, d).
        init_locations: (J, d).
        kernel: kernel record, whose parameters are fitted too.
        optimizer: optax transformation.
        num_steps: static.
        regulariser: added to the standard deviation.

    Returns:
        `FSSDFit` of the best step.

    Raises:
        ValueError: as `fssd`; num_steps below 1.

    Source:
        Jitkrittum et al. (2017), eq. 5 and proposition 3.
    """
    at_least("fssd_optimise", "num_steps", num_steps, 1)
    start = unconstrain(kernel)

    def criterion(params):
        locations, raw = params
        tau = features("fssd_optimise", x_train, scores, locations, constrain(raw))
        mean = jnp.mean(tau, axis=0)
        along = tau @ mean
        return u_statistic(tau) / (2.0 * jnp.sqrt(jnp.var(along) + regulariser**2) + regulariser)

    def step(carry, _):
        params, state, best, best_value = carry
        value, gradient = jax.value_and_grad(criterion)(params)
        better = value > best_value
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), params, best)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes Python floats with its integer step counts
            updates, state = optimizer.update(jax.tree.map(jnp.negative, gradient), state, params)
        carry = optax.apply_updates(params, updates), state, best, jnp.where(better, value, best_value)
        return carry, value

    x_train = jnp.asarray(x_train)
    params: Any = (jnp.asarray(init_locations).astype(x_train.dtype), start)
    low = jnp.full((), -jnp.inf, x_train.dtype)
    (_, _, best, _), trace = jax.lax.scan(step, (params, optimizer.init(params), params, low), length=num_steps)
    return FSSDFit(best[0], constrain(best[1]), trace)
