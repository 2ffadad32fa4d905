"""What the joint priors of a mean and a matrix share."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, ExponentialFamily
from depthjax.distributions._gaussian_algebra import (
    HIGHEST,
    cholesky,
    lower_factor,
    matvec,
    solve_lower,
)
from depthjax.distributions._packed_support import mean_and_matrix
from depthjax.distributions._wishart_parts import sample_factor
from depthjax.numerics import clip_open
from depthjax.numerics._draws import standard_normal

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class MeanAndMatrix(Distribution, ExponentialFamily):
    """What the two share: the fields, their checks, and the normal part given the Cholesky factor of the matrix."""

    loc: jax.Array
    precision_scale: jax.Array
    df: jax.Array
    scale_tril: jax.Array

    support = mean_and_matrix
    reparameterized = "implicit"

    @classmethod
    def _complete(cls, fields):
        tril, loc = fields["scale_tril"], fields["loc"]
        for name in ("precision_scale", "df"):
            if fields[name].ndim:
                raise ValueError(f"{cls.__name__}: {name} has shape {fields[name].shape}, expected a scalar")
        if tril.ndim != 2 or tril.shape[0] != tril.shape[1]:
            raise ValueError(f"{cls.__name__}: scale_tril has shape {tril.shape}, expected a square matrix (d, d)")
        size = tril.shape[0]
        loc = jnp.broadcast_to(loc, (size,)) if loc.ndim == 0 else loc
        if loc.shape != (size,):
            raise ValueError(f"{cls.__name__}: loc has shape {loc.shape}, expected ({size},), the size of scale_tril")
        return {**fields, "loc": loc, "event_shape": (size, size + 1)}

    def _size(self):
        return self.event_shape[0]

    def _spare(self):
        """Degrees of freedom of the marginal of the mean."""
        return self.df - (self._size() - 1.0)

    def _log_normal(self, z, log_det_precision):
        """Log density of the mean whose whitened coordinates are z, for half the log determinant of the precision."""
        size = self._size()
        peak = log_det_precision + 0.5 * size * jnp.log(self.precision_scale) - size * _HALF_LOG_2PI
        return peak - 0.5 * jnp.sum(z * z)

    def _packed(self, mean, matrix):
        return jnp.concatenate([clip_open(mean, -jnp.inf, jnp.inf)[..., None], matrix], axis=-1)

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        key_factor, key_noise = jax.random.split(key)
        factor = sample_factor(key_factor, self._matrix()._freedoms(), sample_shape)
        noise = standard_normal(key_noise, (*sample_shape, self._size()), self.loc.dtype)
        one = self._assemble
        for _ in sample_shape:
            one = jax.vmap(one)
        return one(factor, noise)

    def log_base_measure(self, x):
        """Log h = -d log(2 pi)/2."""
        return jnp.full((), -_HALF_LOG_2PI * x.shape[0], x.dtype)

    def _shared_natural(self, inverse_scale):
        shift = self.precision_scale * self.loc
        return {
            "precision": -0.5 * (inverse_scale + shift[:, None] * self.loc[None, :]),
            "shift": shift,
            "square": -0.5 * self.precision_scale,
        }

    @classmethod
    def _parts(cls, natural):
        """The location, its weight, and the matrix -2 eta_precision - l loc loc^T."""
        weight = -2.0 * natural["square"]
        loc = natural["shift"] / weight
        return loc, weight, -2.0 * natural["precision"] - natural["shift"][:, None] * loc[None, :]

    @classmethod
    def _means(cls, mean):
        """The location and its weight from mean parameters, and the factor of the mean precision."""
        factor, size = cholesky(mean["precision"]), mean["shift"].shape[0]
        loc = solve_lower(factor, solve_lower(factor, mean["shift"]), transpose=True)
        weight = size / (mean["square"] - jnp.sum(loc * mean["shift"]))
        return loc, weight, factor


def statistics(mean: jax.Array, precision: jax.Array, log_det: jax.Array) -> dict[str, jax.Array]:
    """T of a mean and a precision matrix."""
    shift = matvec(precision, mean)
    return {"log_det": log_det, "precision": precision, "shift": shift, "square": jnp.sum(mean * shift)}


def inverse_gram(tril: jax.Array) -> jax.Array:
    """(L L^T)^-1."""
    inverse = solve_lower(tril, jnp.eye(tril.shape[0], dtype=tril.dtype))
    return jnp.matmul(inverse.mT, inverse, precision=HIGHEST)


def inverse_factor(tril: jax.Array) -> jax.Array:
    """Lower factor of (L L^T)^-1."""
    return lower_factor(solve_lower(tril, jnp.eye(tril.shape[0], dtype=tril.dtype)).mT)
