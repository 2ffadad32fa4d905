"""Log density of the Dirichlet distribution, one pass over the coordinates for its value and one for its slopes."""

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from depthjax.core import constraints
from depthjax.core._sums import sum_of_each
from depthjax.distributions._gamma import digamma_gap, log_ratio_to_mean, log_scale
from depthjax.distributions._gaussian_algebra import HIGHEST
from depthjax.distributions._masked import masked
from depthjax.numerics import stirling_error
from depthjax.numerics._beta_tail import product_minus
from depthjax.numerics._gamma import weighted_log_excess
from depthjax.numerics._stirling import HALF_LOG_2PI


def log_gamma_excess(total: jax.Array) -> jax.Array:
    """Log Gamma(n) - n log n + n."""
    return stirling_error(total) - 0.5 * jnp.log(total) + HALF_LOG_2PI


def _sum_minus_one(x):
    """How far rounding took the sum of the coordinates away from one, exactly."""
    grid = 2.0 ** (jnp.finfo(x.dtype).nmant // 2 + 1)
    coarse = jnp.floor(x * grid) / grid
    return (sum_of_each(coarse) - 1.0) + sum_of_each(x - coarse)


@jax.custom_jvp
def log_density(a: jax.Array, x: jax.Array) -> jax.Array:
    """Log density of Dirichlet(a) at x, both (K,); -inf outside the simplex.

    As K gamma densities of rate n = sum a, one Stirling error, and n (sum x - 1) for the rounding of x.
    """
    total = jnp.sum(a)
    rate = jnp.broadcast_to(total, a.shape)
    terms = weighted_log_excess(a, product_minus(rate, x, a), log_ratio_to_mean(a, rate, x), less=1)
    terms = jnp.where((x == 0) & (a != 1), jnp.where(a < 1, jnp.inf, -jnp.inf), terms)
    constant = jnp.sum(jnp.log(rate) - log_scale(a)) + log_gamma_excess(total)
    value = sum_of_each(terms) + total * _sum_minus_one(x) + constant
    return masked(constraints.simplex.contains(x), value, x)


def _slope_in_concentration(a, x):
    total = jnp.sum(a)
    log_ratio = log_ratio_to_mean(a, jnp.broadcast_to(total, a.shape), jnp.where(x > 0, x, 1.0))
    return jnp.where(x > 0, log_ratio, 0.0) + (digamma_gap(total) - digamma_gap(a))


def _slope_in_x(a, x):
    return jnp.where(x > 0, (a - 1.0) / jnp.where(x > 0, x, 1.0), 0.0)


def _rule(primals, tangents):
    value = log_density(*primals)
    inside, change = constraints.simplex.contains(primals[1]), jnp.zeros_like(value)
    for slope, tangent in zip((_slope_in_concentration, _slope_in_x), tangents, strict=True):
        if not isinstance(tangent, SymbolicZero):
            change = change + jnp.dot(slope(*primals), tangent, precision=HIGHEST)
    return value, jnp.where(inside, change, 0.0)


log_density.defjvp(_rule, symbolic_zeros=True)
