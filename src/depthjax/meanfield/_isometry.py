"""How far a network at initialisation is from dynamical isometry."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import chosen
from depthjax.meanfield._activation import Activation, require_activation
from depthjax.meanfield._arguments import over_grid, require, require_scales
from depthjax.meanfield._expectation import slope_moments
from depthjax.meanfield._jacobian_setting import ENSEMBLES
from depthjax.meanfield._q_star import q_star


def isometry_loss(
    sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation, depth: ArrayLike, *, ensemble: str
) -> jax.Array:
    """(L log chi_1)^2 + sigma^2_JJT/m_1^2 at the fixed length: 0 where every singular value of the Jacobian is 1.

    The second term, L (mu_2/mu_1^2 - 1 + a), is the squared coefficient of variation of the squared singular values.

    Args:
        sigma_w: standard deviation of weights times sqrt(fan_in), any shape, positive.
        sigma_b: standard deviation of biases, a shape that broadcasts, nonnegative.
        activation: phi.
        depth: number of layers L, a shape that broadcasts, at least 1.
        ensemble: static, "gaussian" (a = 1) or "orthogonal" (a = 0).

    Returns:
        Broadcast shape; NaN where lengths have no fixed point. Differentiable through the fixed point.

    Raises:
        ValueError: an unknown ensemble, or a concrete argument out of range.

    Numerics: in logarithms, so that neither chi_1^L nor its variance over- or underflows.

    Source:
        Pennington, Schoenholz and Ganguli, "Resurrecting the sigmoid", 2017, sec. 3; "The emergence of spectral
        universality", 2018, eq. 17.
    """
    require_activation("isometry_loss", activation)
    require_scales("isometry_loss", sigma_w, sigma_b)
    chosen("isometry_loss", "ensemble", ensemble, ENSEMBLES)
    require("isometry_loss", "depth", depth, lambda v: v >= 1.0, "at least 1")
    lengths = q_star(sigma_w, sigma_b, activation).value
    spread = 1.0 if ensemble == "gaussian" else 0.0

    def loss(q, sigma_w, depth):
        ok = (q >= 0.0) & (depth >= 1.0)
        mu = slope_moments(activation, jnp.where(ok, q, 1.0), 2)
        log_gain = 2.0 * jnp.log(sigma_w) + jnp.log(mu[0])
        value = (depth * log_gain) ** 2 + depth * (mu[1] / mu[0] ** 2 - 1.0 + spread)
        return jnp.where(ok, value, jnp.nan)

    return over_grid(loss, lengths, sigma_w, depth)
