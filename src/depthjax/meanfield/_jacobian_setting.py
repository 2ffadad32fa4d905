"""What every function of the spectrum of J J^T shares: checks of arguments, parameters of the equation, the result."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.core._options import chosen
from depthjax.meanfield._activation import require_activation
from depthjax.meanfield._arguments import concrete, require, require_scales
from depthjax.meanfield._contour import contour_of
from depthjax.meanfield._jacobian_equation import Setting
from depthjax.meanfield._slope_law import slope_laws

ENSEMBLES = ("gaussian", "orthogonal")


class JacobianDensity(NamedTuple):
    """What one solve of the equation of the spectrum gives at log lambda.

    Attributes:
        log_density: log rho with respect to lambda; -inf outside the continuous spectrum, NaN where not solved.
        cdf: P(<= lambda), atoms included.
        omega: the point w of the upper half plane, on the scale of phi'^2, complex; one for each layer of a profile.
        residual: |log z(w) - log lambda|.
        converged: Boolean.
    """

    log_density: jax.Array
    cdf: jax.Array
    omega: jax.Array
    residual: jax.Array
    converged: jax.Array


def check(name: str, activation: Any, q: Any, sigma_w: Any, depth: Any, ensemble: str) -> None:
    """Static facts about the arguments that all spectra share."""
    require_activation(name, activation)
    chosen(name, "ensemble", ensemble, ENSEMBLES)
    require_scales(name, sigma_w)
    require(name, "depth", depth, lambda v: v >= 1.0, "at least 1")
    if jnp.ndim(q) > 1:
        raise ValueError(f"{name}: q has shape {jnp.shape(q)}, expected () or (num_layers,)")
    known = concrete(depth)
    if jnp.ndim(q) == 1 and known is not None and np.any(known != jnp.shape(q)[0]):
        raise ValueError(f"{name}: depth is {depth}, but q has {jnp.shape(q)[0]} layers; they must agree")


def setting_of(activation, q, sigma_w, depth) -> tuple[Setting, tuple[Setting, ...], jax.Array]:
    """The equation's parameters for a fixed point q, the same on fewer nodes, and whether they are in range."""
    ok = (q >= 0.0) & (sigma_w > 0.0) & (depth >= 1.0)
    q, sigma_w, depth = jnp.where(ok, q, 1.0), jnp.where(ok, sigma_w, 1.0), jnp.where(ok, depth, 2.0)
    setting, *coarse = (Setting(law, 2.0 * jnp.log(sigma_w) + law.log_mean, depth) for law in slope_laws(activation, q))
    return setting, lax.stop_gradient(tuple(coarse)), ok


def is_deep_enough(activation, depth, gaussian):
    """Towards one layer the poles of the integrand reach the real axis, where a rule on the line does not follow."""
    follows = bool(gaussian) or activation.is_piecewise_linear or contour_of(activation) is not None
    return jnp.asarray(follows) | (depth >= 1.5)
