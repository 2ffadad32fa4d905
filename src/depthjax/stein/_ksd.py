"""The kernelised Stein discrepancy and the goodness-of-fit test that it gives."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least, chosen
from depthjax.stein._arguments import accumulated, points_and_scores
from depthjax.stein._bandwidth import median_bandwidth
from depthjax.stein._gram import diagonal, products
from depthjax.stein._kernel import Kernel
from depthjax.stein._radial import IMQ


class TestResult(NamedTuple):
    """Outcome of a goodness-of-fit test.

    Attributes:
        statistic: () estimate of the squared discrepancy.
        p_value: () (1 + #{bootstrap >= statistic})/(1 + number of bootstraps).
        bootstrap: the statistic's law under the null, a draw each.
    """

    statistic: jax.Array
    p_value: jax.Array
    bootstrap: jax.Array


def p_value(statistic: jax.Array, bootstrap: jax.Array) -> jax.Array:
    """() of one-sided draws; a NaN counts as large."""
    larger = jnp.sum(~(bootstrap < statistic)).astype(bootstrap.dtype)
    return jnp.where(jnp.isnan(statistic), jnp.nan, (1.0 + larger) / (1.0 + bootstrap.shape[0]))


def or_default(kernel: Kernel | None, x: jax.Array) -> Kernel:
    """`kernel`, or IMQ at the median distance."""
    return IMQ(median_bandwidth(x, convention="median")) if kernel is None else kernel


def _checked(function, x, scores, kernel, statistic):
    x, scores = points_and_scores(function, x, scores)
    chosen(function, "statistic", statistic, ("u", "v"))
    if statistic == "u":
        at_least(function, "the number of points n of a u-statistic", x.shape[0], 2)
    return x, scores, or_default(kernel, x)


def ksd(
    x: ArrayLike,
    scores: ArrayLike,
    kernel: Kernel | None = None,
    *,
    statistic: str = "u",
    block_size: int | None = None,
) -> jax.Array:
    """Squared kernelised Stein discrepancy of a sample from p, of which only the scores are known.

    KSD^2 = E u_p(X, X'), 0 for X ~ p.

    Args:
        x: (n, d).
        scores: grad log p at x, (n, d).
        kernel: kernel record; by default `IMQ` at the median distance.
        statistic: "u", unbiased and of either sign, or "v", the mean over all pairs, never negative.
        block_size: static, rows of a tile; by default a tile has at most 16 MiB.

    Returns:
        (); differentiable in x and scores.

    Raises:
        ValueError: shapes, another statistic, "u" of a single point.

    Numerics:
        Zero for p only with a kernel that is integrally strictly positive definite: `Linear` also gives 0 for x = -1, 1
        against N(0, 1). From three dimensions on `RBF` does not control convergence, `IMQ` does.

    Cost:
        O(n^2 d) time, O(n block_size) memory, in the reverse pass too.

    Source:
        Liu, Lee and Jordan (2016), eq. 14; Chwialkowski, Strathmann and Gretton (2016), eq. 2.
    """
    x, scores, kernel = _checked("ksd", x, scores, kernel, statistic)
    n = x.shape[0]
    total = jnp.sum(products("ksd", x, scores, kernel, jnp.ones((n, 1)), block_size))
    if statistic == "v":
        return (total / n**2).astype(x.dtype)
    own = jnp.sum(diagonal(kernel, *accumulated(x, scores)))
    return ((total - own) / (n * (n - 1.0))).astype(x.dtype)


def _signs(key, n, num_bootstrap, flip_probability, dtype):
    """(n, num_bootstrap) of +-1: chains that change sign with the given probability."""
    flips = jax.random.bernoulli(key, flip_probability, (n, num_bootstrap))
    first = jax.random.bernoulli(jax.random.fold_in(key, 1), 0.5, (num_bootstrap,))
    parity = jnp.mod(jnp.cumsum(flips.at[0].set(first).astype(jnp.int32), axis=0), 2)
    return (1 - 2 * parity).astype(dtype)


def ksd_test(
    key: jax.Array,
    x: ArrayLike,
    scores: ArrayLike,
    kernel: Kernel | None = None,
    *,
    num_bootstrap: int = 500,
    statistic: str = "u",
    flip_probability: float = 0.5,
    block_size: int | None = None,
) -> TestResult:
    """Test whether x comes from the law with these scores, by the wild bootstrap.

    Args:
        key: PRNG key.
        x: (n, d).
        scores: grad log p at x, (n, d).
        kernel: kernel record, chosen without looking at x beyond its scale; by default `IMQ` at the median distance.
        num_bootstrap: draws under the null.
        statistic: "u" or "v".
        flip_probability: that neighbouring draws get different signs: 1/2 for independent ones, less for a Markov chain
            (of autocorrelation (1 - 2 flip_probability)^lag).
        block_size: static, rows of a tile.

    Returns:
        `TestResult`; reject at level alpha where p_value <= alpha.

    Raises:
        ValueError: as `ksd`; no bootstraps; flip_probability outside (0, 1/2].

    Cost:
        O(n^2 (d + num_bootstrap)) time, O(n (block_size + num_bootstrap)) memory.

    Source:
        Liu, Lee and Jordan (2016), sec. 4; Chwialkowski, Strathmann and Gretton (2016), sec. 4.
    """
    x, scores, kernel = _checked("ksd_test", x, scores, kernel, statistic)
    at_least("ksd_test", "num_bootstrap", num_bootstrap, 1)
    if not 0.0 < flip_probability <= 0.5:
        raise ValueError(f"ksd_test: flip_probability is {flip_probability}, expected a number in (0, 1/2]")
    wide, wide_scores = accumulated(x, scores)
    n = x.shape[0]
    signs = _signs(key, n, num_bootstrap, flip_probability, wide.dtype)
    columns = jnp.concatenate([jnp.ones((n, 1), wide.dtype), signs], axis=1)
    totals = jnp.sum(columns * products("ksd_test", x, scores, kernel, columns, block_size), axis=0)
    if statistic == "v":
        values = totals / n**2
    else:
        values = (totals - jnp.sum(diagonal(kernel, wide, wide_scores))) / (n * (n - 1.0))
    values = values.astype(x.dtype)
    return TestResult(values[0], p_value(values[0], values[1:]), values[1:])
