"""Masses of counts by their saddle points, and multinomial draws."""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from depthjax.core import Constraint, constraints
from depthjax.core.constraints import nonnegative_integer
from depthjax.distributions._poisson import log_mass_at
from depthjax.numerics import stirling_error

_LOG_2PI = math.log(2 * math.pi)
_NUM_NODES = 512


def counts_of(total: jax.Array, size: int) -> Constraint:
    """Vectors of `size` nonnegative integers that sum to `total`."""

    def contains(x):
        x = x if jnp.issubdtype(x.dtype, jnp.inexact) else x.astype(total.dtype)
        return jnp.all(nonnegative_integer.contains(x), axis=-1) & (jnp.sum(x, axis=-1) == total.astype(x.dtype))

    return dataclasses.replace(
        constraints.one_hot, name=f"counts({size})", contains=contains, check=lambda x: jnp.all(contains(x))
    )


def log_poisson_at_mean(n: jax.Array) -> jax.Array:
    """Log mass of the Poisson distribution at its mean, a nonnegative integer."""
    count = jnp.where(n > 0, n, 1.0)
    return jnp.where(n > 0, -stirling_error(count) - 0.5 * (jnp.log(count) + _LOG_2PI), jnp.where(n == 0, 0.0, jnp.nan))


def safe_log(x: jax.Array) -> jax.Array:
    """Logarithm of x >= 0, with zero derivative at 0."""
    zero = x == 0
    return jnp.where(zero, -jnp.inf, jnp.log(jnp.where(zero, 1.0, x)))


def log_binomial_mass(x: jax.Array, n: jax.Array, p: jax.Array, q: jax.Array) -> jax.Array:
    """Log mass of x successes among n trials of probability p = 1 - q: two Poisson counts given their sum."""
    masses = [log_mass_at(safe_log(n * part), n * part, count) for count, part in ((x, p), (n - x, q))]
    return masses[0] + masses[1] - log_poisson_at_mean(n)


def binomial_expectation(fn: Callable[[jax.Array], jax.Array], n: jax.Array, p: jax.Array, q: jax.Array) -> jax.Array:
    """E fn(X) for X among n trials, () each; fn is elementwise and smooth on the scale of the standard deviation.

    Numerics:
        A sum over the integers within 12 standard deviations; where these are too many, over every h-th of them, which
        for a bell of width above 20 h is as exact as the trapezoidal rule for a Gaussian.
    """
    held_n, held_p, held_q = jax.lax.stop_gradient((n, p, q))
    reach = 12.0 * jnp.sqrt(held_n * held_p * held_q) + 40.0
    low = jnp.maximum(jnp.floor(held_n * held_p - reach), 0.0)
    high = jnp.minimum(jnp.ceil(held_n * held_p + reach), held_n)
    stride = jnp.maximum(jnp.ceil((high - low) / (_NUM_NODES - 1)), 1.0)
    x = low + stride * jnp.arange(_NUM_NODES, dtype=n.dtype)
    inside = x <= high
    x = jnp.where(inside, x, low)
    wide = [jnp.broadcast_to(value, x.shape) for value in (n, p, q)]
    mass = jnp.where(inside, jnp.exp(log_binomial_mass(x, *wide)), 0.0)
    return jnp.sum(mass * fn(x)) / jnp.sum(mass)


def complements(probs: jax.Array) -> jax.Array:
    """One minus each of the probabilities (K,), as the sum of the others: nothing cancels."""
    before = jnp.concatenate([jnp.zeros_like(probs[:1]), jnp.cumsum(probs[:-1])])
    after = jnp.concatenate([jnp.cumsum(probs[:0:-1])[::-1], jnp.zeros_like(probs[:1])])
    return before + after


def sample_multinomial(key: jax.Array, total: jax.Array, log_probs: jax.Array) -> jax.Array:
    """Counts (*batch, K), int32, of `total` () draws from categories with normalised log probabilities (*batch, K).

    Category by category, a binomial count of what is left; the rarer of "this one" and "a later one" is drawn, so its
    probability has all its digits.

    Source:
        Devroye, Non-Uniform Random Variate Generation (1986), sec. XI.1.4.
    """
    dtype = log_probs.dtype if jnp.finfo(log_probs.dtype).bits >= 32 else jnp.float32
    columns = jnp.moveaxis(log_probs.astype(dtype), -1, 0)
    later = jax.lax.scan(lambda mass, new: (jnp.logaddexp(mass, new), mass), jnp.full_like(columns[0], -jnp.inf),
                         columns, reverse=True)[1]  # fmt: skip

    def step(left, inputs):
        key, here, after = inputs
        rare = jnp.minimum(here, after)
        chance = jnp.exp(rare - jnp.logaddexp(here, after))
        chance = jnp.where(jnp.isneginf(rare), 0.0, chance)
        drawn = jax.random.binomial(key, left, chance, left.shape, left.dtype)
        count = jnp.where(here <= after, drawn, left - drawn)
        return left - count, count

    start = jnp.broadcast_to(total.astype(dtype), columns.shape[1:])
    counts = jax.lax.scan(step, start, (jax.random.split(key, columns.shape[0]), columns, later))[1]
    return jnp.moveaxis(counts, 0, -1).astype(jnp.int32)
