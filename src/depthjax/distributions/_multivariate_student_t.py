"""The multivariate Student t distribution."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import Distribution, constraints, derived, param, record
from depthjax.core._sums import sum_of_each
from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._gaussian_algebra import HIGHEST, complete_factor, log_diagonal, matvec, solve_lower
from depthjax.numerics import clip_open, log_gamma_difference
from depthjax.numerics._draws import standard_normal


@record
class MultivariateStudentT(Distribution):
    """Student t random vector: a normal one whose scale is divided by sqrt(chi-squared(df)/df).

    log p(x) = log Gamma((df+d)/2) - log Gamma(df/2) - d log(pi df)/2 - sum_i log L_ii - (df+d)/2 log1p(|z|^2/df) with
    z = L^-1 (x - loc).

    Args:
        df: degrees of freedom, (), positive.
        loc: location, (d,) or (); the mean for df > 1.
        scale_tril: L, (d, d), lower triangular with positive diagonal; the covariance is L L^T df/(df - 2).

    Raises:
        ValueError: `scale_tril` is not square, or its size is not that of `loc`, or `df` is not a scalar.

    Numerics:
        The gamma functions enter as one difference, so the normal limit keeps its digits. Far out the kernel is taken
        in logarithms.

    Source:
        Kotz and Nadarajah, Multivariate t Distributions and Their Applications (2004), eq. 1.1.
    """

    df: jax.Array = param(constraints.positive)
    loc: jax.Array = param(constraints.real)
    scale_tril: jax.Array = param(constraints.lower_cholesky)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "implicit"

    @classmethod
    def _complete(cls, fields):
        if fields["df"].ndim:
            raise ValueError(f"{cls.__name__}: df has shape {fields['df'].shape}, expected a scalar")
        return complete_factor(cls.__name__, fields, "scale_tril")

    def _log_peak(self):
        size = self.event_shape[0]
        ratio = log_gamma_difference(0.5 * self.df, 0.5 * size) - 0.5 * size * jnp.log(math.pi * self.df)
        return ratio - log_diagonal(self.scale_tril)

    def _log_prob(self, x):
        return self._log_prob_standard(solve_lower(self.scale_tril, x - self.loc))

    def _log_prob_standard(self, z):
        """Log density of events with standard coordinates z (..., d)."""
        return self._log_peak() - 0.5 * (self.df + self.event_shape[0]) * _log_kernel(z, self.df)

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        key_normal, key_gamma = jax.random.split(key)
        normal = standard_normal(key_normal, (*sample_shape, *self.event_shape), self.loc.dtype)
        half = 0.5 * self.df
        log_ratio = jnp.log(half) - sample_log_gamma(key_gamma, half, sample_shape)
        stretch = clip_open(jnp.broadcast_to(jnp.exp(0.5 * log_ratio)[..., None], normal.shape), -jnp.inf, jnp.inf)
        z = clip_open(normal * stretch, -jnp.inf, jnp.inf)
        row = (1,) * len(sample_shape) + self.event_shape
        # The factor meets the bounded noise, so only the last product can overflow.
        spread = clip_open(matvec(jnp.tril(self.scale_tril), normal) * stretch, -jnp.inf, jnp.inf)
        return clip_open(self.loc.reshape(row) + spread, -jnp.inf, jnp.inf), self._log_prob_standard(z)

    def _mean(self):
        return jnp.where(self.df > 1, self.loc, jnp.nan)

    def _stretch(self):
        """Ratio of the covariance to L L^T."""
        finite = self.df > 2
        df = jnp.where(finite, self.df, 3.0)
        return jnp.where(finite, df / (df - 2.0), jnp.where(self.df > 1, jnp.inf, jnp.nan))

    def _variance(self):
        return jnp.sum(self.scale_tril**2, axis=-1) * self._stretch()

    def _covariance(self):
        return jnp.matmul(self.scale_tril, self.scale_tril.mT, precision=HIGHEST) * self._stretch()

    def _entropy(self):
        half, step = 0.5 * self.df, 0.5 * self.event_shape[0]
        slope = jax.jvp(lambda a: log_gamma_difference(a, step), (half,), (jnp.ones_like(half),))[1]
        return 0.5 * (self.df + self.event_shape[0]) * slope - self._log_peak()


@jax.custom_jvp
def _log_kernel(z, df):
    """Log(1 + |z|^2/df) for z (..., d), without overflow of the square."""
    far_off, outer = _far_off(z)
    shrink = _shrink(z.dtype)
    far = jnp.log(sum_of_each(outer * outer)) + 2.0 * shrink * math.log(2.0) - jnp.log(df)
    inner = jnp.where(far_off[..., None], 0.0, z)
    return jnp.where(far_off, far, jnp.log1p(sum_of_each(inner * (inner / df))))


@_log_kernel.defjvp
def _(primals, tangents):
    z, df = primals
    far_off, outer = _far_off(z)
    unit = jnp.where(far_off, 2.0 ** -_shrink(z.dtype), 1.0)
    square, rest = sum_of_each(outer * outer), df * unit * unit
    along = (2.0 * unit / (rest + square)) * sum_of_each(outer * tangents[0])
    return _log_kernel(z, df), along - square / (rest + square) / df * tangents[1]


def _shrink(dtype):
    return 9 * jnp.finfo(dtype).maxexp // 16


def _far_off(z):
    """Whether an event is so far out that its square may overflow, and the event, then in a unit that prevents it."""
    far_off = jax.lax.stop_gradient(jnp.max(jnp.abs(z), axis=-1)) > 2.0 ** (jnp.finfo(z.dtype).maxexp // 4)
    return far_off, z * jnp.where(far_off, 2.0 ** -_shrink(z.dtype), 1.0)[..., None]
