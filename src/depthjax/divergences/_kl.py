"""The registry of exact KL divergences, and the Monte Carlo estimates for all other pairs."""

from collections.abc import Callable
from typing import Any

import jax

from depthjax.core import Estimate
from depthjax.core._options import at_least, chosen
from depthjax.core._shapes import check_unstacked
from depthjax.core._validity import valid, where_valid
from depthjax.divergences._f_divergence import estimate
from depthjax.divergences._scalars import LOG_2, exp_gap

_REGISTRY: dict[tuple[type, type], Callable[[Any, Any], jax.Array]] = {}
_CONDITIONS: dict[tuple[type, type], Callable[[Any, Any], bool]] = {}


def register_kl(
    cls_p: type, cls_q: type, *, when: Callable[[Any, Any], bool] | None = None
) -> Callable[[Callable[[Any, Any], jax.Array]], Callable[[Any, Any], jax.Array]]:
    """Decorator that registers an exact KL divergence for a pair of classes.

    Args:
        cls_p: class of the first argument.
        cls_q: class of the second argument.
        when: static condition on the two records, for combinators that have a divergence if their parts have one.

    Returns:
        A decorator of a function (p, q) -> () nats.
    """

    def decorate(fn):
        _REGISTRY[cls_p, cls_q] = fn
        _CONDITIONS[cls_p, cls_q] = when or (lambda p, q: True)
        return fn

    return decorate


def _found(p, q):
    for cls_p in type(p).__mro__:
        for cls_q in type(q).__mro__:
            if (cls_p, cls_q) in _REGISTRY and _CONDITIONS[cls_p, cls_q](p, q):
                return _REGISTRY[cls_p, cls_q]
    return None


def has_kl(p: Any, q: Any) -> bool:
    """Whether `kl(p, q)` has a closed form here.

    Args:
        p: distribution record.
        q: distribution record.
    """
    return p.event_shape == q.event_shape and _found(p, q) is not None


def kl(p: Any, q: Any) -> jax.Array:
    """Exact Kullback-Leibler divergence, KL(p || q) = E_p[log p - log q].

    Args:
        p: distribution record.
        q: distribution record of the same event shape.

    Returns:
        () nats; +inf where p has mass outside the support of q, NaN for invalid parameters.

    Raises:
        ValueError: the event shapes differ, or a record is stacked.
        TypeError: p or q is no distribution.
        NotImplementedError: no closed form is registered for this pair.

    Source:
        Kullback and Leibler, On Information and Sufficiency (1951); closed forms in Kullback (1959) and, for
        exponential families, Wainwright and Jordan (2008), sec. 5.2.2.
    """
    for name, record in (("p", p), ("q", q)):
        if not hasattr(record, "event_shape"):
            raise TypeError(f"kl: {name} is {type(record).__name__}, expected a distribution record")
        check_unstacked(record, "kl")
    if p.event_shape != q.event_shape:
        raise ValueError(f"kl: q has event shape {q.event_shape}, expected {p.event_shape} as p")
    fn = _found(p, q)
    if fn is None:
        raise NotImplementedError(
            f"kl: no closed form is registered for ({type(p).__name__}, {type(q).__name__}); add one with register_kl, "
            f"or estimate it with kl_monte_carlo(key, p, q, num_samples=...)"
        )
    return where_valid(valid(q), where_valid(valid(p), fn(p, q)))


def kl_monte_carlo(key: jax.Array, p: Any, q: Any, *, num_samples: int, estimator: str = "plain") -> Estimate:
    """Monte Carlo estimate of KL(p || q) from draws of p.

    plain averages log p - log q; bregman averages r - 1 - log r with r = q/p, which is never negative and has the same
    mean where q has no mass outside the support of p.

    Args:
        key: PRNG key.
        p: distribution record; differentiable where its draws are.
        q: distribution record of the same event shape.
        num_samples: number of draws.
        estimator: "plain" or "bregman".

    Returns:
        The estimate and its standard error.

    Raises:
        ValueError: event shapes differ, fewer than one draw, or an unknown estimator.

    Source:
        Schulman, Approximating KL Divergence (2020).
    """
    chosen("kl_monte_carlo", "estimator", estimator, ("plain", "bregman"))
    at_least("kl_monte_carlo", "num_samples", num_samples, 1)
    _same_event("kl_monte_carlo", p, q)
    x, log_p = p.sample_and_log_prob(key, (num_samples,))
    u = log_p - q.log_prob(x)
    return estimate(u if estimator == "plain" else exp_gap(u))


def js_monte_carlo(key: jax.Array, p: Any, q: Any, *, num_samples: int) -> Estimate:
    """Monte Carlo estimate of the Jensen-Shannon divergence from draws of both laws.

    Args:
        key: PRNG key.
        p: distribution record.
        q: distribution record of the same event shape.
        num_samples: number of draws from each.

    Returns:
        The estimate, at most log 2, and its standard error.

    Raises:
        ValueError: event shapes differ, or fewer than one draw.

    Source:
        Lin (1991), eq. 4.1.
    """
    at_least("js_monte_carlo", "num_samples", num_samples, 1)
    _same_event("js_monte_carlo", p, q)
    key_p, key_q = jax.random.split(key)
    x, log_p = p.sample_and_log_prob(key_p, (num_samples,))
    y, log_q = q.sample_and_log_prob(key_q, (num_samples,))
    at_p, at_q = log_p - q.log_prob(x), p.log_prob(y) - log_q
    return estimate(0.5 * (LOG_2 - jax.nn.softplus(-at_p)), 0.5 * (LOG_2 - jax.nn.softplus(at_q)))


def _same_event(function, p, q):
    if p.event_shape != q.event_shape:
        raise ValueError(f"{function}: q has event shape {q.event_shape}, expected {p.event_shape} as p")
