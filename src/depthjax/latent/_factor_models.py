"""Probabilistic principal components and factor analysis as distributions."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution, constraints, derived, param, record
from depthjax.core._shapes import event_argument, over_batch
from depthjax.distributions import MultivariateNormalLowRank
from depthjax.distributions._gaussian_algebra import HIGHEST, matvec


class FactorModel(Distribution):
    """x = loc + loading z + noise with z ~ N(0, I_q), by way of the normal law of x."""

    loc: jax.Array
    loading: jax.Array

    support = constraints.real
    reparameterized = "explicit"

    @classmethod
    def _sized(cls, fields, noise, noise_shapes):
        loading, loc = fields["loading"], fields["loc"]
        if loading.ndim != 2 or not 0 <= loading.shape[1] < max(loading.shape[0], 1):
            raise ValueError(f"{cls.__name__}: loading has shape {loading.shape}, expected (d, q) with 0 <= q < d")
        size = loading.shape[0]
        loc = jnp.broadcast_to(loc, (size,)) if loc.ndim == 0 else loc
        if loc.shape != (size,):
            raise ValueError(f"{cls.__name__}: loc has shape {loc.shape}, expected ({size},), the rows of loading")
        if fields[noise].shape not in noise_shapes(size):
            raise ValueError(
                f"{cls.__name__}: {noise} has shape {fields[noise].shape}, expected {noise_shapes(size)[0]}, for "
                f"loading has shape {loading.shape}"
            )
        return {**fields, "loc": loc, "event_shape": (size,)}

    def _noise_scale(self) -> jax.Array:
        """Standard deviations of the noise, (d,) or ()."""
        raise NotImplementedError

    def marginal_normal(self) -> MultivariateNormalLowRank:
        """The normal law of x; a model without latent variables gets a column of zeros."""
        loading = self.loading if self.loading.shape[1] else jnp.zeros((*self.event_shape, 1), self.loading.dtype)
        return MultivariateNormalLowRank(self.loc, loading, self._noise_scale())

    def _log_prob(self, x):
        return self.marginal_normal()._log_prob(x)

    def _sample_noise(self, key, sample_shape):
        return self.marginal_normal()._sample_noise(key, sample_shape)

    def _from_noise(self, noise):
        return self.marginal_normal()._from_noise(noise)

    def _sample_many(self, key, sample_shape):
        return self.marginal_normal()._sample_many(key, sample_shape)

    def _sample_and_log_prob_many(self, key, sample_shape):
        return self.marginal_normal()._sample_and_log_prob_many(key, sample_shape)

    def _mean(self):
        return self.loc

    def _mode(self):
        return self.loc

    def _variance(self):
        return self.marginal_normal()._variance()

    def _covariance(self):
        return self.marginal_normal()._covariance()

    def _entropy(self):
        return self.marginal_normal()._entropy()

    def _posterior_maps(self):
        """Gain (q, d) with E[z | x] = gain (x - loc), and the posterior covariance (q, q)."""
        normal, rank = self.marginal_normal(), self.loading.shape[1]
        orthogonal, upper = normal._triangle(normal._scaled_factor())
        inverse = jax.scipy.linalg.solve_triangular(upper, jnp.eye(upper.shape[0], dtype=upper.dtype))
        gain = jnp.matmul(inverse, orthogonal.T, precision=HIGHEST) / normal.scale[None]
        return gain[:rank], jnp.matmul(inverse, inverse.T, precision=HIGHEST)[:rank, :rank]

    def posterior(self, x: ArrayLike) -> tuple[jax.Array, jax.Array]:
        """Normal law of the latent vector given an event.

        With Psi the noise covariance, mean (I + W^T Psi^-1 W)^-1 W^T Psi^-1 (x - loc) and covariance
        (I + W^T Psi^-1 W)^-1, which is I - W^T (W W^T + Psi)^-1 W.

        Args:
            x: (*batch, d).

        Returns:
            Mean (*batch, q), and covariance (q, q), which does not depend on x.

        Raises:
            ValueError: wrong trailing shape.

        Numerics:
            By QR of [Psi^(-1/2) W; I]; no matrix is inverted from its Gram form.

        Cost:
            O(d q^2) once and O(d q) for each event.
        """
        x = event_argument(self, "posterior", "x", x, self.event_shape)
        gain, cov = self._posterior_maps()
        mean = over_batch(lambda event: matvec(gain, event - self.loc), x, 1)
        return self._guard(mean), self._guard(cov)

    def reconstruct(self, x: ArrayLike) -> jax.Array:
        """Events without their noise, loc + W E[z | x], (*batch, d) -> (*batch, d).

        It shrinks towards loc; the projection on the columns of W is its limit as the noise vanishes.
        """
        x = event_argument(self, "reconstruct", "x", x, self.event_shape)
        gain, _ = self._posterior_maps()
        project = lambda event: self.loc + matvec(self.loading, matvec(gain, event - self.loc))  # noqa: E731
        return self._guard(over_batch(project, x, 1))


@record
class PPCA(FactorModel):
    """Probabilistic principal component analysis, x = loc + W z + noise of one variance in every direction.

    x ~ N(loc, W W^T + noise_variance I).

    Args:
        loc: mean, (d,) or ().
        loading: W, (d, q), 0 <= q < d.
        noise_variance: () variance of the noise, positive; `variance()` is, as of every distribution, that of x.

    Raises:
        ValueError: shapes that do not fit.

    Cost:
        O(d q^2) once and O(d q) for each event, as `distributions.MultivariateNormalLowRank`.

    Source:
        Tipping and Bishop, Probabilistic Principal Component Analysis (1999), eq. 4 and 6.
    """

    loc: jax.Array = param(constraints.real)
    loading: jax.Array = param(constraints.real)
    noise_variance: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        return cls._sized(fields, "noise_variance", lambda size: [()])

    def _noise_scale(self):
        return jnp.sqrt(self.noise_variance)


@record
class FactorAnalysis(FactorModel):
    """Factor analysis, x = loc + W z + noise of its own variance in each coordinate.

    x ~ N(loc, W W^T + diag(variances)).

    Args:
        loc: mean, (d,) or ().
        loading: W, (d, q), 0 <= q < d.
        variances: variances of the noise, (d,) or (), positive.

    Raises:
        ValueError: shapes that do not fit.

    Cost:
        O(d q^2) once and O(d q) for each event, as `distributions.MultivariateNormalLowRank`.

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), eq. 12.64 and 12.66 to 12.68.
    """

    loc: jax.Array = param(constraints.real)
    loading: jax.Array = param(constraints.real)
    variances: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        fields = cls._sized(fields, "variances", lambda size: [(size,), ()])
        return {**fields, "variances": jnp.broadcast_to(fields["variances"], fields["event_shape"])}

    def _noise_scale(self):
        return jnp.sqrt(self.variances)
