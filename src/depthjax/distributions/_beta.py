"""The beta distribution."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Elementwise, ExponentialFamily, constraints, derived, param, record
from depthjax.distributions._beta_density import log_density
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._mean_roots import dirichlet_concentration
from depthjax.numerics import (
    clip_open,
    log1mexp,
    log_beta,
    log_betainc,
    stirling_error,
)
from depthjax.numerics._incomplete_beta import log_betaincc, log_betaincinv

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class Beta(Elementwise, ExponentialFamily):
    """Beta distribution with independent coordinates.

    log p(x) = (a - 1) log x + (b - 1) log(1 - x) - log B(a, b).

    Args:
        concentration1: a, the power of x, (*event), positive.
        concentration0: b, the power of 1 - x, (*event), positive.

    Numerics:
        Around the mean by the saddle point of the binomial mass, whose terms do not grow with a and b. The density
        holds at the ends: Beta(1, 1) is 1 there, with finite gradient. `sample_logs` and `log_prob_from_log` hold draws
        that round to 0 or 1.

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
        return log_density(self.concentration1, self.concentration0, x, 1.0 - x)

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
        x, q = jnp.exp(log_x), jnp.exp(log_1mx)
        a, b = jnp.broadcast_to(a, x.shape), jnp.broadcast_to(b, x.shape)
        inside = jnp.minimum(x, q) >= jnp.finfo(x.dtype).tiny
        powers = (a - 1.0) * log_x + (b - 1.0) * log_1mx - log_beta(a, b)
        around = log_density(a, b, jnp.where(inside, x, 0.5), jnp.where(inside, q, 0.5))
        return jnp.sum(jnp.where(inside, around, powers), axis=tuple(range(-len(self.event_shape), 0)))

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


def entropy_terms(a: jax.Array, b: jax.Array) -> jax.Array:
    """Entropy of Beta(a, b), nats: -E log p with log-normaliser and digammas expanded about their Stirling terms."""
    total = a + b
    ones = jnp.ones_like(a)
    error, slope = zip(*(jax.jvp(stirling_error, (n,), (ones,)) for n in (a, b, total)), strict=True)
    peak = 0.5 * (jnp.log(a) + jnp.log(b / total) - 2.0 * jnp.log(total)) + _HALF_LOG_2PI
    digammas = [0.5 / n - d for n, d in zip((a, b, total), slope, strict=True)]
    ends = (a - 1.0) * digammas[0] + (b - 1.0) * digammas[1] - (total - 2.0) * digammas[2]
    return peak + error[0] + error[1] - error[2] + ends
