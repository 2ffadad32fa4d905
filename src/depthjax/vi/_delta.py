"""Control variates by the delta method: the integrand's Taylor polynomial about the guide's mean."""

from typing import Any

import jax
import jax.numpy as jnp

from depthjax import distributions
from depthjax.core import record, static
from depthjax.vi._guide import as_guide
from depthjax.vi._objectives import Objective, as_objective, elbo_objective, expectation


@record
class DeltaControlVariate:
    """The estimator itself, applied to the Taylor polynomial of its integrand; see `delta_control_variate`.

    Args:
        order: static, 1 or 2.
        diagonal: static, whether only the diagonal of the Hessian enters.
    """

    order: int = static(default=1)
    diagonal: bool = static(default=True)

    def expand(self, params: Any, q: Any, f: Any, *batch: Any) -> Objective:
        """The objective with the polynomial about the mean of the guide at `params` in the place of its function."""
        center, value, slope, curvature = self._taylor(params, q, f, *batch)

        def polynomial(_, z, *rest):
            return _polynomial(jnp.ravel(z) - center, value, slope, curvature)

        beta = as_objective(f).beta
        return elbo_objective(polynomial, beta=beta) if beta else expectation(polynomial)

    def expected_gradient(self, params: Any, q: Any, f: Any, *batch: Any) -> Any:
        """Gradient in `params` of the expectation of that objective, the coefficients held fixed."""
        center, value, slope, curvature = self._taylor(params, q, f, *batch)
        beta = as_objective(f).beta

        def mean(values):
            guide = as_guide(q)(values, *batch)
            result = _polynomial(jnp.ravel(guide.mean()) - center, value, slope, curvature)
            result = result + beta * jnp.sum(guide.entropy()) if beta else result
            if curvature is None:
                return result
            if curvature.ndim == 1:
                return result + 0.5 * jnp.sum(curvature * jnp.ravel(guide.variance()))
            return result + 0.5 * jnp.sum(curvature * _covariance(guide))

        return jax.grad(mean)(params)

    def _taylor(self, params, q, f, *batch):
        objective, guide = as_objective(f), as_guide(q)(params, *batch)
        _require_normal(guide, objective)
        mean = guide.mean()

        def flat(point):
            return objective.integrand_from_log_q(
                params, jnp.reshape(point, mean.shape), jnp.zeros_like(point[0]), *batch
            )

        center = jnp.ravel(mean)
        value, slope = jax.value_and_grad(flat)(center)
        if self.order == 1:
            return center, value, slope, None
        if not self.diagonal:
            return center, value, slope, jax.hessian(flat)(center)

        def second(direction):
            return jnp.sum(direction * jax.jvp(jax.grad(flat), (center,), (direction,))[1])

        return center, value, slope, jax.lax.map(second, jnp.eye(center.size, dtype=center.dtype))


def delta_control_variate(*, order: int = 1, diagonal: bool = True) -> DeltaControlVariate:
    """The Taylor polynomial of the function about the mean of a normal guide, for `with_control_variate`.

    The control is the gradient estimate of the polynomial (and of the guide's own log density, where the objective has
    it) from the same draws; its expectation has the closed form f(m) + (1/2) tr(H Sigma), plus the entropy.

    Args:
        order: 1 (linear) or 2 (quadratic).
        diagonal: of the Hessian take the diagonal only: d Hessian-vector products, and d numbers.

    Returns:
        A control for score-function and pathwise estimators with one particle and a Normal or MultivariateNormal*
        guide. With order 2 and the full Hessian it leaves no variance for a quadratic integrand.

    Raises:
        ValueError: another order.
        TypeError: at trace time, another guide.

    Source:
        Paisley, Blei and Jordan, Variational Bayesian Inference with Stochastic Search (2012), sec. 4; for pathwise
        gradients Miller, Foti, D'Amour and Adams, Reducing Reparameterization Gradient Variance (2017), sec. 3.
    """
    if order not in (1, 2):
        raise ValueError(f"delta_control_variate: order is 1 or 2, got {order}")
    return DeltaControlVariate(order, diagonal)


_GUIDES = (
    distributions.Normal,
    distributions.MultivariateNormal,
    distributions.MultivariateNormalDiag,
    distributions.MultivariateNormalPrecision,
    distributions.MultivariateNormalLowRank,
)


def _require_normal(guide, objective):
    if not isinstance(guide, _GUIDES):
        raise TypeError(f"delta_control_variate: the guide is a normal distribution, got {type(guide).__name__}")
    if objective.num_particles > 1:
        raise ValueError(f"delta_control_variate: num_particles must be 1, got {objective.num_particles}")


def _polynomial(step, value, slope, curvature):
    result = value + jnp.sum(slope * step)
    if curvature is None:
        return result
    square = jnp.sum(curvature * step**2) if curvature.ndim == 1 else step @ (curvature @ step)
    return result + 0.5 * square


def _covariance(guide):
    if isinstance(guide, distributions.Normal):
        return jnp.diag(jnp.ravel(guide.variance()))
    return guide.covariance()
