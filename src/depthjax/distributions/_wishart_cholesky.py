"""The distribution of the Cholesky factor of a Wishart matrix."""

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, constraints, derived, param, record
from depthjax.distributions._gaussian_algebra import HIGHEST, solve_lower
from depthjax.distributions._masked import masked
from depthjax.distributions._wishart_parts import (
    chi_entropy_parts,
    complete_freedom,
    enough_freedom,
    log_factor,
    ranks,
    sample_factor,
)
from depthjax.numerics import log_gamma_difference

_LARGE = 300.0


@record
class WishartCholesky(Distribution):
    """Lower triangular L with L L^T of the Wishart distribution: L = S A with Bartlett's factor A.

    log p(L) = sum_i [log chi(A_ii; df - i + 1) - i log S_ii] + sum_{i>j} log N(A_ij; 0, 1), with respect to the entries
    on and below the diagonal.

    Args:
        df: degrees of freedom, (), above d - 1.
        scale_tril: S, (d, d), lower triangular with positive diagonal.

    Raises:
        ValueError: `scale_tril` is not square, or `df` not a scalar.

    Numerics:
        No product L L^T is formed, so factors of any condition have their density. The mode exists for df >= d and is
        NaN below.

    Source:
        Bartlett, On the Theory of Statistical Regression (1933); Anderson (2003), sec. 7.2.
    """

    df: jax.Array = param(enough_freedom)
    scale_tril: jax.Array = param(constraints.lower_cholesky)
    event_shape: tuple[int, ...] = derived()

    support = constraints.lower_cholesky
    reparameterized = "implicit"

    @classmethod
    def _complete(cls, fields):
        return complete_freedom(cls.__name__, fields)

    def _freedoms(self):
        return self.df - ranks(self.event_shape[0], self.df.dtype)

    def _log_prob(self, x):
        inside = constraints.lower_cholesky.contains(x)
        safe = jnp.where(inside, x, jnp.eye(self.event_shape[0], dtype=x.dtype))
        return masked(inside, self._log_prob_of(solve_lower(self.scale_tril, safe)), x)

    def _log_volume(self):
        """Log of the determinant of A -> S A."""
        weights = 1.0 + ranks(self.event_shape[0], self.df.dtype)
        return jnp.sum(weights * jnp.log(jnp.diagonal(self.scale_tril)))

    def _log_prob_of(self, factor):
        return log_factor(factor, self._freedoms()) - self._log_volume()

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        factor, log_prob = sample_factor(key, self._freedoms(), sample_shape), self._log_prob_of
        for _ in sample_shape:
            log_prob = jax.vmap(log_prob)
        lower = jnp.einsum("ij,...jk->...ik", jnp.tril(self.scale_tril), factor, precision=HIGHEST)
        return jnp.tril(lower), log_prob(factor)

    def _chi_mean(self):
        half = 0.5 * self._freedoms()
        return jnp.sqrt(2.0) * jnp.exp(log_gamma_difference(half, 0.5))

    def _mean(self):
        return self.scale_tril * self._chi_mean()[None, :]

    def _variance(self):
        freedoms, size = self._freedoms(), self.event_shape[0]
        large = freedoms > _LARGE
        w = 1.0 / jnp.where(large, freedoms, _LARGE)
        series = 0.5 - w * (0.125 + w * (0.0625 - w * (5 / 128 + w * 23 / 256)))
        chi = jnp.where(large, series, freedoms - self._chi_mean() ** 2)
        spread = jnp.where(jnp.eye(size, dtype=bool), jnp.diag(chi), jnp.tril(jnp.ones((size, size), chi.dtype), -1))
        return jnp.matmul(self.scale_tril**2, spread, precision=HIGHEST)

    def _mode(self):
        return self.scale_tril * jnp.sqrt(self._freedoms() - 1.0)[None, :]

    def _entropy(self):
        squares, log_chi, normals = chi_entropy_parts(self._freedoms())
        return jnp.sum(squares - log_chi - jnp.log(2.0)) + normals + self._log_volume()
