"""Divergences between probability vectors given by their logarithms."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.divergences._scalars import LOG_2, exp_gap, js_gap
from depthjax.numerics._arguments import floats, log_probs, same_shape


class Pair(NamedTuple):
    """Two vectors with their zeros taken out: `log_ratio` is 0 where either vanishes, and logs are 0 at their zeros."""

    p: jax.Array
    q: jax.Array
    log_p: jax.Array
    log_q: jax.Array
    log_ratio: jax.Array
    in_p: jax.Array
    in_q: jax.Array


def paired(log_p, log_q):
    in_p, in_q = log_p != -jnp.inf, log_q != -jnp.inf
    both = in_p & in_q
    safe_p, safe_q = jnp.where(in_p, log_p, 0.0), jnp.where(in_q, log_q, 0.0)
    p, q = jnp.where(in_p, jnp.exp(safe_p), 0.0), jnp.where(in_q, jnp.exp(safe_q), 0.0)
    ratio = jnp.where(both, log_p, 0.0) - jnp.where(both, log_q, 0.0)
    return Pair(p, q, safe_p, safe_q, ratio, in_p, in_q)


def summed(pair: Pair, axis: int, both: Callable, only_p: Callable | float, only_q: Callable | float) -> jax.Array:
    """Sum of one term where p and q are positive, of others where just one is."""

    def term(value):
        return value(pair) if callable(value) else jnp.full_like(pair.p, value)

    alone = jnp.where(pair.in_p, term(only_p), jnp.where(pair.in_q, term(only_q), 0.0))
    return jnp.sum(jnp.where(pair.in_p & pair.in_q, both(pair), alone), axis=axis)


def entropy_discrete(log_p: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Shannon entropy, -sum p log p.

    Args:
        log_p: (..., k) log probabilities, -inf allowed.
        axis: the axis of the outcomes.

    Returns:
        (...) nats.

    Raises:
        ValueError: a concrete entry is positive.

    Numerics:
        0 log 0 = 0, with zero gradient.

    Source:
        Shannon, A Mathematical Theory of Communication (1948), sec. 6.
    """
    (log_p,) = log_probs("entropy_discrete", log_p=log_p)
    pair = paired(log_p, log_p)
    return -jnp.sum(pair.p * pair.log_p, axis=axis)


def cross_entropy_discrete(log_p: ArrayLike, log_q: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Cross entropy, -sum p log q.

    Args:
        log_p: (..., k) log probabilities, -inf allowed.
        log_q: likewise, of the same shape.
        axis: the axis of the outcomes.

    Returns:
        (...) nats; +inf where q = 0 < p.

    Raises:
        ValueError: shapes differ, or a concrete entry is positive.

    Source:
        Cover and Thomas, Elements of Information Theory (2006), sec. 5.4.
    """
    pair = paired(*log_probs("cross_entropy_discrete", log_p=log_p, log_q=log_q))
    return summed(pair, axis, lambda s: -s.p * s.log_q, jnp.inf, 0.0)


def kl_discrete(log_p: ArrayLike, log_q: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Kullback-Leibler divergence, sum p log(p/q).

    Args:
        log_p: (..., k) log probabilities, -inf allowed; not renormalised.
        log_q: likewise, of the same shape.
        axis: the axis of the outcomes.

    Returns:
        (...) nats; +inf where q = 0 < p.

    Raises:
        ValueError: shapes differ, or a concrete entry is positive.

    Source:
        Kullback and Leibler, On Information and Sufficiency (1951), eq. 2.4.
    """
    pair = paired(*log_probs("kl_discrete", log_p=log_p, log_q=log_q))
    return summed(pair, axis, lambda s: s.p * s.log_ratio, jnp.inf, 0.0)


def generalised_kl_discrete(log_p: ArrayLike, log_q: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Kullback-Leibler divergence of unnormalised measures, sum p log(p/q) - p + q.

    Args:
        log_p: (..., k) log masses of any sign, -inf allowed.
        log_q: likewise, of the same shape.
        axis: the axis of the outcomes.

    Returns:
        (...) nats, never negative; +inf where q = 0 < p.

    Raises:
        ValueError: shapes differ.

    Numerics:
        A sum of nonnegative terms: relative accuracy also where p and q nearly agree.

    Source:
        Csiszar, Why Least Squares and Maximum Entropy? (1991), eq. 1.4.
    """
    log_p, log_q = floats(log_p, log_q)
    same_shape("generalised_kl_discrete", log_p=log_p, log_q=log_q)
    return generalised_kl(log_p, log_q, axis)


def generalised_kl(log_p: jax.Array, log_q: jax.Array, axis: int = -1) -> jax.Array:
    """`generalised_kl_discrete` without checks."""

    def both(s):
        far = s.log_ratio < -1.0
        direct = s.p * (s.log_ratio - 1.0) + s.q
        return jnp.where(far, direct, s.p * exp_gap(jnp.where(far, 0.0, s.log_ratio)))

    return summed(paired(log_p, log_q), axis, both, jnp.inf, lambda s: s.q)


def js_discrete(log_p: ArrayLike, log_q: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Jensen-Shannon divergence, (KL(p || m) + KL(q || m))/2 with m = (p + q)/2; its square root is a metric.

    Args:
        log_p: (..., k) log probabilities, -inf allowed.
        log_q: likewise, of the same shape.
        axis: the axis of the outcomes.

    Returns:
        (...) nats, in [0, log 2].

    Raises:
        ValueError: shapes differ, or a concrete entry is positive.

    Numerics:
        sum (p + q)/2 (t tanh t - log cosh t) at t = log(p/q)/2, a sum of nonnegative terms.

    Source:
        Lin, Divergence Measures Based on the Shannon Entropy (1991), eq. 4.1.
    """
    pair = paired(*log_probs("js_discrete", log_p=log_p, log_q=log_q))
    half = 0.5 * LOG_2
    return summed(
        pair, axis, lambda s: 0.5 * (s.p + s.q) * js_gap(s.log_ratio), lambda s: half * s.p, lambda s: half * s.q
    )


def _relative_gap(s, power):
    """|p^power - q^power| over the larger of the two."""
    return -jnp.expm1(-power * jnp.abs(s.log_ratio))


def tv_discrete(log_p: ArrayLike, log_q: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Total variation distance, sum |p - q|/2.

    Args:
        log_p: (..., k) log probabilities, -inf allowed.
        log_q: likewise, of the same shape.
        axis: the axis of the outcomes.

    Returns:
        (...), in [0, 1]; the gradient is 0 where p = q.

    Raises:
        ValueError: shapes differ, or a concrete entry is positive.

    Source:
        Tsybakov, Introduction to Nonparametric Estimation (2009), def. 2.4.
    """
    pair = paired(*log_probs("tv_discrete", log_p=log_p, log_q=log_q))

    def both(s):
        return 0.5 * jnp.maximum(s.p, s.q) * _relative_gap(s, 1.0)

    return summed(pair, axis, both, lambda s: 0.5 * s.p, lambda s: 0.5 * s.q)


def hellinger_squared_discrete(log_p: ArrayLike, log_q: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Squared Hellinger distance, sum (sqrt p - sqrt q)^2 / 2.

    Args:
        log_p: (..., k) log probabilities, -inf allowed.
        log_q: likewise, of the same shape.
        axis: the axis of the outcomes.

    Returns:
        (...), in [0, 1].

    Raises:
        ValueError: shapes differ, or a concrete entry is positive.

    Source:
        Tsybakov (2009), def. 2.3, with the factor 1/2.
    """
    pair = paired(*log_probs("hellinger_squared_discrete", log_p=log_p, log_q=log_q))

    def both(s):
        return 0.5 * jnp.maximum(s.p, s.q) * _relative_gap(s, 0.5) ** 2

    return summed(pair, axis, both, lambda s: 0.5 * s.p, lambda s: 0.5 * s.q)


def chi2_discrete(log_p: ArrayLike, log_q: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Pearson's chi-squared divergence, sum (p - q)^2/q.

    Args:
        log_p: (..., k) log probabilities, -inf allowed.
        log_q: likewise, of the same shape.
        axis: the axis of the outcomes.

    Returns:
        (...); +inf where q = 0 < p.

    Raises:
        ValueError: shapes differ, or a concrete entry is positive.

    Source:
        Tsybakov (2009), sec. 2.4.
    """
    pair = paired(*log_probs("chi2_discrete", log_p=log_p, log_q=log_q))

    def both(s):
        far = s.log_ratio > 1.0
        above = jnp.where(far, s.log_ratio, 1.0)
        large = jnp.exp(jnp.where(far, s.log_p, 0.0) + above) * jnp.expm1(-above) ** 2
        return jnp.where(far, large, s.q * jnp.expm1(jnp.where(far, 0.0, s.log_ratio)) ** 2)

    return summed(pair, axis, both, jnp.inf, lambda s: s.q)


def le_cam_discrete(log_p: ArrayLike, log_q: ArrayLike, *, axis: int = -1) -> jax.Array:
    """Le Cam's divergence (triangular discrimination), sum (p - q)^2/(p + q) / 2.

    Args:
        log_p: (..., k) log probabilities, -inf allowed.
        log_q: likewise, of the same shape.
        axis: the axis of the outcomes.

    Returns:
        (...), in [0, 1].

    Raises:
        ValueError: shapes differ, or a concrete entry is positive.

    Source:
        Le Cam, Asymptotic Methods in Statistical Decision Theory (1986), ch. 4.
    """
    pair = paired(*log_probs("le_cam_discrete", log_p=log_p, log_q=log_q))

    def both(s):
        return 0.5 * (s.p + s.q) * jnp.tanh(0.5 * s.log_ratio) ** 2

    return summed(pair, axis, both, lambda s: 0.5 * s.p, lambda s: 0.5 * s.q)
