"""Joint priors of the mean and the covariance of a multivariate normal distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import constraints, derived, param, record
from depthjax.core._raw_maps import gram
from depthjax.distributions._gaussian_algebra import (
    HIGHEST,
    cholesky,
    log_diagonal,
    matvec,
    solve_lower,
)
from depthjax.distributions._inverse_wishart import InverseWishart
from depthjax.distributions._masked import masked
from depthjax.distributions._mean_and_matrix import MeanAndMatrix, inverse_factor, inverse_gram, statistics
from depthjax.distributions._multivariate_student_t import MultivariateStudentT
from depthjax.distributions._wishart import Wishart
from depthjax.distributions._wishart_parts import (
    enough_freedom,
    freedom_from_gap,
    log_normalizer,
    mean_log_det,
    triangle_inside,
)

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


@record
class NormalWishart(MeanAndMatrix):
    """Joint distribution of a mean m and a precision matrix P: conjugate to the normal with both unknown.

    P is Wishart(df, S S^T) and m given P is normal with mean loc and precision l P; the event is [m, P] side by side.

    Args:
        loc: mean of m, (d,) or ().
        precision_scale: l, the prior weight in observations, (), positive.
        df: degrees of freedom, (), above d - 1.
        scale_tril: S, (d, d), lower triangular with positive diagonal.

    Raises:
        ValueError: the shapes do not fit.

    Numerics:
        As `Wishart`; the mean is whitened by the Cholesky factor of P.

    Source:
        Bernardo and Smith, Bayesian Theory (1994), sec. 3.2.5; Murphy (2007), sec. 8.
    """

    loc: jax.Array = param(constraints.real)
    precision_scale: jax.Array = param(constraints.positive)
    df: jax.Array = param(enough_freedom)
    scale_tril: jax.Array = param(constraints.lower_cholesky)
    event_shape: tuple[int, ...] = derived()

    def _matrix(self):
        return Wishart(self.df, self.scale_tril)

    def _log_prob(self, x):
        inside, lower = triangle_inside(x[:, 1:])
        inside = inside & jnp.all(jnp.isfinite(x[:, 0]))
        gap = jnp.where(inside, x[:, 0] - self.loc, 0.0)
        z = jnp.sqrt(self.precision_scale) * matvec(lower.mT, gap)
        value = self._log_normal(z, log_diagonal(lower))
        return masked(inside, value + self._matrix()._log_prob_of(solve_lower(self.scale_tril, lower)), x)

    def _assemble(self, factor, noise):
        lower = self._matrix()._times(factor)
        mean = self.loc + solve_lower(lower, noise, transpose=True) / jnp.sqrt(self.precision_scale)
        log_prob = self._log_normal(noise, log_diagonal(lower)) + self._matrix()._log_prob_of(factor)
        return self._packed(mean, gram(lower)), log_prob

    def _mean(self):
        return self._packed(self.loc, self._matrix()._mean())

    def _entropy(self):
        log_det = mean_log_det(self.df, self._size()) + 2.0 * log_diagonal(self.scale_tril)
        spread = self._size() * (_HALF_LOG_2PI + 0.5 - 0.5 * jnp.log(self.precision_scale))
        return self._matrix()._entropy() + spread - 0.5 * log_det

    def marginal_mean(self) -> MultivariateStudentT:
        """Marginal distribution of the mean: Student t with df - d + 1 degrees of freedom."""
        scale = inverse_factor(self.scale_tril) / jnp.sqrt(self.precision_scale * self._spare())
        return MultivariateStudentT(self._spare(), self.loc, scale)

    def natural_parameters(self):
        """Eta = {log_det: (df - d)/2, precision: -((S S^T)^-1 + l loc loc^T)/2, shift: l loc, square: -l/2}."""
        return {"log_det": 0.5 * (self.df - self._size()), **self._shared_natural(inverse_gram(self.scale_tril))}

    def sufficient_statistics(self, x):
        """T = {log_det: log|P|, precision: P, shift: P m, square: m.P m}."""
        return statistics(x[:, 0], x[:, 1:], 2.0 * log_diagonal(cholesky(x[:, 1:])))

    @classmethod
    def log_normalizer_of(cls, natural):
        """A of the Wishart part less d log(l)/2."""
        loc, weight, inverse_scale = cls._parts(natural)
        return log_normalizer(2.0 * natural["log_det"] + loc.size, inverse_scale) - 0.5 * loc.size * jnp.log(weight)

    @classmethod
    def from_natural(cls, natural):
        """The distribution with these natural parameters."""
        loc, weight, inverse_scale = cls._parts(natural)
        return cls(loc, weight, 2.0 * natural["log_det"] + loc.size, inverse_factor(cholesky(inverse_scale)))

    @classmethod
    def from_mean_parameters(cls, mean):
        """The distribution with these mean parameters, by a root in df."""
        loc, weight, factor = cls._means(mean)
        df = freedom_from_gap(2.0 * log_diagonal(factor) - mean["log_det"], loc.size)
        return cls(loc, weight, df, factor / jnp.sqrt(df))


@record
class NormalInverseWishart(MeanAndMatrix):
    """Joint distribution of a mean m and a covariance matrix C: conjugate to the normal with both unknown.

    C is InverseWishart(df, S S^T) and m given C is normal with mean loc and covariance C/l; the event is [m, C] side by
    side.

    Args:
        loc: mean of m, (d,) or ().
        precision_scale: l, the prior weight in observations, (), positive.
        df: degrees of freedom, (), above d - 1.
        scale_tril: S, (d, d), lower triangular with positive diagonal.

    Raises:
        ValueError: the shapes do not fit.

    Numerics:
        As `InverseWishart`; the mean is whitened by the Cholesky factor of C.

    Source:
        Gelman et al., Bayesian Data Analysis (2013), sec. 3.6; Murphy (2007), sec. 9.
    """

    loc: jax.Array = param(constraints.real)
    precision_scale: jax.Array = param(constraints.positive)
    df: jax.Array = param(enough_freedom)
    scale_tril: jax.Array = param(constraints.lower_cholesky)
    event_shape: tuple[int, ...] = derived()

    def _matrix(self):
        return InverseWishart(self.df, self.scale_tril)

    def _log_prob(self, x):
        inside, lower = triangle_inside(x[:, 1:])
        inside = inside & jnp.all(jnp.isfinite(x[:, 0]))
        gap = jnp.where(inside, x[:, 0] - self.loc, 0.0)
        z = jnp.sqrt(self.precision_scale) * solve_lower(lower, gap)
        value = self._log_normal(z, -log_diagonal(lower))
        return masked(inside, value + self._matrix()._log_prob_of(solve_lower(lower, self.scale_tril)), x)

    def _assemble(self, factor, noise):
        lower = self._matrix()._over(factor)
        mean = self.loc + matvec(lower, noise) / jnp.sqrt(self.precision_scale)
        log_prob = self._log_normal(noise, -log_diagonal(lower)) + self._matrix()._log_prob_of(factor)
        return self._packed(mean, gram(lower)), log_prob

    def _mean(self):
        return jnp.concatenate([self.loc[:, None], self._matrix()._mean()], axis=1)

    def _entropy(self):
        log_det = 2.0 * log_diagonal(self.scale_tril) - mean_log_det(self.df, self._size())
        spread = self._size() * (_HALF_LOG_2PI + 0.5 - 0.5 * jnp.log(self.precision_scale))
        return self._matrix()._entropy() + spread + 0.5 * log_det

    def marginal_mean(self) -> MultivariateStudentT:
        """Marginal distribution of the mean: Student t with df - d + 1 degrees of freedom."""
        scale = self.scale_tril / jnp.sqrt(self.precision_scale * self._spare())
        return MultivariateStudentT(self._spare(), self.loc, scale)

    def natural_parameters(self):
        """Eta = {log_det: -(df + d + 2)/2, precision: -(S S^T + l loc loc^T)/2, shift: l loc, square: -l/2}."""
        scale = jnp.matmul(self.scale_tril, self.scale_tril.mT, precision=HIGHEST)
        return {"log_det": -0.5 * (self.df + self._size() + 2.0), **self._shared_natural(scale)}

    def sufficient_statistics(self, x):
        """T = {log_det: log|C|, precision: C^-1, shift: C^-1 m, square: m.C^-1 m}."""
        factor = cholesky(x[:, 1:])
        return statistics(x[:, 0], inverse_gram(factor), 2.0 * log_diagonal(factor))

    @classmethod
    def log_normalizer_of(cls, natural):
        """A of the inverse Wishart part less d log(l)/2."""
        loc, weight, scale = cls._parts(natural)
        df = -2.0 * natural["log_det"] - loc.size - 2.0
        return log_normalizer(df, scale) - 0.5 * loc.size * jnp.log(weight)

    @classmethod
    def from_natural(cls, natural):
        """The distribution with these natural parameters."""
        loc, weight, scale = cls._parts(natural)
        return cls(loc, weight, -2.0 * natural["log_det"] - loc.size - 2.0, cholesky(scale))

    @classmethod
    def from_mean_parameters(cls, mean):
        """The distribution with these mean parameters, by a root in df."""
        loc, weight, factor = cls._means(mean)
        df = freedom_from_gap(2.0 * log_diagonal(factor) + mean["log_det"], loc.size)
        return cls(loc, weight, df, jnp.sqrt(df) * inverse_factor(factor))
