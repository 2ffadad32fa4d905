"""Fits of probabilistic principal components (closed form, or one EM step) and of factor analysis (EM)."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.distributions._gaussian_algebra import HIGHEST, matvec
from depthjax.latent._data import centred, points, principal_axes
from depthjax.latent._em import FitResult, maximise
from depthjax.latent._factor_models import PPCA, FactorAnalysis


def ppca_fit(x: ArrayLike, num_latents: int) -> PPCA:
    """Probabilistic principal component analysis of largest likelihood, in closed form.

    With l_1 >= ... >= l_d and u_i the eigenpairs of S = mean (x - m)(x - m)^T: loc = m, noise_variance v =
    the mean of l_{q+1}, ..., l_d, and the columns of W are sqrt(l_i - v) u_i.

    Args:
        x: (n, d).
        num_latents: q, static, 0 <= q < d.

    Returns:
        The model. Where the discarded eigenvalues vanish (n <= q + 1, or data in a plane) its noise variance is the
        floor 8 eps l_1 instead, or the smallest normal number for data without any spread.

    Raises:
        ValueError: `x` is not (n, d), or q is out of range.
        TypeError: integer data.

    Numerics:
        By singular values of the centred data. W has no derivative in x where kept and discarded eigenvalues coincide;
        it is defined up to rotation of the latent vector, and each column has its largest entry positive.

    Cost:
        O(n d^2).

    Source:
        Tipping and Bishop, Probabilistic Principal Component Analysis (1999), eq. 7 and 8.
    """
    x = points("ppca_fit", x)
    _check_latents("ppca_fit", num_latents, x.shape[1])
    loc, rest = centred(x)
    loading, variance = _principal(rest, num_latents)
    return PPCA(loc, loading, variance)


def _check_latents(function, num_latents, size):
    if not 0 <= num_latents < size:
        raise ValueError(f"{function}: num_latents is {num_latents}, expected 0 <= q < d = {size}")


def _principal(rest, num_latents):
    """Loading (d, q) and noise variance of the closed form for centred data."""
    size = rest.shape[1]
    values, axes = principal_axes(rest)
    short = max(num_latents - axes.shape[0], 0)
    eigenvalues = jnp.pad(values**2 / rest.shape[0], (0, short))
    axes = jnp.pad(axes, ((0, short), (0, 0)))
    info = jnp.finfo(rest.dtype)
    floor = jnp.maximum(8.0 * info.eps * jax.lax.stop_gradient(eigenvalues[0]), info.tiny)
    variance = jnp.maximum(jnp.sum(eigenvalues[num_latents:]) / (size - num_latents), floor)
    excess = eigenvalues[:num_latents] - variance
    positive = excess > 0.0
    scales = jnp.where(positive, jnp.sqrt(jnp.where(positive, excess, 1.0)), 0.0)
    return axes[:num_latents].T * scales[None], variance


def _expectations(model, rest):
    """E z of each point (n, q), and the posterior covariance (q, q)."""
    gain, cov = model._posterior_maps()
    return matvec(gain, rest), cov


def _regression(rest, scores, cov):
    """Loading (d, q) of the M-step, and the noise that remains in each coordinate, (d,): a sum of squares."""
    count = rest.shape[0]
    gram = jnp.matmul(scores.T, scores, precision=HIGHEST) / count + cov
    across = jnp.matmul(rest.T, scores, precision=HIGHEST) / count
    loading = jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(gram), True), across.T).T
    left = rest - matvec(loading, scores)
    spread = jnp.sum(jnp.matmul(loading, cov, precision=HIGHEST) * loading, axis=1)
    return loading, jnp.mean(left**2, axis=0) + spread


def ppca_em_step(model: PPCA, x: ArrayLike) -> PPCA:
    """One step of expectation maximisation, which never lowers the likelihood.

    loc = mean x, then W' = (mean (x - loc) E z^T) (mean E z E z^T + C)^-1 and v' = the mean over coordinates and points
    of (x - loc - W' E z)^2 + diag(W' C W'^T), with E z and C the posterior under the old W and v.

    Args:
        model: where to start; a loading of zeros stays zero.
        x: (n, d).

    Returns:
        The next model, its noise variance not below 8 eps times the mean variance of the data.

    Raises:
        ValueError: `x` does not have the model's events.
        TypeError: integer data.

    Numerics:
        The variance is a sum of squares, where the textbook form subtracts traces.

    Cost:
        O(n d q); no d x d matrix.

    Source:
        Tipping and Bishop (1999), eq. 29 and 30, whose algebra this rearranges.
    """
    x = points("ppca_em_step", x, model.event_shape[0])
    loc, rest = centred(x)
    scores, cov = _expectations(model, rest)
    loading, left = _regression(rest, scores, cov)
    info = jnp.finfo(left.dtype)
    floor = jnp.maximum(8.0 * info.eps * jax.lax.stop_gradient(jnp.mean(rest**2)), info.tiny)
    return PPCA(loc, loading, jnp.maximum(jnp.mean(left), floor))


def factor_analysis_fit(
    x: ArrayLike, num_latents: int, *, num_steps: int = 1000, tol: float = 1e-6, variance_floor: float = 1e-6
) -> FitResult:
    """Factor analysis by expectation maximisation, from the principal components of the standardised data.

    W' = (mean (x - loc) E z^T) (mean E z E z^T + C)^-1 and Psi' = mean (x - loc - W' E z)^2 + diag(W' C W'^T), with loc
    the mean of the data.

    Args:
        x: (n, d).
        num_latents: q, static, 0 <= q < d.
        num_steps: static, most steps.
        tol: static gain in nats a point at which it stops.
        variance_floor: static, least variance of the noise of a coordinate, positive, in units of x squared.

    Returns:
        The fit. A variance at the floor (a Heywood case, or a coordinate without spread) sets `converged` to False.

    Raises:
        ValueError: `x` is not (n, d), q is out of range, or an option is.
        TypeError: integer data.

    Numerics:
        The likelihood never falls, floor included, but for rounding. The loop stops on its own and has no reverse-mode
        derivative.

    Cost:
        O(n d^2) once and O(n d q) a step.

    Source:
        Rubin and Thayer, EM Algorithms for ML Factor Analysis (1982); Bishop (2006), eq. 12.69 and 12.70.
    """
    name = "factor_analysis_fit"
    x = points(name, x)
    _check_latents(name, num_latents, x.shape[1])
    if not variance_floor > 0:
        raise ValueError(f"{name}: variance_floor is {variance_floor}, expected a positive number")
    loc, rest = centred(x)

    def e_step(model):
        return _expectations(model, rest), jnp.mean(model.marginal_normal()._log_prob_standard(rest / scale(model)))

    def scale(model):
        return model._noise_scale()[None]

    def m_step(model, expectations):
        loading, left = _regression(rest, *expectations)
        return FactorAnalysis(loc, loading, jnp.maximum(left, variance_floor)), jnp.all(left > variance_floor)

    spread = jnp.maximum(jnp.mean(rest**2, axis=0), variance_floor)
    loading = _principal(rest / jnp.sqrt(spread)[None], num_latents)[0] * jnp.sqrt(spread)[:, None]
    start = jnp.maximum(spread - jnp.sum(loading**2, axis=1), jnp.maximum(1e-3 * spread, variance_floor))
    return maximise(name, FactorAnalysis(loc, loading, start), e_step, m_step, num_steps=num_steps, tol=tol)
