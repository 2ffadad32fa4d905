"""Generalised Pareto fits to the tail of importance weights."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.numerics._logs import log1mexp

_PRIOR_WEIGHT = 10.0
_PRIOR_SHAPE = 0.5
_LEAST_TAIL = 5


def fit_generalized_pareto(x: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Fit a generalised Pareto distribution to exceedances, `p(x) = (1 + k x / s)^(-1/k - 1) / s`.

    Args:
        x: exceedances over a threshold, `(n,)`, non-negative, in any order.

    Returns:
        `(shape k, scale s)`, scalars. The shape is shrunk towards 1/2 with the weight of ten observations. Fewer
        than five values, a zero sample or a non-finite one give `(inf, nan)`.

    Raises:
        ValueError: if `x` is not one-dimensional.

    Numerics: a weighted mean over a fixed grid of `30 + sqrt(n)` profile-likelihood points; no iteration. It works with
        logarithms of `x` over its largest value, so its unit does not matter, nor how many orders it spans.

    Source: Zhang and Stephens, "A new and efficient estimation method for the generalized Pareto distribution",
        2009; Vehtari et al., "Pareto smoothed importance sampling", 2024, appendix C (the prior).
    """
    x = jnp.asarray(x)
    if x.ndim != 1:
        raise ValueError(f"fit_generalized_pareto: expected exceedances of shape (n,), got {x.shape}")
    if x.shape[0] < _LEAST_TAIL:
        return jnp.asarray(jnp.inf, x.dtype), jnp.asarray(jnp.nan, x.dtype)
    usable = jnp.all(jnp.isfinite(x)) & (jnp.max(x) > 0.0) & (jnp.min(x) >= 0.0)
    ordered = jnp.sort(jnp.where(usable, x, 1.0))
    positive = ordered > 0.0
    log_x = jnp.where(positive, jnp.log(jnp.where(positive, ordered, 1.0)), -jnp.inf)
    shape, log_scale = _fit(log_x, jnp.ones_like(positive))
    return jnp.where(usable, shape, jnp.inf), jnp.where(usable, jnp.exp(log_scale), jnp.nan)


def _fit(log_x: jax.Array, counted: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Shape and log scale for ascending logarithms, the last of them finite; those `counted` are the last ones."""
    dtype, size = log_x.dtype, log_x.shape[0]
    count = jnp.sum(counted).astype(dtype)
    largest = log_x[-1]
    log_x = log_x - largest

    def mean(values):
        return jnp.sum(jnp.where(counted, values, 0.0), axis=-1) / count

    quarter = size - count.astype(jnp.int32) + (count / 4 + 0.5).astype(jnp.int32) - 1
    smallest = jnp.min(jnp.where(log_x > -jnp.inf, log_x, 0.0))
    log_quartile = jnp.maximum(log_x[quarter], smallest)
    num_points = 30 + int(math.sqrt(size))
    gap = jnp.sqrt(num_points / (jnp.arange(1, num_points + 1, dtype=dtype) - 0.5)) - 1.0
    log_theta, sign = _grid(jnp.log(gap / 3) - log_quartile)

    shapes = mean(_log_one_minus(log_theta[:, None], sign[:, None], log_x[None]))
    # A grid point at zero is the exponential limit, where theta / shape tends to -1 / mean.
    log_eps, log_mean_x = math.log(jnp.finfo(dtype).eps), jnp.log(mean(jnp.exp(log_x)))
    flat = log_theta < log_eps
    log_ratio = jnp.where(flat, -log_mean_x, log_theta - _log_size(shapes, flat))
    weights = jax.nn.log_softmax(count * (log_ratio - shapes - 1.0))
    log_mean, mean_sign = jax.nn.logsumexp(weights + log_theta, b=sign, return_sign=True)
    shape = mean(_log_one_minus(log_mean, mean_sign, log_x))
    level = log_mean < log_eps
    log_scale = largest + jnp.where(level, log_mean_x, _log_size(shape, level) - log_mean)
    shrunk = (count * shape + _PRIOR_WEIGHT * _PRIOR_SHAPE) / (count + _PRIOR_WEIGHT)
    return shrunk, log_scale


def _grid(log_slopes):
    """Logarithm of the size, and sign, of theta = 1 - slope: it is steep and negative where the tail is heavy."""
    steep = log_slopes > 1.0
    theta = 1.0 - jnp.exp(jnp.where(steep, 0.0, log_slopes))
    size = jnp.log(jnp.maximum(jnp.abs(theta), jnp.finfo(theta.dtype).tiny))
    far = log_slopes + log1mexp(jnp.where(steep, -log_slopes, -1.0))
    return jnp.where(steep, far, size), jnp.where(steep | (theta < 0), -1.0, 1.0).astype(theta.dtype)


def _log_one_minus(log_theta, sign, log_x):
    """log(1 - theta x) for x of at most 1 and theta below 1."""
    steep = (sign < 0) & (log_theta > 0)
    product = jnp.exp(jnp.where(steep, 0.0, log_theta) + log_x)
    return jnp.where(steep, jax.nn.softplus(log_theta + log_x), jnp.log1p(-sign * product))


def _log_size(values, ignored):
    return jnp.log(jnp.abs(jnp.where(ignored, 1.0, values)))


def _log_quantiles(shape, log_scale, levels):
    """Logarithms of quantiles of the fitted law."""
    log_survival = jnp.log1p(-levels)
    flat = jnp.abs(shape) < jnp.finfo(shape.dtype).eps
    powers = -jnp.where(flat, 1.0, shape) * log_survival
    curved = jnp.maximum(powers, 0.0) + log1mexp(-jnp.abs(powers)) - _log_size(shape, flat)
    return log_scale + jnp.where(flat, jnp.log(-log_survival), curved)


def pareto_smooth(log_weights: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Replace the largest importance weights by quantiles of a generalised Pareto fit.

    Args:
        log_weights: unnormalised log-weights `(n,)`, nats; -inf is a weight of zero.

    Returns:
        `(smoothed, shape)`: log-weights `(n,)` in the same order and unit, none above the largest raw one, and
        the shape k, the diagnostic k-hat (reliable below 0.7). The tail is what lies above the largest weight but
        `min(n / 5, 3 sqrt(n))`; where it has fewer than five values the weights are unchanged and k is inf. A NaN, a
        +inf or only -inf weights give NaN for both.

    Raises:
        ValueError: if `log_weights` is not one-dimensional.

    Numerics: on logarithms throughout, so that a tail of hundreds of nats has the large k that it should have.

    Source: Vehtari, Simpson, Gelman, Yao and Gabry, "Pareto smoothed importance sampling", 2024, section 3.
    """
    log_weights = jnp.asarray(log_weights)
    if log_weights.ndim != 1:
        raise ValueError(f"pareto_smooth: expected log_weights of shape (n,), got {log_weights.shape}")
    size = log_weights.shape[0]
    tail = int(min(math.ceil(0.2 * size), math.ceil(3.0 * math.sqrt(size)), size - 1)) if size else 0
    if tail < _LEAST_TAIL:
        return log_weights, jnp.asarray(jnp.inf, log_weights.dtype)
    order = jnp.argsort(log_weights)
    ordered = log_weights[order]
    largest = ordered[-1]
    valid = ~jnp.any(jnp.isnan(log_weights)) & jnp.isfinite(largest)
    relative = jnp.where(valid, ordered - jnp.where(valid, largest, 0.0), 0.0)
    threshold, above = relative[size - tail - 1], relative[size - tail :]
    counted = above > threshold
    count = jnp.sum(counted)
    distance = jnp.where(counted & (threshold > -jnp.inf), above - jnp.maximum(threshold, -1e30), jnp.inf)
    exceedances = jnp.where(counted, above + log1mexp(-distance), -jnp.inf)

    enough = valid & (count >= _LEAST_TAIL)
    filler = jnp.arange(1, tail + 1, dtype=above.dtype)
    shape, log_scale = _fit(jnp.where(enough, exceedances, jnp.log(filler)), counted | ~enough)
    rank = filler - (tail - count).astype(above.dtype)
    levels = jnp.where(counted, rank - 0.5, 0.5) / jnp.maximum(count, 1).astype(above.dtype)
    quantiles = jnp.logaddexp(_log_quantiles(shape, log_scale, levels), threshold)
    smoothed = jnp.minimum(quantiles, 0.0) + jnp.where(valid, largest, 0.0)
    ordered = ordered.at[size - tail :].set(jnp.where(enough & counted, smoothed, ordered[size - tail :]))
    result = jnp.zeros_like(ordered).at[order].set(ordered)
    shape = jnp.where(enough, shape, jnp.inf)
    return jnp.where(valid, result, jnp.nan), jnp.where(valid, shape, jnp.nan)
