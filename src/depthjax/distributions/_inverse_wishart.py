"""The inverse Wishart distribution."""

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
from depthjax.numerics import clip_open


@record
class InverseWishart(Distribution, ExponentialFamily):
    """Distribution of X whose inverse is Wishart with df degrees of freedom and scale (S S^T)^-1.

    log p(X) = -(df + d + 1)/2 log|X| - tr(S S^T X^-1)/2 - df d/2 log 2 + df/2 log|S S^T| - log Gamma_d(df/2), with
    respect to the entries on and below the diagonal.

    Args:
        df: degrees of freedom, (), above d - 1.
        scale_tril: S, (d, d), lower triangular with positive diagonal; the mean is S S^T/(df - d - 1).

    Raises:
        ValueError: `scale_tril` is not square, or `df` not a scalar.

    Numerics:
        With X = L L^T, through the density of the triangle L^-1 S, whose diagonal holds chi variables: no inverse is
        taken and nothing grows with df. Mean and variance are inf or NaN where they do not exist.

    Source:
        Anderson, An Introduction to Multivariate Statistical Analysis (2003), sec. 7.7; von Rosen, Moments for the
        Inverted Wishart Distribution (1988).
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
        size = self.event_shape[0]
        return self.df - (size - 1.0) + ranks(size, self.df.dtype)

    def _log_prob(self, x):
        inside, lower = triangle_inside(x)
        return masked(inside, self._log_prob_of(solve_lower(lower, self.scale_tril)), x)

    def _log_prob_of(self, factor):
        """Log density of X = L L^T with L = S times the inverse of the factor."""
        size = self.event_shape[0]
        weights = 2.0 * size + 1.0 - ranks(size, factor.dtype)
        powers = jnp.sum(weights * jnp.log(jnp.diagonal(factor))) - (size + 1.0) * log_diagonal(self.scale_tril)
        return log_factor(factor, self._freedoms()) + powers - size * math.log(2.0)

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        factor = sample_factor(key, self._freedoms(), sample_shape)
        log_prob, over = self._log_prob_of, self._over
        for _ in sample_shape:
            log_prob, over = jax.vmap(log_prob), jax.vmap(over)
        return gram(over(factor)), log_prob(factor)

    def _over(self, factor):
        """S times the inverse of a lower triangular factor, held where its square does not overflow."""
        lower = jnp.tril(solve_lower(factor, self.scale_tril.mT, transpose=True).mT)
        bound = 2.0 ** (jnp.finfo(lower.dtype).maxexp // 2 - 4)
        return clip_open(lower, -bound, bound)

    def _scale(self):
        return jnp.matmul(self.scale_tril, self.scale_tril.mT, precision=HIGHEST)

    def _excess(self):
        return self.df - self.event_shape[0]

    def _mean(self):
        spare = self._excess() - 1.0
        return jnp.where(spare > 0, self._scale() / jnp.where(spare > 0, spare, 1.0), jnp.nan)

    def _variance(self):
        n, scale = self._excess(), self._scale()
        finite = n > 3.0
        n = jnp.where(finite, n, 4.0)
        diagonal = jnp.diagonal(scale)
        products = scale * scale * ((n + 1.0) / (n - 1.0)) + diagonal[:, None] * diagonal[None, :]
        return jnp.where(finite, products / n / (n - 1.0) / (n - 3.0), jnp.where(self._excess() > 1, jnp.inf, jnp.nan))

    def _mode(self):
        return self._scale() / (self.df + self.event_shape[0] + 1.0)

    def _entropy(self):
        size = self.event_shape[0]
        squares, log_chi, normals = chi_entropy_parts(self._freedoms())
        weights = 2.0 * size + 2.0 - ranks(size, self.df.dtype)
        return jnp.sum(squares - weights * log_chi) + normals + (size + 1.0) * log_diagonal(self.scale_tril)

    def natural_parameters(self):
        """Eta = {inverse: -S S^T/2 (d, d), log_det: -(df + d + 1)/2}."""
        return {"inverse": -0.5 * self._scale(), "log_det": -0.5 * (self.df + self.event_shape[0] + 1.0)}

    def sufficient_statistics(self, x):
        """T(X) = {inverse: X^-1, log_det: log|X|}."""
        factor = cholesky(x)
        inverse = solve_lower(factor, jnp.eye(x.shape[0], dtype=x.dtype))
        return {
            "inverse": jnp.matmul(inverse.mT, inverse, precision=HIGHEST),
            "log_det": 2.0 * log_diagonal(factor),
        }

    def log_base_measure(self, x):
        """Log h = 0."""
        return jnp.zeros((), x.dtype)

    @classmethod
    def log_normalizer_of(cls, natural):
        """A = log Gamma_d(df/2) + df d/2 log 2 - df/2 log|S S^T|."""
        size = natural["inverse"].shape[0]
        return log_normalizer(-2.0 * natural["log_det"] - size - 1.0, -2.0 * natural["inverse"])

    @classmethod
    def from_natural(cls, natural):
        """The inverse Wishart distribution with these natural parameters."""
        size = natural["inverse"].shape[0]
        return cls(-2.0 * natural["log_det"] - size - 1.0, cholesky(-2.0 * natural["inverse"]))

    @classmethod
    def from_mean_parameters(cls, mean):
        """The inverse Wishart distribution with E X^-1 and E log|X|, by a root in df."""
        size = mean["inverse"].shape[0]
        factor = cholesky(mean["inverse"])
        df = freedom_from_gap(2.0 * log_diagonal(factor) + mean["log_det"], size)
        inverse = solve_lower(factor, jnp.eye(size, dtype=factor.dtype))
        return cls(df, jnp.sqrt(df) * lower_factor(inverse.mT))
