"""Newton's method for the implicit equations of a step, differentiable by the implicit function theorem."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class NewtonResult(NamedTuple):
    """Root (m,), whether the iteration settled, and the largest defect at the root."""

    value: jax.Array
    converged: jax.Array
    residual: jax.Array


def newton(
    defect: Callable[[jax.Array, Any], jax.Array],
    guess: jax.Array,
    params: Any,
    scale: jax.Array,
    *,
    num_newton: int,
    tol: float | None,
) -> NewtonResult:
    """Solve defect(z, params) = 0 for z (m,).

    `defect` closes over no tracer. The iteration is not differentiated: two further Newton steps from its end are,
    which move nothing and carry the derivatives of the root up to the third order.

    By default a step counts as none below 256 eps of the root, or below what rounding makes of the defect of a stiff
    problem, 8 eps times the norm of the Jacobian, but not above the root of eps.
    """
    eps = float(jnp.finfo(guess.dtype).eps)
    frozen, scale = lax.stop_gradient((params, scale))

    def cond(carry):
        _, done, count = carry
        return ~done & (count < num_newton)

    def body(carry):
        z, _, count = carry
        step, norm = _step(defect, z, frozen)
        z = z - step
        size = jnp.maximum(scale, _largest(z))
        enough = jnp.clip(8 * eps * norm, 256 * eps, eps**0.5) if tol is None else tol
        return z, _largest(step) <= enough * size, count + 1

    z, converged, _ = lax.while_loop(cond, body, (lax.stop_gradient(guess), jnp.zeros((), bool), jnp.int32(0)))
    for _ in range(2):
        z = z - _step(defect, z, params)[0]
    return NewtonResult(z, converged & jnp.isfinite(z).all(), lax.stop_gradient(_largest(defect(z, params))))


def _step(defect, z, params):
    """J^-1 defect and the norm of J; NaN where J is not finite, as at a root of y^(1/5) = 0, for a step of zero."""
    jacobian = jax.jacfwd(defect)(z, params)
    finite = jnp.isfinite(jacobian).all()
    step = jnp.linalg.solve(jnp.where(finite, jacobian, jnp.nan), defect(z, params))
    return step, jnp.max(jnp.sum(jnp.abs(jacobian), axis=1), initial=0.0)


def _largest(z):
    return jnp.max(jnp.abs(z), initial=0.0)
