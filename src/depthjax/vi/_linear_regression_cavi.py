"""Coordinate ascent for linear regression whose weights have a prior of unknown precision."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import positive
from depthjax.numerics._arguments import floats
from depthjax.vi._cavi import CaviResult, cavi, within

_LOG_2PI = math.log(2 * math.pi)
_DIGAMMA, _LGAMMA = jax.scipy.special.digamma, jax.scipy.special.gammaln


class LinearRegressionFactors(NamedTuple):
    """q(weights) = N(loc, covariance) and q(alpha) = Gamma(shape, rate)."""

    loc: jax.Array
    covariance: jax.Array
    shape: jax.Array
    rate: jax.Array


def linear_regression_cavi(
    x: ArrayLike,
    y: ArrayLike,
    *,
    shape0: ArrayLike,
    rate0: ArrayLike,
    noise_precision: ArrayLike = 1.0,
    max_steps: int = 1000,
    tol: float = 1e-10,
) -> CaviResult:
    """y_i ~ N(w . x_i, 1/noise_precision), w ~ N(0, I/alpha), alpha ~ Gamma(shape0, rate0), with q(w) q(alpha).

    Args:
        x: (n, d) inputs; a column of ones gives an intercept, which is shrunk like the rest.
        y: (n,) targets.
        shape0: () positive prior shape of alpha.
        rate0: () positive prior rate of alpha.
        noise_precision: () positive, known.
        max_steps: as for `cavi`.
        tol: as for `cavi`.

    Returns:
        `CaviResult` with `LinearRegressionFactors`; loc (d,), covariance (d, d).

    Raises:
        ValueError: shapes other than (n, d) and (n,), or a number that is not positive.

    Numerics:
        One eigendecomposition of X^T X; a sweep costs O(d).

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), sec. 10.3, eq. 10.93 to 10.107.
    """
    positive("linear_regression_cavi", shape0=shape0, rate0=rate0, noise_precision=noise_precision)
    x, y = floats(x, y)
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(f"linear_regression_cavi: x is (n, d) and y (n,), got {x.shape} and {y.shape}")
    n, d = x.shape
    shape0, rate0, beta = (within(value, 0.0, x.dtype) for value in (shape0, rate0, noise_precision))
    shape = shape0 + d / 2
    values, basis = jnp.linalg.eigh(x.T @ x)
    values = jnp.maximum(values, 0.0)
    # A least-squares coefficient would be target / value; the part of y that no direction sees stays apart.
    target, squares = basis.T @ (x.T @ y), y @ y

    def moments(rate):
        """Mean and variance of q(w) along the eigenvectors, given q(alpha)."""
        precision = shape / rate + beta * values
        return beta * target / precision, 1 / precision

    def sweep(state):
        loc, variance = moments(state[2])
        return loc, variance, rate0 + 0.5 * jnp.sum(loc**2 + variance)

    def elbo(state):
        loc, variance, rate = state
        mean_log, mean = _DIGAMMA(shape) - jnp.log(rate), shape / rate
        errors = squares - 2 * loc @ target + jnp.sum(values * (loc**2 + variance))
        likelihood = 0.5 * n * (jnp.log(beta) - _LOG_2PI) - 0.5 * beta * errors
        weights = 0.5 * d * (mean_log - _LOG_2PI) - 0.5 * mean * jnp.sum(loc**2 + variance)
        prior = shape0 * jnp.log(rate0) - _LGAMMA(shape0) + (shape0 - 1) * mean_log - rate0 * mean
        entropy = 0.5 * jnp.sum(1 + _LOG_2PI + jnp.log(variance))
        entropy = entropy + shape - jnp.log(rate) + _LGAMMA(shape) + (1 - shape) * _DIGAMMA(shape)
        return likelihood + weights + prior + entropy

    first = shape * rate0 / shape0
    found = cavi((*moments(first), first), sweep, elbo, max_steps=max_steps, tol=tol)
    loc, variance, rate = found.params
    factors = LinearRegressionFactors(basis @ loc, (basis * variance[None]) @ basis.T, shape, rate)
    return found._replace(params=factors)
