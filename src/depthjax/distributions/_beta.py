"""The beta distribution."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._mean_roots import dirichlet_concentration
from depthjax.numerics import (
    clip_open,
    log1mexp,
    log_beta,
    log_betainc,
    stirling_error,
    xlog1py,
    xlogy,
)
from depthjax.numerics._beta_tail import beta_deviance
from depthjax.numerics._incomplete_beta import log_betaincc, log_betaincinv

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_PLACEHOLDER = 2.0


@record
class Beta(Elementwise, ExponentialFamily):
    """Beta distribution with independent coordinates.

    log p(x) = (a - 1) log x + (b - 1) log(1 - x) - log B(a, b).

    Args:
        concentration1: a, the power of x, (*event), positive.
        concentration0: b, the power of 1 - x, (*event), positive.

    Numerics:
        With a, b > 1 by the saddle point of the binomial mass, whose terms do not grow with a and b. The density holds
        at the ends: Beta(1, 1) is 1 there, with finite gradient. `sample_logs` and `log_prob_from_log` hold draws that
        round to 0 or 1.

    Source:
        Loader, Fast and Accurate Computation of Binomial Probabilities (2000), sec. 4; implicit gradient, Figurnov et
        al. (2018).
    """

    concentration1: jax.Array = param(constraints.positive)
    concentration0: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.unit_interval
    reparameterized = "implicit"

    def _log_prob_terms(self, x):
        a, b = self.concentration1, self.concentration0
        at_end = ((x == 0) & (a != 1)) | ((x == 1) & (b != 1))
        inner = jnp.where(at_end, 0.5, x)
        saddle = (a > 1.0) & (b > 1.0) & (x > 0) & (x < 1) & ~_leading(a, b, x, 1.0 - x)
        low1, low0 = jnp.where(saddle, 1.0, a), jnp.where(saddle, 1.0, b)
        # The library's log1p loses digits far from zero, where log has none to lose.
        wide = inner > 0.25
        power0 = xlog1py(low0 - 1.0, -jnp.where(wide, 0.25, inner))
        power0 = jnp.where(wide, xlogy(low0 - 1.0, 1.0 - jnp.where(wide, inner, 0.5)), power0)
        direct = xlogy(low1 - 1.0, inner) + power0 - log_beta(low1, low0)
        high1, high0 = jnp.where(saddle, a, _PLACEHOLDER), jnp.where(saddle, b, _PLACEHOLDER)
        around = _saddle(high1, high0, jnp.where(saddle, inner, 0.5))
        high = jnp.where(jnp.where(x == 0, a, b) < 1, jnp.inf, -jnp.inf).astype(x.dtype)
        return jnp.where(at_end, high, jnp.where(saddle, around, direct))

    def sample_logs(self, key: jax.Array, sample_shape: int | tuple[int, ...] = ()) -> tuple[jax.Array, jax.Array]:
        """(log x, log(1 - x)) of draws, each (*sample_shape, *event); exact also where x rounds to 0 or 1."""
        shape = (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)
        key1, key0 = jax.random.split(key)
        log1 = sample_log_gamma(key1, self.concentration1, shape)
        log0 = sample_log_gamma(key0, self.concentration0, shape)
        # Both parts come from one difference, so they add up to one however large the logarithms are.
        tail = jnp.where(log1 > log0, log0 - log1, log1 - log0)
        larger = -jnp.log1p(jnp.exp(tail))
        smaller = tail + larger
        return jnp.where(log1 > log0, larger, smaller), jnp.where(log1 > log0, smaller, larger)

    def log_prob_from_log(self, log_x: ArrayLike, log_1mx: ArrayLike) -> jax.Array:
        """Log density of x with respect to dx from `sample_logs`; finite where x rounds to 0 or 1.

        Args:
            log_x: log x, (*batch, *event).
            log_1mx: log(1 - x), (*batch, *event).

        Returns:
            (*batch) nats.
        """
        log_x, log_1mx = jnp.asarray(log_x), jnp.asarray(log_1mx)
        row = (1,) * (log_x.ndim - len(self.event_shape)) + self.event_shape
        a, b = self.concentration1.reshape(row), self.concentration0.reshape(row)
        saddle = jnp.broadcast_to((a > 1.0) & (b > 1.0), log_x.shape)
        terms = (a - 1.0) * log_x + (b - 1.0) * log_1mx - log_beta(a, b)
        x = jnp.exp(jnp.where(saddle, log_x, math.log(0.5)))
        complement = jnp.exp(jnp.where(saddle, log_1mx, math.log(0.5)))
        wide1, wide0 = jnp.broadcast_to(a, log_x.shape), jnp.broadcast_to(b, log_x.shape)
        around = _saddle(jnp.where(saddle, wide1, 2.0), jnp.where(saddle, wide0, 2.0), x, complement)
        return jnp.sum(jnp.where(saddle, around, terms), axis=tuple(range(-len(self.event_shape), 0)))

    def _sample_many(self, key, sample_shape):
        log_x, log_1mx = self.sample_logs(key, sample_shape)
        x = jnp.where(log_x < log_1mx, jnp.exp(log_x), -jnp.expm1(log_1mx))
        return clip_open(x, 0.0, 1.0)

    def _mean(self):
        return self.concentration1 / (self.concentration1 + self.concentration0)

    def _variance(self):
        total = self.concentration1 + self.concentration0
        return (self.concentration1 / total) * (self.concentration0 / total) / (total + 1.0)

    def _entropy_terms(self):
        return entropy_terms(self.concentration1, self.concentration0)

    def _cdf(self, x):
        return jnp.exp(self._log_cdf(x))

    def _survival(self, x):
        return jnp.exp(self._log_survival(x))

    def _log_cdf(self, x):
        inner = jnp.where((x <= 0) | (x >= 1), 0.5, x)
        value = log_betainc(self.concentration1, self.concentration0, inner)
        return jnp.where(x <= 0, -jnp.inf, jnp.where(x >= 1, 0.0, value))

    def _log_survival(self, x):
        inner = jnp.where((x <= 0) | (x >= 1), 0.5, x)
        value = log_betaincc(self.concentration1, self.concentration0, inner)
        return jnp.where(x <= 0, 0.0, jnp.where(x >= 1, -jnp.inf, value))

    def _quantile(self, p):
        return log_betaincinv(self.concentration1, self.concentration0, jnp.log(p), jnp.log1p(-p))

    def _quantile_from_log(self, log_p):
        return log_betaincinv(self.concentration1, self.concentration0, log_p, log1mexp(log_p))

    def _quantile_from_log_survival(self, log_q):
        return log_betaincinv(self.concentration1, self.concentration0, log1mexp(log_q), log_q)

    def natural_parameters(self):
        """Eta = {log_1mx: b - 1, log_x: a - 1}."""
        return {"log_1mx": self.concentration0 - 1.0, "log_x": self.concentration1 - 1.0}

    def sufficient_statistics(self, x):
        """T(x) = {log_1mx: log(1 - x), log_x: log x}."""
        return {"log_1mx": jnp.log1p(-x), "log_x": jnp.log(x)}

    def log_base_measure(self, x):
        """Log h = 0."""
        return jnp.zeros((), x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = log B(a, b), summed over coordinates."""
        return jnp.sum(log_beta(natural["log_x"] + 1.0, natural["log_1mx"] + 1.0))

    @classmethod
    def from_natural(cls, natural):
        """The beta distribution with these natural parameters."""
        return cls(natural["log_x"] + 1.0, natural["log_1mx"] + 1.0)

    @classmethod
    def from_mean_parameters(cls, mean):
        """The beta distribution with E log x and E log(1 - x), by a root in a + b."""
        pairs = jnp.stack([mean["log_x"], mean["log_1mx"]], axis=-1)
        flat = jax.vmap(dirichlet_concentration)(pairs.reshape(-1, 2)).reshape(pairs.shape)
        return cls(flat[..., 0], flat[..., 1])


def _leading(a, b, x, complement):
    """Where a small power of x or 1 - x alone makes the density; a saddle point would assemble it from large terms."""
    total = a + b
    return ((a < 3.0) & (4.0 * total * x < a)) | ((b < 3.0) & (4.0 * total * complement < b))


def _saddle(a, b, x, complement=None):
    """Log density for a, b > 1 as a binomial mass with real counts a of a + b."""
    complement = 1.0 - x if complement is None else complement
    total = a + b
    errors = stirling_error(total) - stirling_error(a) - stirling_error(b)
    misfit = beta_deviance(a, b, x, complement)
    spread = 0.5 * (jnp.log(a) + jnp.log(b / total)) - _HALF_LOG_2PI
    return errors - misfit + spread - jnp.log(x) - jnp.log(complement)


def entropy_terms(a: jax.Array, b: jax.Array) -> jax.Array:
    """Entropy of Beta(a, b), nats: -E log p with log-normaliser and digammas expanded about their Stirling terms."""
    total = a + b
    ones = jnp.ones_like(a)
    error, slope = zip(*(jax.jvp(stirling_error, (n,), (ones,)) for n in (a, b, total)), strict=True)
    peak = 0.5 * (jnp.log(a) + jnp.log(b / total) - 2.0 * jnp.log(total)) + _HALF_LOG_2PI
    digammas = [0.5 / n - d for n, d in zip((a, b, total), slope, strict=True)]
    ends = (a - 1.0) * digammas[0] + (b - 1.0) * digammas[1] - (total - 2.0) * digammas[2]
    return peak + error[0] + error[1] - error[2] + ends
