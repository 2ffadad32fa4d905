"""Update rules of two-player games, and their linearisation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from depthjax.adversarial._game import Objective, floating, game_field, jacobian_of
from depthjax.core._options import at_least, non_negative, positive


def _along(point: Any, direction: Any, size: ArrayLike) -> Any:
    return jax.tree.map(lambda x, v: x + jnp.asarray(size, x.dtype) * v, point, direction)


def step_simultaneous(objective: Objective, critic: Any, generator: Any, *, step_size: ArrayLike) -> tuple[Any, Any]:
    """Both players move along the field at once: z + a v(z).

    Args:
        objective: V(critic, generator) -> (); the critic ascends, the generator descends.
        critic: array or tree.
        generator: array or tree.
        step_size: () a.

    Returns:
        (critic, generator) after the step.

    Raises:
        ValueError: an objective that is not a scalar, a concrete step size that is not positive.

    Source:
        Mescheder, Nowozin and Geiger, The Numerics of GANs (2017), algorithm 1.
    """
    positive("step_simultaneous", step_size=step_size)
    point = floating((critic, generator))
    return _along(point, game_field(objective)(*point), step_size)


def step_alternating(objective: Objective, critic: Any, generator: Any, *, step_size: ArrayLike) -> tuple[Any, Any]:
    """The critic moves first, the generator then sees where it went.

    Args:
        objective: V(critic, generator) -> ().
        critic: array or tree.
        generator: array or tree.
        step_size: () a.

    Returns:
        (critic, generator) after the step.

    Raises:
        ValueError: an objective that is not a scalar, a concrete step size that is not positive.

    Source:
        Gidel et al., Negative Momentum for Improved Game Dynamics (2019), eq. 6.
    """
    positive("step_alternating", step_size=step_size)
    critic, generator = floating((critic, generator))
    critic = _along(critic, game_field(objective)(critic, generator)[0], step_size)
    return critic, _along(generator, game_field(objective)(critic, generator)[1], step_size)


def step_extragradient(objective: Objective, critic: Any, generator: Any, *, step_size: ArrayLike) -> tuple[Any, Any]:
    """Move along the field of where a simultaneous step would lead: z + a v(z + a v(z)).

    Args:
        objective: V(critic, generator) -> ().
        critic: array or tree.
        generator: array or tree.
        step_size: () a.

    Returns:
        (critic, generator) after the step.

    Raises:
        ValueError: an objective that is not a scalar, a concrete step size that is not positive.

    Source:
        Korpelevich (1976); Gidel et al., A Variational Inequality Perspective on GANs (2019), eq. 9.
    """
    positive("step_extragradient", step_size=step_size)
    point, field = floating((critic, generator)), game_field(objective)
    ahead = _along(point, field(*point), step_size)
    return _along(point, field(*ahead), step_size)


def step_consensus(
    objective: Objective, critic: Any, generator: Any, *, step_size: ArrayLike, gamma: ArrayLike
) -> tuple[Any, Any]:
    """Move along the field while shrinking it: z + a (v(z) - gamma grad |v(z)|^2 / 2).

    Args:
        objective: V(critic, generator) -> ().
        critic: array or tree.
        generator: array or tree.
        step_size: () a.
        gamma: () weight of the shrinking.

    Returns:
        (critic, generator) after the step.

    Raises:
        ValueError: an objective that is not a scalar, a concrete step size that is not positive, a negative gamma.

    Source:
        Mescheder, Nowozin and Geiger (2017), algorithm 2.
    """
    positive("step_consensus", step_size=step_size)
    non_negative("step_consensus", gamma=gamma)
    point, field = floating((critic, generator)), game_field(objective)

    def half_square(z):
        return 0.5 * sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(field(*z)))

    direction = _along(field(*point), jax.grad(half_square)(point), -jnp.asarray(gamma))
    return _along(point, direction, step_size)


def step_implicit(
    objective: Objective, critic: Any, generator: Any, *, step_size: ArrayLike, num_steps: int
) -> tuple[Any, Any]:
    """Move along the field of where the step ends: z' = z + a v(z'), by Newton's method from z.

    Args:
        objective: V(critic, generator) -> ().
        critic: array or tree.
        generator: array or tree.
        step_size: () a.
        num_steps: static number of Newton steps; one solves a quadratic game.

    Returns:
        (critic, generator) after the step; NaN where the equation is not met to sqrt(eps) after `num_steps`.

    Raises:
        ValueError: an objective that is not a scalar, a concrete step size that is not positive, no steps.

    Numerics:
        Derivatives are those of the solution, of every order, not of the iteration.

    Cost:
        `num_steps` Jacobians and linear systems of all coordinates.

    Source:
        Rockafellar, Monotone operators and the proximal point algorithm (1976).
    """
    positive("step_implicit", step_size=step_size)
    at_least("step_implicit", "num_steps", num_steps, 1)
    start, unravel = ravel_pytree(floating((critic, generator)))
    size = jnp.asarray(step_size, start.dtype)

    def defect(z):
        return z - start - size * ravel_pytree(game_field(objective)(*unravel(z)))[0]

    def newton(equation, z):
        return lax.fori_loop(0, num_steps, lambda _, z: z - jnp.linalg.solve(jax.jacfwd(equation)(z), equation(z)), z)

    def linear_solve(linear, y):
        return jnp.linalg.solve(jax.jacfwd(linear)(y), y)

    end = lax.custom_root(defect, lax.stop_gradient(start), newton, linear_solve)
    limit = jnp.sqrt(jnp.finfo(start.dtype).eps) * jnp.maximum(jnp.linalg.norm(lax.stop_gradient(start)), 1.0)
    solved = jnp.linalg.norm(lax.stop_gradient(defect(end))) <= limit.astype(start.dtype)
    return unravel(jnp.where(solved, end, jnp.nan))


class OptimisticState(NamedTuple):
    """State of `step_optimistic`.

    Attributes:
        critic: array or tree.
        generator: array or tree.
        field: the field at the step before, (v_critic, v_generator).
    """

    critic: Any
    generator: Any
    field: tuple[Any, Any]


def optimistic_state(objective: Objective, critic: Any, generator: Any) -> OptimisticState:
    """The state before the first step of `step_optimistic`, whose past field is the present one.

    Args:
        objective: V(critic, generator) -> ().
        critic: array or tree.
        generator: array or tree.

    Returns:
        `OptimisticState`; the first step from it is a simultaneous one.
    """
    critic, generator = floating((critic, generator))
    return OptimisticState(critic, generator, game_field(objective)(critic, generator))


def step_optimistic(objective: Objective, state: OptimisticState, *, step_size: ArrayLike) -> OptimisticState:
    """Move along the field extrapolated from the last step: z + 2 a v(z) - a v(z_before).

    Args:
        objective: V(critic, generator) -> ().
        state: from `optimistic_state` or the last step.
        step_size: () a.

    Returns:
        The next state.

    Raises:
        ValueError: an objective that is not a scalar, a concrete step size that is not positive.

    Source:
        Daskalakis et al., Training GANs with Optimism (2018), eq. 3.
    """
    positive("step_optimistic", step_size=step_size)
    critic, generator, before = floating(tuple(state))
    now = game_field(objective)(critic, generator)
    ahead = jax.tree.map(lambda new, old: 2.0 * new - old, now, before)
    return OptimisticState(*_along((critic, generator), ahead, step_size), now)


def update_matrix(step: Callable[..., Any], *state: Any) -> jax.Array:
    """Jacobian of an update rule: at a fixed point, steps converge at the rate of its spectral radius.

    Args:
        step: `(critic, generator) -> (critic, generator)` or, for rules with memory, `state -> state`.
        *state: `critic, generator` or the one `state`: arrays or trees.

    Returns:
        (k, k) in the ravelled coordinates of the state: critic, generator, then memory.

    Raises:
        ValueError: a step that changes the number of coordinates.
    """
    matrix = jacobian_of(step, *floating(state))
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"update_matrix: step maps {matrix.shape[1]} coordinates to {matrix.shape[0]}, expected as many"
        )
    return matrix
