"""How good is a gradient estimator: mean, variance, signal-to-noise ratio and cost, side by side."""

import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.vi import Estimator, value_and_grad


class EstimatorReport(NamedTuple):
    """What many independent gradients of one estimator tell.

    Attributes:
        mean: (P,) over the repetitions, the leaves of the gradient in one vector.
        variance: (P,) of one gradient.
        snr: (P,) |mean| over standard deviation; infinite where there is no variance.
        cost: time of one compiled gradient, seconds.
    """

    mean: jax.Array
    variance: jax.Array
    snr: jax.Array
    cost: float


def snr(per_sample: ArrayLike) -> jax.Array:
    """Signal-to-noise ratio |mean| / standard deviation of independent estimates.

    Args:
        per_sample: (S, ...) estimates, S >= 2.

    Returns:
        (...); infinite where the estimates are all equal and not zero, NaN where they are all zero.

    Raises:
        ValueError: fewer than two estimates.

    Source:
        Rainforth et al., Tighter Variational Bounds Are Not Necessarily Better (2018), eq. 5.
    """
    values = jnp.asarray(per_sample)
    if values.ndim < 1 or values.shape[0] < 2:
        raise ValueError(f"snr: per_sample is (S, ...) with S at least 2, got shape {values.shape}")
    return jnp.abs(jnp.mean(values, axis=0)) / jnp.std(values, axis=0, ddof=1)


def estimator_report(
    key: jax.Array, estimators: dict[str, Estimator], f: Any, q: Any, params: Any, *batch: Any, num_repeats: int
) -> dict[str, EstimatorReport]:
    """Independent gradients of several estimators of one objective.

    Args:
        key: PRNG key; every estimator sees the same keys.
        estimators: name -> estimator.
        f: as for `vi.value_and_grad`.
        q: as for `vi.value_and_grad`.
        params: where the gradients are taken.
        *batch: passed on.
        num_repeats: gradients per estimator, at least 2.

    Returns:
        name -> `EstimatorReport`. Means and variances are themselves estimates, of relative error about
        num_repeats^-1/2; `vi.enumerate_gradient` gives the exact ones where the draws can be listed.

    Raises:
        ValueError: num_repeats < 2.
    """
    if num_repeats < 2:
        raise ValueError(f"estimator_report: num_repeats must be at least 2, got {num_repeats}")
    keys = jax.random.split(key, num_repeats)
    return {name: _report(estimator, f, q, params, batch, keys) for name, estimator in estimators.items()}


def _report(estimator, f, q, params, batch, keys):
    state = estimator.init(params)

    def gradient(key, params, state, *batch):
        leaves = jax.tree.leaves(value_and_grad(estimator, f, q)(key, params, state, *batch)[1])
        return jnp.concatenate([jnp.ravel(leaf) for leaf in leaves])

    one = jax.jit(gradient)
    jax.block_until_ready(one(keys[0], params, state, *batch))
    start = time.perf_counter()
    jax.block_until_ready(one(keys[0], params, state, *batch))
    cost = time.perf_counter() - start
    found = jax.jit(lambda ks, *args: jax.lax.map(lambda k: gradient(k, *args), ks))(keys, params, state, *batch)
    return EstimatorReport(jnp.mean(found, axis=0), jnp.var(found, axis=0, ddof=1), snr(found), cost)
