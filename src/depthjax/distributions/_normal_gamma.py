"""Joint priors of the mean and the spread of a normal distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, ExponentialFamily, constraints, derived, param, record, require_rank
from depthjax.distributions._gamma import Gamma, log_density, log_density_from_log
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._masked import masked
from depthjax.distributions._mean_roots import gamma_concentration
from depthjax.distributions._packed_support import mean_and_positive
from depthjax.distributions._student_t import StudentT
from depthjax.numerics import clip_open
from depthjax.numerics._draws import standard_normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
_DIGAMMA = jax.scipy.special.digamma


class _MeanAndSpread(Distribution, ExponentialFamily):
    """What the two share: a gamma precision t of shape a and rate b, and a normal mean of precision l t given t."""

    loc: jax.Array
    precision_scale: jax.Array
    concentration: jax.Array

    support = mean_and_positive
    reparameterized = "implicit"

    @classmethod
    def _complete(cls, fields):
        for name in cls._names():
            require_rank(cls.__name__, name, fields[name], 0)
        return {**fields, "event_shape": (2,)}

    @classmethod
    def _names(cls):
        return ("loc", "precision_scale", "concentration", cls._spread_field)

    _spread_field = ""

    @property
    def _rate(self):
        return getattr(self, self._spread_field)

    def _log_normal(self, mean, log_precision):
        """Log density of the mean given the precision."""
        log_scale = 0.5 * (jnp.log(self.precision_scale) + log_precision)
        z = (mean - self.loc) * jnp.exp(log_scale)
        return log_scale - 0.5 * z * z - _HALF_LOG_2PI

    def _precision_entropy(self):
        """Entropy of the precision, and E of its logarithm."""
        entropy = Gamma(self.concentration, self._rate)._entropy_terms()
        return entropy, _DIGAMMA(self.concentration) - jnp.log(self._rate)

    def _draw(self, key, sample_shape):
        """Mean, and logarithm of the precision."""
        key_gamma, key_normal = jax.random.split(key)
        log_gamma = sample_log_gamma(key_gamma, self.concentration, sample_shape)
        log_precision = log_gamma - jnp.log(self._rate)
        noise = standard_normal(key_normal, sample_shape, self.loc.dtype)
        spread = jnp.exp(-0.5 * (log_precision + jnp.log(self.precision_scale)))
        return clip_open(self.loc + clip_open(spread, 0.0, jnp.inf) * noise, -jnp.inf, jnp.inf), log_precision

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def marginal_mean(self) -> StudentT:
        """Marginal distribution of the mean: Student t with 2 a degrees of freedom and scale sqrt(b/(a l))."""
        scale = jnp.sqrt(self._rate / self.concentration / self.precision_scale)
        return StudentT(2.0 * self.concentration, self.loc, scale)

    def log_base_measure(self, x):
        """Log h = -log(2 pi)/2."""
        return jnp.full((), -_HALF_LOG_2PI, x.dtype)

    def _shared_natural(self):
        """The parts of eta that belong to m t, m^2 t and t."""
        weighted = self.precision_scale * self.loc
        return {
            "mean_precision": weighted,
            "square_precision": -0.5 * self.precision_scale,
            "precision": -self._rate - 0.5 * weighted * self.loc,
        }

    @classmethod
    def _from_shared(cls, natural, concentration):
        precision_scale = -2.0 * natural["square_precision"]
        loc = natural["mean_precision"] / precision_scale
        rate = -natural["precision"] - 0.5 * natural["mean_precision"] * loc
        return cls(loc, precision_scale, concentration, rate)

    @classmethod
    def _from_means(cls, mean, log_precision):
        concentration = gamma_concentration(jnp.log(mean["precision"]) - log_precision)
        loc = mean["mean_precision"] / mean["precision"]
        precision_scale = 1.0 / (mean["square_precision"] - mean["mean_precision"] * loc)
        return cls(loc, precision_scale, concentration, concentration / mean["precision"])

    @classmethod
    def _shared_normalizer(cls, natural, concentration):
        precision_scale = -2.0 * natural["square_precision"]
        rate = -natural["precision"] - 0.5 * natural["mean_precision"] ** 2 / precision_scale
        return jax.lax.lgamma(concentration) - concentration * jnp.log(rate) - 0.5 * jnp.log(precision_scale)


@record
class NormalInverseGamma(_MeanAndSpread):
    """Joint distribution of a mean m and a variance v: conjugate to the normal with both unknown.

    v is InverseGamma(a, b) and m given v is Normal(loc, sqrt(v/l)); the event is [m, v].
    log p(m, v) = log N(m; loc, v/l) + a log b - log Gamma(a) - (a + 1) log v - b/v.

    Args:
        loc: mean of m, ().
        precision_scale: l, the prior weight in observations, (), positive.
        concentration: a, (), positive.
        scale: b, (), positive.

    Raises:
        ValueError: a parameter is not a scalar.

    Numerics:
        The inverse gamma density is the gamma density of 1/v by its saddle point. The mean of v is inf for a <= 1.

    Source:
        Murphy, Conjugate Bayesian Analysis of the Gaussian Distribution (2007), sec. 6.
    """

    loc: jax.Array = param(constraints.real)
    precision_scale: jax.Array = param(constraints.positive)
    concentration: jax.Array = param(constraints.positive)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    _spread_field = "scale"

    def _log_prob(self, x):
        inside = mean_and_positive.contains(x)
        mean, variance = (jnp.where(inside, part, 1.0) for part in (x[0], x[1]))
        value = self._log_prob_at(mean, 1.0 / variance, -jnp.log(variance))
        return masked(inside, value, x)

    def _log_prob_at(self, mean, precision, log_precision):
        flat = log_density(self.concentration, self.scale, precision)
        return self._log_normal(mean, log_precision) + flat + 2.0 * log_precision

    def _sample_and_log_prob_many(self, key, sample_shape):
        mean, log_precision = self._draw(key, sample_shape)
        a, b = (jnp.broadcast_to(v, log_precision.shape) for v in (self.concentration, self.scale))
        log_prob = self._log_normal(mean, log_precision) + log_density_from_log(a, b, log_precision)
        variance = clip_open(jnp.exp(-log_precision), 0.0, jnp.inf)
        return jnp.stack([mean, variance], axis=-1), log_prob + 2.0 * log_precision

    def _mean(self):
        spare = self.concentration - 1.0
        variance = jnp.where(spare > 0, self.scale / jnp.where(spare > 0, spare, 1.0), jnp.inf)
        return jnp.stack([self.loc, variance])

    def _entropy(self):
        entropy, log_precision = self._precision_entropy()
        conditional = _HALF_LOG_2PI + 0.5 - 0.5 * (jnp.log(self.precision_scale) + log_precision)
        return entropy - 2.0 * log_precision + conditional

    def natural_parameters(self):
        """Eta = {log_variance: -a - 3/2, mean_precision: l loc, precision: -b - l loc^2/2, square_precision: -l/2}."""
        return {"log_variance": -(self.concentration + 1.5), **self._shared_natural()}

    def sufficient_statistics(self, x):
        """T = {log_variance: log v, mean_precision: m/v, precision: 1/v, square_precision: m^2/v}."""
        mean, variance = x[0], x[1]
        return {
            "log_variance": jnp.log(variance),
            "mean_precision": mean / variance,
            "precision": 1.0 / variance,
            "square_precision": mean * mean / variance,
        }

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = log Gamma(a) - a log b - log(l)/2."""
        return cls._shared_normalizer(natural, -natural["log_variance"] - 1.5)

    @classmethod
    def from_natural(cls, natural):
        """The distribution with these natural parameters."""
        return cls._from_shared(natural, -natural["log_variance"] - 1.5)

    @classmethod
    def from_mean_parameters(cls, mean):
        """The distribution with these mean parameters, by a root in a."""
        return cls._from_means(mean, -mean["log_variance"])


@record
class NormalGamma(_MeanAndSpread):
    """Joint distribution of a mean m and a precision t: conjugate to the normal with both unknown.

    t is Gamma(a, b) and m given t is Normal(loc, 1/sqrt(l t)); the event is [m, t].
    log p(m, t) = log N(m; loc, 1/(l t)) + a log b - log Gamma(a) + (a - 1) log t - b t.

    Args:
        loc: mean of m, ().
        precision_scale: l, the prior weight in observations, (), positive.
        concentration: a, (), positive.
        rate: b, (), positive.

    Raises:
        ValueError: a parameter is not a scalar.

    Source:
        Bernardo and Smith, Bayesian Theory (1994), sec. 3.2.5; Murphy (2007), sec. 3.
    """

    loc: jax.Array = param(constraints.real)
    precision_scale: jax.Array = param(constraints.positive)
    concentration: jax.Array = param(constraints.positive)
    rate: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    _spread_field = "rate"

    def _log_prob(self, x):
        inside = mean_and_positive.contains(x)
        mean, precision = (jnp.where(inside, part, 1.0) for part in (x[0], x[1]))
        value = self._log_normal(mean, jnp.log(precision)) + log_density(self.concentration, self.rate, precision)
        return masked(inside, value, x)

    def _sample_and_log_prob_many(self, key, sample_shape):
        mean, log_precision = self._draw(key, sample_shape)
        a, b = (jnp.broadcast_to(v, log_precision.shape) for v in (self.concentration, self.rate))
        log_prob = self._log_normal(mean, log_precision) + log_density_from_log(a, b, log_precision)
        precision = clip_open(jnp.exp(log_precision), 0.0, jnp.inf)
        return jnp.stack([mean, precision], axis=-1), log_prob

    def _mean(self):
        return jnp.stack([self.loc, self.concentration / self.rate])

    def _entropy(self):
        entropy, log_precision = self._precision_entropy()
        return entropy + _HALF_LOG_2PI + 0.5 - 0.5 * (jnp.log(self.precision_scale) + log_precision)

    def natural_parameters(self):
        """Eta = {log_precision: a - 1/2, mean_precision: l loc, precision: -b - l loc^2/2, square_precision: -l/2}."""
        return {"log_precision": self.concentration - 0.5, **self._shared_natural()}

    def sufficient_statistics(self, x):
        """T = {log_precision: log t, mean_precision: m t, precision: t, square_precision: m^2 t}."""
        mean, precision = x[0], x[1]
        return {
            "log_precision": jnp.log(precision),
            "mean_precision": mean * precision,
            "precision": precision,
            "square_precision": mean * mean * precision,
        }

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = log Gamma(a) - a log b - log(l)/2."""
        return cls._shared_normalizer(natural, natural["log_precision"] + 0.5)

    @classmethod
    def from_natural(cls, natural):
        """The distribution with these natural parameters."""
        return cls._from_shared(natural, natural["log_precision"] + 0.5)

    @classmethod
    def from_mean_parameters(cls, mean):
        """The distribution with these mean parameters, by a root in a."""
        return cls._from_means(mean, mean["log_precision"])
