"""Natural-gradient updates of exponential families: addition in natural parameters."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import ExponentialFamily
from depthjax.core._options import is_concrete


def natural_gradient(record: Any, grad_mean_parameters: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """The natural gradient in natural parameters: the plain gradient in mean parameters.

    With mu = grad A(eta) and Fisher information F = d mu/d eta, F^-1 d f/d eta = d f/d mu: no matrix is inverted.

    Args:
        record: an exponential family.
        grad_mean_parameters: d f/d mu, a dict like `record.mean_parameters()`.

    Returns:
        The direction in eta, a dict like `record.natural_parameters()`.

    Raises:
        TypeError: no exponential family. ValueError: other keys or shapes.

    Source:
        Khan and Rue, The Bayesian Learning Rule (2023), eq. 9.
    """
    if not isinstance(record, ExponentialFamily):
        raise TypeError(f"natural_gradient: {type(record).__name__} is no exponential family")
    shapes = jax.tree.map(jnp.shape, record.natural_parameters())
    got = jax.tree.map(jnp.shape, grad_mean_parameters)
    if shapes != got:
        raise ValueError(f"natural_gradient: gradient has shapes {got}, expected {shapes}")
    return grad_mean_parameters


def bayesian_learning_rule(
    objective_in_mean: Callable[[dict[str, jax.Array]], jax.Array], *, step_size: float
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """Natural-gradient ascent, eta <- eta + rho d(objective)/d mu; at rho = 1 exact for a conjugate model.

    Args:
        objective_in_mean: mean parameters (a dict) -> () evidence lower bound, its entropy included; nats.
        step_size: rho in (0, 1].

    Returns:
        `init(record) -> state` (the record) and `update(state) -> state`.

    Raises:
        ValueError: step_size outside (0, 1].

    Source:
        Khan and Rue, The Bayesian Learning Rule (2023), eq. 3 and 22.
    """
    if not 0 < step_size <= 1:
        raise ValueError(f"bayesian_learning_rule: step_size must lie in (0, 1], got {step_size}")

    def update(state: Any) -> Any:
        direction = natural_gradient(state, jax.grad(objective_in_mean)(state.mean_parameters()))
        moved = jax.tree.map(lambda eta, g: eta + step_size * g, state.natural_parameters(), direction)
        return type(state).from_natural(moved)

    return lambda record: record, update


def svi_update(eta: Any, eta_prior: Any, expected_statistics: Any, *, num_data: int, rho: ArrayLike) -> Any:
    """Stochastic variational inference: eta <- (1 - rho) eta + rho (eta_prior + (N/B) sum_i E t_i).

    Args:
        eta: natural parameters, any tree.
        eta_prior: those of the prior.
        expected_statistics: E t_i of each datum of the batch, the same tree with a leading axis B.
        num_data: N.
        rho: step in [0, 1], as from `robbins_monro`.

    Returns:
        The next natural parameters.

    Raises:
        ValueError: a batch larger than the data, statistics that are not (B, *shape of eta), or a concrete rho
            outside [0, 1].

    Source:
        Hoffman et al., Stochastic Variational Inference (2013), eq. 26.
    """
    if is_concrete(rho) and not 0 <= float(rho) <= 1:
        raise ValueError(f"svi_update: rho must lie in [0, 1], got {rho}")
    rows = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(expected_statistics)}
    shapes = jax.tree.map(jnp.shape, eta), jax.tree.map(lambda leaf: jnp.shape(leaf)[1:], expected_statistics)
    if len(rows) != 1 or rows == {()} or shapes[0] != shapes[1]:
        raise ValueError(
            f"svi_update: expected_statistics has shapes {jax.tree.map(jnp.shape, expected_statistics)}, expected one "
            f"leading axis of the batch before the shapes {shapes[0]} of eta"
        )
    ((size,),) = rows
    if not 1 <= size <= num_data:
        raise ValueError(f"svi_update: a batch of {size} is outside 1..num_data = {num_data}")
    return jax.tree.map(
        lambda old, prior, each: (1 - rho) * old + rho * (prior + (num_data / size) * jnp.sum(each, axis=0)),
        eta,
        eta_prior,
        expected_statistics,
    )


def robbins_monro(*, scale: float = 1.0, delay: float = 1.0, forgetting: float) -> Callable[[ArrayLike], jax.Array]:
    """Step sizes rho_t = scale (t + delay)^-forgetting, for which sum rho diverges and sum rho^2 does not.

    Args:
        scale: positive factor.
        delay: nonnegative number that tempers the first steps.
        forgetting: exponent in (0.5, 1].

    Returns:
        schedule(t) for t = 0, 1, ..., usable as an optax schedule.

    Raises:
        ValueError: forgetting outside (0.5, 1], scale <= 0 or delay < 0.

    Source:
        Robbins and Monro, A Stochastic Approximation Method (1951); Hoffman et al. (2013), eq. 27.
    """
    if not 0.5 < forgetting <= 1:
        raise ValueError(
            f"robbins_monro: forgetting must lie in (0.5, 1], so that sum rho = inf and sum rho^2 < inf, got "
            f"{forgetting}"
        )
    if not scale > 0 or not delay >= 0:
        raise ValueError(f"robbins_monro: scale is positive and delay nonnegative, got {scale} and {delay}")

    def schedule(t: ArrayLike) -> jax.Array:
        steps = jnp.asarray(t)
        steps = steps if jnp.issubdtype(steps.dtype, jnp.floating) else steps.astype(jnp.result_type(float))
        return scale * (steps + delay) ** -forgetting

    return schedule
