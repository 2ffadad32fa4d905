"""Quantiles of the spectrum of J J^T."""

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.meanfield._activation import Activation
from depthjax.meanfield._arguments import require
from depthjax.meanfield._jacobian import jacobian_atoms, jacobian_cdf, jacobian_edges
from depthjax.meanfield._jacobian_profile import top_of_profile
from depthjax.meanfield._jacobian_setting import check
from depthjax.numerics import implicit_root
from depthjax.numerics._elementwise import promote

_DOUBLINGS = 16
_HALVINGS = 56


def jacobian_quantile(
    u: ArrayLike, activation: Activation, q: ArrayLike, sigma_w: ArrayLike, depth: ArrayLike, *, ensemble: str
) -> jax.Array:
    """Log of the lambda below which a share u of the spectrum of J J^T lies.

    Args:
        u: share in (0, 1), any shape.
        activation: phi.
        q: variance of pre-activations, () or (num_layers,).
        sigma_w: standard deviation of weights times sqrt(fan_in), ().
        depth: number of layers, traced.
        ensemble: static, "gaussian" or "orthogonal".

    Returns:
        log lambda, like u; -inf where the atom at zero holds the share, NaN where the cdf is not known.

    Raises:
        ValueError: an unknown ensemble, a concrete share outside (0, 1), or an argument out of range.

    Numerics: bisection of `jacobian_cdf` in log lambda; derivatives by the implicit function theorem, which at an atom
        are not finite.
    """
    name = "jacobian_quantile"
    check(name, activation, q, sigma_w, depth, ensemble)
    require(name, "u", u, lambda v: (v > 0.0) & (v < 1.0), "in (0, 1)")
    dtype = promote(jnp.ravel(jnp.asarray(q))[0], sigma_w, depth)[0].dtype
    q, sigma_w, depth = (jnp.asarray(value).astype(dtype) for value in (q, sigma_w, depth))
    u = jnp.asarray(u).astype(dtype)
    flat = u.ravel()
    frozen = lax.stop_gradient((activation, q, sigma_w, depth))

    def cdf(t, activation, q, sigma_w, depth):
        return jacobian_cdf(t, activation, q, sigma_w, depth, ensemble=ensemble)

    locations, masses = jacobian_atoms(*frozen, ensemble=ensemble)
    if q.ndim:
        top = top_of_profile(*frozen, ensemble)
    else:
        edges = jacobian_edges(*frozen, ensemble=ensemble)
        ends = jnp.concatenate([edges.ravel(), jnp.where(masses > 0.0, locations, -jnp.inf)])
        top = jnp.max(jnp.where(jnp.isfinite(ends), ends, -jnp.inf))
    target = lax.stop_gradient(flat)

    def widen(low, k):
        return jnp.where(cdf(low, *frozen) > target, top - 2.0**k, low), None

    low = jnp.full_like(flat, top - 0.5)
    low, _ = lax.scan(widen, low, jnp.arange(_DOUBLINGS, dtype=flat.dtype))

    def halve(bracket, _):
        low, high = bracket
        middle = 0.5 * (low + high)
        below = cdf(middle, *frozen) < target
        return (jnp.where(below, middle, low), jnp.where(below, high, middle)), None

    (low, high), _ = lax.scan(halve, (low, jnp.full_like(flat, top + 1e-3)), length=_HALVINGS)
    left, right = cdf(low, *frozen), cdf(high, *frozen)
    slack = jnp.sqrt(jnp.finfo(flat.dtype).eps).astype(flat.dtype)
    known = (left <= target + slack) & (right >= target - slack)
    root = implicit_root(lambda t, u, *a: cdf(t, *a) - u, high, flat, activation, q, sigma_w, depth)
    value = jnp.where(known, root, jnp.nan)
    at_zero = target <= jnp.sum(jnp.where(jnp.isneginf(locations), masses, 0.0))
    return jnp.where(at_zero, -jnp.inf, value).reshape(u.shape)
