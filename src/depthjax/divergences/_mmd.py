"""Kernel distances between samples, and sums over pairs of points, in tiles of rows."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least, chosen, positive
from depthjax.numerics import pairwise_squared_distance
from depthjax.numerics._arguments import floats, samples, weights
from depthjax.numerics._safe import unit_of

Kernel = Callable[[jax.Array, jax.Array], jax.Array]
_TILE = 2**18
_HIGHEST = jax.lax.Precision.HIGHEST
_MOST_FOR_MEDIAN = 1000


def median_bandwidth(x: ArrayLike, y: ArrayLike) -> jax.Array:
    """Median distance between two different points of the pooled sample.

    Args:
        x: (n, d).
        y: (m, d).

    Returns:
        () distance; 1 where the median is 0, NaN for points that are. Without gradient.

    Cost:
        At most 1000 evenly spaced points of each sample are used.

    Source:
        Gretton et al., A Kernel Two-Sample Test (2012), sec. 8.
    """
    x, y = samples("median_bandwidth", x, y)
    some = [v[:: -(-v.shape[0] // _MOST_FOR_MEDIAN)] for v in (x, y)]
    pooled = jax.lax.stop_gradient(jnp.concatenate(some))
    unit = unit_of(pooled)
    pooled = pooled / unit
    rows, columns = jnp.triu_indices(pooled.shape[0], 1)
    median = unit * jnp.median(jnp.sqrt(pairwise_squared_distance(pooled, pooled)[rows, columns]))
    return jnp.where(median == 0.0, 1.0, median)


def _pairwise(kernel: Kernel):
    return jax.vmap(jax.vmap(kernel, (None, 0)), (0, None))


def _positive(function: str, bandwidth: ArrayLike, dtype: Any) -> jax.Array:
    """The length in `dtype`; NaN in place of a traced one that is not positive."""
    positive(function, bandwidth=bandwidth)
    h = jnp.asarray(bandwidth, dtype)
    return jnp.where(h > 0.0, h, jnp.nan)


def _gaussian(bandwidth):
    return lambda x, y: jnp.exp(-0.5 * pairwise_squared_distance(x / bandwidth, y / bandwidth))


def pair_sum(gram: Callable, x: jax.Array, y: jax.Array, x_weights: jax.Array, y_weights: jax.Array) -> jax.Array:
    """sum_ij a_i b_j k(x_i, y_j) over tiles of rows, recomputed in the reverse pass."""

    def tile(part, part_weights):
        return jnp.sum(part_weights * jnp.matmul(gram(part, y), y_weights, precision=_HIGHEST))

    rows = max(1, _TILE // y.shape[0])
    if rows >= x.shape[0]:
        return tile(x, x_weights)
    short = -x.shape[0] % rows
    x = jnp.concatenate([x, jnp.broadcast_to(x[:1], (short, x.shape[1]))])
    x_weights = jnp.pad(x_weights, (0, short))

    def step(carry, piece):
        return carry + jax.checkpoint(tile)(*piece), None

    tiles = x.reshape(-1, rows, x.shape[1]), x_weights.reshape(-1, rows)
    return jax.lax.scan(step, jnp.zeros((), x.dtype), tiles)[0]


def _within(gram, x, x_weights, *, unbiased, diagonal):
    total = pair_sum(gram, x, x, x_weights, x_weights)
    if not unbiased:
        return total
    return (total - jnp.sum(x_weights**2 * diagonal(x))) / (jnp.sum(x_weights) ** 2 - jnp.sum(x_weights**2))


def all_pairs(gram, x, y, x_weights, y_weights, *, unbiased, diagonal):
    cross = pair_sum(gram, x, y, x_weights, y_weights)
    own = [_within(gram, v, w, unbiased=unbiased, diagonal=diagonal) for v, w in ((x, x_weights), (y, y_weights))]
    return own[0] + own[1] - 2.0 * cross


def mmd_squared(
    x: ArrayLike,
    y: ArrayLike,
    *,
    kernel: Kernel | None = None,
    bandwidth: ArrayLike | None = None,
    estimator: str = "unbiased",
    block_size: int | None = None,
    x_weights: ArrayLike | None = None,
    y_weights: ArrayLike | None = None,
) -> jax.Array:
    """Squared maximum mean discrepancy of two samples, E k(x, x') + E k(y, y') - 2 E k(x, y).

    "biased" averages over all pairs (never negative), "unbiased" drops the pairs of a point with itself, "linear"
    averages over disjoint pairs, "block" averages the unbiased statistic over blocks.

    Args:
        x: (n, d).
        y: (m, d).
        kernel: ((d,), (d,)) -> (); by default exp(-r^2/(2 bandwidth^2)).
        bandwidth: () length of the default kernel; by default `median_bandwidth(x, y)`.
        estimator: "unbiased", "biased", "linear" or "block"; the last two take equally many points, without weights.
        block_size: points in a block, at least 2; points of an incomplete block are left out.
        x_weights: (n,) that sum to one.
        y_weights: (m,) that sum to one.

    Returns:
        ().

    Raises:
        ValueError: wrong shapes or weights, an unknown estimator, fewer than two points for an unbiased one, a
            bandwidth that is not positive or beside a kernel, or a kernel whose values are no scalars.

    Cost:
        O(n m d) time; tiles of rows keep memory at O(n + m) and 2^18 kernel values, in the reverse pass too.

    Source:
        Gretton et al. (2012), eq. 3, 5 and lemma 14; Zaremba et al., B-tests (2013).
    """
    name = "mmd_squared"
    x, y = samples(name, x, y)
    chosen(name, "estimator", estimator, ("unbiased", "biased", "linear", "block"))
    if kernel is not None and bandwidth is not None:
        raise ValueError(f"{name}: bandwidth belongs to the default kernel, expected None beside kernel")
    if estimator != "biased":
        for label, value in (("x", x), ("y", y)):
            at_least(name, f"the number of points of {label} for estimator {estimator!r}", value.shape[0], 2)
    if kernel is None:
        h = median_bandwidth(x, y) if bandwidth is None else _positive(name, bandwidth, x.dtype)
        gram, diagonal = _gaussian(h), lambda v: jnp.ones(v.shape[0], v.dtype)
    else:
        got = jax.eval_shape(kernel, x[0], y[0])
        if getattr(got, "shape", None) != ():
            raise ValueError(f"{name}: kernel gives {got} for two points (d,), expected a scalar")
        gram, diagonal = _pairwise(kernel), jax.vmap(lambda v: kernel(v, v))
    if estimator in ("linear", "block"):
        if x.shape != y.shape or x_weights is not None or y_weights is not None:
            raise ValueError(f"{name}: estimator {estimator!r} takes samples of one size without weights")
        size = 2 if estimator == "linear" else block_size
        return _blocks(gram, diagonal, x, y, size)
    a, b = (
        weights(name, "x_weights", x_weights, x.shape[0], x.dtype),
        weights(name, "y_weights", y_weights, y.shape[0], x.dtype),
    )
    return all_pairs(gram, x, y, a, b, unbiased=estimator == "unbiased", diagonal=diagonal)


def _blocks(gram, diagonal, x, y, size):
    """Mean over blocks; a block of two leaves out the cross pairs of equal index, whose mean is the same."""
    if size is None or size < 2 or size > x.shape[0]:
        raise ValueError(f"mmd_squared: block_size is {size}, expected an integer from 2 to n = {x.shape[0]}")
    count = x.shape[0] // size
    x, y = (v[: count * size].reshape(count, size, -1) for v in (x, y))
    off = 1.0 - jnp.eye(size, dtype=x.dtype)

    def one(pair):
        u, v = pair
        values = gram(u, u) + gram(v, v) - gram(u, v) - gram(u, v).T
        return jnp.sum(off * values) / (size * (size - 1))

    del diagonal
    return jnp.mean(jax.lax.map(jax.checkpoint(one), (x, y)))


def mmd_squared_gaussian(
    loc_p: ArrayLike, cov_p: ArrayLike, loc_q: ArrayLike, cov_q: ArrayLike, *, bandwidth: ArrayLike
) -> jax.Array:
    """Squared maximum mean discrepancy of two normal laws under the kernel exp(-r^2/(2 h^2)).

    e(2 C_p, 0) + e(2 C_q, 0) - 2 e(C_p + C_q, m_p - m_q) with e(C, d) = |I + C/h^2|^(-1/2) exp(-d.(h^2 I + C)^-1 d/2).

    Args:
        loc_p: (d,), or () for one dimension.
        cov_p: (d, d), or ().
        loc_q: as loc_p.
        cov_q: as cov_p.
        bandwidth: h, positive.

    Returns:
        ().

    Raises:
        ValueError: wrong shapes, or a concrete bandwidth that is not positive.

    Source:
        Muandet et al., Kernel Mean Embedding of Distributions (2017), table 3.1.
    """
    loc_p, cov_p, loc_q, cov_q = floats(loc_p, cov_p, loc_q, cov_q)
    if loc_p.ndim == 0:
        loc_p, loc_q = jnp.reshape(loc_p, (1,)), jnp.reshape(loc_q, (1,))
        cov_p, cov_q = jnp.reshape(cov_p, (1, 1)), jnp.reshape(cov_q, (1, 1))
    size = loc_p.shape[0]
    for label, value, shape in (
        ("loc_q", loc_q, (size,)),
        ("cov_p", cov_p, (size,) * 2),
        ("cov_q", cov_q, (size,) * 2),
    ):
        if value.shape != shape:
            raise ValueError(f"mmd_squared_gaussian: {label} has shape {value.shape}, expected {shape}")
    h = _positive("mmd_squared_gaussian", bandwidth, loc_p.dtype)

    sound = jnp.all(jnp.diagonal(cov_p) >= 0.0) & jnp.all(jnp.diagonal(cov_q) >= 0.0)
    h = jnp.where(sound, h, jnp.nan)

    def embedded(cov, shift):
        factor = jnp.linalg.cholesky(jnp.eye(size, dtype=cov.dtype) + cov / h**2)
        z = jax.scipy.linalg.solve_triangular(factor, shift / h, lower=True)
        return jnp.exp(-0.5 * jnp.sum(z * z) - jnp.sum(jnp.log(jnp.diagonal(factor))))

    zero = jnp.zeros_like(loc_p)
    return embedded(2 * cov_p, zero) + embedded(2 * cov_q, zero) - 2 * embedded(cov_p + cov_q, loc_p - loc_q)
