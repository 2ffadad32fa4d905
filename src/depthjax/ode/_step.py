"""One step of a Runge-Kutta method."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.numerics._arguments import is_concrete
from depthjax.ode._arguments import require_field, scalar_time, state, state_dtype
from depthjax.ode._methods import Tableau
from depthjax.ode._newton import newton
from depthjax.ode._solution import StepResult, nan_unless
from depthjax.ode._tableaus import theta_tableau

Field = Callable[[jax.Array, Any, Any], Any]


def combine(y: Any, h: Any, weights: Any, slopes: list) -> Any:
    """Y + h sum_j weights_j slopes_j, or the sum alone for y = None; weights of zero cost nothing."""
    terms = [(w, k) for w, k in zip(weights, slopes, strict=False) if not is_concrete(w) or w != 0]
    if not terms:
        return y if y is not None else jax.tree.map(jnp.zeros_like, slopes[0])

    def leaf(*ks):
        (first, *rest) = [_scalar(w, k) * k for (w, _), k in zip(terms, ks, strict=True)]
        total = sum(rest, first)
        return h.astype(total.dtype) * total

    change = jax.tree.map(leaf, *[k for _, k in terms])
    return change if y is None else jax.tree.map(jnp.add, y, change)


def _scalar(weight, like):
    return float(weight) if is_concrete(weight) else weight.astype(like.dtype)


def is_explicit(tableau: Tableau) -> bool:
    """Whether the stages can be computed one after the other; traced coefficients count as implicit."""
    return is_concrete(tableau.a) and not np.triu(np.asarray(tableau.a)).any()


def explicit_slopes(
    tableau: Tableau, f: Field, t: jax.Array, h: jax.Array, y: Any, args: Any, first: Any = None
) -> list:
    """Slopes of the stages of an explicit method; `first` is the known slope at the start."""
    slopes = []
    for i in range(tableau.num_stages):
        if i == 0 and first is not None:
            slopes.append(first)
        else:
            at = combine(y, h, tableau.a[i, :i], slopes) if i else y
            slopes.append(f(t + float(tableau.c[i]) * h, at, args))
    return slopes


def implicit_slopes(tableau, f, t, h, y, args, num_newton, newton_tol):
    """Slopes of an implicit method, and whether and how well its equations are solved."""
    flat, unravel = ravel_pytree(y)
    s, d = tableau.num_stages, flat.shape[0]
    f, hoisted = jax.closure_convert(f, t, y, args)
    a, c = (jnp.asarray(v).astype(flat.dtype) for v in (tableau.a, tableau.c))

    def defect(z, params):
        a, c, t, h, flat, args, hoisted = params
        ks = z.reshape(s, d)
        inner = flat[None, :] + h.astype(flat.dtype) * (a @ ks)
        at = jax.vmap(lambda c, v: ravel_pytree(f(t + c.astype(t.dtype) * h, unravel(v), args, *hoisted))[0])
        return (ks - at(c, inner)).ravel()

    guess = jnp.tile(ravel_pytree(f(t, y, args, *hoisted))[0], s)
    smallest = jnp.finfo(flat.dtype).tiny
    scale = jnp.max(jnp.abs(flat), initial=0.0) / jnp.maximum(jnp.abs(h).astype(flat.dtype), smallest)
    params = (a, c, t, h, flat, args, hoisted)
    result = newton(defect, guess, params, scale, num_newton=num_newton, tol=newton_tol)
    return [unravel(k) for k in result.value.reshape(s, d)], result.converged, result.residual


def step(tableau, f, t, h, y, args, *, num_newton=8, newton_tol=None) -> StepResult:
    """`rk_step` on checked arguments."""
    if is_explicit(tableau):
        slopes = explicit_slopes(tableau, f, t, h, y, args)
        converged, residual = jnp.ones((), bool), jnp.zeros((), state_dtype(y))
    else:
        slopes, converged, residual = implicit_slopes(tableau, f, t, h, y, args, num_newton, newton_tol)
    new = combine(y, h, list(tableau.b), slopes)
    error = None
    if tableau.b_hat is not None:
        error = combine(None, h, list(tableau.b - tableau.b_hat), slopes)
    if not is_explicit(tableau):
        new, error = nan_unless(converged, (new, error))
    stages = jax.tree.map(lambda *ks: jnp.stack(ks), *slopes)
    return StepResult(new, error, stages, converged, residual)


def rk_step(
    tableau: Tableau,
    f: Field,
    t: ArrayLike,
    h: ArrayLike,
    y: Any,
    args: Any = None,
    *,
    num_newton: int = 8,
    newton_tol: float | None = None,
) -> StepResult:
    """One step of a Runge-Kutta method, explicit or implicit.

    k_i = f(t + c_i h, y + h sum_j a_ij k_j) and y+ = y + h sum_i b_i k_i.

    Args:
        tableau: the method.
        f: slope, f(t, y, args).
        t: () time.
        h: () step, of either sign.
        y: state, a pytree of floating arrays.
        args: pytree passed to f.
        num_newton: static, Newton iterations at most in an implicit step.
        newton_tol: a Newton step below this, relative to the state, ends the iteration; by default 256 eps, or what
            rounding leaves of a stiff problem.

    Returns:
        `StepResult`; `error` is None without `b_hat`.

    Raises:
        TypeError: integer or complex y.
        ValueError: f does not return the structure, shapes and dtypes of y; num_newton below 1.

    Numerics: the derivative of an implicit step goes by the implicit function theorem, not through the iterations, and
        is right up to the third order. A failed iteration gives NaN and `converged` False.

    Cost: an implicit step solves linear systems of size s d, with the exact Jacobian.

    Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993), II.1 and II.7.
    """
    at_least("rk_step", "num_newton", num_newton, 1)
    y = state("rk_step", y, "y")
    t, h = (scalar_time("rk_step", name, v, state_dtype(y)) for name, v in (("t", t), ("h", h)))
    require_field("rk_step", f, t, y, args)
    return step(tableau, f, t, h, y, args, num_newton=num_newton, newton_tol=newton_tol)


def theta_step(
    theta: ArrayLike,
    f: Field,
    t: ArrayLike,
    h: ArrayLike,
    y: Any,
    args: Any = None,
    *,
    num_newton: int = 8,
    newton_tol: float | None = None,
) -> StepResult:
    """One step of the theta method, y+ = y + h (theta f(t, y) + (1 - theta) f(t + h, y+)).

    Args:
        theta: () weight in [0, 1] of the explicit end; it may be traced.
        f: slope, f(t, y, args).
        t: () time.
        h: () step.
        y: state, a pytree of floating arrays.
        args: pytree passed to f.
        num_newton: static, Newton iterations at most.
        newton_tol: as in `rk_step`.

    Returns:
        `StepResult`.

    Raises:
        TypeError: integer or complex y.
        ValueError: a concrete theta outside [0, 1], or as `rk_step`.

    Numerics: h^2 (theta - 1/2) y'' + O(h^3) is the error of a step, -h^3 y'''/12 at 1/2.

    Source: Suli and Mayers, An Introduction to Numerical Analysis (2003), 12.2.
    """
    return rk_step(theta_tableau(theta), f, t, h, y, args, num_newton=num_newton, newton_tol=newton_tol)
