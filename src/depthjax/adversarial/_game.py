"""The vector field of a two-player game, its linearisation, and what that says of stability."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

Objective = Callable[[Any, Any], jax.Array]


def _check(objective: Objective, critic: Any, generator: Any) -> None:
    shape = getattr(jax.eval_shape(objective, critic, generator), "shape", None)
    if shape != ():
        raise ValueError(f"game: objective has a value of shape {shape}, expected ()")


def game_field(objective: Objective) -> Callable[[Any, Any], tuple[Any, Any]]:
    """The direction in which each player moves: v = (dV/dcritic, -dV/dgenerator).

    Args:
        objective: V(critic, generator) -> (); the critic ascends, the generator descends. Each is an array or a tree.

    Returns:
        Function (critic, generator) -> (v_critic, v_generator).

    Raises:
        ValueError: when called, if the objective is not a scalar.

    Source:
        Mescheder, Nowozin and Geiger, The Numerics of GANs (2017), eq. 2.
    """

    def field(critic, generator):
        _check(objective, critic, generator)
        up, down = jax.grad(objective, argnums=(0, 1))(critic, generator)
        return up, jax.tree.map(jnp.negative, down)

    return field


def floating(tree: Any) -> Any:
    """Leaves as floating arrays of one dtype."""
    leaves, structure = jax.tree.flatten(tree)
    dtype = jnp.result_type(*leaves) if leaves else jnp.result_type(float)
    dtype = dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(float)
    return structure.unflatten([jnp.asarray(leaf, dtype) for leaf in leaves])


def jacobian_of(fn: Callable, *args: Any) -> jax.Array:
    """(k, l) Jacobian of the ravelled value of `fn` in its ravelled arguments."""
    flat, unravel = ravel_pytree(args)
    return jax.jacfwd(lambda z: ravel_pytree(fn(*unravel(z)))[0])(flat)


def game_jacobian(objective: Objective, critic: Any, generator: Any) -> jax.Array:
    """Jacobian of `game_field` in the ravelled coordinates (critic, generator).

    Args:
        objective: V(critic, generator) -> ().
        critic: array or tree.
        generator: array or tree.

    Returns:
        (k, k), k the number of coordinates of both.

    Raises:
        ValueError: an objective that is not a scalar.

    Cost:
        k products with the Hessian.
    """
    return jacobian_of(game_field(objective), *floating((critic, generator)))


def game_eigenvalues(objective: Objective, critic: Any, generator: Any) -> np.ndarray:
    """Eigenvalues of `game_jacobian`, on the host.

    Args:
        objective: V(critic, generator) -> ().
        critic: concrete array or tree.
        generator: concrete array or tree.

    Returns:
        (k,) complex128, largest real part first, then smallest imaginary part.

    Raises:
        ValueError: an objective that is not a scalar.
        TypeError: traced coordinates: eigenvalues of nonsymmetric matrices are found on the host.
    """
    matrix = game_jacobian(objective, critic, generator)
    if isinstance(matrix, jax.core.Tracer):
        raise TypeError("game_eigenvalues: coordinates are traced, expected concrete ones; call it outside jit")
    values = np.linalg.eigvals(np.asarray(matrix, np.float64)).astype(np.complex128)
    return values[np.lexsort((values.imag, -values.real))]


class GameReport(NamedTuple):
    """What the linearised field says of a point.

    Attributes:
        eigenvalues: (k,) complex128 of the field's Jacobian.
        spectral_abscissa: largest real part.
        max_stable_step: step sizes below it make simultaneous steps contract, min of -2 Re l/|l|^2; 0 if none does.
        verdict: "stable", "unstable", or, where the linearisation does not decide, "centre" (the eigenvalues of
            largest real part are imaginary) or "degenerate" (one of them is zero).
    """

    eigenvalues: np.ndarray
    spectral_abscissa: float
    max_stable_step: float
    verdict: str


def stability_report(objective: Objective, critic: Any, generator: Any) -> GameReport:
    """Stability of a fixed point of the game under the flow of its field and under simultaneous steps.

    Args:
        objective: V(critic, generator) -> ().
        critic: concrete array or tree.
        generator: concrete array or tree.

    Returns:
        `GameReport`, on the host. A real part counts as zero below sqrt(eps) max|l|: a defective eigenvalue is known
        no better.

    Raises:
        ValueError: an objective that is not a scalar, or a point where the field is not finite or, beyond sqrt(eps),
            not zero: the linearisation says nothing there.
        TypeError: traced coordinates.

    Source:
        Mescheder, Geiger and Nowozin, Which Training Methods for GANs do actually Converge? (2018), section 2.
    """
    critic, generator = floating((critic, generator))
    values = game_eigenvalues(objective, critic, generator)
    field = np.asarray(ravel_pytree(game_field(objective)(critic, generator))[0])
    tolerance = np.sqrt(np.finfo(field.dtype).eps)
    point = np.asarray(ravel_pytree((critic, generator))[0])
    if not np.abs(field).max() <= tolerance * max(1.0, np.abs(point).max()):
        raise ValueError(f"stability_report: the field is {field}, expected a fixed point, where it is zero")
    radius = np.abs(values).max()
    abscissa = float(values.real.max())
    return GameReport(values, abscissa, _largest_step(values, radius * tolerance), _verdict(values, radius * tolerance))


def _largest_step(values: np.ndarray, tolerance: float) -> float:
    if values.real.max() >= -tolerance:
        return 0.0
    return float((-2.0 * values.real / np.abs(values) ** 2).min())


def _verdict(values: np.ndarray, tolerance: float) -> str:
    abscissa = values.real.max()
    if abscissa < -tolerance:
        return "stable"
    if abscissa > tolerance:
        return "unstable"
    leading = values[values.real >= -tolerance]
    return "centre" if (np.abs(leading) > tolerance).all() else "degenerate"
