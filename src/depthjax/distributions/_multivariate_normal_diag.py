"""The multivariate normal distribution with diagonal covariance."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution, ExponentialFamily, broadcast_params, constraints, derived, param, record
from depthjax.distributions._gaussian_algebra import lower_factor, map_arguments, matvec, observed_values, split_indices
from depthjax.numerics._draws import standard_normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class MultivariateNormalDiag(Distribution, ExponentialFamily):
    """Normal random vector with diagonal covariance, diag(scale)^2.

    log p(x) = sum_i [-z_i^2/2 - log(scale_i)] - d log(2 pi)/2 with z = (x - loc)/scale.

    Args:
        loc: mean, (d,).
        scale: standard deviations, (d,), positive.

    Raises:
        ValueError: neither parameter is a vector, or their lengths differ.

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), eq. 2.43 with diagonal covariance.
    """

    loc: jax.Array = param(constraints.real)
    scale: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "explicit"

    @classmethod
    def _complete(cls, fields):
        arrays, shape = broadcast_params(cls.__name__, {name: fields[name] for name in ("loc", "scale")})
        if len(shape) != 1:
            raise ValueError(f"{cls.__name__}: loc and scale have shape {shape}, expected a vector (d,)")
        return {**fields, **arrays, "event_shape": shape}

    def _log_prob(self, x):
        return self._log_prob_whitened((x - self.loc) / self.scale)

    def _log_prob_whitened(self, z):
        """Log density of events with whitened coordinates z (..., d)."""
        log_scale = jnp.sum(jnp.log(self.scale)) + _HALF_LOG_2PI * self.event_shape[0]
        return -0.5 * jnp.sum(z * z, axis=-1) - log_scale

    def _sample_noise(self, key, sample_shape):
        return standard_normal(key, (*sample_shape, *self.event_shape), self.loc.dtype)

    def _from_noise(self, noise):
        row = (1,) * (noise.ndim - 1) + self.event_shape
        return self.loc.reshape(row) + self.scale.reshape(row) * noise, self._log_prob_whitened(noise)

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        return self._from_noise(self._sample_noise(key, sample_shape))

    def _mean(self):
        return self.loc

    def _mode(self):
        return self.loc

    def _variance(self):
        return self.scale**2

    def _covariance(self):
        return jnp.diag(self.scale**2)

    def _entropy(self):
        return jnp.sum(jnp.log(self.scale)) + (_HALF_LOG_2PI + 0.5) * self.event_shape[0]

    def whiten(self, x: ArrayLike) -> jax.Array:
        """Standard normal coordinates (x - loc)/scale, (*batch, d) -> (*batch, d)."""
        x = jnp.asarray(x, self.loc.dtype)
        row = (1,) * (x.ndim - 1) + self.event_shape
        return (x - self.loc.reshape(row)) / self.scale.reshape(row)

    def marginal(self, idx: int | Sequence[int]) -> "MultivariateNormalDiag":
        """Distribution of the coordinates `idx`, distinct static integers, in that order."""
        chosen, _ = split_indices("MultivariateNormalDiag.marginal", idx, self.event_shape[0])
        return MultivariateNormalDiag(self.loc[chosen], self.scale[chosen])

    def condition(self, idx: int | Sequence[int], values: ArrayLike) -> "MultivariateNormalDiag":
        """Distribution of the other coordinates, in ascending order, given x[idx] = values.

        Args:
            idx: k distinct static integers.
            values: (k,); without effect, for the coordinates are independent.
        """
        name = "MultivariateNormalDiag.condition"
        chosen, rest = split_indices(name, idx, self.event_shape[0])
        observed_values(name, values, len(chosen), self.loc.dtype)
        return MultivariateNormalDiag(self.loc[rest], self.scale[rest])

    def linear_map(self, A: ArrayLike, b: ArrayLike | None = None) -> Any:  # noqa: N803
        """Distribution of A x + b.

        Args:
            A: (k, d) of full rank, k <= d.
            b: (k,), zero if not given.

        Returns:
            A `MultivariateNormal` of event shape (k,).

        Raises:
            ValueError: wrong shapes, or k > d.
        """
        from depthjax.distributions._multivariate_normal import MultivariateNormal

        matrix, shift = map_arguments("MultivariateNormalDiag.linear_map", A, b, self.event_shape[0], self.loc.dtype)
        return MultivariateNormal(matvec(matrix, self.loc) + shift, lower_factor(matrix * self.scale[None, :]))

    def natural_parameters(self):
        """Eta = {x: loc/scale^2, x2: -1/(2 scale^2)}, each (d,)."""
        precision = self.scale**-2
        return {"x": self.loc * precision, "x2": -0.5 * precision}

    def sufficient_statistics(self, x):
        """T(x) = {x: x, x2: x^2}, each (d,)."""
        return {"x": x, "x2": x * x}

    def log_base_measure(self, x):
        """Log h = -d log(2 pi)/2."""
        return jnp.full((), -_HALF_LOG_2PI * x.size, x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = sum_i [-eta_x^2/(4 eta_x2) - log(-2 eta_x2)/2]."""
        return jnp.sum(-(natural["x"] ** 2) / (4 * natural["x2"]) - 0.5 * jnp.log(-2 * natural["x2"]))

    @classmethod
    def from_natural(cls, natural):
        """The distribution with these natural parameters."""
        variance = -0.5 / natural["x2"]
        return cls(natural["x"] * variance, jnp.sqrt(variance))

    @classmethod
    def from_mean_parameters(cls, mean):
        """The distribution with E x and E x^2."""
        return cls(mean["x"], jnp.sqrt(mean["x2"] - mean["x"] ** 2))
