"""Generalised Pareto fits to the tail of importance weights."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

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

    Numerics: a weighted mean over a fixed grid of `30 + sqrt(n)` profile-likelihood points; no iteration. `x` is
        scaled by its largest value, so its unit does not matter.

    Source: Zhang and Stephens, "A new and efficient estimation method for the generalized Pareto distribution",
        2009; Vehtari et al., "Pareto smoothed importance sampling", 2024, appendix C (the prior).
    """
    x = jnp.asarray(x)
    if x.ndim != 1:
        raise ValueError(f"fit_generalized_pareto: expected exceedances of shape (n,), got {x.shape}")
    size = x.shape[0]
    if size < _LEAST_TAIL:
        return jnp.asarray(jnp.inf, x.dtype), jnp.asarray(jnp.nan, x.dtype)
    ordered = jnp.sort(x)
    largest = ordered[-1]
    usable = jnp.all(jnp.isfinite(x)) & (largest > 0.0) & (ordered[0] >= 0.0)
    ordered = jnp.where(usable, ordered, 1.0) / jnp.where(usable, largest, 1.0)
    quartile = jnp.maximum(ordered[int(size / 4 + 0.5) - 1], jnp.finfo(x.dtype).eps)
    num_points = 30 + int(math.sqrt(size))
    grid = 1.0 - jnp.sqrt(num_points / (jnp.arange(1, num_points + 1, dtype=x.dtype) - 0.5))
    theta = grid / (3.0 * quartile) + 1.0
    shapes = jnp.mean(jnp.log1p(-theta[:, None] * ordered[None, :]), axis=1)
    # A grid point at zero is the exponential limit, where theta / shape tends to -1 / mean.
    flat = jnp.abs(theta) < jnp.finfo(x.dtype).eps
    ratio = jnp.where(flat, 1.0 / jnp.mean(ordered), -theta / jnp.where(flat, 1.0, shapes))
    log_likelihood = size * (jnp.log(ratio) - shapes - 1.0)
    mean_theta = jnp.sum(theta * jax.nn.softmax(log_likelihood))
    shape = jnp.mean(jnp.log1p(-mean_theta * ordered))
    level = jnp.abs(mean_theta) < jnp.finfo(x.dtype).eps
    scale = jnp.where(level, jnp.mean(ordered), -shape / jnp.where(level, 1.0, mean_theta)) * largest
    shrunk = (size * shape + _PRIOR_WEIGHT * _PRIOR_SHAPE) / (size + _PRIOR_WEIGHT)
    return jnp.where(usable, shrunk, jnp.inf), jnp.where(usable, scale, jnp.nan)


def _quantiles(shape, scale, num_points):
    """Quantiles of the fitted law at `(i - 1/2) / num_points`."""
    log_survival = jnp.log1p(-(jnp.arange(1, num_points + 1, dtype=scale.dtype) - 0.5) / num_points)
    flat = jnp.abs(shape) < jnp.finfo(scale.dtype).eps
    power = jnp.expm1(-shape * log_survival) / jnp.where(flat, 1.0, shape)
    return scale * jnp.where(flat, -log_survival, power)


def pareto_smooth(log_weights: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Replace the largest importance weights by quantiles of a generalised Pareto fit.

    Args:
        log_weights: unnormalised log-weights `(n,)`, nats; -inf is a weight of zero.

    Returns:
        `(smoothed, shape)`: log-weights `(n,)` in the same order and unit, none above the largest raw one, and
        the shape k, the diagnostic k-hat (reliable below 0.7). Where the tail of `min(n / 5, 3 sqrt(n))` has
        fewer than five values, or is constant, the weights are unchanged and k is inf. A NaN, a +inf or only
        -inf weights give NaN for both.

    Raises:
        ValueError: if `log_weights` is not one-dimensional.

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
    relative = ordered - jnp.where(valid, largest, 0.0)
    # A threshold of weight zero is raised to the smallest number, as the relative weights below it count for nothing.
    threshold = jnp.maximum(jnp.exp(relative[size - tail - 1]), jnp.finfo(log_weights.dtype).tiny)
    exceedances = jnp.maximum(jnp.exp(relative[size - tail :]) - threshold, 0.0)
    shape, scale = fit_generalized_pareto(exceedances)
    fitted = jnp.isfinite(shape) & jnp.isfinite(scale)
    quantiles = _quantiles(jnp.where(fitted, shape, 0.5), jnp.where(fitted, scale, 1.0), tail)
    smoothed = jnp.minimum(jnp.log(quantiles + threshold), 0.0) + jnp.where(valid, largest, 0.0)
    ordered = ordered.at[size - tail :].set(jnp.where(fitted, smoothed, ordered[size - tail :]))
    result = jnp.zeros_like(ordered).at[order].set(ordered)
    return jnp.where(valid, result, jnp.nan), jnp.where(valid, shape, jnp.nan)
