"""The set of logarithms of probability vectors."""

import jax
import jax.numpy as jnp

from depthjax.core import Constraint


def _contains(y):
    tolerance = 16 * y.shape[-1] * jnp.finfo(y.dtype).eps
    total = jax.nn.logsumexp(y, axis=-1)
    return jnp.all((y <= 0) & jnp.isfinite(y), axis=-1) & (jnp.abs(total) <= tolerance)


def _from_raw(raw):
    return jax.nn.log_softmax(jnp.concatenate([raw, jnp.zeros_like(raw[..., :1])], axis=-1), axis=-1)


log_simplex = Constraint(
    name="log_simplex",
    event_ndim=1,
    check=lambda y: jnp.all(_contains(y)),
    to_raw=lambda y: y[..., :-1] - y[..., -1:],
    from_raw=_from_raw,
    raw_shape=lambda shape: (*shape[:-1], shape[-1] - 1),
    contains=_contains,
)
