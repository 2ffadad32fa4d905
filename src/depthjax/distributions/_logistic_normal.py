"""The logistic-normal distribution on the simplex."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution, constraints, derived, param, record
from depthjax.distributions._gaussian_algebra import complete_factor
from depthjax.distributions._masked import masked
from depthjax.distributions._multivariate_normal import MultivariateNormal
from depthjax.numerics import clip_open


@record
class LogisticNormal(Distribution):
    """Softmax of a normal vector whose last coordinate is fixed at zero, with respect to the first K - 1 coordinates.

    log p(x) = log N(z; loc, L L^T) - sum_{k<=K} log x_k with z_k = log x_k - log x_K.

    Args:
        loc: mean of z, (K - 1,) or ().
        scale_tril: L, (K - 1, K - 1), lower triangular with positive diagonal.

    Raises:
        ValueError: `scale_tril` is not square, or its size is not that of `loc`.

    Numerics:
        `sample_and_log_prob` carries z, so draws that saturate have an exact density; `sample_log` and
        `log_prob_from_log` hold coordinates that underflow. Mean, variance and entropy have no closed form.

    Source:
        Aitchison and Shen, Logistic-normal Distributions: Some Properties and Uses (1980).
    """

    loc: jax.Array = param(constraints.real)
    scale_tril: jax.Array = param(constraints.lower_cholesky)
    event_shape: tuple[int, ...] = derived()

    support = constraints.simplex
    reparameterized = "explicit"

    @classmethod
    def _complete(cls, fields):
        fields = complete_factor(cls.__name__, fields, "scale_tril")
        return {**fields, "event_shape": (fields["event_shape"][0] + 1,)}

    def _normal(self):
        return MultivariateNormal(self.loc, self.scale_tril)

    def _log_prob(self, x):
        inside = constraints.simplex.contains(x) & jnp.all(x > 0)
        log_x = jnp.log(jnp.where(inside, x, 1.0 / x.size))
        return masked(inside, self._log_prob_from_log(log_x), x)

    def _log_prob_from_log(self, log_x):
        return self._normal()._log_prob(log_x[:-1] - log_x[-1]) - jnp.sum(log_x)

    def log_prob_from_log(self, log_x: ArrayLike) -> jax.Array:
        """Log density of x, given log x; finite where coordinates underflow, (*batch, K) -> (*batch) nats."""
        log_x, one = jnp.asarray(log_x), self._log_prob_from_log
        for _ in range(log_x.ndim - 1):
            one = jax.vmap(one)
        return one(log_x)

    def sample_log(self, key: jax.Array, sample_shape: int | tuple[int, ...] = ()) -> jax.Array:
        """Logarithms of draws, (*sample_shape, K); exact also where coordinates underflow."""
        shape = (sample_shape,) if isinstance(sample_shape, int) else tuple(sample_shape)
        return _log_softmax(self._normal().sample(key, shape))

    def _sample_noise(self, key, sample_shape):
        return self._normal()._sample_noise(key, sample_shape)

    def _from_noise(self, noise):
        z, log_prob = self._normal()._from_noise(noise)
        log_x = _log_softmax(z)
        return clip_open(jnp.exp(log_x), 0.0, 1.0), log_prob - jnp.sum(log_x, axis=-1)

    def _sample_many(self, key, sample_shape):
        return self._sample_and_log_prob_many(key, sample_shape)[0]

    def _sample_and_log_prob_many(self, key, sample_shape):
        return self._from_noise(self._sample_noise(key, sample_shape))


def _log_softmax(z):
    """Log x (..., K) of z (..., K - 1)."""
    return jax.nn.log_softmax(jnp.concatenate([z, jnp.zeros_like(z[..., :1])], axis=-1), axis=-1)
