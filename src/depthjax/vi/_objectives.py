"""Objectives: what is averaged over the guide, as a function of one draw and its log density."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.core import record, static
from depthjax.vi._bounds import iwae_bound
from depthjax.vi._more_bounds import renyi_bound


@record
class Objective:
    """An objective E_q[combine(integrand over K draws)], to be maximised.

    Args:
        log_joint: static (params, z, *batch) -> () nats for one z, or the plain function of an expectation.
        combine: static (K,) -> ().
        num_particles: static K.
        beta: static weight of the log density of the guide; 0 for a plain expectation.
        inverse_temperature: () weight b of log_joint, 1 by default; annealing raises it from near 0 to 1.
    """

    log_joint: Callable[..., jax.Array] = static()
    combine: Callable[[jax.Array], jax.Array] = static()
    num_particles: int = static(default=1)
    beta: float = static(default=1.0)
    inverse_temperature: Any = 1.0

    def integrand(self, params: Any, q_record: Any, z: Any, *batch: Any) -> jax.Array:
        """B log_joint(z) - beta log q(z) for one draw, () nats."""
        log_q = q_record.log_prob(z) if self.beta else 0.0
        return self.integrand_from_log_q(params, z, log_q, *batch)

    def integrand_from_log_q(self, params: Any, z: Any, log_q: Any, *batch: Any) -> jax.Array:
        """As `integrand`, where log q(z) came with the draw."""
        value = self.log_joint(params, z, *batch)
        if jnp.shape(value) != ():
            raise ValueError(
                f"the function of an objective returned shape {jnp.shape(value)}, expected (): "
                f"f sees one z; the library adds vmap"
            )
        tempered = jnp.asarray(self.inverse_temperature, value.dtype) * value
        return tempered - self.beta * log_q if self.beta else tempered


def _only(values):
    return values[0]


def as_objective(f: Any) -> Objective:
    """`f` itself if it is an objective, else its expectation."""
    return f if isinstance(f, Objective) else expectation(f)


def expectation(f: Callable[..., jax.Array]) -> Objective:
    """E_q f(params, z, *batch).

    Args:
        f: function of one z.
    """
    return Objective(f, _only, beta=0.0)


def elbo_objective(log_joint: Callable[..., jax.Array], *, beta: float = 1.0) -> Objective:
    """E_q[log p(x, z) - beta log q(z)], the evidence lower bound at beta = 1.

    Args:
        log_joint: (params, z, *batch) -> () nats for one z.
        beta: static weight of the entropy.

    Source:
        Blei et al., Variational Inference: A Review for Statisticians (2017), eq. 13.
    """
    return Objective(log_joint, _only, beta=beta)


def iwae_objective(log_joint: Callable[..., jax.Array], *, num_particles: int) -> Objective:
    """E log (1/K) sum_k p(x, z_k)/q(z_k) over K draws.

    Args:
        log_joint: (params, z, *batch) -> () nats for one z.
        num_particles: K >= 1.

    Raises:
        ValueError: K < 1.

    Source:
        Burda et al., Importance Weighted Autoencoders (2016), eq. 8.
    """
    if num_particles < 1:
        raise ValueError(f"iwae_objective: num_particles must be at least 1, got {num_particles}")
    return Objective(log_joint, iwae_bound, num_particles=num_particles)


def renyi_objective(log_joint: Callable[..., jax.Array], *, num_particles: int, alpha: float) -> Objective:
    """The Renyi bound of order alpha over K draws.

    Args:
        log_joint: (params, z, *batch) -> () nats for one z.
        num_particles: K >= 1.
        alpha: static order; 0 is `iwae_objective`, 1 the mean of K ELBO terms.

    Raises:
        ValueError: K < 1.

    Source:
        Li and Turner, Renyi Divergence Variational Inference (2016), eq. 9.
    """
    if num_particles < 1:
        raise ValueError(f"renyi_objective: num_particles must be at least 1, got {num_particles}")
    return Objective(log_joint, _renyi(float(alpha)), num_particles=num_particles)


@functools.cache
def _renyi(alpha):
    return functools.partial(renyi_bound, alpha=alpha)


def minibatch_log_joint(
    log_prior: Callable[..., jax.Array], log_likelihood: Callable[..., jax.Array], *, num_data: int
) -> Callable[..., jax.Array]:
    """Log p(z) + (N/B) sum over a batch of log p(x_i | z), an unbiased estimate of the log joint of all N data.

    Args:
        log_prior: (params, z) -> () nats.
        log_likelihood: (params, z, datum) -> () nats for one datum, a slice of `batch`.
        num_data: N, the size of the whole data set.

    Returns:
        log_joint(params, z, batch) for a pytree `batch` with leading axis B.

    Raises:
        ValueError: num_data < 1; at trace time, a batch larger than the data.

    Source:
        Hoffman et al., Stochastic Variational Inference (2013), sec. 2.3.
    """
    if num_data < 1:
        raise ValueError(f"minibatch_log_joint: num_data must be at least 1, got {num_data}")

    def log_joint(params, z, batch):
        size = jax.tree.leaves(batch)[0].shape[0]
        if size > num_data:
            raise ValueError(f"minibatch_log_joint: a batch of {size} is larger than num_data = {num_data}")
        terms = jax.vmap(lambda datum: log_likelihood(params, z, datum))(batch)
        return log_prior(params, z) + (num_data / size) * jnp.sum(terms)

    return log_joint
