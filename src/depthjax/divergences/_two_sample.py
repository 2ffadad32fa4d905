"""Two-sample tests by classifiers and by permutation."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.divergences._contrastive import js_from_logits
from depthjax.numerics import log_ndtr, pairwise_squared_distance
from depthjax.numerics._arguments import floats, samples


class C2STResult(NamedTuple):
    """Outcome of a classifier two-sample test.

    Attributes:
        accuracy: () mean of the accuracies on the two samples; 1/2 under equality.
        z_score: () standardised accuracy, normal under equality.
        p_value: () one-sided.
        js_lower_bound: () nats, from the classifier's log loss.
    """

    accuracy: jax.Array
    z_score: jax.Array
    p_value: jax.Array
    js_lower_bound: jax.Array


class TestResult(NamedTuple):
    """Outcome of a permutation test.

    Attributes:
        statistic: () on the samples as they are.
        p_value: () one-sided.
        null: (num_permutations,) statistic on permuted samples.
    """

    statistic: jax.Array
    p_value: jax.Array
    null: jax.Array


def c2st(logits_p: ArrayLike, logits_q: ArrayLike) -> C2STResult:
    """Classifier two-sample test from held-out logits.

    Args:
        logits_p: (n,) logits of "drawn from p" at held-out samples of p.
        logits_q: (m,) logits at held-out samples of q.

    Returns:
        The result; ties count one half.

    Raises:
        ValueError: wrong shapes.

    Source:
        Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests (2017), sec. 3.
    """
    logits_p, logits_q = floats(logits_p, logits_q)
    for name, value in (("logits_p", logits_p), ("logits_q", logits_q)):
        if value.ndim != 1 or value.size == 0:
            raise ValueError(f"c2st: {name} has shape {value.shape}, expected (n,) with n >= 1")
    accuracy = 0.25 * (2.0 + jnp.mean(jnp.sign(logits_p)) - jnp.mean(jnp.sign(logits_q)))
    deviation = 0.25 * math.sqrt(1 / logits_p.size + 1 / logits_q.size)
    z = (accuracy - 0.5) / deviation
    return C2STResult(accuracy, z, jnp.exp(log_ndtr(-z)), js_from_logits(logits_p, logits_q))


def c2st_knn(x: ArrayLike, y: ArrayLike, *, num_neighbours: int = 1) -> C2STResult:
    """Classifier two-sample test by leave-one-out nearest neighbours, without training.

    Args:
        x: (n, d).
        y: (m, d).
        num_neighbours: neighbours that vote, fewer than n + m.

    Returns:
        The result. Votes are smoothed by one half on either side and corrected for unequal sizes; neighbours depend on
        each other, so the p-value is approximate: `permutation_test` gives an exact one.

    Raises:
        ValueError: wrong shapes or number of neighbours.

    Cost:
        O((n + m)^2) memory.

    Source:
        Lopez-Paz and Oquab (2017), sec. 3; Schilling (1986).
    """
    x, y = samples("c2st_knn", x, y)
    n, m = x.shape[0], y.shape[0]
    if not 1 <= num_neighbours < n + m:
        raise ValueError(f"c2st_knn: num_neighbours is {num_neighbours}, expected 1 to n + m - 1 = {n + m - 1}")
    pooled = jnp.concatenate([x, y])
    distance = jnp.where(jnp.eye(n + m, dtype=bool), jnp.inf, pairwise_squared_distance(pooled, pooled))
    _, nearest = jax.lax.top_k(-distance, num_neighbours)
    votes = jnp.sum(nearest < n, axis=1).astype(x.dtype)
    prior = math.log(n / m) if num_neighbours > 1 else 0.0
    logits = jnp.log((votes + 0.5) / (num_neighbours - votes + 0.5)) - prior
    logits = logits + 0.0 * jnp.sum(pooled)  # no neighbour is nearest to a point that is no number
    return c2st(logits[:n], logits[n:])


def permutation_test(
    key: jax.Array,
    x: ArrayLike,
    y: ArrayLike,
    statistic: Callable[[jax.Array, jax.Array], jax.Array],
    *,
    num_permutations: int,
) -> TestResult:
    """Permutation test of equality of two laws, exact at every sample size.

    Args:
        key: PRNG key.
        x: (n, d).
        y: (m, d).
        statistic: (x, y) -> (), large under the alternative.
        num_permutations: number of random permutations of the pooled sample.

    Returns:
        The statistic, its null values and p = (1 + #{null >= statistic})/(1 + num_permutations), which is NaN where one
        of them is.

    Raises:
        ValueError: wrong shapes, a statistic that is no scalar, or no permutations.

    Source:
        Phipson and Smyth, Permutation P-values Should Never Be Zero (2010).
    """
    x, y = samples("permutation_test", x, y)
    at_least("permutation_test", "num_permutations", num_permutations, 1)
    pooled, n = jnp.concatenate([x, y]), x.shape[0]

    def once(one):
        shuffled = jax.random.permutation(one, pooled)
        return statistic(shuffled[:n], shuffled[n:])

    observed = jnp.asarray(statistic(x, y))
    if observed.shape != ():
        raise ValueError(f"permutation_test: statistic gives shape {observed.shape}, expected a scalar")
    null = jax.lax.map(once, jax.random.split(key, num_permutations))
    dtype = jnp.result_type(observed.dtype, jnp.finfo(x.dtype).dtype)
    p_value = (1.0 + jnp.sum(~(null < observed)).astype(dtype)) / (1.0 + num_permutations)
    sound = ~jnp.isnan(observed) & ~jnp.any(jnp.isnan(null))
    return TestResult(observed, jnp.where(sound, p_value, jnp.nan), null)
