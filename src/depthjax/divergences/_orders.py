"""Divergences of an order, of several laws, and of the two coordinates of a table."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.divergences._discrete import Pair, generalised_kl, paired, summed
from depthjax.numerics._arguments import floats, is_concrete, log_probs

_SLACK = 64  # eps by which a total may miss one by rounding


_KL = {"renyi_discrete": "kl_discrete", "renyi_mvn": "kl_mvn"}


def checked_order(function: str, order: ArrayLike | None, dtype) -> jax.Array:
    """The order of a Renyi divergence, positive and not 1.

    Raises:
        ValueError: it is missing, 1, or not positive.
    """
    if order is None:
        raise ValueError(f"{function}: order is missing, expected a positive number other than 1")
    if is_concrete(order):
        value = float(np.asarray(order))
        if value == 1.0:
            raise ValueError(
                f"{function}: order is 1, expected another; the limit is the KL divergence: use {_KL[function]}"
            )
        if not value > 0.0:
            raise ValueError(f"{function}: order is {value:g}, expected a positive number other than 1")
    return jnp.asarray(order, dtype)


def renyi_discrete(log_p: ArrayLike, log_q: ArrayLike, *, order: ArrayLike | None = None, axis: int = -1) -> jax.Array:
    """Renyi divergence, log(sum p^a q^(1-a))/(a - 1).

    Args:
        log_p: (..., k) log probabilities, -inf allowed.
        log_q: likewise, of the same shape.
        order: a, positive and not 1.
        axis: the axis of the outcomes.

    Returns:
        (...) nats; +inf where q = 0 < p and a > 1, or where p and q are disjoint.

    Raises:
        ValueError: shapes differ, a concrete entry is positive, or `order` is missing, 1 or not positive.

    Numerics:
        Near order 1 as log1p(sum p expm1((a - 1) log(p/q)))/(a - 1), with a total of p that rounding keeps from 1 as 1.

    Source:
        van Erven and Harremoes, Renyi Divergence and Kullback-Leibler Divergence (2014), eq. 1.
    """
    log_p, log_q = log_probs("renyi_discrete", log_p=log_p, log_q=log_q)
    a = checked_order("renyi_discrete", order, log_p.dtype)
    s = paired(log_p, log_q)
    both = s.in_p & s.in_q
    common = jnp.any(both, axis=axis, keepdims=True)
    tilted = jnp.where(both | ~common, a * s.log_p + (1.0 - a) * s.log_q, -jnp.inf)
    far = jax.nn.logsumexp(tilted, axis=axis) / (a - 1.0)
    is_near = jnp.all(jnp.abs((a - 1.0) * s.log_ratio) < 0.5, axis=axis) & (jnp.abs(a - 1.0) < 0.5)
    value = jnp.where(is_near & jnp.squeeze(common, axis), _renyi_near_one(s, a, axis), far)
    outside = jnp.any(s.in_p & ~s.in_q, axis=axis) & (a > 1.0)
    return jnp.where(outside | ~jnp.squeeze(common, axis), jnp.inf, value)


def _renyi_near_one(s: Pair, a: jax.Array, axis: int) -> jax.Array:
    """The Renyi divergence where (a - 1) log_ratio is small; anything elsewhere, with a finite derivative."""
    step = jnp.where(jnp.abs(a - 1.0) < 0.5, a - 1.0, 0.5)
    power = jnp.clip(step * s.log_ratio, -0.5, 0.5)
    mass = jnp.sum(s.p, axis=axis)
    safe = jnp.where(mass > 0.0, mass, 1.0)
    change = jnp.sum(s.p * jnp.where(s.in_q, jnp.expm1(power), -1.0), axis=axis) / safe
    total = jnp.log(safe)
    rounding = jnp.where(jnp.abs(total) <= _SLACK * jnp.finfo(total.dtype).eps, total, 0.0)
    total = total - jax.lax.stop_gradient(rounding)
    return (total + jnp.log1p(jnp.maximum(change, -0.75))) / step


def alpha_discrete(log_p: ArrayLike, log_q: ArrayLike, *, order: ArrayLike | None = None, axis: int = -1) -> jax.Array:
    """Alpha divergence, sum (p^a q^(1-a) - a p - (1-a) q)/(a (a - 1)).

    At a = 1/2 it is four times the squared Hellinger distance; as a tends to 1 and 0 it tends to KL(p || q) and
    KL(q || p), which are returned there.

    Args:
        log_p: (..., k) log probabilities, -inf allowed.
        log_q: likewise, of the same shape.
        order: a, any real number.
        axis: the axis of the outcomes.

    Returns:
        (...), never negative; +inf where q = 0 < p and a >= 1, or p = 0 < q and a <= 0.

    Raises:
        ValueError: shapes differ, a concrete entry is positive, or `order` is missing.

    Source:
        Cichocki and Amari, Families of Alpha- Beta- and Gamma- Divergences (2010), eq. 29.
    """
    log_p, log_q = log_probs("alpha_discrete", log_p=log_p, log_q=log_q)
    if order is None:
        raise ValueError("alpha_discrete: order is missing, expected a real number")
    if is_concrete(order) and float(np.asarray(order)) in (0.0, 1.0):
        first, second = (log_p, log_q) if float(np.asarray(order)) == 1.0 else (log_q, log_p)
        return generalised_kl(first, second, axis)
    a = jnp.asarray(order, log_p.dtype)

    def both(s):
        swapped = s.log_ratio > 0.0  # symmetric under p <-> q, a <-> 1 - a
        u, base, power = -jnp.abs(s.log_ratio), jnp.maximum(s.p, s.q), jnp.where(swapped, 1.0 - a, a)
        far = jnp.exp(a * s.log_p + (1.0 - a) * s.log_q) - a * s.p - (1.0 - a) * s.q
        is_far = (u < -1.0) & (jnp.abs(a * u) > 1.0) & (jnp.abs((1.0 - a) * u) > 1.0)
        near = base * _power_gap(power, jnp.where(is_far, 0.0, u))
        return jnp.where(is_far, far / (a * (a - 1.0)), near)

    return summed(
        paired(log_p, log_q),
        axis,
        both,
        lambda s: _alone(s.p, 1.0 - a),
        lambda s: _alone(s.q, a),
    )


def _power_gap(b, u):
    """(r^b - b r - (1 - b))/(b (b - 1)) at r = e^u with u <= 0, for b near 0 and 1 too."""
    near_one = b > 0.5
    step = jnp.where(near_one, b - 1.0, b)
    power = jnp.where(near_one, jnp.exp(u), 1.0) * jnp.expm1(step * u) / step
    return (power - jnp.expm1(u)) / jnp.where(near_one, b, b - 1.0)


def _alone(mass, a):
    """Mass/a for a > 0, inf for others, NaN for none."""
    return jnp.where(a <= 0.0, jnp.inf, mass / jnp.where(a <= 0.0, 1.0, a))


def js_mixture_discrete(log_ps: ArrayLike, log_weights: ArrayLike) -> jax.Array:
    """Jensen-Shannon divergence of several laws, sum_i w_i KL(p_i || sum_j w_j p_j).

    Args:
        log_ps: (m, k) log probabilities, -inf allowed.
        log_weights: (m,) log weights that sum to one, -inf allowed.

    Returns:
        () nats, in [0, H(w)].

    Raises:
        ValueError: wrong shapes, or a concrete entry is positive.

    Source:
        Lin (1991), eq. 5.1.
    """
    (log_ps,), (log_weights,) = log_probs("js_mixture_discrete", log_ps=log_ps), floats(log_weights)
    if log_ps.ndim != 2 or log_weights.shape != log_ps.shape[:1]:
        raise ValueError(
            f"js_mixture_discrete: log_ps has shape {log_ps.shape} and log_weights {log_weights.shape}, expected "
            f"(m, k) and (m,)"
        )
    log_probs("js_mixture_discrete", log_weights=log_weights)
    return mutual_information_discrete(log_ps + log_weights[:, None])


def _marginals(function, log_joint):
    (log_joint,) = log_probs(function, log_joint=log_joint)
    if log_joint.ndim != 2:
        raise ValueError(f"{function}: log_joint has shape {log_joint.shape}, expected (r, c)")
    rows, columns = (_log_sum(log_joint, axis) for axis in (1, 0))
    return log_joint, jnp.where((rows == -jnp.inf) | (columns == -jnp.inf), -jnp.inf, rows + columns)


def _log_sum(log_p, axis):
    """Logsumexp with zero gradient where every entry is -inf."""
    dead = jnp.all(log_p == -jnp.inf, axis=axis, keepdims=True)
    total = jax.nn.logsumexp(jnp.where(dead, 0.0, log_p), axis=axis, keepdims=True)
    return jnp.where(dead, -jnp.inf, total)


def mutual_information_discrete(log_joint: ArrayLike) -> jax.Array:
    """Mutual information of the row and the column of a table, KL(joint || product of marginals).

    Args:
        log_joint: (r, c) log probabilities, -inf allowed.

    Returns:
        () nats.

    Raises:
        ValueError: not a matrix, or a concrete entry is positive.

    Source:
        Cover and Thomas (2006), eq. 2.28.
    """
    log_joint, log_product = _marginals("mutual_information_discrete", log_joint)
    return jnp.sum(generalised_kl(log_joint, log_product))


def pmi(log_joint: ArrayLike) -> jax.Array:
    """Pointwise mutual information, log p(i, j) - log p(i) - log p(j).

    Args:
        log_joint: (r, c) log probabilities, -inf allowed.

    Returns:
        (r, c) nats; -inf where the joint probability is 0.

    Raises:
        ValueError: not a matrix, or a concrete entry is positive.

    Source:
        Church and Hanks, Word Association Norms (1990); Levy and Goldberg (2014), eq. 5.
    """
    log_joint, log_product = _marginals("pmi", log_joint)
    s = paired(log_joint, log_product)
    return jnp.where(s.in_p, s.log_ratio, -jnp.inf)
