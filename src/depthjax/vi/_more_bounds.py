"""Bounds beyond the two classics: Renyi, CUBO, thermodynamic and jackknife, as functions of log weights."""

import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core._options import is_concrete
from depthjax.vi._bounds import iwae_bound, over_draws


def renyi_bound(log_weights: ArrayLike, *, alpha: ArrayLike, axis: int = -1) -> jax.Array:
    """Renyi bound: L_a = log mean(w^(1-a)) / (1-a), decreasing in the order a.

    In expectation over the guide L_a = log p(x) - D_a(q || posterior): a = 1 is the ELBO, 0 the importance-weighted
    bound, -inf the largest and +inf the smallest log weight.

    Args:
        log_weights: (..., S, ...) nats, S independent draws along `axis`.
        alpha: () order a, a number or infinity; a traced one is finite, and the gradient in it exists, at 1 too.
        axis: the axis of the draws.

    Returns:
        The estimate with `axis` removed, nats; -inf, with zero gradient, where all weights (for a >= 1, any) are zero.

    Raises:
        ValueError: alpha is NaN or no scalar. (A traced alpha that is not finite gives NaN.)

    Numerics:
        Where (1-a)(log w - mean) is small, mean + log1p(mean(expm1((1-a)(log w - mean)))) / (1-a), so that no digits
        are lost near a = 1; where it is below the cube root of eps, three cumulants.

    Source:
        Li and Turner, Renyi Divergence Variational Inference (2016), eq. 8.
    """
    log_weights = over_draws("renyi_bound", log_weights, axis)
    if jnp.shape(alpha) != ():
        raise ValueError(f"renyi_bound: alpha must be a scalar, got shape {jnp.shape(alpha)}")
    if not is_concrete(alpha):
        return _renyi(log_weights, 1.0 - jnp.asarray(alpha), axis)
    order = 1.0 - float(np.asarray(alpha))
    if math.isnan(order):
        raise ValueError(f"renyi_bound: alpha must be a number, got {alpha}")
    if math.isinf(order):
        return jnp.max(log_weights, axis=axis) if order > 0 else jnp.min(log_weights, axis=axis)
    return _renyi(log_weights, order, axis)


def _renyi(log_weights, order, axis):
    order = jnp.asarray(order, log_weights.dtype)
    dead = log_weights == -jnp.inf
    lost = jnp.any(dead, axis=axis) & ~jnp.any(jnp.isnan(log_weights), axis=axis)
    live = jnp.where(dead, 0.0, log_weights)
    mean = jnp.mean(live, axis=axis, keepdims=True)
    away = live - jnp.where(jnp.isfinite(mean), mean, 0.0)
    size = jnp.abs(order * away)
    near = jnp.all(size < 1, axis=axis, keepdims=True) & ~jnp.expand_dims(lost, axis)
    flat = near & jnp.all(size < float(jnp.finfo(size.dtype).eps) ** (1 / 3), axis=axis, keepdims=True)

    slight = jnp.where(flat, away, 0.0)
    series = jnp.mean(slight * (order * slight) * (0.5 + order * slight / 6), axis=axis)
    divisor = jnp.where(jnp.squeeze(flat, axis), 1.0, order)
    inner = jnp.mean(jnp.expm1(order * jnp.where(near & ~flat, away, 0.0)), axis=axis)
    close = jnp.squeeze(mean, axis) + jnp.where(jnp.squeeze(flat, axis), series, jnp.log1p(inner) / divisor)

    powers = jnp.where(dead, -jnp.inf, order * live)
    far = iwae_bound(powers, axis=axis) / jnp.where(order == 0, 1.0, order)
    found = jnp.where(jnp.squeeze(near, axis), close, far)
    found = jnp.where(lost & (order <= 0), -jnp.inf, found)
    return jnp.where(jnp.isfinite(order), found, jnp.nan)


def cubo(log_weights: ArrayLike, *, order: float = 2.0, axis: int = -1) -> jax.Array:
    """Chi upper bound: log mean(w^n) / n for n > 1.

    In the limit of many draws CUBO_n = log p(x) + (n-1)/n D_n(posterior || q). The estimate is biased low; its
    exponential exp(n CUBO) is unbiased.

    Args:
        log_weights: (..., S, ...) nats, S independent draws along `axis`.
        order: static n > 1.
        axis: the axis of the draws.

    Returns:
        The estimate with `axis` removed, nats.

    Raises:
        ValueError: order <= 1.

    Source:
        Dieng et al., Variational Inference via chi Upper Bound Minimization (2017), eq. 5.
    """
    if not order > 1:
        raise ValueError(f"cubo: order must be above 1, got {order}")
    return iwae_bound(order * over_draws("cubo", log_weights, axis), axis=axis) / order


def tvo(
    log_weights: ArrayLike,
    *,
    betas: ArrayLike,
    rule: Literal["left", "right", "trapezoid"] = "left",
    axis: int = -1,
) -> jax.Array:
    """Thermodynamic objective: a Riemann sum of log p(x) = integral over b in [0, 1] of E_{pi_b} log w.

    pi_b is proportional to q^(1-b) p^b; its expectations are self-normalised, with weights softmax(b log w). The left
    sum of the exact integrand, which increases in b, is a lower bound and the right one an upper bound.

    Args:
        log_weights: (..., S, ...) nats, S independent draws along `axis`.
        betas: static (T+1,) increasing from 0 to 1.
        rule: which sum.
        axis: the axis of the draws.

    Returns:
        The estimate with `axis` removed, nats; -inf where all weights are zero.

    Raises:
        ValueError: betas do not increase from 0 to 1; another rule.

    Source:
        Masrani, Le and Wood, The Thermodynamic Variational Objective (2019), eq. 4 and 8.
    """
    grid = np.asarray(betas, np.float64)
    if grid.ndim != 1 or len(grid) < 2 or grid[0] != 0 or grid[-1] != 1 or not (np.diff(grid) > 0).all():
        raise ValueError(f"tvo: betas must increase from 0 to 1, got {grid}")
    if rule not in ("left", "right", "trapezoid"):
        raise ValueError(f"tvo: rule is 'left', 'right' or 'trapezoid', got {rule!r}")
    log_weights = jnp.moveaxis(over_draws("tvo", log_weights, axis), axis, -1)
    steps = np.diff(grid)
    widths = {"left": np.append(steps, 0), "right": np.append(0, steps)}
    widths["trapezoid"] = (widths["left"] + widths["right"]) / 2
    total = jnp.zeros(log_weights.shape[:-1], log_weights.dtype)
    for beta, width in zip(grid.tolist(), widths[rule].tolist(), strict=True):
        if width:
            total = total + width * _tempered_mean(log_weights, beta)
    return total


def _tempered_mean(log_weights, beta):
    if beta == 0:
        return jnp.mean(log_weights, axis=-1)
    dead = log_weights == -jnp.inf
    none = jnp.all(dead, axis=-1)
    live = jnp.where(dead, 0.0, log_weights)
    weights = jax.nn.softmax(jnp.where(dead & ~none[..., None], -jnp.inf, beta * live), axis=-1)
    return jnp.where(none, -jnp.inf, jnp.sum(weights * live, axis=-1))


def jackknife_bound(log_weights: ArrayLike, *, order: int = 1, axis: int = -1) -> jax.Array:
    """Importance-weighted estimate of the log evidence with its bias reduced to O(K^-(order+1)).

    order 1: K L_K - (K-1) mean_k L_{-k}, with L_{-k} the bound without draw k; order m takes the mean over all subsets
    without j <= m draws, with the weights of the generalised jackknife. It is no bound: the bias left may have
    either sign.

    Args:
        log_weights: (..., K, ...) nats, K independent draws along `axis`.
        order: static 0, 1 or 2; 0 is `iwae_bound`.
        axis: the axis of the draws.

    Returns:
        The estimate with `axis` removed, nats; -inf, with zero gradient, where all weights are zero; infinite where
        those of a subset are.

    Raises:
        ValueError: order outside 0..2, or not below K.

    Cost:
        O(K^order) memory.

    Source:
        Nowozin, Debiasing Evidence Approximations (2018), eq. 13 and 14.
    """
    log_weights = jnp.moveaxis(over_draws("jackknife_bound", log_weights, axis), axis, -1)
    count = log_weights.shape[-1]
    if order not in (0, 1, 2) or order >= count:
        raise ValueError(f"jackknife_bound: order must be 0, 1 or 2 and below the {count} draws, got {order}")
    none = jnp.all(log_weights == -jnp.inf, axis=-1)
    total = jnp.zeros(log_weights.shape[:-1], log_weights.dtype)
    for left_out in range(order + 1):
        weight = (
            (-1) ** left_out * (count - left_out) ** order
            / (math.factorial(left_out) * math.factorial(order - left_out))
        )  # fmt: skip
        total = total + weight * _mean_without(jnp.where(none[..., None], 0.0, log_weights), left_out)
    return jnp.where(none, -jnp.inf, total)


def _mean_without(log_weights, left_out):
    """Mean bound over all subsets that leave out so many draws."""
    count = log_weights.shape[-1]
    if left_out == 0:
        return iwae_bound(log_weights)
    first, second = np.meshgrid(np.arange(count), np.arange(count), indexing="ij")
    dropped = np.eye(count, dtype=bool)
    if left_out == 2:
        pairs = np.stack([first[first < second], second[first < second]], axis=-1)
        dropped = (np.arange(count) == pairs[..., None]).any(axis=1)
    kept = np.stack([np.flatnonzero(~row) for row in dropped])
    return jnp.mean(iwae_bound(log_weights[..., kept]), axis=-1)


def log_evidence_tail(log_evidence_hat: ArrayLike, b: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Markov's statement about an unbiased estimate of the evidence: P(log Z_hat >= log Z + b) <= exp(-b).

    Args:
        log_evidence_hat: (...) log of an unbiased, nonnegative estimate of the evidence, nats.
        b: () margin, nats.

    Returns:
        (lower limit log Z_hat - b, largest chance exp(-b) that it exceeds log Z), nats and a probability.

    Source:
        Grosse, Ghahramani and Adams, Sandwiching the Marginal Likelihood (2015), sec. 2.1.
    """
    b = jnp.asarray(b)
    return jnp.asarray(log_evidence_hat) - b, jnp.minimum(1.0, jnp.exp(-b))
