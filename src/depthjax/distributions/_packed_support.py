"""Supports of events that pack a mean beside a positive number or a positive definite matrix."""

import dataclasses

import jax.numpy as jnp

from depthjax.core import Constraint, constraints


def _real_beside(name, part, event_ndim, size_of):
    """Real first column, then an element of `part`; raw coordinates are those of both, one after the other."""

    def split(x):
        x = jnp.asarray(x)
        return x[..., 0], x[..., 1] if event_ndim == 1 else x[..., 1:]

    def contains(x):
        mean, rest = split(x)
        finite = jnp.isfinite(mean) if event_ndim == 1 else jnp.all(jnp.isfinite(mean), axis=-1)
        return finite & part.contains(rest)

    def to_raw(x):
        mean, rest = split(x)
        raw = part.to_raw(rest)
        if event_ndim == 1:
            return jnp.stack([mean, raw], axis=-1)
        return jnp.concatenate([mean, raw], axis=-1)

    def from_raw(raw):
        size = size_of(raw.shape[-1])
        if event_ndim == 1:
            return jnp.stack([raw[..., 0], part.from_raw(raw[..., 1])], axis=-1)
        return jnp.concatenate([raw[..., :size, None], part.from_raw(raw[..., size:])], axis=-1)

    def raw_shape(shape):
        return shape if event_ndim == 1 else (*shape[:-2], shape[-2] * (shape[-2] + 3) // 2)

    return dataclasses.replace(
        part,
        name=name,
        event_ndim=event_ndim,
        check=lambda x: jnp.all(contains(x)),
        contains=contains,
        to_raw=to_raw,
        from_raw=from_raw,
        raw_shape=raw_shape,
        bounds=None,
    )


def _rows_of(count):
    """The d with d (d + 3)/2 = count."""
    return next(d for d in range(1, count + 1) if d * (d + 3) // 2 >= count)


mean_and_positive: Constraint = _real_beside("mean_and_positive", constraints.positive, 1, lambda count: 1)
mean_and_matrix: Constraint = _real_beside("mean_and_matrix", constraints.positive_definite, 2, _rows_of)
