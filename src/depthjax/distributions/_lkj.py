"""Distributions over correlation matrices and their Cholesky factors."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core import Distribution, constraints, derived, param, record, static
from depthjax.core._raw_maps import correlation_gram
from depthjax.distributions._beta import Beta
from depthjax.distributions._gaussian_algebra import cholesky
from depthjax.distributions._masked import masked
from depthjax.numerics import clip_open, log_gamma_difference
from depthjax.numerics._draws import standard_normal

_LARGE = 20.0


class _Correlations(Distribution):
    """What the two share: rows of the factor are independent, with a Beta squared length and uniform direction."""

    dim: int
    concentration: jax.Array

    reparameterized = "implicit"

    @classmethod
    def _complete(cls, fields):
        dim, concentration = fields["dim"], fields["concentration"]
        if not isinstance(dim, (int, np.integer)) or isinstance(dim, bool) or dim < 2:
            raise ValueError(f"{cls.__name__}: dim is {dim!r}, expected an integer of at least 2")
        if concentration.ndim:
            raise ValueError(f"{cls.__name__}: concentration has shape {concentration.shape}, expected a scalar")
        return {**fields, "dim": int(dim), "event_shape": (int(dim), int(dim))}

    def _beta_parameters(self):
        """Halves of the dimensions of rows 2, ..., n and the second Beta parameters, each (n - 1,)."""
        rows = jnp.asarray(np.arange(2, self.dim + 1), self.concentration.dtype)
        return 0.5 * (rows - 1.0), 0.5 * (self.dim - rows) + self.concentration

    def _log_volume(self):
        """Log of the integral of the unnormalised density."""
        half, shape = self._beta_parameters()
        return jnp.sum(half * math.log(math.pi) - log_gamma_difference(shape, half))

    def _mean_log_diagonal(self):
        """E log L_ii for rows 2, ..., n."""
        half, shape = self._beta_parameters()
        return -0.5 * jax.jvp(lambda a: log_gamma_difference(a, half), (shape,), (jnp.ones_like(shape),))[1]

    def _sample_rows(self, key, sample_shape):
        """The factor, and log L_ii for rows 2, ..., n."""
        key_length, key_side = jax.random.split(key)
        half, shape = self._beta_parameters()
        log_squares, log_rest = Beta(half, shape).sample_logs(key_length, sample_shape)
        side = standard_normal(key_side, (*sample_shape, self.dim - 1, self.dim), half.dtype)
        side = jnp.where(np.broadcast_to(np.tri(self.dim - 1, self.dim, 0, dtype=bool), side.shape), side, 0.0)
        length = jnp.sqrt(jnp.sum(side * side, axis=-1, keepdims=True))
        rows = side / length * jnp.exp(0.5 * log_squares)[..., None]
        diagonal = clip_open(jnp.exp(0.5 * log_rest), 0.0, 1.0 + 1.0 / 64)
        on = np.broadcast_to(np.eye(self.dim, dtype=bool)[1:], rows.shape)
        rows = jnp.where(on, jnp.broadcast_to(diagonal[..., None], rows.shape), rows)
        first = jnp.zeros_like(rows[..., :1, :]).at[..., 0].set(1)
        return jnp.concatenate([first, rows], axis=-2), 0.5 * log_rest

    def _no_mode_below_one(self, value):
        return jnp.where(self.concentration >= 1, value, jnp.nan)


@record
class LKJCholesky(_Correlations):
    """Cholesky factor of a correlation matrix with density proportional to its determinant to a power.

    log p(L) = sum_{i>=2} (n - i + 2 eta - 2) log L_ii - log c(n, eta), with respect to the entries below the diagonal.

    Args:
        dim: n >= 2, static.
        concentration: eta, (), positive; 1 makes the correlation matrix uniform, more draws it to the identity.

    Raises:
        ValueError: `dim` is not an integer of at least 2, or `concentration` not a scalar.

    Numerics:
        log L_ii is log1p(-|w|^2)/2 of the row w before it while |w|^2 < 1/2, so powers of 1e6 keep their digits. The
        mode is the identity for eta >= 1 and NaN below.

    Source:
        Lewandowski, Kurowicka and Joe, Generating Random Correlation Matrices Based on Vines and Extended Onion Method
        (2009), sec. 3.2.
    """

    dim: int = static()
    concentration: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.corr_cholesky

    def _log_prob(self, x):
        inside = constraints.corr_cholesky.contains(x)
        safe = jnp.where(inside, x, jnp.eye(self.dim, dtype=x.dtype))
        return masked(inside, self._log_prob_of(log_diagonals(safe)), x)

    def _powers(self):
        return 2.0 * (self._beta_parameters()[1] - 1.0)

    def _log_prob_of(self, logs):
        return jnp.sum(self._powers() * logs, axis=-1) - self._log_volume()

    def _sample_many(self, key, sample_shape):
        return self._sample_rows(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        factor, logs = self._sample_rows(key, sample_shape)
        powers = self._powers().reshape((1,) * len(sample_shape) + (-1,))
        return factor, jnp.sum(powers * logs, axis=-1) - self._log_volume()

    def _diagonal_mean(self):
        half, shape = self._beta_parameters()
        return jnp.exp(log_gamma_difference(shape, 0.5) - log_gamma_difference(shape + half, 0.5))

    def _mean(self):
        return jnp.diag(jnp.concatenate([jnp.ones(1, self.concentration.dtype), self._diagonal_mean()]))

    def _variance(self):
        half, shape = self._beta_parameters()
        # E L_ij^2 is 1/2 over the sum of the Beta parameters; E L_ii^2 - (E L_ii)^2 is taken in logarithms.
        diagonal = -shape / (shape + half) * jnp.expm1(_log_jensen(shape, half))
        below = jnp.broadcast_to((0.5 / (shape + half))[:, None], (self.dim - 1, self.dim))
        rows = jnp.where(np.tri(self.dim - 1, self.dim, 0, dtype=bool), below, 0.0)
        rows = jnp.where(np.eye(self.dim, dtype=bool)[1:], jnp.broadcast_to(diagonal[:, None], rows.shape), rows)
        return jnp.concatenate([jnp.zeros_like(rows[:1]), rows])

    def _mode(self):
        return self._no_mode_below_one(jnp.eye(self.dim, dtype=self.concentration.dtype))

    def _entropy(self):
        return self._log_volume() - jnp.sum(self._powers() * self._mean_log_diagonal())


@record
class LKJ(_Correlations):
    """Correlation matrix R with density proportional to |R|^(eta - 1).

    log p(R) = (eta - 1) log|R| - log c(n, eta), with respect to the entries below the diagonal.

    Args:
        dim: n >= 2, static.
        concentration: eta, (), positive; 1 is uniform.

    Raises:
        ValueError: `dim` is not an integer of at least 2, or `concentration` not a scalar.

    Numerics:
        As `LKJCholesky`, which holds matrices near the edge of the set better. Draws stay positive definite in floating
        point. The mode is the identity for eta >= 1 and NaN below.

    Source:
        Lewandowski, Kurowicka and Joe (2009), eq. 11 and 16.
    """

    dim: int = static()
    concentration: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    support = constraints.correlation

    def _log_prob(self, x):
        inside = constraints.correlation.contains(x)
        factor = cholesky(jnp.where(inside, x, jnp.eye(self.dim, dtype=x.dtype)))
        return masked(inside, self._log_prob_of(log_diagonals(factor)), x)

    def _log_prob_of(self, logs):
        return 2.0 * (self.concentration - 1.0) * jnp.sum(logs, axis=-1) - self._log_volume()

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        factor, logs = self._sample_rows(key, sample_shape)
        return correlation_gram(factor), self._log_prob_of(logs)

    def _mean(self):
        return jnp.eye(self.dim, dtype=self.concentration.dtype)

    def _variance(self):
        spread = 1.0 / (2.0 * self.concentration + self.dim - 1.0)
        return jnp.where(np.eye(self.dim, dtype=bool), 0.0, spread)

    def _mode(self):
        return self._no_mode_below_one(self._mean())

    def _entropy(self):
        return self._log_volume() - 2.0 * (self.concentration - 1.0) * jnp.sum(self._mean_log_diagonal())


def _log_jensen(b, a):
    """Log of (E sqrt(X))^2/E X for X of the distribution Beta(b, a), which falls like -a/(4 b^2)."""
    large = b > _LARGE
    near, far = jnp.where(large, _LARGE, b), jnp.where(large, b, _LARGE)
    end = near + a
    direct = 2.0 * (log_gamma_difference(near, 0.5) - log_gamma_difference(end, 0.5)) - jnp.log(near / end)
    # From 2 log(Gamma(x + 1/2)/Gamma(x)) = log x - 1/(4x) + 1/(96 x^3) - 1/(320 x^5) + 17/(7168 x^7) - ...
    total = far + a
    tail = sum(c * (far**-n - total**-n) for c, n in ((1 / 96, 3), (-1 / 320, 5), (17 / 7168, 7)))
    return jnp.where(large, tail - 0.25 * a / far / total, direct)


def log_diagonals(factor: jax.Array) -> jax.Array:
    """Log L_ii of rows 2, ..., n of a factor with unit rows, from the entries before the diagonal where small."""
    below = jnp.tril(factor, -1)
    squares = jnp.sum(below * below, axis=-1)[1:]
    diagonal = jnp.diagonal(factor)[1:]
    # The library's log1p loses digits far from zero, where log has none to lose.
    near, far = squares < 0.25, squares >= 0.5
    middle = 0.5 * jnp.log(jnp.where(near | far, 1.0, 1.0 - squares))
    ends = jnp.where(far, jnp.log(jnp.where(far, diagonal, 1.0)), middle)
    return jnp.where(near, 0.5 * jnp.log1p(-jnp.where(near, squares, 0.0)), ends)
