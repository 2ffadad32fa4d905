"""What a fitted guide says about the posterior, raw and corrected by importance weights."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from depthjax.numerics import pareto_smooth
from depthjax.vi._bounds import one_number
from depthjax.vi._guide import as_guide


class Summary(NamedTuple):
    """Moments of a posterior.

    Attributes:
        mean: tree like z, of the guide's draws.
        sd: the same, standard deviations.
        corrected_mean: of the draws weighted by Pareto-smoothed importance weights.
        corrected_sd: the same, standard deviations.
        log_weights: (num_draws,) raw log weights log p(x, z) - log q(z), nats.
        khat: () shape of their tail; above 0.7 the corrected moments are not to be trusted either.
    """

    mean: Any
    sd: Any
    corrected_mean: Any
    corrected_sd: Any
    log_weights: jax.Array
    khat: jax.Array


def posterior_summary(
    key: jax.Array, log_joint: Callable[..., jax.Array], q: Any, params: Any, *batch: Any, num_draws: int
) -> Summary:
    """Posterior means and standard deviations by a guide, with and without importance correction.

    k-hat is a statement about the weights, not about the raw means: a guide may have a small k-hat and a raw mean that
    is off, which the weights then mend.

    Args:
        key: PRNG key.
        log_joint: (params, z, *batch) -> () nats for one z.
        q: a distribution record, or a function (params, *batch) -> record.
        params: what `q` and `log_joint` take.
        *batch: passed on.
        num_draws: number of draws, at least 25 for a tail to fit.

    Returns:
        `Summary`.

    Raises:
        ValueError: num_draws < 25, or a log_joint that does not return one number.

    Source:
        Vehtari et al., Pareto Smoothed Importance Sampling (2024); Yao et al., Yes, but Did It Work? (2018).
    """
    if num_draws < 25:
        raise ValueError(f"posterior_summary: num_draws must be at least 25, got {num_draws}")
    guide = as_guide(q)(params, *batch)
    z, log_q = guide.sample_and_log_prob(key, (num_draws,))
    log_w = jax.vmap(lambda value: one_number(log_joint(params, value, *batch)))(z) - log_q
    smoothed, khat = pareto_smooth(log_w)
    equal, weights = jnp.full_like(log_w, 1 / num_draws), jax.nn.softmax(smoothed)
    mean, sd = _moments(z, equal)
    corrected_mean, corrected_sd = _moments(z, weights)
    return Summary(mean, sd, corrected_mean, corrected_sd, log_w, khat)


def _moments(z, weights):
    mean = jax.tree.map(lambda leaf: jnp.tensordot(weights, leaf, axes=1), z)
    square = jax.tree.map(lambda leaf, m: jnp.tensordot(weights, (leaf - m[None]) ** 2, axes=1), z, mean)
    return mean, jax.tree.map(jnp.sqrt, square)
