"""Antithetic estimators for independent Bernoulli variables: ARM and DisARM."""

from typing import Any

import jax
import jax.numpy as jnp

from depthjax.distributions import Bernoulli
from depthjax.vi._estimator import Aux, Estimator, no_state, require_samples
from depthjax.vi._guide import as_guide
from depthjax.vi._objectives import as_objective
from depthjax.vi._relaxation import uniform_nodes


def arm(*, num_samples: int) -> Estimator:
    """Augment-REINFORCE-merge: (f(1[u > s(-phi)]) - f(1[u < s(phi)])) (u - 1/2), s the logistic function.

    Args:
        num_samples: repetitions that are averaged; each evaluates f twice.

    Returns:
        An unbiased, stateless estimator in the logits phi of a `Bernoulli` guide. Its draws are the uniforms u.

    Raises:
        TypeError: at trace time, another guide.
        ValueError: num_samples < 1; at trace time, more than one particle.

    Source:
        Yin and Zhou, ARM: Augment-REINFORCE-Merge Gradient (2019), theorem 1.
    """
    return _estimator("arm", num_samples, _arm_weights)


def disarm(*, num_samples: int) -> Estimator:
    """ARM with u integrated out given the pair: (f(b) - f(b')) (-1)^b' 1[b != b'] s(|phi|) / 2.

    Args:
        num_samples: repetitions that are averaged; each evaluates f twice.

    Returns:
        An unbiased, stateless estimator in the logits of a `Bernoulli` guide, of lower variance than `arm`.

    Raises:
        TypeError: at trace time, another guide.
        ValueError: num_samples < 1; at trace time, more than one particle.

    Source:
        Dong, Mnih and Tucker, DisARM: An Antithetic Gradient Estimator (2020), eq. 6.
    """
    return _estimator("disarm", num_samples, _disarm_weights)


def _arm_weights(u, first, second, logits):
    del first, second, logits
    return u - 0.5


def _disarm_weights(u, first, second, logits):
    del u
    sign = jnp.where(second == 1, -0.5, 0.5).astype(logits.dtype)
    return jnp.where(first == second, 0.0, sign * jax.nn.sigmoid(jnp.abs(logits)))


def _estimator(name, num_samples, weights):
    require_samples(name, num_samples)

    def draw(key, q, params, num_particles, *batch):
        guide = _bernoulli(name, as_guide(q)(params, *batch))
        shape = (num_samples, num_particles, *guide.event_shape)
        return jax.random.uniform(key, shape, guide.logits.dtype)

    def surrogate(params, state, draws, q, f, *batch):
        objective, guide = as_objective(f), _bernoulli(name, as_guide(q)(params, *batch))
        if objective.num_particles > 1:
            raise ValueError(f"{name}: num_particles must be 1, got {objective.num_particles}")

        def one(u):
            first = (u > jax.nn.sigmoid(-guide.logits)).astype(jnp.int32)
            second = (u < jax.nn.sigmoid(guide.logits)).astype(jnp.int32)
            here, there = (
                objective.integrand(params, guide, first, *batch),
                objective.integrand(params, guide, second, *batch),
            )
            slope = jax.lax.stop_gradient((here - there) * weights(u, first, second, guide.logits))
            return jnp.sum(slope * guide.logits), (here + there) / 2

        scalars, per_sample = jax.vmap(one)(draws[:, 0])
        fixed = jax.lax.stop_gradient(per_sample)
        value = jnp.mean(fixed)
        return jnp.mean(scalars + per_sample), Aux(value, fixed, state, jnp.zeros_like(value))

    return Estimator(
        name, num_samples, unbiased=True, init=no_state, draw=draw, surrogate=surrogate,
        outcomes=lambda guide, num_points: _uniform_outcomes(_bernoulli(name, guide), num_points),
    )  # fmt: skip


def _bernoulli(name: str, guide: Any) -> Bernoulli:
    if not isinstance(guide, Bernoulli):
        raise TypeError(f"{name}: the guide is a Bernoulli, got {type(guide).__name__}; use score_function or vimco")
    return guide


def _uniform_outcomes(guide, num_points):
    """Gauss-Legendre nodes of u in (0, 1)^D on panels that end where a bit flips."""
    logits = guide.logits.ravel()
    flips = jnp.sort(jnp.stack([jax.nn.sigmoid(logits), jax.nn.sigmoid(-logits)]), axis=0)
    return uniform_nodes(guide.event_shape, flips, num_points, logits.dtype)
