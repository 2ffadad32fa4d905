"""Continuous relaxations of discrete guides: latent draws, draws given the outcome, and functions of soft outcomes."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from depthjax.distributions import Bernoulli, Categorical, OneHotCategorical
from depthjax.numerics import gauss_legendre_rule
from depthjax.vi._objectives import Objective
from depthjax.vi._outcomes import check_count


class Relaxation(NamedTuple):
    """A discrete guide as a function of uniform noise through a latent z that is smooth in the logits.

    Attributes:
        noise_shape: shape of the uniforms behind one draw.
        latent: (u) -> z.
        harden: (z) -> outcome as floats: bits, or a one-hot vector.
        given: (outcome, v) -> z with that outcome, distributed as z given the outcome.
        soften: (z, temperature) -> bits in (0, 1), or a point of the simplex.
        mean: () -> the expected outcome.
    """

    noise_shape: tuple[int, ...]
    latent: Callable[[jax.Array], jax.Array]
    harden: Callable[[jax.Array], jax.Array]
    given: Callable[[jax.Array, jax.Array], jax.Array]
    soften: Callable[[jax.Array, jax.Array], jax.Array]
    mean: Callable[[], jax.Array]


def relaxation_of(name: str, guide: Any) -> Relaxation:
    """The relaxation of a `Bernoulli`, `Categorical` or `OneHotCategorical`; `TypeError` for another guide."""
    if isinstance(guide, Bernoulli):
        return _bernoulli(guide.logits)
    if isinstance(guide, Categorical | OneHotCategorical):
        return _categorical(jax.nn.log_softmax(guide.logits))
    raise TypeError(
        f"{name}: the guide is a Bernoulli, Categorical or OneHotCategorical, got {type(guide).__name__}; use "
        f"score_function or, for continuous guides, pathwise"
    )


def _bernoulli(logits):
    def given(bits, v):
        odds = jnp.log(v) - jnp.log1p(-v)
        high = jax.nn.softplus(odds + jax.nn.softplus(logits))
        low = -jax.nn.softplus(-odds + jax.nn.softplus(-logits))
        return jnp.where(bits == 1, high, low)

    return Relaxation(
        logits.shape,
        latent=lambda u: logits + jnp.log(u) - jnp.log1p(-u),
        harden=lambda z: (z > 0).astype(z.dtype),
        given=given,
        soften=lambda z, temperature: jax.nn.sigmoid(z / temperature),
        mean=lambda: jax.nn.sigmoid(logits),
    )


def _categorical(log_probs):
    def given(one_hot, v):
        log_times = jnp.log(-jnp.log(v))
        best = jnp.sum(one_hot * log_times)
        return -jnp.where(one_hot == 1, best, jnp.logaddexp(log_times - log_probs, best))

    return Relaxation(
        log_probs.shape,
        latent=lambda u: log_probs - jnp.log(-jnp.log(u)),
        harden=lambda z: jax.nn.one_hot(jnp.argmax(z), z.shape[0], dtype=z.dtype),
        given=given,
        soften=lambda z, temperature: jax.nn.softmax(z / temperature),
        mean=lambda: jnp.exp(log_probs),
    )


def integrand_of_soft(objective: Objective, params: Any, guide: Any, soft: jax.Array, *batch: Any) -> jax.Array:
    """The integrand at a soft outcome, () nats; log q is the extension that is linear in every bit.

    A `Categorical` draws an integer k, which has no soft form: there the integrand is sum_k soft_k integrand(k).
    """
    if isinstance(guide, Bernoulli):
        log_q = jnp.sum(soft * guide.logits - jax.nn.softplus(guide.logits))
        return objective.integrand_from_log_q(params, soft, log_q, *batch)
    log_probs = jax.nn.log_softmax(guide.logits)
    if isinstance(guide, OneHotCategorical):
        return objective.integrand_from_log_q(params, soft, jnp.sum(soft * log_probs), *batch)
    values = jax.vmap(lambda k, log_q: objective.integrand_from_log_q(params, k, log_q, *batch))(
        jnp.arange(log_probs.shape[0], dtype=jnp.int32), log_probs
    )
    return jnp.sum(soft * values)


def draw_uniforms(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Uniform numbers in the open interval (0, 1)."""
    return jax.random.uniform(key, shape, dtype, minval=jnp.finfo(dtype).tiny)


def uniform_nodes(shape: tuple[int, ...], flips: jax.Array | None, num_points: int, dtype: Any) -> tuple[Any, Any]:
    """Gauss-Legendre nodes (N, *shape) of uniforms on (0, 1) and weights (N,).

    Args:
        shape: of one draw.
        flips: (number, size) points, increasing down each column, where the integrand may jump in a coordinate; or
            None.
        num_points: nodes for each piece of a coordinate.
        dtype: of the nodes.
    """
    nodes, weights = (jnp.asarray(part, dtype) for part in gauss_legendre_rule(num_points))
    size = math.prod(shape)
    flips = jnp.zeros((0, size), dtype) if flips is None else flips
    ends = jnp.concatenate([jnp.zeros((1, size), dtype), flips, jnp.ones((1, size), dtype)])
    half = jnp.diff(ends, axis=0)[:, None, :] / 2
    u = (ends[:-1, None, :] + half * (1 + nodes[None, :, None])).reshape(-1, size)
    mass = (half * weights[None, :, None]).reshape(-1, size)
    check_count(len(u) ** size)
    index = jnp.stack([g.ravel() for g in jnp.meshgrid(*[jnp.arange(len(u))] * size, indexing="ij")], axis=-1)
    columns = jnp.arange(size)[None, :]
    return u[index, columns].reshape(-1, *shape), jnp.prod(mass[index, columns], axis=-1)
