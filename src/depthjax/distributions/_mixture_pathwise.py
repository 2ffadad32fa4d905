"""Implicit pathwise derivatives of draws from a mixture, by sequential conditional cdfs."""

import jax
import jax.numpy as jnp

from depthjax.core import Elementwise
from depthjax.distributions._multivariate_normal_diag import MultivariateNormalDiag


def has_conditional_cdfs(component, support) -> bool:
    """Whether the coordinates of a component of a mixture on `support` are independent with a differentiable cdf."""
    if isinstance(component, MultivariateNormalDiag):
        return True
    return isinstance(component, Elementwise) and not support.discrete and hasattr(component, "log_cdf")


def conditional_levels(x: jax.Array, mixture) -> jax.Array:
    """Signed log tail of each coordinate given those before it, event -> (d,).

    u_i = log F(x_i | x_<i), or minus the log survival where that is the smaller tail; F(x_i | x_<i) mixes the
    components' cdfs with weights proportional to w_k prod_{j<i} p_k(x_j).
    """

    def of_parts(name):
        return mixture._elementwise_terms(name, x).reshape(mixture.logits.shape[0], -1)

    terms = of_parts("log_prob_terms")
    before = jnp.cumsum(terms, axis=1) - terms
    weights = jax.nn.log_softmax(jax.nn.log_softmax(mixture.logits)[:, None] + before, axis=0)
    lower = jax.nn.logsumexp(weights + of_parts("log_cdf"), axis=0)
    upper = jax.nn.logsumexp(weights + of_parts("log_survival"), axis=0)
    return jnp.where(lower < upper, lower, -upper)


@jax.custom_jvp
def _attach(x, mixture):
    """One event, with derivative -(du/dx)^-1 du/dtheta in the mixture."""
    del mixture
    return x


@_attach.defjvp
def _(primals, tangents):
    x, mixture = primals
    x = _attach(x, mixture)
    flat = x.reshape(-1)

    def levels(values, dist):
        return conditional_levels(values.reshape(x.shape), dist)

    slope = jax.jacfwd(levels)(flat, mixture)
    change = jax.jvp(lambda dist: levels(flat, dist), (mixture,), (tangents[1],))[1]
    moved = jax.scipy.linalg.solve_triangular(slope, change, lower=True)
    return x, -moved.reshape(x.shape)


def attach_pathwise(draws: jax.Array, mixture) -> jax.Array:
    """`draws`, (*sample_shape, *event), with the implicit derivative in the mixture's parameters.

    Source:
        Figurnov, Mohamed and Mnih, Implicit Reparameterization Gradients (2018), eq. 5 and sec. 4.
    """
    rank = len(mixture.event_shape)
    attach = _attach
    for _ in range(draws.ndim - rank):
        attach = jax.vmap(attach, in_axes=(0, None))
    return attach(jax.lax.stop_gradient(draws), mixture)
