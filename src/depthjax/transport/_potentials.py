"""Entropic dual potentials: their updates, and derivatives by the implicit function theorem."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp


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
