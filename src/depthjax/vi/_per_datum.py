"""Estimators of the mean of an objective over a batch, each datum with draws of its own."""

from typing import Any

import jax
import jax.numpy as jnp

from depthjax.vi._estimator import Aux, Estimator


def per_datum(estimator: Estimator) -> Estimator:
    """An estimator for the mean over a batch of per-datum objectives, (1/B) sum_i L(x_i).

    The guide and the function see one datum: q(params, *row) and f(params, z, *row), with `row` a slice of every array
    of the batch. Particles are combined for each datum, so that `iwae_objective` is the mean of B bounds. One gradient
    is taken for the whole batch, by one backward pass; a `vmap` of `value_and_grad` would hold B gradients.

    Args:
        estimator: for one datum.

    Returns:
        An estimator for batches with leading axis B, as unbiased as the one given; its value is a mean, nats for each
        datum. State is shared by the data: each changes it by itself, and the mean is kept.

    Source:
        Burda et al., Importance Weighted Autoencoders (2016), sec. 3; Kingma and Welling (2014), eq. 8, over N.
    """

    def draw(key, q, params, num_particles, *batch):
        def one(k, *row):
            return estimator.draw(k, q, params, num_particles, *row)

        return jax.vmap(one, out_axes=1)(jax.random.split(key, _size(batch)), *batch)

    def surrogate(params, state, draws, q, f, *batch):
        _size(batch)

        def one(single, *row):
            return estimator.surrogate(params, state, single, q, f, *row)

        scalars, aux = jax.vmap(one, in_axes=(1, *[0] * len(batch)))(draws, *batch)
        return jnp.mean(scalars), Aux(*jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), tuple(aux)))

    return Estimator(
        f"{estimator.name} per datum", estimator.num_samples, unbiased=estimator.unbiased, init=estimator.init,
        draw=draw, surrogate=surrogate,
    )  # fmt: skip


def _size(batch: Any) -> int:
    if not batch:
        raise ValueError("per_datum: there is no batch; give arrays with a leading axis of data")
    sizes = sorted({jnp.shape(leaf)[0] if jnp.ndim(leaf) else 0 for leaf in jax.tree.leaves(batch)})
    if len(sizes) != 1 or not sizes[0]:
        raise ValueError(f"per_datum: the arrays of a batch have one leading axis of data, got lengths {sizes}")
    return sizes[0]
