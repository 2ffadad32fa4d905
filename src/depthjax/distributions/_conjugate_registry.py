"""The registry behind the three verbs of conjugate inference."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution, float_dtype
from depthjax.distributions._likelihoods import Likelihood


@dataclasses.dataclass(frozen=True)
class Pair:
    """How a prior meets a likelihood.

    Attributes:
        update: `(prior, likelihood, data (n, *event), weights (n,)) -> posterior`.
        predictive: `(prior, likelihood) ->` the distribution of one observation.
        event_shape: `(prior, likelihood) ->` shape of one observation.
    """

    update: Callable[..., Any]
    predictive: Callable[[Any, Any], Distribution]
    event_shape: Callable[[Any, Any], tuple[int, ...]]


_PAIRS: dict[tuple[str, type], Pair] = {}


def register(prior: str, likelihood: type, pair: Pair) -> None:
    """Enter a pair: the name of a public family, and a marker."""
    _PAIRS[prior, likelihood] = pair


def pair_of(verb: str, prior: Any, likelihood: Any) -> Pair:
    """The entry for a prior and a likelihood.

    Raises:
        TypeError: listing the likelihoods registered for this prior.
    """
    from depthjax import distributions

    name = type(prior).__name__
    known = {like: pair for (kind, like), pair in _PAIRS.items() if kind == name}
    if type(likelihood) in known and type(prior) is getattr(distributions, name):
        return known[type(likelihood)]
    listed = ", ".join(sorted(like.__name__ for like in known)) or "none"
    raise TypeError(
        f"{verb}: {type(prior).__name__} is not conjugate to {type(likelihood).__name__}; registered likelihoods: "
        f"{listed}"
    )


def observations(verb: str, prior: Any, likelihood: Any, data: ArrayLike) -> jax.Array:
    """`data` as an array (n, *event); batch axes are flattened, one event is a batch of one.

    Raises:
        ValueError: the trailing axes are not those of an observation.
    """
    event = pair_of(verb, prior, likelihood).event_shape(prior, likelihood)
    data = jnp.asarray(data).astype(float_dtype(prior))
    rank = len(event)
    if data.ndim < rank or data.shape[data.ndim - rank :] != event:
        raise ValueError(f"{verb}: data has shape {data.shape}, expected (..., {', '.join(map(str, event))})")
    return data.reshape((-1, *event))


def posterior(prior: Any, likelihood: Likelihood, data: ArrayLike, *, weights: ArrayLike | None = None) -> Any:
    """Distribution of the parameter after observations: of the class of the prior.

    For exponential-family priors it is the addition of weighted statistics to the natural parameters, so two batches
    one after the other give what their union gives.

    Args:
        prior: a distribution with a registered likelihood.
        likelihood: a marker.
        data: independent observations, (..., *event).
        weights: powers to which the observations are raised, (...) or (); fractional ones temper, 0 returns the
            prior, and negative ones take an observation out again.

    Returns:
        A record of the class of `prior`; its parameters are NaN if an observation whose weight is not 0 is impossible
        under the likelihood.

    Raises:
        TypeError: the pair is not registered; the message lists the likelihoods that are.
        ValueError: wrong shapes of data or weights.

    Source:
        Diaconis and Ylvisaker, Conjugate Priors for Exponential Families (1979).
    """
    pair = pair_of("posterior", prior, likelihood)
    rows = observations("posterior", prior, likelihood, data)
    batch = jnp.shape(data)[: jnp.ndim(data) - (rows.ndim - 1)]
    weights = jnp.asarray(1.0 if weights is None else weights).astype(rows.dtype)
    if weights.ndim and weights.shape != batch:
        raise ValueError(f"posterior: weights has shape {weights.shape}, expected {batch} or ()")
    flat = jnp.broadcast_to(weights, batch).reshape(-1)
    allowed = (flat == 0) | _possible(pair, prior, likelihood, rows)
    return pair.update(prior, likelihood, rows, jnp.where(allowed, flat, jnp.nan))


def _possible(pair, prior, likelihood, rows):
    """(n,) bool, whether each row lies where a predictive density is defined."""
    law = pair.predictive(prior, likelihood)
    inside = getattr(law, "_density_support", law.support).contains(rows)
    return jnp.all(inside, axis=tuple(range(1, inside.ndim)))


def predictive(prior: Any, likelihood: Likelihood) -> Distribution:
    """Distribution of one observation with the parameter integrated out.

    Args:
        prior: a distribution with a registered likelihood.
        likelihood: a marker.

    Returns:
        A distribution over one observation.

    Raises:
        TypeError: the pair is not registered; the message lists the likelihoods that are.
    """
    return pair_of("predictive", prior, likelihood).predictive(prior, likelihood)


def log_evidence(prior: Any, likelihood: Likelihood, data: ArrayLike) -> jax.Array:
    """Log density of all observations with the parameter integrated out.

    It equals the sum of the one-step-ahead predictive log densities, in any order.

    Args:
        prior: a distribution with a registered likelihood.
        likelihood: a marker.
        data: independent observations, (..., *event).

    Returns:
        () nats; -inf if an observation is impossible.

    Raises:
        TypeError: the pair is not registered; the message lists the likelihoods that are.
        ValueError: wrong shape of data.

    Numerics:
        The sum itself, by a scan: its terms have the size of the answer, where a difference of log-normalisers cancels
        for large concentrations.
    """
    pair = pair_of("log_evidence", prior, likelihood)
    rows = observations("log_evidence", prior, likelihood, data)

    def step(state, row):
        dist, total = state
        gained = pair.predictive(dist, likelihood).log_prob(row)
        # After an impossible row the answer is -inf, whatever the state.
        weight = jnp.where(gained == -jnp.inf, 0.0, jnp.ones(1, row.dtype))
        after = pair.update(dist, likelihood, row[None], weight)
        return (after, total + gained), None

    start = prior, jnp.zeros((), rows.dtype)
    return jax.lax.scan(step, start, rows)[0][1]
