"""The Dirichlet distribution."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution, ExponentialFamily, constraints, derived, param, record, require_rank
from depthjax.distributions._beta import Beta
from depthjax.distributions._dirichlet_density import log_density, log_gamma_excess
from depthjax.distributions._gamma import log_density_from_log
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._mean_roots import dirichlet_concentration
from depthjax.numerics import clip_open, stirling_error

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class Dirichlet(Distribution, ExponentialFamily):
    """Dirichlet distribution on the probability simplex, with respect to its first K - 1 coordinates.

    log p(x) = sum_k (a_k - 1) log x_k - sum_k log Gamma(a_k) + log Gamma(sum_k a_k).

    Args:
        concentration: a, (K,), positive.

    Raises:
        ValueError: `concentration` is not a vector of at least two entries.

    Numerics:
        As K gamma densities of rate sum a, one Stirling error, and n (sum x - 1) for the rounding of x, so large
        concentrations n = sum a keep their digits. `sample`
        stays in the open simplex; `sample_log` and `log_prob_from_log` hold coordinates that underflow.

    Source:
        Johnson, Kotz and Balakrishnan, Continuous Multivariate Distributions 1 (2000), ch. 49; implicit gradient,
        Figurnov et al. (2018).
    """

    concentration: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.simplex
    reparameterized = "implicit"

    @classmethod
    def _complete(cls, fields):
        if "concentration" not in fields:
            return fields
        concentration = fields["concentration"]
        require_rank(cls.__name__, "concentration", concentration, 1)
        if concentration.size < 2:
            raise ValueError(f"{cls.__name__}: concentration has shape {concentration.shape}, expected (K,), K >= 2")
        return {**fields, "event_shape": concentration.shape}

    def _total(self):
        return jnp.sum(self.concentration)

    def _log_prob(self, x):
        return log_density(self.concentration, x)

    def log_prob_from_log(self, log_x: ArrayLike) -> jax.Array:
        """Log density of x, given log x; finite where coordinates underflow, (*batch, K) -> (*batch) nats."""
        log_x = jnp.asarray(log_x)
        row = (1,) * (log_x.ndim - 1) + self.event_shape
        concentration = jnp.broadcast_to(self.concentration.reshape(row), log_x.shape)
        rate = jnp.broadcast_to(self._total(), log_x.shape)
        return jnp.sum(log_density_from_log(concentration, rate, log_x), axis=-1) + log_gamma_excess(self._total())

    def sample_log(self, key: jax.Array, sample_shape: int | tuple[int, ...] = ()) -> jax.Array:
        """Logarithms of draws, (*sample_shape, K); exact also where coordinates underflow."""
        shape = (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)
        return jax.nn.log_softmax(sample_log_gamma(key, self.concentration, shape), axis=-1)

    def _sample_many(self, key, sample_shape):
        return clip_open(jnp.exp(self.sample_log(key, sample_shape)), 0.0, 1.0)

    def marginals(self) -> Beta:
        """The Beta distributions of the coordinates as one of event shape (K,); their dependence is dropped."""
        return Beta(self.concentration, self._total() - self.concentration)

    def _mean(self):
        return self.concentration / self._total()

    def _variance(self):
        mean = self._mean()
        return mean * ((self._total() - self.concentration) / self._total()) / (self._total() + 1.0)

    def _covariance(self):
        mean = self._mean()
        return (jnp.diag(mean) - mean[:, None] * mean[None, :]) / (self._total() + 1.0)

    def _mode(self):
        above = jnp.maximum(self.concentration - 1.0, 0.0)
        interior = jnp.any(above > 0)
        return jnp.where(interior, above / jnp.where(interior, jnp.sum(above), 1.0), self._mean())

    def _entropy(self):
        a, total, count = self.concentration, self._total(), self.concentration.size
        errors, slopes = jax.jvp(stirling_error, (a,), (jnp.ones_like(a),))
        error, slope = jax.jvp(stirling_error, (total,), (jnp.ones_like(total),))
        peak = 0.5 * jnp.sum(jnp.log(a)) + (0.5 - count) * jnp.log(total) + (count - 1) * _HALF_LOG_2PI
        ends = jnp.sum((a - 1.0) * (0.5 / a - slopes)) - (total - count) * (0.5 / total - slope)
        return peak + jnp.sum(errors) - error + ends

    def natural_parameters(self):
        """Eta = {log_x: a - 1}, (K,)."""
        return {"log_x": self.concentration - 1.0}

    def sufficient_statistics(self, x):
        """T(x) = {log_x: log x}, (K,)."""
        return {"log_x": jnp.log(x)}

    def log_base_measure(self, x):
        """Log h = 0."""
        return jnp.zeros((), x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = sum_k log Gamma(a_k) - log Gamma(sum_k a_k)."""
        a = natural["log_x"] + 1.0
        return jnp.sum(jax.lax.lgamma(a)) - jax.lax.lgamma(jnp.sum(a))

    @classmethod
    def from_natural(cls, natural):
        """The Dirichlet distribution with these natural parameters."""
        return cls(natural["log_x"] + 1.0)

    @classmethod
    def from_mean_parameters(cls, mean):
        """The Dirichlet distribution with E log x, by a root in the total concentration."""
        return cls(dirichlet_concentration(mean["log_x"]))
