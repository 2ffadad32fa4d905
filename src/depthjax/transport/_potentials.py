"""Entropic dual potentials: the iteration, and derivatives by the implicit function theorem."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.scipy.special import logsumexp

_CHECK_EVERY = 10
_HALVINGS = 24


class Problem(NamedTuple):
    """Entropic transport: costs (n, m), log masses (n,) and (m,), strength ()."""

    cost: jax.Array
    log_a: jax.Array
    log_b: jax.Array
    epsilon: jax.Array


def update_f(problem: Problem, g: jax.Array) -> jax.Array:
    """-eps log sum_j exp((g_j - C_ij)/eps) b_j: rows of the plan then sum to a."""
    eps = problem.epsilon
    return -eps * logsumexp((g[None, :] - problem.cost) / eps + problem.log_b[None, :], axis=1)


def update_g(problem: Problem, f: jax.Array) -> jax.Array:
    """The same for columns."""
    eps = problem.epsilon
    return -eps * logsumexp((f[:, None] - problem.cost) / eps + problem.log_a[:, None], axis=0)


def log_plan(problem: Problem, f: jax.Array, g: jax.Array) -> jax.Array:
    """Log of a_i b_j exp((f_i + g_j - C_ij)/eps)."""
    exponent = (f[:, None] + g[None, :] - problem.cost) / problem.epsilon
    return exponent + problem.log_a[:, None] + problem.log_b[None, :]


def row_error(problem: Problem, g: jax.Array, f: jax.Array) -> jax.Array:
    """sum_i |row sum - a_i| of the plan of (f, g), from what an update of f would change."""
    drift = (f - update_f(problem, g)) / problem.epsilon
    a = jnp.exp(problem.log_a)
    return jnp.sum(jnp.where(a == 0.0, 0.0, a * jnp.abs(jnp.expm1(jnp.where(a == 0.0, 0.0, drift)))))


def iterate(problem: Problem, start: jax.Array, num_steps: int) -> tuple[jax.Array, jax.Array]:
    """(f, g) after a fixed number of pairs of updates, from a start for g."""

    def step(_, state):
        f = update_f(problem, state[1])
        return f, update_g(problem, f)

    return lax.fori_loop(0, num_steps, step, (jnp.zeros_like(problem.log_a), start))


def _scaled_start(problem: Problem, start: jax.Array) -> jax.Array:
    """G after a few updates at each of a falling sequence of strengths, which long distances need."""
    finite = jnp.where(jnp.isfinite(problem.cost), problem.cost, 0.0)
    widest = jnp.max(finite) - jnp.min(finite)

    def cool(g, k):
        warm = problem._replace(epsilon=jnp.maximum(problem.epsilon, widest * 0.5**k))
        return lax.cond(warm.epsilon > problem.epsilon, lambda: iterate(warm, g, 3)[1], lambda: g), None

    return lax.scan(cool, start, jnp.arange(1, _HALVINGS + 1, dtype=start.dtype))[0]


def iterate_until(
    problem: Problem, start: jax.Array, tol: jax.Array, max_steps: int, *, scaled: bool
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """(f, g) at a marginal error of at most `tol`, or after `max_steps`, and the number of pairs of updates."""
    start = _scaled_start(problem, start) if scaled else start

    def cond(state):
        _, _, error, count = state
        return ~(error <= tol) & (count < max_steps)

    def body(state):
        _, g, _, count = state
        f, g = iterate(problem, g, _CHECK_EVERY)
        return f, g, row_error(problem, g, f), count + _CHECK_EVERY

    begin = (jnp.zeros_like(problem.log_a), start, jnp.asarray(jnp.inf, start.dtype), jnp.asarray(0, jnp.int32))
    f, g, _, count = lax.while_loop(cond, body, begin)
    return f, g, count


@jax.custom_jvp
def attach(problem: Problem, f: jax.Array, g: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return (f, g) with the derivative of the fixed point, whatever found it.

    With row sums a and column sums b of the plan P, df + (P/a) dg = r_f and (P/b)^T df + dg = r_g, where r is what one
    update changes at fixed (f, g). The constant (1, -1) that leaves the plan alone is removed by b.dg = 0.
    """
    return f, g


@attach.defjvp
def _(primals, tangents):
    problem, f, g = primals
    f, g = attach(problem, f, g)
    _, (right_f, right_g) = jax.jvp(lambda p: (update_f(p, g), update_g(p, f)), (problem,), (tangents[0],))
    return (f, g), _solve(problem, f, g, right_f, right_g)


def _solve(problem, f, g, right_f, right_g):
    plan = jnp.exp(log_plan(problem, f, g))
    a, b = jnp.exp(problem.log_a), jnp.exp(problem.log_b)
    rows = plan / jnp.where(a > 0.0, a, 1.0)[:, None]
    # symmetrised by sqrt(b): I - D^-1/2 P^T A^-1 P D^-1/2 + sqrt(b) sqrt(b)^T is positive definite
    root = jnp.sqrt(b)
    scale = jnp.where(b > 0.0, 1.0 / jnp.where(b > 0.0, root, 1.0), 0.0)
    weighted = jnp.where(a > 0.0, jnp.sqrt(jnp.where(a > 0.0, a, 1.0)), 0.0)[:, None] * rows * scale[None, :]
    product = jnp.matmul(weighted.T, weighted, precision="highest")
    system = jnp.eye(b.shape[0], dtype=b.dtype) - product + root[:, None] * root[None, :]
    columns = (plan * (scale**2)[None, :]).T
    shifted = right_g - jnp.matmul(columns, right_f, precision="highest")
    solution = scale * jax.scipy.linalg.solve(system, root * shifted, assume_a="pos")
    # columns without mass: their own update gives dg
    df = right_f - jnp.matmul(rows, solution, precision="highest")
    tilt = jnp.exp((f[:, None] + g[None, :] - problem.cost) / problem.epsilon + problem.log_a[:, None])
    return df, jnp.where(b > 0.0, solution, right_g - tilt.T @ df)
