"""The Bayesian Gaussian mixture with Dirichlet weights and normal-Wishart components."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core import record
from depthjax.core._options import is_concrete, positive
from depthjax.numerics import multigammaln
from depthjax.numerics._arguments import floats
from depthjax.vi._cavi import CaviResult, _xlogx, cavi, within

_BLOCK_NUMBERS = 2**18
_DIGAMMA, _LGAMMA = jax.scipy.special.digamma, jax.scipy.special.gammaln


@record
class GaussianMixturePosterior:
    """q(pi) = Dirichlet(concentration); q(mu_k, P_k) = N(mu_k; loc_k, (precision_k P_k)^-1) Wishart(P_k; dof_k, W_k).

    Args:
        concentration: (K,).
        mean_precision: (K,) in units of P_k.
        loc: (K, d).
        dof: (K,) degrees of freedom.
        inverse_scale_tril: (K, d, d) lower Cholesky factors of W_k^-1.
        responsibilities: (n, K) of the data it was fitted to.
    """

    concentration: jax.Array
    mean_precision: jax.Array
    loc: jax.Array
    dof: jax.Array
    inverse_scale_tril: jax.Array
    responsibilities: jax.Array

    def log_responsibilities(self, x: ArrayLike) -> jax.Array:
        """Log probability of each component for data (n, d): (n, K)."""
        return jax.nn.log_softmax(_log_terms(self, jnp.asarray(x)), axis=1)


def gaussian_mixture_cavi(
    key: jax.Array,
    x: ArrayLike,
    *,
    num_components: int,
    concentration0: ArrayLike = 1.0,
    mean_precision0: ArrayLike = 1.0,
    loc0: ArrayLike | None = None,
    dof0: ArrayLike | None = None,
    scale0: ArrayLike | None = None,
    max_steps: int = 1000,
    tol: float = 1e-10,
) -> CaviResult:
    """Coordinate ascent for a mixture of K normals of unknown weights, means and precisions.

    Args:
        key: PRNG key of the first responsibilities.
        x: (n, d) data.
        num_components: K; components that nothing needs end empty.
        concentration0: () prior of the weights, Dirichlet.
        mean_precision0: () prior precision of the means in units of P_k.
        loc0: (d,) prior mean; the mean of the data if None.
        dof0: () prior degrees of freedom, above d - 1; d if None.
        scale0: (d, d) Wishart scale W0, the prior mean of P_k over dof0; (dof0 diag(variance of x))^-1 if None.
        max_steps: as for `cavi`.
        tol: as for `cavi`.

    Returns:
        `CaviResult` with a `GaussianMixturePosterior`.

    Raises:
        ValueError: x is not (n, d), num_components outside 1..n; loc0 is not (d,), scale0 not (d, d); a concrete
            concentration0 or mean_precision0 that is not positive, dof0 not above d - 1.

    Cost:
        O(n K d^2) a sweep, O(n K) memory beside the data.

    Source:
        Bishop, Pattern Recognition and Machine Learning (2006), sec. 10.2.
    """
    (x,) = floats(x)
    if x.ndim != 2 or not 1 <= num_components <= x.shape[0]:
        raise ValueError(
            f"gaussian_mixture_cavi: x is (n, d) and num_components in 1..n, got {x.shape} and {num_components}"
        )
    d = x.shape[1]
    positive("gaussian_mixture_cavi", concentration0=concentration0, mean_precision0=mean_precision0)
    if dof0 is not None and is_concrete(dof0) and not np.all(np.asarray(dof0) > d - 1):
        raise ValueError(f"gaussian_mixture_cavi: dof0 is {dof0}, expected a number above d - 1 = {d - 1}")
    for name, value, shape in (("loc0", loc0, (d,)), ("scale0", scale0, (d, d))):
        if value is not None and jnp.shape(value) != shape:
            raise ValueError(f"gaussian_mixture_cavi: {name} has shape {jnp.shape(value)}, expected {shape}")
    loc0 = jnp.mean(x, axis=0) if loc0 is None else jnp.asarray(loc0, x.dtype)
    dof0 = within(d if dof0 is None else dof0, d - 1.0, x.dtype)
    inverse0 = dof0 * jnp.diag(jnp.var(x, axis=0)) if scale0 is None else jnp.linalg.inv(jnp.asarray(scale0, x.dtype))
    concentration0, mean_precision0 = (within(value, 0.0, x.dtype) for value in (concentration0, mean_precision0))
    prior = (concentration0, mean_precision0, loc0, dof0, inverse0)

    def with_terms(responsibilities):
        posterior = _update(x, responsibilities, prior)
        return posterior, _log_terms(posterior, x)  # which the bound and the next sweep both need

    start = with_terms(_first_responsibilities(key, x, num_components))
    found = cavi(
        start,
        lambda state: with_terms(jax.nn.softmax(state[1], axis=1)),
        lambda state: _elbo(*state, prior),
        max_steps=max_steps,
        tol=tol,
    )
    return found._replace(params=found.params[0])


def _first_responsibilities(key, x, num_components):
    """Soft assignments to K of the data, in units of the overall spread."""
    centres = x[jax.random.choice(key, x.shape[0], (num_components,), replace=False)]
    spread = jnp.sqrt(jnp.maximum(jnp.var(x, axis=0), jnp.finfo(x.dtype).tiny))
    distance = jnp.sum(((x[:, None] - centres[None]) / spread[None, None]) ** 2, axis=-1)
    return jax.nn.softmax(-2.0 * distance, axis=1)


def _update(x, responsibilities, prior):
    """The posterior given the responsibilities (Bishop 10.58 to 10.63)."""
    concentration0, precision0, loc0, dof0, inverse0 = prior
    counts = jnp.sum(responsibilities, axis=0)
    means = (responsibilities.T @ x) / jnp.where(counts > 0, counts, 1.0)[:, None]
    precision = precision0 + counts
    loc = (precision0 * loc0[None] + counts[:, None] * means) / precision[:, None]

    away = means - loc0[None]
    pull = (precision0 * counts / precision)[:, None, None] * away[:, :, None] * away[:, None, :]
    inverse = inverse0[None] + _scatter(x, responsibilities, means) + pull
    return GaussianMixturePosterior(
        concentration0 + counts, precision, loc, dof0 + counts, jnp.linalg.cholesky(inverse), responsibilities
    )


def _scatter(x, responsibilities, means):
    """sum_i r_ik (x_i - mean_k)(x_i - mean_k)^T, (K, d, d), block by block of rows."""
    block = _block_rows(x, means)
    padding = ((0, -x.shape[0] % block), (0, 0))
    rows = jnp.pad(x, padding).reshape(-1, block, x.shape[1])
    weights = jnp.pad(responsibilities, padding).reshape(-1, block, means.shape[0])

    def step(total, part):
        centred = part[0][None] - means[:, None]
        weighted = centred * part[1].T[:, :, None]
        return total + jnp.einsum("kbi,kbj->kij", weighted, centred), None

    return jax.lax.scan(step, jnp.zeros((*means.shape, x.shape[1]), x.dtype), (rows, weights))[0]


def _block_rows(x, means):
    """Rows at a time, so that K differences of each stay in the cache."""
    return max(1, min(x.shape[0], _BLOCK_NUMBERS // means.size))


def _mean_log_det(posterior):
    """E log|P_k|, (K,)."""
    d = posterior.loc.shape[1]
    halves = (posterior.dof[:, None] - jnp.arange(d, dtype=posterior.dof.dtype)[None]) / 2
    return jnp.sum(_DIGAMMA(halves), axis=1) + d * math.log(2) - _log_det(posterior.inverse_scale_tril)


def _log_det(tril):
    return 2 * jnp.sum(jnp.log(jnp.diagonal(tril, axis1=-2, axis2=-1)), axis=-1)


def _distances(posterior, x):
    """(x_i - loc_k)^T W_k (x_i - loc_k), (n, K), block by block of rows."""
    loc = posterior.loc
    eye = jnp.eye(loc.shape[1], dtype=loc.dtype)
    whitening = jax.vmap(lambda tril: jax.scipy.linalg.solve_triangular(tril, eye, lower=True))(
        posterior.inverse_scale_tril
    )

    def one(row):
        return jnp.sum(jnp.einsum("kij,kj->ki", whitening, row[None] - loc) ** 2, axis=1)

    return jax.lax.map(one, x, batch_size=_block_rows(x, loc))


def _log_terms(posterior, x):
    """Unnormalised log responsibilities (Bishop 10.46), (n, K)."""
    d = x.shape[1]
    log_weights = _DIGAMMA(posterior.concentration) - _DIGAMMA(jnp.sum(posterior.concentration))
    quadratic = d / posterior.mean_precision[None] + posterior.dof[None] * _distances(posterior, x)
    return (log_weights + 0.5 * _mean_log_det(posterior))[None] - 0.5 * (quadratic + d * math.log(2 * math.pi))


def _elbo(posterior, log_terms, prior):
    """The lower bound (Bishop 10.70 to 10.77), nats."""
    chosen = posterior.responsibilities
    likelihood = jnp.sum(chosen * log_terms) - jnp.sum(_xlogx(chosen))
    return likelihood - _weights_divergence(posterior, prior) - jnp.sum(_component_divergences(posterior, prior))


def _weights_divergence(posterior, prior):
    """KL of the Dirichlet of the weights from its prior."""
    concentration, concentration0 = posterior.concentration, prior[0]
    total, size = jnp.sum(concentration), concentration.shape[0]
    mean_log = _DIGAMMA(concentration) - _DIGAMMA(total)
    normalisers = _LGAMMA(total) - jnp.sum(_LGAMMA(concentration))
    normalisers0 = _LGAMMA(size * concentration0) - size * _LGAMMA(concentration0)
    return normalisers - normalisers0 + jnp.sum((concentration - concentration0) * mean_log)


def _component_divergences(posterior, prior):
    """KL of each normal-Wishart from its prior, (K,)."""
    _, precision0, loc0, dof0, inverse0 = prior
    d = posterior.loc.shape[1]
    ratio = precision0 / posterior.mean_precision
    away = posterior.dof * _distances(posterior, loc0[None])[0]
    normal = 0.5 * (d * (ratio - 1 - jnp.log(ratio)) + precision0 * away)
    tril0 = jnp.linalg.cholesky(inverse0)
    whitened = jax.vmap(lambda tril: jax.scipy.linalg.solve_triangular(tril, tril0, lower=True))(
        posterior.inverse_scale_tril
    )
    trace = jnp.sum(whitened**2, axis=(1, 2))
    log_det0, log_det = _log_det(tril0), _log_det(posterior.inverse_scale_tril)
    normaliser = 0.5 * posterior.dof * log_det - 0.5 * posterior.dof * d * math.log(2)
    normaliser = normaliser - multigammaln(posterior.dof / 2, d)
    normaliser0 = 0.5 * dof0 * log_det0 - 0.5 * dof0 * d * math.log(2) - multigammaln(dof0 / 2, d)
    wishart = normaliser - normaliser0 + 0.5 * (posterior.dof - dof0) * _mean_log_det(posterior)
    return normal + wishart + 0.5 * posterior.dof * (trace - d)
