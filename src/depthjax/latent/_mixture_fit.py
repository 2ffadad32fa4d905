"""Expectation maximisation for mixtures of normal laws."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core._options import chosen, is_concrete
from depthjax.distributions._gaussian_algebra import HIGHEST
from depthjax.latent._data import centred, points
from depthjax.latent._em import FitResult, maximise
from depthjax.latent._floor import floored_factor
from depthjax.latent._mixture import COVARIANCES, GaussianMixture, log_joint, softmax_and_log_sum
from depthjax.numerics import pairwise_squared_distance


def gmm_e_step(model: GaussianMixture, x: ArrayLike) -> tuple[jax.Array, jax.Array]:
    """Responsibilities of the components and log densities of the points.

    r_ij = exp(log w_j + log N(x_i; j) - log p(x_i)).

    Args:
        model: the mixture.
        x: (n, d).

    Returns:
        r (n, k), whose rows sum to one, and log p(x_i) (n,) in nats.

    Raises:
        ValueError: `x` does not have the model's events.
        TypeError: integer data.

    Numerics:
        In log space: far from every component the nearest one takes the point. Components one after the other, so that
        memory is O(n (k + d)).

    Cost:
        O(n k d^2).

    Source:
        Bishop (2006), eq. 9.13.
    """
    shares, log_prob = softmax_and_log_sum(log_joint(model, points("gmm_e_step", x, model.event_shape[0])))
    return shares.T, log_prob


def gmm_m_step(
    x: ArrayLike, responsibilities: ArrayLike, *, covariance: str = "full", covariance_floor: float = 1e-6
) -> GaussianMixture:
    """Mixture that maximises the expected complete log-likelihood, sum_ij r_ij (log w_j + log N(x_i; j)).

    w_j = n_j/n, m_j = sum_i r_ij x_i/n_j and S_j = sum_i r_ij (x_i - m_j)(x_i - m_j)^T/n_j with n_j = sum_i r_ij.

    Args:
        x: (n, d).
        responsibilities: r, (n, k).
        covariance: "full", "diagonal", "spherical" (one variance for each component) or "tied" (one matrix for all).
        covariance_floor: static, least eigenvalue of a covariance, positive, in units of x squared.

    Returns:
        The mixture. A component without points has weight 0, and the mean and covariance of all data.

    Raises:
        ValueError: wrong shapes, negative concrete responsibilities, an unknown covariance, or a floor that is not
            positive.
        TypeError: integer data.

    Numerics:
        Eigenvalues below the floor are raised to it, which is the maximum under that constraint, so the likelihood
        does not fall; the floor is at least 4 d eps times the largest variance. Deviations from the new means are
        squared, not moments subtracted.

    Cost:
        O(n k d^2); memory O(n (k + d)).

    Source:
        Bishop (2006), eq. 9.24 to 9.26.
    """
    x = points("gmm_m_step", x)
    _check_options("gmm_m_step", covariance, covariance_floor)
    responsibilities = jnp.asarray(responsibilities, x.dtype)
    if responsibilities.ndim != 2 or responsibilities.shape[0] != x.shape[0] or responsibilities.shape[1] == 0:
        raise ValueError(
            f"gmm_m_step: responsibilities have shape {responsibilities.shape}, expected ({x.shape[0]}, k) with k >= 1"
        )
    if is_concrete(responsibilities) and (np.asarray(responsibilities) < 0).any():
        raise ValueError(
            f"gmm_m_step: responsibilities have a negative entry {np.asarray(responsibilities).min():.6g}, expected "
            f"nonnegative ones"
        )
    shares = jnp.where(responsibilities >= 0, responsibilities, jnp.nan).T
    return _maximised(x, shares, covariance, covariance_floor)[0]


def _check_options(function, covariance, covariance_floor):
    chosen(function, "covariance", covariance, COVARIANCES)
    if not covariance_floor > 0:
        raise ValueError(f"{function}: covariance_floor is {covariance_floor}, expected a positive number")


def _maximised(x, shares, covariance, floor):
    """From shares (k, n): the mixture, which components have points (k,), and which covariances are above the floor."""
    count, size = x.shape
    masses = jnp.sum(shares, axis=1)
    held = ~(masses <= jnp.finfo(x.dtype).eps * count)
    totals = jnp.where(held, masses, 1.0)
    weights = jnp.where(held[:, None], shares / totals[:, None], 1.0 / count)
    centre, rest = centred(x)
    means = jnp.matmul(weights, rest, precision=HIGHEST)

    def scatter(part):
        mean, weight = part
        z = rest - mean[None]
        if covariance == "diagonal":
            return jnp.sum(weight[:, None] * z * z, axis=0)
        if covariance == "spherical":
            return jnp.broadcast_to(jnp.sum(weight[:, None] * z * z) / size, (size,))
        return jnp.matmul(z.T, weight[:, None] * z, precision=HIGHEST)

    factors, sound = _factors(jax.lax.map(scatter, (means, weights)), covariance, floor, jnp.where(held, masses, 0.0))
    logits = jnp.where(held, jnp.log(totals), -jnp.inf)
    return GaussianMixture(logits, centre[None] + means, factors), held, sound


def _factors(scatters, covariance, floor, masses):
    if covariance in ("diagonal", "spherical"):
        least = jnp.maximum(jnp.asarray(floor, scatters.dtype), jnp.finfo(scatters.dtype).tiny)
        variances = jnp.maximum(scatters, least)
        return jax.vmap(jnp.diag)(jnp.sqrt(variances)), jnp.all(scatters >= least, axis=1)
    if covariance == "tied":
        pooled = jnp.tensordot(masses / jnp.sum(masses), scatters, axes=1, precision=HIGHEST)
        factor, sound = floored_factor(pooled, floor)
        return jnp.broadcast_to(factor, scatters.shape), jnp.broadcast_to(sound, masses.shape)
    return jax.vmap(floored_factor, (0, None))(scatters, floor)


def gmm_init(key: jax.Array, x: ArrayLike, k: int) -> GaussianMixture:
    """Mixture to start from: k spread points as means, equal weights, the covariance within their cells.

    Args:
        key: PRNG key.
        x: (n, d).
        k: static, from 1 to n.

    Returns:
        The mixture; each mean is a point drawn with probability proportional to its squared distance from the nearest
        one drawn before.

    Raises:
        ValueError: `x` is not (n, d), or k is out of range.
        TypeError: integer data.

    Source:
        Arthur and Vassilvitskii, k-means++ (2007), sec. 2.2.
    """
    x = points("gmm_init", x)
    if not 1 <= k <= x.shape[0]:
        raise ValueError(f"gmm_init: k is {k}, expected from 1 to the number of points, {x.shape[0]}")
    return _initial(key, x, k)


def _initial(key, x, k):
    first, later = jax.random.split(key)

    def draw(nearest, step_key):
        total = jnp.sum(nearest)
        logits = jnp.where(total > 0, jnp.log(nearest / jnp.where(total > 0, total, 1.0)), 0.0)
        seed = x[jax.random.categorical(step_key, logits)]
        return jnp.minimum(nearest, pairwise_squared_distance(x, seed[None])[:, 0]), seed

    seed = x[jax.random.randint(first, (), 0, x.shape[0])]
    nearest = pairwise_squared_distance(x, seed[None])[:, 0]
    _, others = jax.lax.scan(draw, nearest, jax.random.split(later, k - 1)) if k > 1 else (nearest, x[:0])
    seeds = jnp.concatenate([seed[None], others])
    own = x - seeds[jnp.argmin(pairwise_squared_distance(x, seeds), axis=1)]
    within = jnp.matmul(own.T, own, precision=HIGHEST) / x.shape[0]
    spread = jnp.mean(centred(x)[1] ** 2)
    factor = floored_factor(within, 1e-3 * jnp.where(spread > 0, spread, 1.0))[0]
    return GaussianMixture(jnp.zeros(k, x.dtype), seeds, jnp.broadcast_to(factor, (k, *factor.shape)))


def gmm_fit(
    key: jax.Array,
    x: ArrayLike,
    k: int,
    *,
    num_steps: int = 200,
    tol: float = 1e-6,
    covariance: str = "full",
    covariance_floor: float = 1e-6,
    init: GaussianMixture | None = None,
) -> FitResult:
    """Mixture of normal laws by expectation maximisation.

    Args:
        key: PRNG key of the start.
        x: (n, d).
        k: static, number of components, from 1 to n.
        num_steps: static, most steps.
        tol: static gain in nats a point at which it stops.
        covariance: as of `gmm_m_step`.
        covariance_floor: as of `gmm_m_step`.
        init: where to start instead of `gmm_init(key, x, k)`.

    Returns:
        The fit. A component that loses all its points keeps its weight, mean and covariance. That, or a covariance at
        its floor (a component on a single point, say), sets `converged` to False.

    Raises:
        ValueError: `x` is not (n, d), or k, an option or the shape of `init` is wrong.
        TypeError: integer data.

    Numerics:
        The likelihood never falls, but for rounding. It is a local maximum: fit from several keys
        (`jax.vmap(lambda key: gmm_fit(key, x, k))(keys)`) and keep the best. No reverse-mode derivative; for one, scan
        `gmm_e_step` and `gmm_m_step`.

    Cost:
        O(n k d^2) a step; memory O(n (k + d)).

    Source:
        Dempster, Laird and Rubin, Maximum Likelihood from Incomplete Data via the EM Algorithm (1977), sec. 4.3.
    """
    x = points("gmm_fit", x)
    _check_options("gmm_fit", covariance, covariance_floor)
    if not 1 <= k <= x.shape[0]:
        raise ValueError(f"gmm_fit: k is {k}, expected from 1 to the number of points, {x.shape[0]}")
    if init is not None and init.locs.shape != (k, x.shape[1]):
        raise ValueError(f"gmm_fit: init has locs of shape {init.locs.shape}, expected ({k}, {x.shape[1]})")
    start = _initial(key, x, k) if init is None else jax.tree.map(lambda v: v.astype(x.dtype), init)

    def e_step(model):
        shares, log_prob = softmax_and_log_sum(log_joint(model, x))
        return shares, jnp.mean(log_prob)

    m_step = functools.partial(_kept_step, x, covariance, covariance_floor)
    return maximise("gmm_fit", start, e_step, m_step, num_steps=num_steps, tol=tol)


def _kept_step(x, covariance, floor, model, shares):
    """M-step under the constraint that empty components stay as they are, weights included."""
    new, held, sound = _maximised(x, shares, covariance, floor)
    old = model._log_weights()
    spared = jnp.log1p(-jnp.sum(jnp.where(held, 0.0, jnp.exp(old))))
    logits = jnp.where(held, jax.nn.log_softmax(new.logits) + spared, old)
    locs = jnp.where(held[:, None], new.locs, model.locs)
    factors = new.scale_trils
    if covariance != "tied":
        factors = jnp.where(held[:, None, None], factors, model.scale_trils)
    return GaussianMixture(logits, locs, factors), jnp.all(held & sound)
