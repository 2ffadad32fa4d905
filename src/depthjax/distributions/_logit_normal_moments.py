"""Moments of sigmoid(Y) for Y ~ Normal(loc, scale) with loc <= 0, as sums of positive terms.

For scale < 2 the trapezoid rule in the standardised normal variable. Above it the logistic function is itself a
cdf, sigmoid(y) = P(L < y), and the rule runs over L with P(Y > L) in closed form. Both integrands are analytic in a
strip, so the error falls like exp(-2 pi width/step), below 1e-16 here.

Source:
    Trefethen and Weideman, The Exponentially Convergent Trapezoidal Rule (2014), theorem 5.1.
"""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.numerics import log_sigmoid, mills_ratio

_WIDE = 2.0
_NORMAL_NODES = np.arange(-9.0, 13.0, 0.25)
_NORMAL_WEIGHTS = 0.25 * np.exp(-0.5 * _NORMAL_NODES**2) / np.sqrt(2 * np.pi)
_LOGISTIC_NODES = np.arange(-60.0, 40.0, 0.5)


def _grid(values, like):
    return jnp.asarray(values, like.dtype).reshape((-1,) + (1,) * like.ndim)


def _over_normal(fn, loc, scale):
    """E fn(Y) and E (fn(Y) - E fn(Y))^2."""
    y = loc[None] + scale[None] * _grid(_NORMAL_NODES, loc)
    weights, values = _grid(_NORMAL_WEIGHTS, loc), fn(y)
    mean = jnp.sum(weights * values, axis=0)
    return mean, jnp.sum(weights * (values - mean[None]) ** 2, axis=0)


def _over_logistic(fn, loc, scale):
    """Sum of the logistic density at L times fn(L, (loc - L)/scale), the nodes moved to where the product is large."""
    shift = jax.lax.stop_gradient(jnp.maximum(-loc - scale**2 - 20.0, 0.0))
    nodes = _grid(_LOGISTIC_NODES, loc) - shift[None]
    log_density = log_sigmoid(nodes) + log_sigmoid(-nodes)
    return 0.5 * jnp.sum(jnp.exp(log_density) * fn(nodes, (loc[None] - nodes) / scale[None]), axis=0)


def _scales(scale):
    wide = scale > _WIDE
    return wide, jnp.where(wide, 1.0, scale), jnp.where(wide, scale, _WIDE)


def _upper(_, u):
    return 0.5 * jax.lax.erfc(-u * np.sqrt(0.5).item())


def mean_below_half(loc: jax.Array, scale: jax.Array) -> jax.Array:
    """E sigmoid(Y) for loc <= 0."""
    wide, small, large = _scales(scale)
    return jnp.where(wide, _over_logistic(_upper, loc, large), _over_normal(jax.nn.sigmoid, loc, small)[0])


def variance(loc: jax.Array, scale: jax.Array) -> jax.Array:
    """Variance of sigmoid(Y) for loc <= 0; sigmoid^2 is the cdf of the larger of two logistic variables."""
    wide, small, large = _scales(scale)
    mean = _over_logistic(_upper, loc, large)
    square = _over_logistic(lambda nodes, u: 2.0 * jax.nn.sigmoid(nodes) * _upper(nodes, u), loc, large)
    return jnp.where(wide, square - mean * mean, _over_normal(jax.nn.sigmoid, loc, small)[1])


def log_sigmoid_mean(loc: jax.Array, scale: jax.Array) -> jax.Array:
    """E log sigmoid(Y) + E log sigmoid(-Y) for loc <= 0."""
    wide, small, large = _scales(scale)

    def excess(_, u):
        """E max(Y - L, 0)/scale given L."""
        upper = jnp.maximum(u, 0.0)
        size = -jnp.abs(u)
        density = jnp.exp(-0.5 * u * u) * (0.5 * np.sqrt(2 / np.pi)).item()
        return upper + density * (1.0 + size * mills_ratio(-size))

    broad = loc - 2.0 * large * _over_logistic(excess, loc, large)
    return jnp.where(wide, broad, _over_normal(lambda y: log_sigmoid(y) + log_sigmoid(-y), loc, small)[0])
