"""The exact mean and variance of a gradient estimator, by summing over all of its randomness."""

from typing import Any

import jax
import jax.numpy as jnp

from depthjax.vi._estimator import Estimator
from depthjax.vi._guide import as_guide
from depthjax.vi._outcomes import repeated


def enumerate_gradient(
    estimator: Estimator, f: Any, q: Any, params: Any, state: Any, *batch: Any, num_points: int = 64
) -> tuple[Any, Any]:
    """Mean and variance of an estimator over every outcome of its draws.

    The sum runs over all combinations of `estimator.num_samples` times K draws; a continuous auxiliary draw (the
    uniforms of ARM, the noise of a pathwise estimator) is integrated by a Gauss rule.

    Args:
        estimator: which estimator.
        f: as for `value_and_grad`.
        q: as for `value_and_grad`.
        params: where the gradient is taken.
        state: the estimator's state.
        *batch: passed on.
        num_points: nodes for each continuous coordinate.

    Returns:
        (mean, variance), each a pytree like `params`; the variance is that of the average over `num_samples`.

    Raises:
        TypeError: the estimator's draws cannot be listed for this guide.
        ValueError: more than 2^20 outcomes.
    """
    if estimator.outcomes is None:
        raise TypeError(f"enumerate_gradient: the draws of {estimator.name} cannot be listed")
    one, weights = estimator.outcomes(as_guide(q)(params, *batch), num_points)
    shape = (estimator.num_samples, getattr(f, "num_particles", 1))
    draws, weights = repeated(one, weights, shape)

    def gradient(single):
        return jax.grad(lambda values: estimator.surrogate(values, state, single, q, f, *batch)[0])(params)

    gradients = jax.vmap(gradient)(draws)
    mean = jax.tree.map(lambda g: _average(weights, g), gradients)
    variance = jax.tree.map(lambda g, m: _average(weights, (g - m[None]) ** 2), gradients, mean)
    return mean, variance


def quadrature_gradient(
    estimator: Estimator, f: Any, q: Any, params: Any, state: Any, *batch: Any, num_points: int = 40
) -> tuple[Any, Any]:
    """Mean and variance of an estimator under a guide with normal noise, by tensor Gauss-Hermite quadrature.

    As `enumerate_gradient`, with fewer nodes: exact where the gradient is a polynomial in the noise of degree below
    `num_points`.

    Args:
        estimator: which estimator.
        f: as for `value_and_grad`.
        q: as for `value_and_grad`.
        params: where the gradient is taken.
        state: the estimator's state.
        *batch: passed on.
        num_points: nodes for each coordinate of the noise.

    Returns:
        (mean, variance), each a pytree like `params`.

    Raises:
        TypeError: the guide has neither normal noise nor a finite support (whose outcomes are summed over instead).
        ValueError: more than 2^20 nodes.
    """
    return enumerate_gradient(estimator, f, q, params, state, *batch, num_points=num_points)


def _average(weights, values):
    return jnp.tensordot(weights, values, axes=1)
