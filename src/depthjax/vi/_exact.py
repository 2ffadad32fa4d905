"""The exact gradient of an expectation over a finite support."""

import jax
import jax.numpy as jnp

from depthjax.vi._estimator import Aux, Estimator, no_state
from depthjax.vi._guide import as_guide
from depthjax.vi._objectives import as_objective
from depthjax.vi._outcomes import repeated


def exact() -> Estimator:
    """Gradient of sum_z q(z) f(z) over the whole support of the guide; it has no variance.

    Returns:
        A stateless estimator without randomness, for guides with `enumerate_support`; with K particles it sums over
        all K-tuples.

    Raises:
        TypeError: at trace time, for a guide without a finite support.
        ValueError: at trace time, for more than 2^20 terms.
    """
    return Estimator(
        "exact", 1, unbiased=True, init=no_state, draw=_draw, surrogate=_surrogate, outcomes=_single_outcome
    )


def _draw(key, q, params, num_particles, *batch):
    del key, q, params, batch
    return jnp.zeros((1, num_particles))


def _single_outcome(guide, num_points):
    del guide, num_points
    return jnp.zeros((1,)), jnp.ones((1,))


def _surrogate(params, state, draws, q, f, *batch):
    del draws
    objective, guide = as_objective(f), as_guide(q)(params, *batch)
    if not hasattr(guide, "enumerate_support"):
        raise TypeError(f"exact: {type(guide).__name__} has no finite support; use score_function or pathwise")
    support = guide.enumerate_support()
    log_q = guide.log_prob(support)
    values = jax.vmap(lambda z, one: objective.integrand_from_log_q(params, z, one, *batch))(support, log_q)
    impossible = log_q == -jnp.inf  # adds nothing, whatever f is there
    values = jnp.where(impossible, 0.0, values)
    (tuples, chances), weights = repeated((values, jnp.exp(log_q)), jnp.ones_like(log_q), (objective.num_particles,))
    del weights
    value = jnp.sum(jnp.prod(chances, axis=1) * jax.vmap(objective.combine)(tuples))
    return value, Aux(value, value[None], state, jnp.zeros_like(value))
