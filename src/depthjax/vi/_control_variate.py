"""Control variates: quantities of known mean that are subtracted from a gradient."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.vi._baselines import leave_one_out_sum
from depthjax.vi._delta import DeltaControlVariate
from depthjax.vi._estimator import Aux, Estimator, require_samples


def optimal_coefficient(values: ArrayLike, control: ArrayLike, control_mean: ArrayLike) -> jax.Array:
    """The factor c = Cov(a, b) / Var(b) for which a - c (b - E b) has the least variance, (1 - rho^2) Var a.

    Args:
        values: (n,) draws of a.
        control: (n,) draws of b made with them.
        control_mean: () E b.

    Returns:
        () c, 0 where b does not vary. Estimated from draws that it is applied to, it biases their mean by O(1/n).

    Raises:
        ValueError: values and control are not two vectors of one length.

    Source:
        Owen, Monte Carlo Theory, Methods and Examples (2013), sec. 8.9.
    """
    values, control = jnp.asarray(values), jnp.asarray(control)
    if values.ndim != 1 or not values.size or control.shape != values.shape:
        raise ValueError(
            f"optimal_coefficient: values and control are (n,) with n >= 1, got {values.shape} and {control.shape}"
        )
    centred = control - control_mean
    variance = jnp.mean(centred**2)
    covariance = jnp.mean((values - jnp.mean(values)) * centred)
    return jnp.where(variance > 0, covariance / jnp.where(variance > 0, variance, 1.0), 0.0)


def with_control_variate(
    estimator: Estimator, control: Callable[..., tuple[Any, Any]], *, coefficient: str | float = "cross_fit"
) -> Estimator:
    """An estimator minus c (control - E control), coordinate by coordinate.

    Args:
        estimator: the estimator a; its mean stays.
        control: (params, draws, q, *batch) -> (gradients with leading axis (num_samples,), their expectation), both
            pytrees like `params`; `draws` are those of the estimator. Or `delta_control_variate()`.
        coefficient: a number c, or "cross_fit": the optimal c of each coordinate, for sample i from the other samples.

    Returns:
        An estimator with the unbiasedness and the state of the one given.

    Raises:
        ValueError: another coefficient; "cross_fit" with fewer than three samples.

    Source:
        Paisley, Blei and Jordan, Variational Bayesian Inference with Stochastic Search (2012), sec. 3.
    """
    cross_fit = isinstance(coefficient, str)
    if cross_fit and coefficient != "cross_fit":
        raise ValueError(f"with_control_variate: coefficient is a number or 'cross_fit', got {coefficient!r}")
    if not cross_fit and not np.isfinite(coefficient):
        raise ValueError(f"with_control_variate: coefficient must be finite, got {coefficient}")
    require_samples("with_control_variate", estimator.num_samples, 3 if cross_fit else 1)

    def surrogate(params, state, draws, q, f, *batch):
        scalar, aux = estimator.surrogate(params, state, draws, q, f, *batch)
        fixed = jax.lax.stop_gradient(params)
        if isinstance(control, DeltaControlVariate):
            polynomial = control.expand(fixed, q, f, *batch)
            expected = control.expected_gradient(fixed, q, f, *batch)
            controls = _each(estimator, fixed, state, draws, q, polynomial, *batch)
        else:
            controls, expected = control(fixed, draws, q, *batch)
        gradients = _each(estimator, fixed, state, draws, q, f, *batch) if cross_fit else controls

        def change(gradient, one, mean):
            centred = one - jnp.expand_dims(mean, 0)
            factor = _cross_fitted(gradient, centred) if cross_fit else coefficient
            return jax.lax.stop_gradient(jnp.mean(factor * centred, axis=0))

        changes = jax.tree.map(change, gradients, controls, expected)
        inner = jax.tree.map(lambda leaf, step: jnp.sum(leaf * step), params, changes)
        return scalar - sum(jax.tree.leaves(inner)), Aux(*aux)

    return Estimator(
        f"{estimator.name} with control variate", estimator.num_samples, unbiased=estimator.unbiased,
        init=estimator.init, draw=estimator.draw, surrogate=surrogate, outcomes=estimator.outcomes,
    )  # fmt: skip


def _each(estimator, params, state, draws, q, f, *batch):
    """Gradients of every repetition by itself, leading axis (num_samples,)."""

    def one(single):
        alone = jax.tree.map(lambda leaf: leaf[None], single)
        return jax.grad(lambda values: estimator.surrogate(values, state, alone, q, f, *batch)[0])(params)

    return jax.vmap(one)(draws)


def _cross_fitted(gradient, centred):
    """The coefficient for sample i from all the others, (num_samples, ...)."""
    others = gradient.shape[0] - 1
    mean = leave_one_out_sum(gradient) / others
    variance = leave_one_out_sum(centred**2) / others
    covariance = leave_one_out_sum(gradient * centred) / others - mean * leave_one_out_sum(centred) / others
    return jnp.where(variance > 0, covariance / jnp.where(variance > 0, variance, 1.0), 0.0)
