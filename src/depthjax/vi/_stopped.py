"""Pathwise estimators in which the guide's own parameters are held fixed inside its log density."""

from typing import Any

import jax
import jax.numpy as jnp

from depthjax.vi._bounds import iwae_bound
from depthjax.vi._estimator import Aux, Estimator, no_state, require_samples
from depthjax.vi._guide import as_guide
from depthjax.vi._objectives import Objective
from depthjax.vi._outcomes import noise_outcomes
from depthjax.vi._pathwise import noise_drawer, replay, require_reparameterized


def sticking_the_landing(*, num_samples: int) -> Estimator:
    """The pathwise ELBO gradient without the score term: grad of log p(z) - log q(z) through z only.

    At q equal to the posterior every sample's gradient is zero.

    Args:
        num_samples: repetitions that are averaged.

    Returns:
        An unbiased, stateless estimator for an `Objective` of one particle.

    Raises:
        TypeError: at trace time, for a guide that is not reparameterisable, or a function that is no `Objective`.
        ValueError: num_samples < 1; at trace time, for more than one particle, where it is biased.

    Source:
        Roeder, Wu and Duvenaud, Sticking the Landing (2017), eq. 6.
    """
    require_samples("sticking_the_landing", num_samples)

    def surrogate(params, state, draws, q, f, *batch):
        objective, guide, fixed = _prepared("sticking_the_landing", f, q, params, *batch)
        if objective.num_particles > 1:
            raise ValueError(
                f"sticking_the_landing: it is biased for {objective.num_particles} particles; use "
                f"doubly_reparameterized"
            )

        def one(noise):
            z, _ = replay(guide, noise)
            return objective.integrand_from_log_q(params, z, fixed.log_prob(z), *batch)

        per_sample = jax.vmap(one)(jax.tree.map(lambda leaf: leaf[:, 0], draws))
        value = jnp.mean(per_sample)
        return value, Aux(value, per_sample, state, jnp.zeros_like(value))

    return Estimator(
        "sticking_the_landing", num_samples, unbiased=True, init=no_state, draw=noise_drawer(num_samples),
        surrogate=surrogate, outcomes=noise_outcomes, draws_noise=True,
    )  # fmt: skip


def doubly_reparameterized(*, num_samples: int) -> Estimator:
    """Gradient of the importance-weighted bound with its score term reparameterised once more (DReG).

    For the guide sum_k v_k^2 (d log w_k / d z_k)(d z_k / d phi), with v the normalised weights and q's parameters fixed
    inside log w; for parameters of log_joint the plain sum_k v_k grad log p(x, z_k).

    Args:
        num_samples: repetitions that are averaged, each of K particles.

    Returns:
        An unbiased, stateless estimator for `iwae_objective` or `elbo_objective`.

    Raises:
        TypeError: at trace time, for a guide that is not reparameterisable, or another objective.
        ValueError: num_samples < 1.

    Source:
        Tucker, Lawson, Gu and Maddison, Doubly Reparameterized Gradient Estimators (2019), eq. 7.
    """
    require_samples("doubly_reparameterized", num_samples)

    def surrogate(params, state, draws, q, f, *batch):
        objective, guide, fixed = _prepared("doubly_reparameterized", f, q, params, *batch)
        if objective.combine is not iwae_bound and objective.num_particles > 1:
            raise TypeError("doubly_reparameterized: the objective is iwae_objective or elbo_objective")
        constant = jax.lax.stop_gradient(params)

        def one(noise):
            z, _ = replay(guide, noise)
            stopped = jax.lax.stop_gradient(z)
            through_z = objective.integrand_from_log_q(constant, z, fixed.log_prob(z), *batch)
            return through_z, objective.integrand_from_log_q(params, stopped, fixed.log_prob(stopped), *batch)

        def sample(noises):
            through_z, explicit = jax.vmap(one)(noises)
            weights = jax.lax.stop_gradient(_normalised(explicit))
            scalar = jnp.sum(weights**2 * through_z) + jnp.sum(weights * explicit)
            return scalar, jax.lax.stop_gradient(objective.combine(explicit))

        scalars, per_sample = jax.vmap(sample)(draws)
        value = jnp.mean(per_sample)
        return jnp.mean(scalars), Aux(value, per_sample, state, jnp.zeros_like(value))

    return Estimator(
        "doubly_reparameterized", num_samples, unbiased=True, init=no_state, draw=noise_drawer(num_samples),
        surrogate=surrogate, outcomes=noise_outcomes, draws_noise=True,
    )  # fmt: skip


def _prepared(name, f, q, params, *batch):
    """The objective, the guide, and the guide with its parameters fixed."""
    if not isinstance(f, Objective) or not (f.beta or f.exact_term):
        raise TypeError(
            f"{name}: it stops gradients of log q and needs an Objective such as elbo_objective, got {type(f).__name__}"
        )
    guide: Any = as_guide(q)(params, *batch)
    require_reparameterized(name, guide)
    return f, guide, jax.lax.stop_gradient(guide)


def _normalised(log_weights):
    """Softmax of the log weights; zero where all are -inf."""
    dead = jnp.max(log_weights) == -jnp.inf
    return jnp.where(dead, 0.0, jax.nn.softmax(jnp.where(dead, 0.0, log_weights)))
