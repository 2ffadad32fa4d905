"""Laplace's approximation: a Gaussian at the mode."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from depthjax.distributions import MultivariateNormal
from depthjax.numerics._arguments import floats


class LaplaceResult(NamedTuple):
    """A Gaussian fitted at the mode.

    Attributes:
        guide: normal with mean at the mode and covariance minus the inverse Hessian; NaN where not converged.
        log_evidence: () log of the integral of the density, to second order; nats.
        mode: (d,) where the search ended.
        converged: () bool; false without a maximum with a negative definite Hessian.
        residual: () Newton decrement sqrt(g^T (-H)^-1 g), the distance to the mode in standard deviations.
    """

    guide: MultivariateNormal
    log_evidence: jax.Array
    mode: jax.Array
    converged: jax.Array
    residual: jax.Array


def laplace(
    log_density: Callable[[jax.Array], jax.Array], init: jax.Array, *, max_steps: int = 200, tol: float = 1e-8
) -> LaplaceResult:
    """A Gaussian with the mode and the curvature of a log density.

    Newton steps on a damped Hessian, -H + c I; the damping c falls after a step that climbs and rises after one that
    does not, which is then not taken.

    Args:
        log_density: (d,) -> () nats, twice differentiable.
        init: (d,) start.
        max_steps: largest number of steps.
        tol: the search ends where the Newton decrement is below this, or below 64 eps sqrt(d) where that is larger.

    Returns:
        `LaplaceResult`.

    Raises:
        ValueError: init is no vector, max_steps < 1.

    Cost:
        A Hessian and its factorisation per step.

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), sec. 4.4; damping, Marquardt (1963).
    """
    (init,) = floats(jnp.asarray(init))
    if init.ndim != 1 or max_steps < 1:
        raise ValueError(f"laplace: init is (d,) and max_steps at least 1, got shape {init.shape} and {max_steps}")
    size, eps = init.shape[0], float(jnp.finfo(init.dtype).eps)
    enough = max(tol, 64 * eps * math.sqrt(size))
    derivatives = jax.value_and_grad(log_density)
    hessian = jax.hessian(log_density)

    def step(state):
        x, value, gradient, matrix, damping, _, count = state
        scale = jnp.max(jnp.abs(jnp.diagonal(matrix))) + jnp.asarray(eps, x.dtype)
        move = _solve(-matrix + damping * scale * jnp.eye(size, dtype=x.dtype), gradient)
        there = x + move
        new_value, new_gradient = derivatives(there)
        better = jnp.all(jnp.isfinite(move)) & (new_value >= value - 4 * eps * jnp.abs(value))
        x, value, gradient = (
            jnp.where(better, new, old) for new, old in ((there, x), (new_value, value), (new_gradient, gradient))
        )
        matrix = jnp.where(better, hessian(x), matrix)
        damping = jnp.where(better, damping / 10, jnp.maximum(damping * 10, 1e-6))
        damping = jnp.where(damping < 1e-8, 0.0, damping)
        return x, value, gradient, matrix, damping, _decrement(matrix, gradient), count + 1

    def unfinished(state):
        return ~(state[5] <= enough) & (state[6] < max_steps)

    value, gradient = derivatives(init)
    matrix = hessian(init)
    start = (init, value, gradient, matrix, jnp.zeros((), init.dtype), _decrement(matrix, gradient), 0)
    x, value, gradient, matrix, _, residual, _ = jax.lax.while_loop(unfinished, step, start)
    converged = residual <= enough
    inverse_factor = jnp.linalg.cholesky(-matrix)
    log_evidence = value + 0.5 * size * math.log(2 * math.pi) - jnp.sum(jnp.log(jnp.diagonal(inverse_factor)))
    mean = jnp.where(converged, x, jnp.nan)
    return LaplaceResult(_gaussian(mean, matrix), jnp.where(converged, log_evidence, jnp.nan), x, converged, residual)


def _gaussian(mean, hessian):
    """The normal whose precision is minus the Hessian."""
    factor = jnp.linalg.cholesky(-hessian)
    identity = jnp.eye(len(mean), dtype=mean.dtype)
    inverse = jax.scipy.linalg.solve_triangular(factor, identity, lower=True)
    covariance = inverse.T @ inverse
    bad = ~jnp.all(jnp.isfinite(covariance))
    return MultivariateNormal(mean, jnp.where(bad, jnp.nan, jnp.linalg.cholesky(covariance)))


def _solve(matrix, vector):
    factor = jnp.linalg.cholesky(matrix)
    return jax.scipy.linalg.cho_solve((factor, True), vector)


def _decrement(hessian, gradient):
    """NaN where the Hessian is not negative definite, so that the search goes on."""
    return jnp.sqrt(jnp.maximum(gradient @ _solve(-hessian, gradient), 0.0))
