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
from depthjax.numerics._beta_tail import log1p_excess
from depthjax.numerics._stirling import HALF_LOG_2PI, _fitted, digamma_difference, log_gamma_1p
from depthjax.numerics._tables import STIRLING_0

_RARE = 1e-30


def _gap(x, rest, logits):
    """X q - rest p, the distance of x from its mean given the total x + rest."""
    return product_difference(x, jax.nn.sigmoid(-logits), rest, jax.nn.sigmoid(logits))


def _whole_error(x):
    """Stirling error for x >= 1."""
    return _fitted(STIRLING_0, 1, x)


def _misfit(count, offset, share, log_share, total):
    """deviance(count, total share) from offset = total share - count, also where the share underflows."""
    mean = total * share
    near, rare = jnp.abs(offset) < 0.5 * count, mean < _RARE
    inner = -count * log1p_excess(jnp.where(near, offset, 0.0) / count)
    log_ratio = jnp.log(jnp.where(near, count, jnp.where(rare, total, mean)) / count) + jnp.where(rare, log_share, 0.0)
    return jnp.where(near, inner, offset - count * log_ratio)


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
    log_p, log_q = log_sigmoid(logits), log_sigmoid(-logits)
    one, zero, total = jnp.where(edge, 1.0, x), jnp.where(edge, 1.0, rest), jnp.maximum(n, 1.0)
    gap = _gap(one, zero, logits)
    misfit = _misfit(one, -gap, jnp.exp(log_p), log_p, total) + _misfit(zero, gap, jnp.exp(log_q), log_q, total)
    errors = _whole_error(total) - _whole_error(one) - _whole_error(zero)
    saddle = errors - misfit - 0.5 * jnp.log(one * (zero / total)) - HALF_LOG_2PI
    return jnp.where(edge, x * log_p + rest * log_q, saddle)


def log_coefficient(x, count):
    """Log of Gamma(x + count)/(x! Gamma(count)) for x >= 0 and count > 0."""
    many, few = jnp.maximum(count, 1.0), jnp.minimum(count, 1.0)
    below = jnp.log(few) - log_gamma_1p(few) - log_gamma_difference(jnp.maximum(x, 1.0) + few, 1.0 - few)
    return jnp.where(count >= 1.0, log_binomial(x + many - 1.0, x), jnp.where(x == 0.0, 0.0, below))


def _log_waiting_mass(x, count, log_p, log_q, gap, error=_whole_error):
    """Log of the coefficient times p^x q^count, for gap = x q - count p; `error` is the Stirling error of x."""
    zero = x == 0.0
    inner = jnp.where(zero, 1.0, x)
    total = inner + count
    misfit = _misfit(inner, -gap, jnp.exp(log_p), log_p, total) + _misfit(count, gap, jnp.exp(log_q), log_q, total)
    errors = error(total) - error(inner) - stirling_error(count)
    saddle = errors - misfit - 0.5 * (jnp.log(inner) + jnp.log1p(inner / count)) - HALF_LOG_2PI
    return jnp.where(zero, count * log_q, saddle)


@elementwise
@with_partials(
    lambda x, count, logits: digamma_difference(x + 1.0, count - 1.0) + log_sigmoid(logits),
    lambda x, count, logits: digamma_difference(count, x) + log_sigmoid(-logits),
    _gap,
)
def log_negative_binomial_mass(x, count, logits):
    """Log of Gamma(x + count)/(x! Gamma(count)) p^x q^count for finite log odds."""
    return _log_waiting_mass(x, count, log_sigmoid(logits), log_sigmoid(-logits), _gap(x, count, logits))


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
    return _log_waiting_mass(x, a, -jnp.log1p(rate), -jnp.log1p(1.0 / rate), _gamma_poisson_gap(x, a, rate))


def _log_polya(x, y, a, b, error):
    n, s = x + y, a + b
    empty = n == 0.0
    total = jnp.where(empty, 1.0, n)
    log_p, log_q = -jnp.log1p(s / total), -jnp.log1p(total / s)

    def part(count, size, gap):
        return _log_waiting_mass(count, size, log_p, log_q, gap, error)

    one, zero = (product_difference(v, s, size, total) / (total + s) for v, size in ((x, a), (y, b)))
    parts = part(x, a, one) + part(y, b, zero) - part(total, s, jnp.zeros_like(total))
    return jnp.where(empty, 0.0, parts)


_POLYA_PARTIALS = (
    lambda x, y, a, b: digamma_difference(x + 1.0, a - 1.0) - digamma_difference(x + y + 1.0, a + b - 1.0),
    lambda x, y, a, b: digamma_difference(y + 1.0, b - 1.0) - digamma_difference(x + y + 1.0, a + b - 1.0),
    lambda x, y, a, b: digamma_difference(a, x) - digamma_difference(a + b, x + y),
    lambda x, y, a, b: digamma_difference(b, y) - digamma_difference(a + b, x + y),
)


@elementwise
@with_partials(*_POLYA_PARTIALS)
def log_polya_mass(x, y, a, b):
    """Log of the beta-binomial mass, the coefficient of (x + y over x) times B(a + x, b + y)/B(a, b), of whole numbers.

    It is a ratio of three masses of waiting times that hold for any p; with p = n/(n + s), n = x + y and s = a + b,
    each is near its mean.
    """
    return _log_polya(x, y, a, b, _whole_error)


@elementwise
@with_partials(*_POLYA_PARTIALS)
def log_real_polya_mass(x, y, a, b):
    """The same for any x, y >= 0."""
    return _log_polya(x, y, a, b, stirling_error)
