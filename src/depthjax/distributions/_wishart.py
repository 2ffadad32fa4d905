"""The Wishart distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, ExponentialFamily, constraints, derived, param, record
from depthjax.core._raw_maps import gram
from depthjax.distributions._gaussian_algebra import HIGHEST, cholesky, log_diagonal, lower_factor, solve_lower
from depthjax.distributions._masked import masked
from depthjax.distributions._wishart_parts import (
    chi_entropy_parts,
    complete_freedom,
    enough_freedom,
    freedom_from_gap,
    log_factor,
    log_normalizer,
    ranks,
    sample_factor,
    triangle_inside,
)


@record
class Wishart(Distribution, ExponentialFamily):
    """Wishart distribution of positive definite matrices: the scatter of df normal vectors with covariance S S^T.

    log p(X) = (df - d - 1)/2 log|X| - tr((S S^T)^-1 X)/2 - df d/2 log 2 - df/2 log|S S^T| - log Gamma_d(df/2), with
    respect to the entries on and below the diagonal.

    Args:
        df: degrees of freedom, (), above d - 1.
        scale_tril: S, (d, d), lower triangular with positive diagonal.

    Raises:
        ValueError: `scale_tril` is not square, or `df` not a scalar.

    Numerics:
        With X = L L^T, through the density of Bartlett's factor S^-1 L, whose diagonal holds chi variables: nothing
        grows with df. Draws carry their factor, and stay positive definite in floating point. The mode exists for
        df >= d + 1 and is NaN below.

    Source:
        Anderson, An Introduction to Multivariate Statistical Analysis (2003), sec. 7.2; Bartlett (1933).
    """

    df: jax.Array = param(enough_freedom)
    scale_tril: jax.Array = param(constraints.lower_cholesky)
    event_shape: tuple[int, ...] = derived()

    support = constraints.positive_definite
    reparameterized = "implicit"

    @classmethod
    def _complete(cls, fields):
        return complete_freedom(cls.__name__, fields)

    def _freedoms(self):
        return self.df - ranks(self.event_shape[0], self.df.dtype)

    def _log_prob(self, x):
        inside, lower = triangle_inside(x)
        return masked(inside, self._log_prob_of(solve_lower(self.scale_tril, lower)), x)

    def _log_prob_of(self, factor):
        """Log density of X = L L^T with L = S times the factor."""
        size = self.event_shape[0]
        rank, scale = ranks(size, factor.dtype), jnp.diagonal(self.scale_tril)
        powers = jnp.sum((size - rank) * jnp.log(jnp.diagonal(factor))) + (size + 1.0) * jnp.sum(jnp.log(scale))
        return log_factor(factor, self._freedoms()) - powers - size * math.log(2.0)

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        factor, log_prob = sample_factor(key, self._freedoms(), sample_shape), self._log_prob_of
        for _ in sample_shape:
            log_prob = jax.vmap(log_prob)
        return gram(self._times(factor)), log_prob(factor)

    def _times(self, factor):
        return jnp.einsum("ij,...jk->...ik", jnp.tril(self.scale_tril), factor, precision=HIGHEST)

    def _scale(self):
        return jnp.matmul(self.scale_tril, self.scale_tril.mT, precision=HIGHEST)

    def _mean(self):
        return self.df * self._scale()

    def _variance(self):
        scale = self._scale()
        diagonal = jnp.diagonal(scale)
        return self.df * (scale * scale + diagonal[:, None] * diagonal[None, :])

    def _mode(self):
        excess = self.df - self.event_shape[0] - 1.0
        return jnp.where(excess >= 0, excess, jnp.nan) * self._scale()

    def _entropy(self):
        size = self.event_shape[0]
        squares, log_chi, normals = chi_entropy_parts(self._freedoms())
        weights = size - 1.0 - ranks(size, self.df.dtype)
        return jnp.sum(squares + weights * log_chi) + normals + (size + 1.0) * log_diagonal(self.scale_tril)

    def natural_parameters(self):
        """Eta = {log_det: (df - d - 1)/2, x: -(S S^T)^-1/2 (d, d)}."""
        size = self.event_shape[0]
        inverse = solve_lower(self.scale_tril, jnp.eye(size, dtype=self.df.dtype))
        precision = jnp.matmul(inverse.mT, inverse, precision=HIGHEST)
        return {"log_det": 0.5 * (self.df - size - 1.0), "x": -0.5 * precision}

    def sufficient_statistics(self, x):
        """T(X) = {log_det: log|X|, x: X}."""
        return {"log_det": 2.0 * log_diagonal(cholesky(x)), "x": x}

    def log_base_measure(self, x):
        """Log h = 0."""
        return jnp.zeros((), x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = log Gamma_d(df/2) + df d/2 log 2 + df/2 log|S S^T|."""
        return log_normalizer(2.0 * natural["log_det"] + natural["x"].shape[0] + 1.0, -2.0 * natural["x"])

    @classmethod
    def from_natural(cls, natural):
        """The Wishart distribution with these natural parameters."""
        size = natural["x"].shape[0]
        inverse = solve_lower(cholesky(-2.0 * natural["x"]), jnp.eye(size, dtype=natural["x"].dtype))
        return cls(2.0 * natural["log_det"] + size + 1.0, lower_factor(inverse.mT))

    @classmethod
    def from_mean_parameters(cls, mean):
        """The Wishart distribution with E log|X| and E X, by a root in df."""
        factor = cholesky(mean["x"])
        df = freedom_from_gap(2.0 * log_diagonal(factor) - mean["log_det"], mean["x"].shape[0])
        return cls(df, factor / jnp.sqrt(df))
