"""Coordinate ascent: the loop, and two models of numbers."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import non_negative, positive
from depthjax.numerics._arguments import floats

_LOG_2PI = math.log(2 * math.pi)
_DIGAMMA, _LGAMMA = jax.scipy.special.digamma, jax.scipy.special.gammaln


class CaviResult(NamedTuple):
    """Where coordinate ascent ended.

    Attributes:
        params: the variational parameters.
        elbo_trace: (max_steps,) lower bound after each sweep, nats, NaN after the last one.
        num_steps: () sweeps made.
        converged: () bool, whether the bound stopped moving before max_steps.
    """

    params: Any
    elbo_trace: jax.Array
    num_steps: jax.Array
    converged: jax.Array


def cavi(
    init: Any,
    sweep: Callable[[Any], Any],
    elbo: Callable[[Any], jax.Array],
    *,
    max_steps: int = 1000,
    tol: float = 1e-10,
) -> CaviResult:
    """Coordinate-ascent variational inference: sweeps over the factors until the bound stands still.

    Args:
        init: first variational parameters, any tree.
        sweep: parameters -> parameters, each factor set to its optimum given the others in turn.
        elbo: parameters -> () nats.
        max_steps: largest number of sweeps.
        tol: relative change of the bound below which the loop ends; at least 4 eps.

    Returns:
        `CaviResult`; a bound that is not finite ends the loop unconverged, with NaN for parameters.

    Raises:
        ValueError: max_steps < 1, a negative tol.

    Source:
        Blei, Kucukelbir and McAuliffe, Variational Inference (2017), algorithm 1.
    """
    if max_steps < 1:
        raise ValueError(f"cavi: max_steps must be at least 1, got {max_steps}")
    non_negative("cavi", tol=tol)
    first = elbo(init)
    enough = max(tol, 4 * float(jnp.finfo(first.dtype).eps))

    def step(state):
        params, trace, count, value, _ = state
        params = sweep(params)
        new = elbo(params)
        stands = jnp.isfinite(new) & (jnp.abs(new - value) <= enough * jnp.maximum(1.0, jnp.abs(new)))
        return params, trace.at[count].set(new), count + 1, new, stands

    def unfinished(state):
        _, _, count, value, stands = state
        return ~stands & jnp.isfinite(value) & (count < max_steps)

    trace = jnp.full(max_steps, jnp.nan, first.dtype)
    start = (init, trace, jnp.zeros((), jnp.int32), jnp.where(jnp.isfinite(first), first, 0.0), jnp.zeros((), bool))
    params, trace, count, value, stands = jax.lax.while_loop(unfinished, step, start)
    return CaviResult(jax.tree.map(lambda leaf: _nan_unless(jnp.isfinite(value), leaf), params), trace, count, stands)


def _nan_unless(sound, leaf):
    return jnp.where(sound, leaf, jnp.nan) if jnp.issubdtype(leaf.dtype, jnp.inexact) else leaf


def within(value: ArrayLike, low: float, dtype: Any, *, strictly: bool = True) -> jax.Array:
    """A number of the prior as an array; NaN where it is not above `low`."""
    value = jnp.asarray(value, dtype)
    return jnp.where(value > low if strictly else value >= low, value, jnp.nan)


class NormalGammaFactors(NamedTuple):
    """q(mu) = N(loc, 1/precision) and q(tau) = Gamma(shape, rate)."""

    loc: jax.Array
    precision: jax.Array
    shape: jax.Array
    rate: jax.Array


def normal_gamma_cavi(
    x: ArrayLike,
    *,
    loc0: ArrayLike = 0.0,
    precision0: ArrayLike,
    shape0: ArrayLike,
    rate0: ArrayLike,
    max_steps: int = 1000,
    tol: float = 1e-10,
) -> CaviResult:
    """Mean and precision of normal data, x_i ~ N(mu, 1/tau), mu ~ N(loc0, 1/(precision0 tau)), tau ~ Gamma.

    Args:
        x: (n,) data.
        loc0: () prior mean.
        precision0: () prior precision of mu in units of tau.
        shape0: () prior shape of tau.
        rate0: () prior rate of tau.
        max_steps: as for `cavi`.
        tol: as for `cavi`.

    Returns:
        `CaviResult` with `NormalGammaFactors`. With precision0 = shape0 = rate0 = 0 the prior is improper and the bound
        leaves out its normaliser.

    Raises:
        ValueError: x is no vector or empty, a concrete prior parameter is negative.

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), eq. 10.24 to 10.30.
    """
    (x,) = floats(x)
    if x.ndim != 1 or not x.size:
        raise ValueError(f"normal_gamma_cavi: x is (n,) with n >= 1, got shape {x.shape}")
    non_negative("normal_gamma_cavi", precision0=precision0, shape0=shape0, rate0=rate0)
    n, mean = x.shape[0], jnp.mean(x)
    squares = jnp.sum((x - mean) ** 2)
    loc0 = jnp.asarray(loc0, x.dtype)
    precision0, shape0, rate0 = (within(value, 0.0, x.dtype, strictly=False) for value in (precision0, shape0, rate0))
    total = precision0 + n
    loc = (precision0 * loc0 + n * mean) / total
    shape = shape0 + (n + 1) / 2

    def spread(precision):
        data = squares + n * (mean - loc) ** 2 + n / precision
        return data + precision0 * ((loc - loc0) ** 2 + 1 / precision)

    def sweep(factors):
        precision = total * factors.shape / factors.rate
        return NormalGammaFactors(loc, precision, shape, rate0 + 0.5 * spread(precision))

    def elbo(factors):
        mean_log = _DIGAMMA(factors.shape) - jnp.log(factors.rate)
        mean_tau = factors.shape / factors.rate
        joint = 0.5 * (n + 1) * (mean_log - _LOG_2PI) - 0.5 * mean_tau * spread(factors.precision)
        joint = joint + jnp.where(precision0 > 0, 0.5 * jnp.log(jnp.where(precision0 > 0, precision0, 1.0)), 0.0)
        proper = (shape0 > 0) & (rate0 > 0)
        safe_shape, safe_rate = jnp.where(proper, shape0, 1.0), jnp.where(proper, rate0, 1.0)
        joint = joint + jnp.where(proper, safe_shape * jnp.log(safe_rate) - _LGAMMA(safe_shape), 0.0)
        joint = joint + (shape0 - 1) * mean_log - rate0 * mean_tau
        entropy = 0.5 * (1 + _LOG_2PI - jnp.log(factors.precision))
        entropy = entropy + factors.shape - jnp.log(factors.rate) + _LGAMMA(factors.shape)
        return joint + entropy + (1 - factors.shape) * _DIGAMMA(factors.shape)

    rate = rate0 + shape * squares / n
    return cavi(NormalGammaFactors(loc, total * shape / rate, shape, rate), sweep, elbo, max_steps=max_steps, tol=tol)


class UnitVarianceMixtureFactors(NamedTuple):
    """q(mu_k) = N(means_k, variances_k) and q(c_i = k) = responsibilities_ik."""

    means: jax.Array
    variances: jax.Array
    responsibilities: jax.Array


def unit_variance_mixture_cavi(
    key: jax.Array,
    x: ArrayLike,
    *,
    num_components: int,
    prior_variance: ArrayLike,
    max_steps: int = 1000,
    tol: float = 1e-10,
) -> CaviResult:
    """A mixture of normals of variance 1 and equal weights: x_i ~ N(mu_{c_i}, 1), mu_k ~ N(0, prior_variance).

    Args:
        key: PRNG key of the first means, K of the data.
        x: (n,) data.
        num_components: K.
        prior_variance: () prior variance of the means.
        max_steps: as for `cavi`.
        tol: as for `cavi`.

    Returns:
        `CaviResult` with `UnitVarianceMixtureFactors`.

    Raises:
        ValueError: x is no vector, num_components outside 1..n, a concrete prior_variance that is not positive.

    Source:
        Blei, Kucukelbir and McAuliffe, Variational Inference (2017), sec. 3.
    """
    (x,) = floats(x)
    if x.ndim != 1 or not 1 <= num_components <= x.shape[0]:
        raise ValueError(
            f"unit_variance_mixture_cavi: x is (n,) and num_components in 1..n, got {x.shape} and {num_components}"
        )
    positive("unit_variance_mixture_cavi", prior_variance=prior_variance)
    prior_variance = within(prior_variance, 0.0, x.dtype)

    def assigned(means, variances):
        return jax.nn.softmax(x[:, None] * means[None] - 0.5 * (variances + means**2)[None], axis=1)

    def sweep(factors):
        counts = jnp.sum(factors.responsibilities, axis=0)
        variances = 1 / (1 / prior_variance + counts)
        means = variances * (x @ factors.responsibilities)
        return UnitVarianceMixtureFactors(means, variances, assigned(means, variances))

    def elbo(factors):
        means, variances, chosen = factors
        prior = -0.5 * jnp.sum(jnp.log(2 * math.pi * prior_variance) + (means**2 + variances) / prior_variance)
        distance = (x[:, None] - means[None]) ** 2 + variances[None]
        likelihood = -0.5 * jnp.sum(chosen * (distance + _LOG_2PI)) - x.shape[0] * math.log(num_components)
        return prior + likelihood - jnp.sum(_xlogx(chosen)) + 0.5 * jnp.sum(1 + jnp.log(2 * math.pi * variances))

    means = jax.random.choice(key, x, (num_components,), replace=False)
    variances = jnp.ones_like(means)
    start = UnitVarianceMixtureFactors(means, variances, assigned(means, variances))
    return cavi(start, sweep, elbo, max_steps=max_steps, tol=tol)


def _xlogx(p):
    return jnp.where(p > 0, p * jnp.log(jnp.where(p > 0, p, 1.0)), 0.0)
