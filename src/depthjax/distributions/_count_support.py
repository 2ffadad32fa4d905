"""Supports, ends and log odds of counts."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import constraints, float_dtype
from depthjax.distributions._gamma_sampling import sample_log_gamma

_LARGEST_RATE = 2.1e9


def _extended(name, contains):
    return dataclasses.replace(
        constraints.real, name=name, check=lambda x: jnp.all(contains(x)), contains=contains, bounds=None
    )


above_minus_infinity = _extended("above_minus_infinity", lambda x: x > -jnp.inf)
below_infinity = _extended("below_infinity", lambda x: x < jnp.inf)


def floored(
    x: jax.Array,
    fn: Callable[[jax.Array], jax.Array],
    below: float,
    above: float,
    *,
    last: jax.Array | float = jnp.inf,
) -> jax.Array:
    """`fn(floor(x))` for 0 <= x < last, the constants `below` and `above` outside; NaN stays NaN."""
    low, high, unknown = x < 0, x >= last, jnp.isnan(x)
    value = fn(jnp.floor(jnp.where(low | high | unknown, 0.0, x)))
    return jnp.where(unknown, jnp.nan, jnp.where(low, below, jnp.where(high, above, value)))


def logits_from_probs(probs: ArrayLike) -> jax.Array:
    """Log odds of probabilities; at exactly 0 and 1 infinite constants, with zero gradient."""
    probs = jnp.asarray(probs)
    probs = probs.astype(float_dtype(probs))
    certain = (probs == 0) | (probs == 1)
    inner = jnp.where(certain, 0.5, probs)
    logits = jnp.log(inner) - jnp.log1p(-inner)
    return jnp.where(certain, jnp.where(probs == 1, jnp.inf, -jnp.inf).astype(logits.dtype), logits)


def at_least_single(dtype: jnp.dtype) -> jnp.dtype:
    """The dtype in which counts are drawn."""
    return dtype if jnp.finfo(dtype).bits >= 32 else jnp.dtype(jnp.float32)


def sample_binomial(key: jax.Array, count: jax.Array, logits: jax.Array) -> jax.Array:
    """Binomial draws for counts and log odds of one shape, int32; of the rarer outcome, so none is rounded away."""
    work = at_least_single(count.dtype)
    count, logits = count.astype(work), logits.astype(work)
    draws = jax.random.binomial(key, count, jax.nn.sigmoid(-jnp.abs(logits)), count.shape, dtype=work)
    return jnp.where(logits > 0, count - draws, draws).astype(jnp.int32)


def sample_mixed_poisson(
    key: jax.Array, concentration: jax.Array, log_scale: jax.Array, sample_shape: tuple[int, ...]
) -> jax.Array:
    """Poisson counts, (*sample_shape, *event), of gamma rates, which are held below 2^31.

    `log_scale` is (*event), or has the sample axes too.
    """
    key_rate, key_count = jax.random.split(key)
    row = (1,) * len(sample_shape) + concentration.shape
    log_scale = log_scale.reshape(row) if log_scale.shape == concentration.shape else log_scale
    log_rate = sample_log_gamma(key_rate, concentration, sample_shape) + log_scale
    rate = jnp.minimum(jnp.exp(log_rate), _LARGEST_RATE).astype(at_least_single(log_rate.dtype))
    return jax.random.poisson(key_count, rate, rate.shape, dtype=jnp.int32)
