"""Entropic optimal transport between histograms."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import at_least, positive
from depthjax.numerics._arguments import floats, weights
from depthjax.transport._iteration import iterate, iterate_until
from depthjax.transport._potentials import Problem, attach, log_plan, row_error


class SinkhornResult(NamedTuple):
    """What `sinkhorn` found.

    Attributes:
        f: (n,) dual potential of the rows, NaN where not converged.
        g: (m,) dual potential of the columns.
        cost: () <P, C> of the plan rounded to the exact marginals, never below the unregularised optimum.
        regularised_cost: () <P, C> + epsilon KL(P | a b^T) of the rounded plan.
        dual_value: () the dual objective, a lower bound on the regularised optimum.
        gap: () regularised_cost - dual_value, nonnegative up to rounding.
        marginal_error: () sum_i |row sum - a_i| before rounding.
        converged: () bool, marginal_error <= tol; with `num_steps`, whether it is at most 1e-3.
        num_steps: () int32 pairs of updates.
    """

    f: jax.Array
    g: jax.Array
    cost: jax.Array
    regularised_cost: jax.Array
    dual_value: jax.Array
    gap: jax.Array
    marginal_error: jax.Array
    converged: jax.Array
    num_steps: jax.Array


def make_problem(function: str, cost: ArrayLike, a, b, epsilon: ArrayLike) -> tuple[Problem, jax.Array, jax.Array]:
    """The problem and its masses, checked."""
    positive(function, epsilon=epsilon)
    (cost,) = floats(cost)
    if cost.ndim != 2 or 0 in cost.shape:
        raise ValueError(f"{function}: cost has shape {cost.shape}, expected (n, m) with n, m >= 1")
    a = weights(function, "a", a, cost.shape[0], cost.dtype)
    b = weights(function, "b", b, cost.shape[1], cost.dtype)
    epsilon = jnp.asarray(epsilon, cost.dtype)
    return Problem(cost, _log(a), _log(b), jnp.where(epsilon > 0.0, epsilon, jnp.nan)), a, b


def _log(mass: jax.Array) -> jax.Array:
    """Logarithm, -inf with zero gradient at zero mass."""
    return jnp.where(mass == 0.0, -jnp.inf, jnp.log(jnp.where(mass == 0.0, 1.0, mass)))


def require_one_rule(function: str, num_steps: int | None, tol: ArrayLike | None, max_steps: int) -> None:
    """Raise `ValueError` unless exactly one of `num_steps` and `tol` is given."""
    if (num_steps is None) == (tol is None):
        given = "both" if tol is not None else "neither"
        raise ValueError(f"{function}: {given} of num_steps and tol given, expected exactly one")
    if num_steps is not None:
        at_least(function, "num_steps", num_steps, 1)
    else:
        positive(function, tol=tol)
        at_least(function, "max_steps", max_steps, 1)


def round_to_feasible(plan: ArrayLike, a: ArrayLike | None = None, b: ArrayLike | None = None) -> jax.Array:
    """The plan moved to the exact marginals, by at most 2 (|P 1 - a|_1 + |P^T 1 - b|_1) in total.

    Args:
        plan: (n, m) nonnegative.
        a: (n,) row sums wanted; uniform if None.
        b: (m,) column sums wanted.

    Returns:
        (n, m) nonnegative with these sums.

    Raises:
        ValueError: shapes, or concrete masses that are negative or do not sum to one.

    Source: Altschuler, Weed and Rigollet, Near-linear time approximation algorithms for optimal transport (2017),
        algorithm 2.
    """
    name = "round_to_feasible"
    (plan,) = floats(plan)
    if plan.ndim != 2:
        raise ValueError(f"{name}: plan has shape {plan.shape}, expected (n, m)")
    a = weights(name, "a", a, plan.shape[0], plan.dtype)
    b = weights(name, "b", b, plan.shape[1], plan.dtype)
    return _rounded(plan, a, b)


def _rounded(plan, a, b):
    def shrunk(plan, wanted, axis):
        sums = jnp.sum(plan, axis=axis)
        over = sums > wanted
        factor = jnp.where(over, wanted / jnp.where(over, sums, 1.0), 1.0)
        return plan * jnp.expand_dims(factor, axis)

    plan = shrunk(shrunk(plan, a, 1), b, 0)
    short_a = jnp.maximum(a - jnp.sum(plan, axis=1), 0.0)
    short_b = jnp.maximum(b - jnp.sum(plan, axis=0), 0.0)
    missing = jnp.sum(short_a)
    some = missing > 4 * jnp.finfo(plan.dtype).eps
    return plan + jnp.where(some, short_a / jnp.where(some, missing, 1.0), 0.0)[:, None] * short_b[None, :]


@jax.custom_jvp
def dual_value(problem: Problem, f: jax.Array, g: jax.Array) -> jax.Array:
    """f.a + g.b - epsilon (mass of the plan - 1), whose derivative is that of the optimum, by the envelope theorem.

    With zero mass the terms are left out; the potentials need no derivative of their own to first order.
    """
    a, b = jnp.exp(problem.log_a), jnp.exp(problem.log_b)
    mass = jnp.sum(jnp.exp(log_plan(problem, f, g)))
    return a @ f + b @ g - problem.epsilon * (mass - 1.0)


@dual_value.defjvp
def _(primals, tangents):
    problem, f, g = primals
    change = tangents[0]
    value = dual_value(problem, f, g)
    f, g = attach(problem, f, g)
    logs = log_plan(problem, f, g)
    plan = jnp.exp(logs)
    a, b = jnp.exp(problem.log_a), jnp.exp(problem.log_b)
    da = jnp.where(a > 0.0, a * jnp.where(a > 0.0, change.log_a, 0.0), 0.0)
    db = jnp.where(b > 0.0, b * jnp.where(b > 0.0, change.log_b, 0.0), 0.0)
    exponent = (f[:, None] + g[None, :] - problem.cost) / problem.epsilon
    entropy = jnp.sum(plan * exponent) - jnp.sum(plan) + 1.0
    return value, jnp.sum(plan * change.cost) + f @ da + g @ db + entropy * change.epsilon


def _entropy(plan, a, b):
    """KL(P | a b^T) of a plan with these marginals."""
    used = plan > 0.0
    product = a[:, None] * b[None, :]
    ratio = jnp.where(used, plan, 1.0) / jnp.where(used & (product > 0.0), product, 1.0)
    return jnp.sum(jnp.where(used, plan * jnp.log(ratio), 0.0))


def sinkhorn(
    cost: ArrayLike,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    *,
    epsilon: ArrayLike,
    num_steps: int | None = None,
    tol: ArrayLike | None = None,
    max_steps: int = 2000,
    init: tuple[ArrayLike, ArrayLike] | None = None,
) -> SinkhornResult:
    """Optimal transport with entropy, min <P, C> + epsilon KL(P | a b^T) over plans P with marginals a and b.

    Alternates f_i = -epsilon log sum_j exp((g_j - C_ij)/epsilon) b_j and its mirror image.

    Args:
        cost: (n, m) C, inf allowed for forbidden pairs.
        a: (n,) masses that sum to one, zeros allowed; uniform if None.
        b: (m,).
        epsilon: () strength of the entropy, in the unit of the cost.
        num_steps: static number of pairs of updates; exactly one of this and `tol` is given.
        tol: () marginal error to reach. Where epsilon is small beside the costs the iteration then starts at a large
            one and lowers it.
        max_steps: static bound on the pairs of updates with `tol`.
        init: potentials (f, g) to start from; only g is used.

    Returns:
        `SinkhornResult`. Where `tol` is not reached, or epsilon is less than the potentials' rounding, `converged` is
        false, and with `tol` f, g, cost, regularised_cost and dual_value are NaN.

    Raises:
        ValueError: shapes, both or neither of `num_steps` and `tol`, epsilon not positive, concrete masses that are
            negative or do not sum to one.

    Numerics:
        Updates in the log domain, and between them scalings of the plan as long as they stay near one, which need no
        exponentials: no cost or epsilon overflows.
        Costs derive from the rounded plan, so none is below what is possible. What the plan lacks is added as a product
        of the marginals, which reaches forbidden pairs too: cost is then inf unless the marginals are met to rounding.
        Derivatives do not depend on the number of iterations: `dual_value` and `regularised_cost` have those of the
        optimum (the plan, in C), f, g and `cost` those of the fixed point; to every order, forward and reverse. With
        `num_steps` too few they are those of the point that was reached.

    Cost:
        O(n m) time for an update, O(n m) memory, also in reverse; derivatives of f, g and `cost` factor an (m, m)
        matrix.

    Source:
        Cuturi, Sinkhorn Distances (2013); Peyre and Cuturi, Computational Optimal Transport (2019), section 4.4;
        Schmitzer, Stabilized sparse scaling algorithms for entropy regularized transport problems (2019), section 3.
    """
    require_one_rule("sinkhorn", num_steps, tol, max_steps)
    problem, a, b = make_problem("sinkhorn", cost, a, b, epsilon)
    start = jnp.zeros_like(b) if init is None else jnp.asarray(init[1], b.dtype)
    if start.shape != b.shape:
        raise ValueError(f"sinkhorn: init[1] has shape {start.shape}, expected {b.shape}")
    frozen = lax.stop_gradient(problem)
    if num_steps is not None:
        f, g = iterate(frozen, lax.stop_gradient(start), num_steps)
        count = jnp.asarray(num_steps, jnp.int32)
        limit = jnp.asarray(1e-3, b.dtype)
    else:
        limit = lax.stop_gradient(jnp.asarray(tol, b.dtype))
        f, g, count = iterate_until(frozen, lax.stop_gradient(start), limit, max_steps, cooled=init is None)
    error = row_error(frozen, g, f)
    converged = (error <= limit) & _resolved(frozen, f, g)
    usable = converged if num_steps is None else jnp.isfinite(error)
    return _result(problem, a, b, f, g, usable)._replace(
        marginal_error=error, converged=converged & usable, num_steps=count
    )


def _resolved(problem, f, g):
    """Whether potentials are rounded by less than epsilon, without which their plan is none."""
    size = jnp.max(jnp.abs(jnp.where(jnp.isfinite(f), f, 0.0))) + jnp.max(jnp.abs(jnp.where(jnp.isfinite(g), g, 0.0)))
    return jnp.finfo(f.dtype).eps * size <= problem.epsilon


def _result(problem, a, b, f, g, usable) -> SinkhornResult:
    dual = dual_value(problem, f, g)
    f, g = attach(problem, f, g)
    plan = _rounded(jnp.exp(log_plan(problem, f, g)), a, b)
    cost = jnp.sum(jnp.where(plan > 0.0, plan * jnp.where(plan > 0.0, problem.cost, 0.0), 0.0))
    primal = lax.stop_gradient(cost + problem.epsilon * _entropy(plan, a, b))
    steady = lax.stop_gradient(dual)
    masked = [jnp.where(usable, v, jnp.nan) for v in (f, g, cost, primal + (dual - steady), dual, primal - steady)]
    nothing = jnp.zeros((), jnp.int32)
    return SinkhornResult(*masked, nothing, nothing, nothing)


def sinkhorn_plan(
    result: SinkhornResult,
    cost: ArrayLike,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    *,
    epsilon: ArrayLike,
    rounded: bool = False,
) -> jax.Array:
    """The plan of a result's potentials, a_i b_j exp((f_i + g_j - C_ij)/epsilon).

    Args:
        result: from `sinkhorn`, of the same problem.
        cost: (n, m).
        a: (n,) masses; uniform if None.
        b: (m,).
        epsilon: ().
        rounded: static, whether to move it to the exact marginals.

    Returns:
        (n, m); without rounding the columns sum to b exactly and the rows to a within `marginal_error`.

    Raises:
        ValueError: as `sinkhorn`, or potentials of other lengths.
    """
    problem, a, b = make_problem("sinkhorn_plan", cost, a, b, epsilon)
    if (result.f.shape, result.g.shape) != (a.shape, b.shape):
        raise ValueError(
            f"sinkhorn_plan: potentials have shapes {result.f.shape} and {result.g.shape}, expected {a.shape} and "
            f"{b.shape}"
        )
    plan = jnp.exp(log_plan(problem, result.f, result.g))
    return _rounded(plan, a, b) if rounded else plan
