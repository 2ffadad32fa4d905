"""Log-determinants of I + J from products with J alone."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.numerics._linalg import log_det_lu

ESTIMATORS = ("exact", "truncated", "roulette")
_MOST_TERMS = 100_000


def log_det_series(
    key: jax.Array | None,
    jvp: Callable[[jax.Array], jax.Array],
    shape: tuple[int, ...],
    *,
    estimator: str = "exact",
    num_terms: int = 10,
    stop_probability: float = 0.1,
    dtype: jnp.dtype | None = None,
) -> jax.Array:
    """Logarithm of the absolute determinant of `I + J`, for J given by its products with vectors.

    log det(I + J) = sum_{k>=1} (-1)^(k+1) tr(J^k)/k for a J of norm below one.

    Args:
        key: PRNG key, for estimator "roulette" only.
        jvp: linear map v -> J v, of arrays of `shape`.
        shape: of one vector.
        estimator: "exact" forms J and factors it. "truncated" sums `num_terms` terms with exact traces, an error of at
            most d L^(n+1)/((n+1)(1-L)) for norm L. "roulette" is unbiased: one random probe, `num_terms` terms for
            certain and each further one with probability 1 - stop_probability, weighted accordingly.
        num_terms: n.
        stop_probability: of ending the series after each further term, in (0, 1).
        dtype: of the vectors; JAX's default float if None.

    Returns:
        (), nats.

    Raises:
        ValueError: an unknown estimator, no terms, or a stop probability out of range; "roulette" without a key.

    Numerics: the variance of "roulette" is finite while the spectral radius of J stays below
        sqrt(1 - stop_probability). Its derivative with respect to what `jvp` closes over is the unbiased estimate
        sum_k (-1)^(k+1) w_k v^T J^(k-1) dJ v, at constant memory, not the derivative of the random series.

    Cost: d products with J for "exact", n d for "truncated", about n + 1/stop_probability for "roulette".

    Source: Chen, Behrmann, Duvenaud, Jacobsen, "Residual flows", 2019, theorems 1 and 2.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f"log_det_series: estimator is one of {', '.join(ESTIMATORS)}, got {estimator!r}")
    if num_terms < 1 or not 0.0 < stop_probability < 1.0:
        raise ValueError(
            f"log_det_series: num_terms must be at least 1 and stop_probability lie in (0, 1), got {num_terms} and "
            f"{stop_probability}"
        )
    dtype = jnp.result_type(float) if dtype is None else dtype
    if estimator == "roulette":
        if key is None:
            raise ValueError("log_det_series: estimator 'roulette' needs a key")
        return _roulette(key, jvp, shape, num_terms, stop_probability, dtype)
    size = int(np.prod(shape))
    identity = jnp.eye(size, dtype=dtype)

    def products(rows):
        return jax.vmap(lambda row: jvp(row.reshape(shape)).reshape(size))(rows)

    if estimator == "exact":
        return log_det_lu(identity + products(identity).T)
    signs = (-1.0) ** np.arange(num_terms) / np.arange(1, num_terms + 1)

    def add_term(rows, sign):
        rows = products(rows)
        return rows, sign * jnp.trace(rows)

    return jnp.sum(lax.scan(add_term, identity, jnp.asarray(signs, dtype))[1])


def _roulette(key, jvp, shape, num_terms, stop_probability, dtype):
    probe_key, coin_key = jax.random.split(key)
    probe = jax.random.rademacher(probe_key, shape, dtype)
    linear, hoisted = jax.closure_convert(jvp, probe)
    frozen = lax.stop_gradient(hoisted)
    transpose = jax.vjp(lambda v: linear(v, *frozen), probe)[1]

    def add_term(state):
        row, count, weight, _, total, slope = state
        signed = jnp.where(count % 2 == 0, weight, -weight)
        total = total + signed / (count + 1).astype(dtype) * row
        slope = slope + signed * row
        certain = count + 1 < num_terms
        kept = jax.random.bernoulli(jax.random.fold_in(coin_key, count), 1.0 - stop_probability)
        weight = jnp.where(certain, weight, weight / (1.0 - stop_probability))
        return transpose(row)[0], count + 1, weight, certain | kept, total, slope

    zeros, one = jnp.zeros(shape, dtype), jnp.ones((), dtype)
    start = (probe, jnp.asarray(0, jnp.int32), one, jnp.ones((), bool), zeros, zeros)
    *_, total, slope = lax.while_loop(lambda state: state[3] & (state[1] < _MOST_TERMS), add_term, start)
    image = jvp(probe)
    estimate = jnp.sum(slope * image)
    return estimate + lax.stop_gradient(jnp.sum(total * image) - estimate)
