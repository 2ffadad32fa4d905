"""Pairing of noise with data within a batch."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import require_shape
from depthjax.core._options import chosen
from depthjax.diffusion._arguments import batch
from depthjax.numerics import pairwise_squared_distance
from depthjax.transport import sinkhorn


def minibatch_coupling(
    key: jax.Array,
    x0: ArrayLike,
    x1: ArrayLike,
    *,
    method: str = "independent",
    epsilon: ArrayLike | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Pair the noise of a batch with its data.

    "independent": at random. "sorted": by rank, the optimal pairing of scalars. "exact": the pairing of least total
    squared distance. "sinkhorn": pairs drawn from the entropic plan for the squared distance.

    Args:
        key: PRNG key, for "independent" and "sinkhorn".
        x0: (n, *event) noise.
        x1: (n, *event) data.
        method: "independent", "sorted" (events of one coordinate), "exact" or "sinkhorn".
        epsilon: () strength of the entropy of "sinkhorn", in the unit of the squared distance.

    Returns:
        x0, and x1 in the order of its partners: a permutation, but for "sinkhorn", which draws a partner for each x0
        from its row of the plan, with repetition; NaN where the plan's marginals are off by more than 1e-3. Gradients
        flow through the points, not through the choice of pairs.

    Raises:
        ValueError: shapes differ, an unknown method, "sorted" for events of several coordinates, or an epsilon that is
            missing for "sinkhorn" or given for another method.
        TypeError: integer data.

    Cost:
        O(n log n) for "sorted"; at most O(n^3) time, in n^2 dependent steps at worst, and O(n^2) memory for "exact",
        which suits batches of up to some hundreds.

    Source:
        Pooladian et al., Multisample Flow Matching (2023), sec. 3; Tong et al., Minibatch Optimal Transport (2024),
        sec. 3.2.
    """
    name = "minibatch_coupling"
    chosen(name, "method", method, ("independent", "sorted", "exact", "sinkhorn"))
    if (method == "sinkhorn") != (epsilon is not None):
        raise ValueError(f"{name}: epsilon is {epsilon} with method {method!r}, expected one exactly for 'sinkhorn'")
    x0, x1 = batch(name, x0, "x0"), batch(name, x1, "x1")
    require_shape(name, "x1", x1, x0.shape)
    count = x0.shape[0]
    if method == "independent":
        return x0, jax.random.permutation(key, x1)
    rows = [jax.lax.stop_gradient(v).reshape(count, -1) for v in (x0, x1)]
    if method == "sorted":
        if rows[0].shape[1] != 1:
            raise ValueError(f"{name}: events have shape {x0.shape[1:]}, expected one coordinate to sort; use 'exact'")
        ranks = jnp.argsort(jnp.argsort(rows[0][:, 0]))
        return x0, x1[jnp.argsort(rows[1][:, 0])[ranks]]
    cost = pairwise_squared_distance(*rows)
    if method == "exact":
        return x0, x1[assignment(cost)]
    return x0, _drawn(key, x1, cost, epsilon)


def _drawn(key, x1, cost, epsilon):
    """A partner for each row, from the entropic plan."""
    found = sinkhorn(cost, epsilon=epsilon, tol=1e-3)
    logits = (found.g[None, :] - cost) / jnp.asarray(epsilon, cost.dtype)
    partners = jax.random.categorical(key, logits, axis=1)
    return jnp.where(found.converged, x1[partners], jnp.nan)


def assignment(cost: jax.Array) -> jax.Array:
    """Column of each row, (n,) int32, in the assignment of least total cost (n, n).

    Rows enter one after the other, each by a shortest path in the reduced costs c_ij - u_i - v_j; at most n^2 steps, so
    it always ends, and it is optimal to rounding.

    Source:
        Jonker and Volgenant, A Shortest Augmenting Path Algorithm (1987), sec. 4; Burkard, Dell'Amico and Martello,
        Assignment Problems (2012), sec. 4.4.
    """
    count, dtype = cost.shape[0], cost.dtype
    wide = jnp.concatenate([jnp.zeros((count, 1), dtype), cost], axis=1)  # column 0 holds the row that enters
    columns = jnp.arange(count + 1, dtype=jnp.int32)
    most = jnp.finfo(dtype).max

    def enter(state, row):
        row_price, column_price, owner = state
        owner = owner.at[0].set(row)

        def unfinished(path):
            column, used, *_ = path
            return (owner[column] >= 0) & ~used.all()

        def extend(path):
            column, used, least, came_from, row_price, column_price = path
            used = used.at[column].set(True)
            current = owner[column]
            reduced = wide[current] - row_price[current] - column_price
            closer = ~used & (reduced < least)
            least, came_from = jnp.where(closer, reduced, least), jnp.where(closer, column, came_from)
            # An unused column always wins, whatever the costs are, so the loop ends.
            open_least = jnp.where(used, jnp.inf, jnp.where(least < most, least, most))
            following = jnp.argmin(open_least).astype(jnp.int32)
            change = open_least[following]
            raised = jnp.zeros(count, dtype).at[owner].add(jnp.where(used, change, 0.0))
            row_price, column_price = row_price + raised, column_price - jnp.where(used, change, 0.0)
            return following, used, jnp.where(used, least, least - change), came_from, row_price, column_price

        start = (
            jnp.zeros((), jnp.int32), jnp.zeros(count + 1, bool), jnp.full(count + 1, jnp.inf, dtype),
            jnp.zeros(count + 1, jnp.int32), row_price, column_price,
        )  # fmt: skip
        column, _, _, came_from, row_price, column_price = jax.lax.while_loop(unfinished, extend, start)

        def hand_over(pair):
            column, owner = pair
            return came_from[column], owner.at[column].set(owner[came_from[column]])

        _, owner = jax.lax.while_loop(lambda pair: pair[0] != 0, hand_over, (column, owner))
        return (row_price, column_price, owner), None

    first = (jnp.zeros(count, dtype), jnp.zeros(count + 1, dtype), jnp.full(count + 1, -1, jnp.int32))
    (_, _, owner), _ = jax.lax.scan(enter, first, jnp.arange(count, dtype=jnp.int32))
    return jnp.zeros(count, jnp.int32).at[owner[1:]].set(columns[1:] - 1)
