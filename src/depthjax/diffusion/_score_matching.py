"""Scores and the losses that fit them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Estimate
from depthjax.core._options import at_least, chosen
from depthjax.numerics import sample_probes
from depthjax.numerics._arguments import samples
from depthjax.numerics._draws import standard_normal
from depthjax.numerics._trace_estimators import LAWS

Score = Callable[[jax.Array], jax.Array]


def score_of(log_prob: Callable[[jax.Array], jax.Array]) -> Score:
    """The score of a density, x -> grad log p(x), for one event.

    Args:
        log_prob: one event -> (); a normaliser that does not depend on x may be missing.

    Returns:
        One event -> an array like it.
    """
    return jax.grad(log_prob)


def _scored(function, score, x):
    """Scores (n, d) at the points, checked to be like them."""
    scores = jax.vmap(score)(x)
    if scores.shape != x.shape:
        raise ValueError(
            f"{function}: score returns shape {scores.shape[1:]} for an event of shape {x.shape[1:]}, expected the same"
        )
    return scores.astype(x.dtype)


def _points(function, x):
    if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
        raise TypeError(
            f"{function}: x has dtype {jnp.result_type(x)}, expected a floating dtype; dequantise integer data "
            f"(depthjax.flows.dequantize_uniform)"
        )
    return samples(function, x, x)[0]


def fisher_divergence(score_p: Score, score_q: Score, x: ArrayLike) -> Estimate:
    """Fisher divergence of q from p, E_p |s_p(x) - s_q(x)|^2, without a factor 1/2.

    Args:
        score_p: (d,) -> (d,).
        score_q: (d,) -> (d,).
        x: (n, d) samples of p, n >= 2.

    Returns:
        Mean and its standard error, ().

    Raises:
        ValueError: shapes, or fewer than two points.
        TypeError: integer data.

    Source:
        Hyvarinen, Estimation of Non-Normalized Statistical Models by Score Matching (2005), eq. 2 without its 1/2.
    """
    name = "fisher_divergence"
    x = _points(name, x)
    at_least(name, "the number of points of x", x.shape[0], 2)
    squares = jnp.sum((_scored(name, score_p, x) - _scored(name, score_q, x)) ** 2, axis=1)
    return Estimate(jnp.mean(squares), jnp.std(squares, ddof=1) / x.shape[0] ** 0.5)


def score_matching_loss(score: Score, x: ArrayLike) -> jax.Array:
    """Implicit score matching, mean of tr(grad s(x)) + |s(x)|^2/2.

    Half the Fisher divergence from the law of the data, up to a constant that does not depend on the score.

    Args:
        score: (d,) -> (d,).
        x: (n, d).

    Returns:
        ().

    Raises:
        ValueError: shapes.
        TypeError: integer data.

    Cost:
        d products with the Jacobian for each point; `sliced_score_matching_loss` takes one.

    Source:
        Hyvarinen (2005), theorem 1 and eq. 8.
    """
    name = "score_matching_loss"
    x = _points(name, x)
    scores = _scored(name, score, x)
    traces = jax.vmap(lambda v: jnp.trace(jax.jacfwd(score)(v)))(x).astype(x.dtype)
    return jnp.mean(traces + 0.5 * jnp.sum(scores**2, axis=1))


def sliced_score_matching_loss(
    key: jax.Array,
    score: Score,
    x: ArrayLike,
    *,
    law: str = "rademacher",
    num_samples: int = 1,
    variance_reduced: bool = True,
) -> jax.Array:
    """Score matching along random directions, mean of v^T grad s(x) v + (v.s(x))^2/2 with E v v^T = I.

    Args:
        key: PRNG key.
        score: (d,) -> (d,).
        x: (n, d).
        law: of v: as `numerics.sample_probes` takes it; "rademacher" has the least variance.
        num_samples: static, directions for each point.
        variance_reduced: static, use |s|^2/2, the mean of the last term.

    Returns:
        (), an unbiased estimate of `score_matching_loss`.

    Raises:
        ValueError: shapes, an unknown law, or no samples.
        TypeError: integer data.

    Cost:
        One product with the Jacobian for each direction.

    Source:
        Song et al., Sliced Score Matching (2019), eq. 8 and 9.
    """
    name = "sliced_score_matching_loss"
    chosen(name, "law", law, LAWS)
    at_least(name, "num_samples", num_samples, 1)
    x = _points(name, x)
    directions = sample_probes(key, (num_samples, *x.shape), law=law, dtype=x.dtype)

    def along(point, v):
        value, slope = jax.jvp(score, (point,), (v,))
        return jnp.sum(v * slope), jnp.sum(value * value) if variance_reduced else jnp.sum(v * value) ** 2

    _scored(name, score, x[:1])
    curvature, square = jax.vmap(jax.vmap(along), (None, 0))(x, directions)
    return jnp.mean(curvature + 0.5 * square).astype(x.dtype)


def denoising_score_matching_loss(key: jax.Array, score: Score, x: ArrayLike, *, sigma: ArrayLike) -> jax.Array:
    """Denoising score matching, mean of |s(x + sigma e) + e/sigma|^2 with e standard normal.

    Its minimiser is the score of the data's law convolved with N(0, sigma^2 I).

    Args:
        key: PRNG key.
        score: (d,) -> (d,).
        x: (n, d).
        sigma: () noise level, positive.

    Returns:
        ().

    Raises:
        ValueError: shapes, or a concrete sigma that is not positive; a traced one gives NaN.
        TypeError: integer data.

    Source:
        Vincent, A Connection Between Score Matching and Denoising Autoencoders (2011), eq. 9 without its 1/2.
    """
    name = "denoising_score_matching_loss"
    x = _points(name, x)
    if not isinstance(sigma, jax.core.Tracer) and not sigma > 0:
        raise ValueError(f"{name}: sigma is {sigma}, expected a positive number")
    sigma = jnp.asarray(sigma, x.dtype)
    sigma = jnp.where(sigma > 0, sigma, jnp.nan)
    noise = standard_normal(key, x.shape, x.dtype)
    error = _scored(name, score, x + sigma * noise) + noise / sigma
    return jnp.mean(jnp.sum(error * error, axis=1))
