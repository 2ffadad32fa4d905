"""The beta density: two logarithms for each point, every other term either small or of the parameters alone."""

import math

import jax
import jax.numpy as jnp

from depthjax.distributions._gamma import digamma_gap
from depthjax.numerics import stirling_error, with_partials
from depthjax.numerics._beta_tail import beta_gap
from depthjax.numerics._gamma import weighted_log_excess

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def _log_share(x, a, total):
    """Log of total x/a, finite at x = 0."""
    info = jnp.finfo(x.dtype)
    return jnp.log(jnp.clip(total * x / a, info.tiny, info.max))


def _slope_in_first(a, b, x, q):
    return _log_share(x, a, a + b) - digamma_gap(a) + digamma_gap(a + b)


def _slope_in_point(a, b, x, q):
    """(a - 1)/x - (b - 1)/q, where at an end with infinite or zero density the slope is zero."""
    at_end = ((x == 0) & (a != 1)) | ((q == 0) & (b != 1))
    one = (a - 1.0) / jnp.where(x == 0, 1.0, x)
    zero = (b - 1.0) / jnp.where(q == 0, 1.0, q)
    return jnp.where(at_end, 0.0, one - zero)


@with_partials(_slope_in_first, lambda a, b, x, q: _slope_in_first(b, a, q, x), _slope_in_point, None)
def log_density(a: jax.Array, b: jax.Array, x: jax.Array, q: jax.Array) -> jax.Array:
    """Log density of Beta(a, b) at x, with q = 1 - x, arrays of one shape.

    With n = a + b it is 3/2 log n - log(a)/2 - log(b)/2 - log(2 pi)/2 + S(n) - S(a) - S(b), S the error of Stirling's
    formula, plus (a - 1) log(n x/a) + (b - 1) log(n q/b). Near the mean the last two are
    -deviance(a, n x) - log(n x/a) and its mirror image, from the exact distance n x - a.

    Source:
        Loader, Fast and Accurate Computation of Binomial Probabilities (2000), sec. 4.
    """
    total = a + b
    at_end = ((x == 0) & (a != 1)) | ((q == 0) & (b != 1))
    gap = beta_gap(a, b, x, q)
    one, zero = _log_share(x, a, total), _log_share(q, b, total)
    shape = weighted_log_excess(a, gap, one, less=1) + weighted_log_excess(b, -gap, zero, less=1)
    errors = stirling_error(total) - stirling_error(a) - stirling_error(b)
    scale = 1.5 * jnp.log(total) - 0.5 * (jnp.log(a) + jnp.log(b)) - _HALF_LOG_2PI
    infinite = jnp.where(jnp.where(x == 0, a, b) < 1, jnp.inf, -jnp.inf)
    return jnp.where(at_end, infinite, errors + scale + shape)
