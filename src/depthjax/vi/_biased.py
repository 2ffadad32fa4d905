"""Gradients of discrete guides through relaxed draws, which are biased: Gumbel-softmax and straight-through."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core._options import is_concrete
from depthjax.distributions import Bernoulli
from depthjax.vi._estimator import Aux, Estimator, no_state, require_samples
from depthjax.vi._guide import as_guide
from depthjax.vi._objectives import as_objective
from depthjax.vi._outcomes import sample_outcomes
from depthjax.vi._relaxation import draw_uniforms, integrand_of_soft, relaxation_of, uniform_nodes
from depthjax.vi._score_function import sample_drawer


def gumbel_softmax(*, num_samples: int, temperature: ArrayLike, straight_through: bool = False) -> Estimator:
    """Gradient through a soft draw, f(soft((logits + noise) / temperature)), logistic or Gumbel noise.

    Args:
        num_samples: repetitions that are averaged.
        temperature: () positive; the bias falls and the variance grows as it falls.
        straight_through: evaluate f at the hard outcome and differentiate as if it were the soft one.

    Returns:
        A stateless estimator, declared biased. The guide is a `Bernoulli`, `Categorical` or `OneHotCategorical`; f sees
        bits and one-hot vectors as floats. For a `Categorical` f at a soft draw is sum_k soft_k f(k).

    Raises:
        TypeError: at trace time, another guide.
        ValueError: num_samples < 1; a concrete temperature that is not positive (a traced one gives NaN).

    Source:
        Jang, Gu and Poole (2017), eq. 2; Maddison, Mnih and Teh, The Concrete Distribution (2017), sec. 3.
    """
    require_samples("gumbel_softmax", num_samples)
    if is_concrete(temperature) and not np.all(np.asarray(temperature) > 0):
        raise ValueError(f"gumbel_softmax: temperature must be positive, got {temperature}")

    def draw(key, q, params, num_particles, *batch):
        guide = as_guide(q)(params, *batch)
        shape = (num_samples, num_particles, *relaxation_of("gumbel_softmax", guide).noise_shape)
        return draw_uniforms(key, shape, guide.logits.dtype)

    def soft_draw(guide, u):
        relaxation = relaxation_of("gumbel_softmax", guide)
        z = relaxation.latent(u)
        heat = jnp.asarray(temperature, z.dtype)
        soft = relaxation.soften(z, jnp.where(heat > 0, heat, jnp.nan))
        return _with_value(soft, relaxation.harden(z)) if straight_through else soft

    return Estimator(
        "gumbel_softmax", num_samples, unbiased=False, init=no_state, draw=draw, surrogate=_through(soft_draw),
        outcomes=_uniforms_of_bits,
    )  # fmt: skip


def straight_through(*, num_samples: int) -> Estimator:
    """Gradient as if the outcome b were the mean p of the guide: f'(b) grad p.

    Args:
        num_samples: repetitions that are averaged.

    Returns:
        A stateless estimator, declared biased, for the guides of `gumbel_softmax`. For a `Bernoulli` and
        f(b) = (b - t)^2 the bias in the logit is p(1-p)(2p-1), whatever t is.

    Raises:
        TypeError: at trace time, another guide.
        ValueError: num_samples < 1.

    Source:
        Bengio, Leonard and Courville, Estimating or Propagating Gradients Through Stochastic Neurons (2013), sec. 4.
    """
    require_samples("straight_through", num_samples)

    def soft_draw(guide, outcome):
        mean = relaxation_of("straight_through", guide).mean()
        hard = outcome if outcome.shape == mean.shape else jax.nn.one_hot(outcome, mean.shape[0])
        return _with_value(mean, hard.astype(mean.dtype))

    return Estimator(
        "straight_through", num_samples, unbiased=False, init=no_state, draw=sample_drawer(num_samples),
        surrogate=_through(soft_draw), outcomes=sample_outcomes,
    )  # fmt: skip


def _with_value(soft, hard):
    return jax.lax.stop_gradient(hard - soft) + soft


def _through(soft_draw):
    """The surrogate that differentiates the integrand through `soft_draw(guide, draw)`."""

    def surrogate(params, state, draws, q, f, *batch):
        objective, guide = as_objective(f), as_guide(q)(params, *batch)

        def integrand(one: Any):
            return integrand_of_soft(objective, params, guide, soft_draw(guide, one), *batch)

        per_sample = jax.vmap(lambda particles: objective.combine(jax.vmap(integrand)(particles)))(draws)
        value = jnp.mean(per_sample)
        return value, Aux(value, per_sample, state, jnp.zeros_like(value))

    return surrogate


def _uniforms_of_bits(guide, num_points):
    relaxation_of("gumbel_softmax", guide)
    if not isinstance(guide, Bernoulli):
        raise TypeError(f"gumbel_softmax: the noise of {type(guide).__name__} cannot be listed, that of Bernoulli can")
    flips = jax.nn.sigmoid(-guide.logits).reshape(1, -1)
    return uniform_nodes(guide.logits.shape, flips, num_points, guide.logits.dtype)
