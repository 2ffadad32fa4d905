"""Standard deviations of weights and biases by gradient descent on the distance from isometry."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from depthjax.core._options import at_least, positive
from depthjax.meanfield._activation import Activation
from depthjax.meanfield._isometry import isometry_loss
from depthjax.meanfield._jacobian_setting import check
from depthjax.numerics._elementwise import promote


class FittedInitialisation(NamedTuple):
    """What descent on `isometry_loss` found.

    Attributes:
        sigma_w: () standard deviation of weights times sqrt(fan_in).
        sigma_b: () standard deviation of biases.
        trace: (num_steps + 1,) losses, that of the start first.
    """

    sigma_w: jax.Array
    sigma_b: jax.Array
    trace: jax.Array


def fit_initialisation(
    sigma_w: ArrayLike,
    sigma_b: ArrayLike,
    activation: Activation,
    depth: ArrayLike,
    *,
    ensemble: str,
    optimizer: optax.GradientTransformation,
    num_steps: int,
) -> FittedInitialisation:
    """Descend `isometry_loss` in the logarithms of both standard deviations.

    Args:
        sigma_w: () start, positive.
        sigma_b: () start, positive.
        activation: phi.
        depth: () number of layers.
        ensemble: static, "gaussian" or "orthogonal".
        optimizer: optax transformation.
        num_steps: static number of steps.

    Returns:
        `FittedInitialisation`, the values of the last step; NaN from where lengths lose their fixed point.

    Raises:
        ValueError: an unknown ensemble, no steps, a depth below one, a start that is not positive.
        TypeError: `activation` is a bare function.

    Source:
        Pennington, Schoenholz and Ganguli, "Resurrecting the sigmoid", 2017, sec. 3.
    """
    at_least("fit_initialisation", "num_steps", num_steps, 1)
    positive("fit_initialisation", sigma_w=sigma_w, sigma_b=sigma_b)
    check("fit_initialisation", activation, 1.0, sigma_w, depth, ensemble)
    sigma_w, sigma_b = promote(sigma_w, sigma_b)
    start = jnp.stack([jnp.log(sigma_w), jnp.log(sigma_b)])

    def loss(logs):
        return isometry_loss(jnp.exp(logs[0]), jnp.exp(logs[1]), activation, depth, ensemble=ensemble)

    def step(carry, _):
        logs, state = carry
        value, gradient = jax.value_and_grad(loss)(logs)
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(gradient, state, logs)
            moved = optax.apply_updates(logs, updates)
        return (jnp.asarray(moved), state), value

    with jax.numpy_dtype_promotion("standard"):
        state = optimizer.init(start)
    (logs, _), values = jax.lax.scan(step, (start, state), length=num_steps)
    return FittedInitialisation(jnp.exp(logs[0]), jnp.exp(logs[1]), jnp.append(values, loss(logs)))
