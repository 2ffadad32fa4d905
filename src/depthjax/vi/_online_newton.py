"""Variational online Newton: natural-gradient steps of a normal guide from gradients and Hessians of a log density."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least, chosen
from depthjax.distributions import MultivariateNormal
from depthjax.numerics._draws import standard_normal

_HESSIANS = ("exact", "reparam", "gauss_newton")
_STRUCTURES = ("full", "diagonal")


class OnlineNewtonState(NamedTuple):
    """The normal guide of `variational_online_newton`.

    Attributes:
        loc: (d,) mean.
        precision: (d, d), or (d,) of a diagonal guide.
        step: () steps made.
    """

    loc: jax.Array
    precision: jax.Array
    step: jax.Array

    @property
    def guide(self) -> MultivariateNormal:
        """The guide as a distribution record."""
        if self.precision.ndim == 1:
            return MultivariateNormal(self.loc, jnp.diag(1 / jnp.sqrt(self.precision)))
        # An upper factor U U^T of the precision, from the reversed axes: U^-T is the lower factor of the covariance.
        factor = jnp.linalg.cholesky(self.precision[::-1, ::-1])[::-1, ::-1]
        eye = jnp.eye(self.loc.shape[0], dtype=self.loc.dtype)
        return MultivariateNormal(self.loc, jax.scipy.linalg.solve_triangular(factor.T, eye, lower=True))


def variational_online_newton(
    log_density: Callable[[jax.Array], jax.Array],
    *,
    step_size: float | Callable[[jax.Array], jax.Array],
    num_samples: int,
    hessian: str = "exact",
    structure: str = "full",
) -> tuple[Callable[..., OnlineNewtonState], Callable[..., OnlineNewtonState]]:
    """Natural-gradient ascent of the evidence bound over normal guides N(m, S^-1).

    With g = E grad log p, G = S + E Hess log p and rho the step:
    m <- m + rho S^-1 g and S <- S - rho G + (rho^2/2) G S^-1 G. The last term is the correction that keeps S positive
    definite at any rho: the right side is (S + (S - rho G) S^-1 (S - rho G))/2.

    Args:
        log_density: (d,) -> () nats, over all of space.
        step_size: rho in (0, 1], or a schedule t -> rho such as `robbins_monro`.
        num_samples: static draws of a step.
        hessian: "exact" averages Hessians; "reparam" takes E S (z - m) grad log p(z)^T (Stein), symmetrised, from
            gradients alone; "gauss_newton" replaces the Hessian by -grad log p grad log p^T, which leaves the fixed
            point where it is for normal densities only.
        structure: "full", or "diagonal" for independent coordinates.

    Returns:
        `init(loc (d,), precision=1.0) -> OnlineNewtonState` (a number times the identity, or an array of the
        structure's shape), and `update(key, state) -> OnlineNewtonState`. What is not finite shows as NaN.

    Raises:
        ValueError: step_size outside (0, 1], num_samples < 1, another hessian or structure.

    Source:
        Khan et al., Fast and Scalable Bayesian Deep Learning by Weight-Perturbation in Adam (2018), eq. 8 and 9; Lin,
        Schmidt and Khan, Handling the Positive-Definite Constraint in the Bayesian Learning Rule (2020), sec. 4.
    """
    at_least("variational_online_newton", "num_samples", num_samples, 1)
    chosen("variational_online_newton", "hessian", hessian, _HESSIANS)
    chosen("variational_online_newton", "structure", structure, _STRUCTURES)
    if not callable(step_size) and not 0 < step_size <= 1:
        raise ValueError(f"variational_online_newton: step_size is {step_size}, expected a number in (0, 1]")
    is_full = structure == "full"
    gradient = jax.grad(log_density)

    def init(loc: ArrayLike, precision: ArrayLike = 1.0) -> OnlineNewtonState:
        loc = jnp.asarray(loc)
        if loc.ndim != 1:
            raise ValueError(f"variational_online_newton: loc has shape {loc.shape}, expected (d,)")
        size = loc.shape[0]
        start = jnp.asarray(precision, loc.dtype)
        if start.ndim == 0:
            start = start * (jnp.eye(size, dtype=loc.dtype) if is_full else jnp.ones_like(loc))
        want = (size, size) if is_full else (size,)
        if start.shape != want:
            raise ValueError(f"variational_online_newton: precision has shape {start.shape}, expected {want}")
        return OnlineNewtonState(loc, start, jnp.zeros((), jnp.int32))

    def update(key: jax.Array, state: OnlineNewtonState) -> OnlineNewtonState:
        loc, precision, step = state
        # Draws in antithetic pairs: the mean of a quadratic's gradient is then exact, as is its Hessian.
        half = standard_normal(key, (math.ceil(num_samples / 2), loc.shape[0]), loc.dtype)
        noise = jnp.concatenate([half, -half])[:num_samples]
        factor = jnp.linalg.cholesky(precision) if is_full else jnp.sqrt(precision)
        away = _solve_transposed(factor, noise) if is_full else noise / factor[None]
        draws = loc[None] + away
        slopes = jax.vmap(gradient)(draws)
        curvature = _curvature(hessian, is_full, log_density, draws, slopes, away, precision)
        rho = jnp.asarray(step_size(step) if callable(step_size) else step_size, loc.dtype)
        slope, change = jnp.mean(slopes, axis=0), precision + curvature
        if is_full:
            moved = loc + rho * jax.scipy.linalg.cho_solve((factor, True), slope)
            whitened = jax.scipy.linalg.solve_triangular(factor, precision - rho * change, lower=True)
            new = 0.5 * (precision + whitened.T @ whitened)
        else:
            moved = loc + rho * slope / precision
            new = 0.5 * (precision + (precision - rho * change) ** 2 / precision)
        return OnlineNewtonState(moved, new, step + 1)

    return init, update


def _solve_transposed(factor, noise):
    """Rows of noise of precision factor factor^T."""
    return jax.scipy.linalg.solve_triangular(factor, noise.T, lower=True, trans=1).T


def _curvature(hessian, is_full, log_density, draws, slopes, away, precision) -> Any:
    """Mean Hessian of the log density, or what stands for it; its diagonal where the guide is diagonal."""
    count = draws.shape[0]
    if hessian == "gauss_newton":
        return -slopes.T @ slopes / count if is_full else -jnp.mean(slopes**2, axis=0)
    if hessian == "exact":
        found = jax.vmap(jax.hessian(log_density))(draws)
        mean = jnp.mean(found, axis=0)
        return mean if is_full else jnp.diagonal(mean)
    if not is_full:
        return precision * jnp.mean(away * slopes, axis=0)
    product = precision @ (away.T @ slopes) / count
    return 0.5 * (product + product.T)
