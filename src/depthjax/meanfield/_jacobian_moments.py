"""Moments of the spectrum of J J^T: exact sums, layer by layer."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import chosen
from depthjax.freeprob import moments_to_s_series, s_series_to_moments
from depthjax.meanfield._activation import Activation, slope_at
from depthjax.meanfield._expectation import rule_for, safe_root, slope_moments
from depthjax.meanfield._jacobian_setting import ENSEMBLES, check
from depthjax.meanfield._length import gain
from depthjax.numerics import series_exp, series_log
from depthjax.numerics._elementwise import promote


def _layers(q, sigma_w, depth):
    """Q and sigma_w as (layers,), and how often each layer counts."""
    if jnp.ndim(q) == 0 and jnp.ndim(sigma_w) == 0:
        q, sigma_w, depth = promote(q, sigma_w, depth)
        return q[None], sigma_w[None], depth[None], depth >= 1.0
    size = max(jnp.size(q), jnp.size(sigma_w))
    q, sigma_w = promote(q, sigma_w)
    return q, sigma_w, jnp.ones_like(q), jnp.asarray(depth) == size


def jacobian_variance(
    activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, ensemble: str
) -> jax.Array:
    """Variance of the spectrum of J J^T: m_1^2 sum_l (mu_2/mu_1^2 - 1 + a), m_1 = prod_l chi_1.

    Args:
        activation: phi.
        q: variance of pre-activations, () or (num_layers,).
        sigma_w: standard deviation of weights times sqrt(fan_in), () or (num_layers,).
        depth: number of layers, traced; agrees with `q` if that is layer-wise.
        ensemble: static, "gaussian" (a = 1) or "orthogonal" (a = 0).

    Returns:
        () variance.

    Source:
        Pennington, Schoenholz and Ganguli (2018), eq. 17.
    """
    check("jacobian_variance", activation, q, sigma_w, depth, ensemble)
    q, sigma_w, count, ok = _layers(q, sigma_w, depth)
    mu = jax.vmap(lambda q: slope_moments(activation, q, 2))(q)
    spread = mu[:, 1] / mu[:, 0] ** 2 - 1.0 + (1.0 if ensemble == "gaussian" else 0.0)
    log_mean = 2.0 * jnp.sum(count * (2.0 * jnp.log(sigma_w) + jnp.log(mu[:, 0])))
    return jnp.where(ok, jnp.exp(log_mean) * jnp.sum(count * spread), jnp.nan)


def jacobian_mean_log(
    activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, ensemble: str
) -> jax.Array:
    """E log lambda of the spectrum of J J^T: sum_l (2 log sigma_w + E log phi'^2 - a).

    Args:
        activation: phi.
        q: variance of pre-activations, () or (num_layers,).
        sigma_w: standard deviation of weights times sqrt(fan_in), () or (num_layers,).
        depth: number of layers, traced.
        ensemble: static, "gaussian" (a = 1) or "orthogonal" (a = 0).

    Returns:
        () nats; -inf with an atom at zero, NaN where phi' changes sign within a smooth piece (gelu, silu, sin): the
        rule does not resolve the logarithm's pole there.

    Source:
        Voiculescu, Dykema and Nica (1992), sec. 3.6: E log of a free product is the sum of those of its factors.
    """
    check("jacobian_mean_log", activation, q, sigma_w, depth, ensemble)
    q, sigma_w, count, ok = _layers(q, sigma_w, depth)

    def mean_log(q):
        nodes, weights = rule_for(activation, q)
        slopes = slope_at(activation, safe_root(q) * nodes)
        value = weights @ (2.0 * jnp.log(jnp.abs(slopes)))
        crosses = jnp.any(jnp.sign(slopes[1:]) * jnp.sign(slopes[:-1]) < 0.0)
        return jnp.where(crosses & (not activation.is_piecewise_linear), jnp.nan, value)

    each = 2.0 * jnp.log(sigma_w) + jax.vmap(mean_log)(q) - (1.0 if ensemble == "gaussian" else 0.0)
    return jnp.where(ok, jnp.sum(count * each), jnp.nan)


def jacobian_moments(
    order: int, activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, ensemble: str
) -> jax.Array:
    """Raw moments of the spectrum of J J^T by Lagrange inversion of its S-transform, log S_J = sum_l log S_l.

    Args:
        order: static number of moments.
        activation: phi.
        q: variance of pre-activations, () or (num_layers,).
        sigma_w: standard deviation of weights times sqrt(fan_in), () or (num_layers,).
        depth: number of layers, traced.
        ensemble: static, "gaussian" or "orthogonal".

    Returns:
        (order,) moments m_1, ..., m_order.
    """
    if not isinstance(order, int) or isinstance(order, bool):
        raise TypeError(f"jacobian_moments: order must be a Python integer, got {order!r}")
    if order < 1:
        raise ValueError(f"jacobian_moments: order must be at least 1, got {order}")
    check("jacobian_moments", activation, q, sigma_w, depth, ensemble)
    q, sigma_w, count, ok = _layers(q, sigma_w, depth)
    mu = jax.vmap(lambda q: slope_moments(activation, q, order))(q)
    scaled = mu / mu[:, :1] ** jnp.arange(1, order + 1)[None, :].astype(mu.dtype)
    logs = series_log(moments_to_s_series(scaled))
    total = count @ logs
    if ensemble == "gaussian":
        signs = jnp.asarray([0.0] + [(-1.0) ** k / k for k in range(1, order)], total.dtype)
        total = total + jnp.sum(count) * signs
    unit = s_series_to_moments(series_exp(total))
    log_mean = jnp.sum(count * (2.0 * jnp.log(sigma_w) + jnp.log(mu[:, 0])))
    return jnp.where(ok, unit * jnp.exp(log_mean * jnp.arange(1, order + 1).astype(unit.dtype)), jnp.nan)


def residual_jacobian_variance(
    activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, skip: ArrayLike, ensemble: str
) -> jax.Array:
    """Variance of the spectrum of J J^T of residual blocks x' = skip x + phi(W x + b), exact at finite depth.

    The slopes phi' of different blocks count as independent, as they are there. Blocks h' = skip h + W phi(h) + b have
    the same mean, but their units keep their slopes from block to block and the variance is larger from the second
    order in the sum of s on. With s = chi_1, m_1 = prod (skip^2 + s) and variance/m_1^2
    = sum (2 skip^2 s + s^2 (mu_2/mu_1^2 + a - 1))/(skip^2 + s)^2.

    Args:
        activation: phi.
        q: variance of pre-activations, () or (num_layers,).
        sigma_w: standard deviation of weights times sqrt(fan_in), () or (num_layers,).
        depth: number of blocks, traced.
        skip: gain of the identity branch, ().
        ensemble: static, "gaussian" or "orthogonal".

    Returns:
        () variance; `jacobian_variance` at skip = 0.

    Source:
        Tarnowski et al., "Dynamical isometry is achieved in residual networks in a universal way", 2019.
    """
    chosen("residual_jacobian_variance", "ensemble", ensemble, ENSEMBLES)
    check("residual_jacobian_variance", activation, q, sigma_w, depth, ensemble)
    q, sigma_w, count, ok = _layers(q, sigma_w, depth)
    mu = jax.vmap(lambda q: slope_moments(activation, q, 2))(q)
    s = jax.vmap(lambda q, sw: gain(q, sw, activation))(q, sigma_w)
    square = jnp.asarray(skip).astype(s.dtype) ** 2
    extra = mu[:, 1] / mu[:, 0] ** 2 - (0.0 if ensemble == "gaussian" else 1.0)
    share = (2.0 * square * s + s * s * extra) / (square + s) ** 2
    mean = jnp.exp(2.0 * jnp.sum(count * jnp.log(square + s)))
    return jnp.where(ok, mean * jnp.sum(count * share), jnp.nan)
