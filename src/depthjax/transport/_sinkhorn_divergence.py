"""The debiased divergence between samples."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import positive
from depthjax.numerics._arguments import samples, weights
from depthjax.transport._potentials import Problem, log_plan, update_f
from depthjax.transport._sinkhorn import dual_value, make_problem, require_one_rule

_CHECK_EVERY = 10


class SinkhornDivergence(NamedTuple):
    """A divergence and how far it can be trusted.

    Attributes:
        value: () in the unit of the cost, NaN where not converged.
        converged: () bool.
        marginal_error: () the largest of the three problems'.
    """

    value: jax.Array
    converged: jax.Array
    marginal_error: jax.Array


def _squared(x, y):
    return jnp.sum((x - y) ** 2)


def _costs(cost, x, y):
    return jax.vmap(lambda p: jax.vmap(lambda q: cost(p, q))(y))(x)


def _mean_step(problem, transposed, f, g):
    """Half of the old potentials and half of the new, both from the old: exactly symmetric in the two samples."""
    return 0.5 * (f + update_f(problem, g)), 0.5 * (g + update_f(transposed, f))


def _potentials(problem: Problem, num_steps, tol, max_steps):
    """(f, g), and the error of both marginals."""
    transposed = Problem(problem.cost.T, problem.log_b, problem.log_a, problem.epsilon)

    def error(f, g):
        plan = jnp.exp(log_plan(problem, f, g))
        other = jnp.exp(log_plan(transposed, g, f))
        a, b = jnp.exp(problem.log_a), jnp.exp(problem.log_b)
        return jnp.maximum(jnp.sum(jnp.abs(plan.sum(1) - a)), jnp.sum(jnp.abs(other.sum(1) - b)))

    def run(f, g, count):
        return lax.fori_loop(0, count, lambda _, s: _mean_step(problem, transposed, *s), (f, g))

    start = jnp.zeros_like(problem.log_a), jnp.zeros_like(problem.log_b)
    if num_steps is not None:
        f, g = run(*start, num_steps)
        return f, g, error(f, g)

    def cond(state):
        return ~(state[2] <= tol) & (state[3] < max_steps)

    def body(state):
        f, g = run(state[0], state[1], _CHECK_EVERY)
        return f, g, error(f, g), state[3] + _CHECK_EVERY

    begin = (*start, jnp.asarray(jnp.inf, problem.cost.dtype), jnp.asarray(0, jnp.int32))
    return lax.while_loop(cond, body, begin)[:3]


def sinkhorn_divergence(
    x: ArrayLike,
    y: ArrayLike,
    a: ArrayLike | None = None,
    b: ArrayLike | None = None,
    *,
    epsilon: ArrayLike,
    cost: Callable[[jax.Array, jax.Array], jax.Array] | None = None,
    num_steps: int | None = None,
    tol: ArrayLike | None = None,
    max_steps: int = 2000,
) -> SinkhornDivergence:
    """Entropic transport without its bias, OT(x, y) - OT(x, x)/2 - OT(y, y)/2.

    Args:
        x: (n, d) points.
        y: (m, d) points.
        a: (n,) masses that sum to one; uniform if None.
        b: (m,).
        epsilon: () strength of the entropy, in the unit of the cost.
        cost: symmetric (d,), (d,) -> (); the squared Euclidean distance if None.
        num_steps: static number of updates; exactly one of this and `tol` is given.
        tol: () marginal error to reach.
        max_steps: static bound on the updates with `tol`.

    Returns:
        `SinkhornDivergence`. Zero at equal samples, with gradient zero: all three problems are iterated alike.

    Raises:
        ValueError: as `sinkhorn`.

    Numerics: derivatives are those of the optima, by the envelope theorem, to every order.

    Source: Feydy et al., Interpolating between optimal transport and MMD using Sinkhorn divergences (2019), eq. 3
        and section 3.1.
    """
    name = "sinkhorn_divergence"
    require_one_rule(name, num_steps, tol, max_steps)
    positive(name, epsilon=epsilon)
    x, y = samples(name, x, y)
    a = weights(name, "a", a, x.shape[0], x.dtype)
    b = weights(name, "b", b, y.shape[0], x.dtype)
    fn = _squared if cost is None else cost
    limit = jnp.asarray(1e-3 if tol is None else tol, x.dtype)
    values, errors = [], []
    for first, second, masses in ((x, y, (a, b)), (x, x, (a, a)), (y, y, (b, b))):
        problem, _, _ = make_problem(name, _costs(fn, first, second), *masses, epsilon)
        f, g, error = _potentials(lax.stop_gradient(problem), num_steps, limit, max_steps)
        values.append(dual_value(problem, f, g))
        errors.append(error)
    worst = jnp.max(jnp.stack(errors))
    usable = worst <= limit if num_steps is None else jnp.isfinite(worst)
    value = values[0] - 0.5 * (values[1] + values[2])
    return SinkhornDivergence(jnp.where(usable, value, jnp.nan), worst <= limit, worst)
