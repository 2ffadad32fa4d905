"""Log masses of counts as saddle points, whose terms do not grow with the counts.

Each has exact partial derivatives, finite at the ends of the support too.

Source:
    Loader, Fast and Accurate Computation of Binomial Probabilities (2000), eq. 3 to 5.
"""

import jax
import jax.numpy as jnp

from depthjax.numerics import (
    elementwise,
    log_binomial,
    log_gamma_difference,
    log_sigmoid,
    product_difference,
    stirling_error,
    with_partials,
)
from depthjax.numerics._beta_tail import offset_deviance
from depthjax.numerics._stirling import HALF_LOG_2PI, digamma_difference, log_gamma_1p

_STEEP = 60.0


def _gap(x, rest, logits):
    """X q - rest p, the distance of x from its mean given the total x + rest."""
    return product_difference(x, jax.nn.sigmoid(-logits), rest, jax.nn.sigmoid(logits))


@elementwise
@with_partials(
    lambda x, n, logits: digamma_difference(x + 1.0, n - 2.0 * x) + logits,
    lambda x, n, logits: digamma_difference(n - x + 1.0, x) + log_sigmoid(-logits),
    lambda x, n, logits: _gap(x, n - x, logits),
)
def log_binomial_mass(x, n, logits):
    """Log of C(n, x) p^x q^(n - x) for 0 <= x <= n and finite log odds."""
    rest = n - x
    edge = (x == 0.0) | (rest == 0.0)
    powers = x * log_sigmoid(logits) + rest * log_sigmoid(-logits)
    steep = log_binomial(n, x) + powers
    one, zero, total = jnp.where(edge, 1.0, x), jnp.where(edge, 1.0, rest), jnp.where(edge, 2.0, n)
    p, q, gap = jax.nn.sigmoid(logits), jax.nn.sigmoid(-logits), _gap(one, zero, logits)
    misfit = offset_deviance(one, -gap, total * p) + offset_deviance(zero, gap, total * q)
    errors = stirling_error(total) - stirling_error(one) - stirling_error(zero)
    saddle = errors - misfit - 0.5 * (jnp.log(one) + jnp.log(zero / total)) - HALF_LOG_2PI
    return jnp.where(edge, powers, jnp.where(jnp.abs(logits) > _STEEP, steep, saddle))


def log_coefficient(x, count):
    """Log of Gamma(x + count)/(x! Gamma(count)) for x >= 0 and count > 0."""
    many = jnp.maximum(count, 1.0)
    few = jnp.where(x == 0.0, 0.0, _log_few_coefficient(jnp.maximum(x, 1.0), count))
    return jnp.where(count >= 1.0, log_binomial(x + many - 1.0, x), few)


def _log_few_coefficient(x, count):
    """The same for x >= 1 and count < 1."""
    few = jnp.minimum(count, 1.0)
    return jnp.log(few) - log_gamma_1p(few) - log_gamma_difference(x + few, 1.0 - few)


def _log_waiting_mass(x, count, log_p, log_q, gap, p, q, steep=None):
    """Log of the coefficient times p^x q^count, for gap = x q - count p; `steep` where p or q may have underflowed."""
    zero = x == 0.0
    inner = jnp.where(zero, 1.0, x)
    coefficient = log_coefficient(inner, count) if steep is not None else _log_few_coefficient(inner, count)
    direct = coefficient + inner * log_p + count * log_q
    many = jnp.maximum(count, 1.0)
    total = inner + many
    misfit = offset_deviance(inner, -gap, total * p) + offset_deviance(many, gap, total * q)
    errors = stirling_error(total) - stirling_error(inner) - stirling_error(many)
    saddle = errors - misfit - 0.5 * (jnp.log(inner) + jnp.log1p(inner / many)) - HALF_LOG_2PI
    few = count < 1.0
    return jnp.where(zero, count * log_q, jnp.where(few if steep is None else few | steep, direct, saddle))


@elementwise
@with_partials(
    lambda x, count, logits: digamma_difference(x + 1.0, count - 1.0) + log_sigmoid(logits),
    lambda x, count, logits: digamma_difference(count, x) + log_sigmoid(-logits),
    _gap,
)
def log_negative_binomial_mass(x, count, logits):
    """Log of Gamma(x + count)/(x! Gamma(count)) p^x q^count for finite log odds."""
    p, q = jax.nn.sigmoid(logits), jax.nn.sigmoid(-logits)
    gap, steep = _gap(x, count, logits), jnp.abs(logits) > _STEEP
    return _log_waiting_mass(x, count, log_sigmoid(logits), log_sigmoid(-logits), gap, p, q, steep)


def _gamma_poisson_gap(x, a, rate):
    return product_difference(x, rate, a, jnp.ones_like(a)) / (1.0 + rate)


@elementwise
@with_partials(
    lambda x, a, rate: digamma_difference(x + 1.0, a - 1.0) - jnp.log1p(rate),
    lambda x, a, rate: digamma_difference(a, x) - jnp.log1p(1.0 / rate),
    lambda x, a, rate: -_gamma_poisson_gap(x, a, rate) / rate,
)
def log_gamma_poisson_mass(x, a, rate):
    """The same with p = 1/(1 + rate), whose distance to the mean is exact in x, a and rate."""
    p, q, gap = 1.0 / (1.0 + rate), rate / (1.0 + rate), _gamma_poisson_gap(x, a, rate)
    return _log_waiting_mass(x, a, -jnp.log1p(rate), -jnp.log1p(1.0 / rate), gap, p, q)


@elementwise
@with_partials(
    lambda x, y, a, b: digamma_difference(x + 1.0, a - 1.0) - digamma_difference(x + y + 1.0, a + b - 1.0),
    lambda x, y, a, b: digamma_difference(y + 1.0, b - 1.0) - digamma_difference(x + y + 1.0, a + b - 1.0),
    lambda x, y, a, b: digamma_difference(a, x) - digamma_difference(a + b, x + y),
    lambda x, y, a, b: digamma_difference(b, y) - digamma_difference(a + b, x + y),
)
def log_polya_mass(x, y, a, b):
    """Log of the beta-binomial mass, the coefficient of (x + y over x) times B(a + x, b + y)/B(a, b).

    It is a ratio of three masses of waiting times that hold for any p; with p = n/(n + s), n = x + y and s = a + b,
    each is near its mean.
    """
    n, s = x + y, a + b
    empty = n == 0.0
    total = jnp.where(empty, 1.0, n)
    counts, sizes = jnp.stack([x, y, total]), jnp.stack([a, b, s])
    s, total = (jnp.broadcast_to(v[None], counts.shape) for v in (s, total))
    gaps = product_difference(counts, s, sizes, total) / (total + s)
    log_p, log_q = -jnp.log1p(s / total), -jnp.log1p(total / s)
    parts = _log_waiting_mass(counts, sizes, log_p, log_q, gaps, total / (total + s), s / (total + s))
    return jnp.where(empty, 0.0, parts[0] + parts[1] - parts[2])
