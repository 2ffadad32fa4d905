"""Games small enough to be solved by hand."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import chosen, non_negative


def bilinear_game() -> Callable[[jax.Array, jax.Array], jax.Array]:
    """V(d, g) = d.g, whose field circles around its fixed point 0.

    Returns:
        Objective (critic, generator) -> (), for arrays of one shape.
    """

    def objective(critic, generator):
        if jnp.shape(critic) != jnp.shape(generator):
            raise ValueError(
                f"bilinear_game: generator has shape {jnp.shape(generator)}, expected the shape {jnp.shape(critic)} of "
                f"the critic"
            )
        return jnp.sum(critic * generator)

    return objective


_VALUES = {
    "js": lambda real, fake: -jax.nn.softplus(-real) - jax.nn.softplus(fake),
    "wasserstein": lambda real, fake: real - fake,
    "least_squares": lambda real, fake: -0.5 * (real - 1.0) ** 2 - 0.5 * fake**2,
}


def dirac_gan(*, gamma: ArrayLike = 0.0, loss: str = "js") -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Data at 0, a generator at theta, a critic C(x) = psi0 x + psi1.

    "js": V = log sigma(C(0)) + log sigma(-C(theta)); "wasserstein": C(0) - C(theta); "least_squares":
    -(C(0) - 1)^2/2 - C(theta)^2/2; each less gamma psi0^2/2, the R1 penalty.

    Args:
        gamma: () weight of the penalty.
        loss: "js", "wasserstein" or "least_squares".

    Returns:
        Objective ((2,) psi, () theta) -> (). For "js" the Jacobian of the field at 0 has eigenvalues -1/2 and
        (-gamma +- sqrt(gamma^2 - 1))/2.

    Raises:
        ValueError: an unknown loss, a negative concrete gamma; when called, a critic of another shape.

    Source:
        Mescheder, Geiger and Nowozin, Which Training Methods for GANs do actually Converge? (2018), section 2.
    """
    chosen("dirac_gan", "loss", loss, _VALUES)
    non_negative("dirac_gan", gamma=gamma)

    def objective(critic, generator):
        if jnp.shape(critic) != (2,) or jnp.shape(generator) != ():
            raise ValueError(
                f"dirac_gan: critic and generator have shapes {jnp.shape(critic)} and {jnp.shape(generator)}, expected "
                f"(2,) and ()"
            )
        slope, offset = critic
        return _VALUES[loss](offset, slope * generator + offset) - 0.5 * jnp.asarray(gamma, slope.dtype) * slope**2

    return objective
