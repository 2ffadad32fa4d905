"""From data to uniform numbers, by the flow's base; empirical distribution functions."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.distributions import Transformed
from depthjax.numerics import clip_open


def rosenblatt(flow: Any, x: ArrayLike) -> jax.Array:
    """The base's distribution function of the inverse of x: uniform on (0, 1)^d for draws of the flow.

    For a triangular (autoregressive) flow with increasing coordinates, u_i is the conditional distribution function of
    x_i given x_1..x_{i-1}.

    Args:
        flow: `Transformed` distribution whose base has independent coordinates, or that base itself: one with a `cdf`,
            or a Gaussian (by its whitened coordinates).
        x: (*batch, *event).

    Returns:
        u in the open unit cube, (*batch, *event of the base).

    Raises:
        TypeError: a base that offers neither.

    Source:
        Rosenblatt, Remarks on a multivariate transformation (1952); Papamakarios et al. (2021), sec. 2.2.
    """
    base = flow
    while isinstance(base, Transformed):
        x, base = base.bijector.inverse(x), base.base
    if hasattr(base, "cdf"):
        u = base.cdf(x)
    elif hasattr(base, "whiten"):
        u = jax.scipy.special.ndtr(base.whiten(x))
    else:
        raise TypeError(f"rosenblatt: base {type(base).__name__} has neither cdf() nor whiten()")
    return clip_open(u, 0.0, 1.0)


def empirical_cdf(samples: ArrayLike, x: ArrayLike) -> jax.Array:
    """Share of the samples at or below x, coordinate by coordinate.

    Args:
        samples: (n, *event).
        x: (*batch, *event).

    Returns:
        (*batch, *event) in [0, 1]; NaN for NaN, and in a coordinate with a sample that is NaN.

    Raises:
        ValueError: trailing shapes that differ, or no samples.

    Cost:
        O((n + N) log n) for each coordinate, N the size of the batch.
    """
    samples, x = jnp.asarray(samples), jnp.asarray(x)
    if samples.ndim == 0 or samples.shape[0] == 0:
        raise ValueError(f"empirical_cdf: samples has shape {samples.shape}, expected (n, *event) with n >= 1")
    event = samples.shape[1:]
    if x.shape[x.ndim - len(event) :] != event:
        raise ValueError(f"empirical_cdf: x has shape {x.shape}, expected (..., {str(event)[1:]}")
    columns = jnp.sort(samples.reshape(samples.shape[0], -1), axis=0)
    points = x.reshape(-1, columns.shape[1])
    counts = jax.vmap(lambda c, p: jnp.searchsorted(c, p, side="right"), in_axes=1, out_axes=1)(columns, points)
    share = counts.astype(jnp.result_type(float)) / samples.shape[0]
    unknown = jnp.isnan(points) | jnp.isnan(columns[-1:])
    return jnp.where(unknown, jnp.nan, share).reshape(x.shape)
