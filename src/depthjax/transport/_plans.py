"""What is done with plans."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core._options import at_least, is_concrete
from depthjax.numerics._arguments import floats


def transport_constraint_matrix(n: int, m: int) -> np.ndarray:
    """The equalities of the transport linear program, for the plan stacked column by column.

    [1^T kron I; I kron 1^T]: first the n row sums, then the m column sums.

    Args:
        n: number of rows.
        m: number of columns.

    Returns:
        (n + m, n m) host array of zeros and ones, of rank n + m - 1.

    Raises:
        ValueError: sizes below one.

    Source: Peyre and Cuturi, Computational Optimal Transport (2019), eq. 3.1.
    """
    at_least("transport_constraint_matrix", "n", n, 1)
    at_least("transport_constraint_matrix", "m", m, 1)
    rows = np.kron(np.ones((1, m)), np.eye(n))
    return np.concatenate([rows, np.kron(np.eye(m), np.ones((1, n)))])


def _plan(function: str, plan: ArrayLike) -> jax.Array:
    (plan,) = floats(plan)
    if plan.ndim != 2 or 0 in plan.shape:
        raise ValueError(f"{function}: plan has shape {plan.shape}, expected (n, m) with n, m >= 1")
    return plan


def barycentric_map(plan: ArrayLike, y: ArrayLike) -> jax.Array:
    """Where each row's mass goes on average, sum_j P_ij y_j / sum_j P_ij.

    Args:
        plan: (n, m) nonnegative.
        y: (m, d) points.

    Returns:
        (n, d); NaN for a row without mass.

    Raises:
        ValueError: shapes.

    Source: Peyre and Cuturi (2019), remark 4.11.
    """
    plan = _plan("barycentric_map", plan)
    y = jnp.asarray(y, plan.dtype)
    if y.ndim != 2 or y.shape[0] != plan.shape[1]:
        raise ValueError(f"barycentric_map: y has shape {y.shape}, expected ({plan.shape[1]}, d)")
    mass = jnp.sum(plan, axis=1, keepdims=True)
    some = mass > 0.0
    mean = jnp.matmul(plan, y, precision="highest") / jnp.where(some, mass, 1.0)
    return jnp.where(some, mean, jnp.nan)


def sample_coupling(key: jax.Array, plan: ArrayLike, *, num_pairs: int) -> tuple[jax.Array, jax.Array]:
    """Pairs of indices drawn from a plan.

    Args:
        key: PRNG key.
        plan: (n, m) nonnegative; only ratios of its entries matter.
        num_pairs: static number of pairs.

    Returns:
        Row and column indices, (num_pairs,) int32 each.

    Raises:
        ValueError: shapes, no pairs, or a concrete plan that is negative somewhere or zero everywhere.
    """
    plan = _plan("sample_coupling", plan)
    at_least("sample_coupling", "num_pairs", num_pairs, 1)
    flat = plan.reshape(-1)
    if is_concrete(flat) and not ((np.asarray(flat) >= 0).all() and np.asarray(flat).any()):
        raise ValueError("sample_coupling: plan has negative entries or none above 0, expected a plan with mass")
    logits = jnp.where(flat > 0.0, jnp.log(jnp.where(flat > 0.0, flat, 1.0)), -jnp.inf)
    drawn = jax.random.categorical(key, logits, shape=(num_pairs,)).astype(jnp.int32)
    return drawn // plan.shape[1], drawn % plan.shape[1]
