"""The mixture of multivariate normal laws."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import constraints, derived, param, record, require_rank, require_shape
from depthjax.core._options import at_least, chosen
from depthjax.core._sums import max_over_leading, sum_over_leading
from depthjax.distributions import MultivariateNormal
from depthjax.distributions._gaussian_algebra import HIGHEST, log_diagonal, solve_lower
from depthjax.distributions._mixture_base import MixtureBase
from depthjax.distributions._multivariate_normal import _HALF_LOG_2PI
from depthjax.distributions._not_nan import not_nan

COVARIANCES = ("full", "diagonal", "spherical", "tied")


@record
class GaussianMixture(MixtureBase):
    """Mixture of k multivariate normal laws.

    log p(x) = logsumexp_j(log softmax(logits)_j + log N(x; locs_j, L_j L_j^T)).

    Args:
        logits: unnormalised log weights, (k,); -inf is legal.
        locs: means, (k, d).
        scale_trils: Cholesky factors L_j of the covariances, (k, d, d), lower triangular with positive diagonals.

    Raises:
        ValueError: shapes that do not fit.

    Numerics:
        `posterior_logits` gives the log responsibilities. Draws have no pathwise derivative.

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), eq. 9.7.
    """

    logits: jax.Array = param(not_nan)
    locs: jax.Array = param(constraints.real)
    scale_trils: jax.Array = param(constraints.lower_cholesky)
    event_shape: tuple[int, ...] = derived()

    support = constraints.real
    reparameterized = "none"

    @classmethod
    def _complete(cls, fields):
        locs = fields["locs"]
        require_rank(cls.__name__, "locs", locs, 2)
        count, size = locs.shape
        require_shape(cls.__name__, "logits", fields["logits"], (count,))
        require_shape(cls.__name__, "scale_trils", fields["scale_trils"], (count, size, size))
        return {**fields, "event_shape": (size,)}

    def _components(self):
        return jax.vmap(MultivariateNormal)(self.locs, self.scale_trils)

    def _require(self, name):
        getattr(MultivariateNormal, name)

    def _each(self, name, *args):
        return jax.vmap(lambda part: getattr(part, f"_{name}")(*args))(self._components())

    def _draw_each(self, key, sample_shape):
        keys = jax.random.split(key, self.logits.shape[0])
        return jax.vmap(lambda part, k: part._sample_many(k, sample_shape))(self._components(), keys)

    def _covariance(self):
        spread = self.locs - self._mean()[None]
        within = jnp.matmul(self.scale_trils, self.scale_trils.mT, precision=HIGHEST)
        return self._weighted(within + spread[:, :, None] * spread[:, None, :])


def log_joint(model: GaussianMixture, x: jax.Array) -> jax.Array:
    """Log weight plus log density of every component, (k, n), one component at a time."""

    def one(part):
        loc, factor = part
        z = solve_lower(factor, (x - loc[None]).T)
        return -0.5 * sum_over_leading(z * z) - log_diagonal(factor) - _HALF_LOG_2PI * loc.size

    return model._log_weights()[:, None] + jax.lax.map(one, (model.locs, model.scale_trils))


def softmax_and_log_sum(logits: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Shares exp(logits - log sum) (k, n) and the log sums (n,); NaN shares and -inf where a column is all -inf."""
    top = jax.lax.stop_gradient(max_over_leading(logits))
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    parts = jnp.exp(logits - top[None])
    total = sum_over_leading(parts)
    return parts / total[None], top + jnp.log(total)


def gmm_condition(model: GaussianMixture, index: int | Sequence[int], value: ArrayLike) -> GaussianMixture:
    """Mixture of the other coordinates given x[index] = value.

    Every component is conditioned, and its weight multiplied by its density at the value.

    Args:
        model: the mixture.
        index: c distinct static integers.
        value: (c,).

    Returns:
        The mixture of the d - c other coordinates, in ascending order.

    Raises:
        ValueError: an index is out of range or repeated, or `value` has another shape.
        TypeError: `index` is not integers known at trace time.

    Source:
        Bishop (2006), eq. 2.81 and 2.82, for each component.
    """

    def one(part):
        return part.condition(index, value), part.marginal(index)._log_prob(_vector(value, part.loc.dtype))

    rest, log_densities = jax.vmap(one)(model._components())
    return GaussianMixture(model._log_weights() + log_densities, rest.loc, rest.scale_tril)


def _vector(value, dtype):
    value = jnp.asarray(value, dtype)
    return value[None] if value.ndim == 0 else value


def gmm_num_parameters(k: int, d: int, covariance: str = "full") -> int:
    """Number of free parameters of a mixture of k normal laws in d dimensions.

    k - 1 weights, k d means, and k d (d + 1)/2 ("full"), k d ("diagonal"), k ("spherical") or d (d + 1)/2 ("tied")
    covariances.

    Raises:
        ValueError: k or d below 1, or another covariance.
    """
    at_least("gmm_num_parameters", "k", k, 1)
    at_least("gmm_num_parameters", "d", d, 1)
    chosen("gmm_num_parameters", "covariance", covariance, COVARIANCES)
    triangle = d * (d + 1) // 2
    return k - 1 + k * d + {"full": k * triangle, "diagonal": k * d, "spherical": k, "tied": triangle}[covariance]
