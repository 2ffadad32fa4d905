"""Coupling layers: one part of the vector moves, by an amount that the other part decides."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.bijectors._conditioner import check_conditioner, output_size
from depthjax.bijectors._transformers import AffineTransformer, ShiftTransformer, Transformer
from depthjax.core import Bijector, derived, record, static


@record
class Coupling(Bijector):
    """y_fixed = x_fixed, y_moved = T(x_moved; conditioner(x_fixed)).

    Args:
        conditioner: callable pytree, (d_fixed,) -> d_moved * num_params numbers of any shape.
        transformer: family of scalar maps.
        mask: static, (d,) of bool; True marks the coordinates that stay fixed.
        split_at: instead of a mask, the number of leading coordinates that stay fixed; the conditioner's output then
            decides how many move.

    Raises:
        ValueError: neither or both of mask and split_at, a mask that is all true or all false, or a conditioner whose
            output has the wrong size.
        TypeError: a conditioner that is no callable pytree of parameters.

    Cost:
        One call of the conditioner in either direction.

    Source:
        Dinh et al., Density Estimation using Real NVP (2017), eq. 4; Durkan et al., Neural Spline Flows (2019), sec. 2.
    """

    conditioner: Any
    transformer: Transformer
    mask: tuple[bool, ...] | None = static(default=None)
    split_at: int | None = static(default=None)
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        conditioner, transformer = fields["conditioner"], fields["transformer"]
        check_conditioner(cls.__name__, conditioner)
        if (fields["mask"] is None) == (fields["split_at"] is None):
            raise ValueError(f"{cls.__name__}: give exactly one of mask and split_at")
        if fields["mask"] is None:
            mask = cls._mask_of_split(conditioner, transformer, fields["split_at"])
        else:
            mask = tuple(bool(m) for m in np.asarray(fields["mask"]).ravel())
        if all(mask) or not any(mask):
            raise ValueError(f"{cls.__name__}: mask is all {mask[0] if mask else 'empty'}; some coordinates must move")
        num_fixed = sum(mask)
        size = output_size(cls.__name__, conditioner, num_fixed, jnp.float32)
        expected = (len(mask) - num_fixed) * transformer.num_params
        if size != expected:
            raise ValueError(
                f"{cls.__name__}: conditioner gives {size} numbers, expected d_moved * num_params = "
                f"{len(mask) - num_fixed} * {transformer.num_params} = {expected}"
            )
        return {**fields, "mask": mask, "split_at": None, "event_shape": (len(mask),)}

    @classmethod
    def _mask_of_split(cls, conditioner, transformer, split_at):
        if split_at < 1:
            raise ValueError(f"{cls.__name__}: split_at must be at least 1, got {split_at}")
        size = output_size(cls.__name__, conditioner, split_at, jnp.float32)
        num_moved, rest = divmod(size, transformer.num_params)
        if rest or not num_moved:
            raise ValueError(
                f"{cls.__name__}: conditioner gives {size} numbers, expected a multiple of num_params = "
                f"{transformer.num_params}"
            )
        return (True,) * split_at + (False,) * num_moved

    def _forward_and_log_det(self, x):
        return self._move(x, self.transformer.forward_many)

    def _inverse_and_log_det(self, y):
        return self._move(y, self.transformer.inverse_many)

    def _move(self, x, apply):
        fixed, moved = _split(x, self.mask)
        raw = jnp.reshape(self.conditioner(fixed), (moved.shape[0], self.transformer.num_params))
        moved, log_slopes = apply(moved, raw)
        return _merge(fixed, moved, self.mask), jnp.sum(log_slopes)


def AdditiveCoupling(conditioner: Any, **where: Any) -> Coupling:
    """`Coupling` with `ShiftTransformer`: volume preserving.

    Args:
        conditioner: callable pytree, (d_fixed,) -> (d_moved,).
        **where: `mask` or `split_at`.
    """
    return Coupling(conditioner, ShiftTransformer(), **where)


def AffineCoupling(conditioner: Any, **where: Any) -> Coupling:
    """`Coupling` with the default `AffineTransformer`.

    Args:
        conditioner: callable pytree, (d_fixed,) -> (d_moved, 2).
        **where: `mask` or `split_at`.
    """
    return Coupling(conditioner, AffineTransformer(), **where)


def _split(x: jax.Array, mask: tuple[bool, ...]) -> tuple[jax.Array, jax.Array]:
    """Fixed and moved coordinates, by slices where they are contiguous."""
    num_fixed = sum(mask)
    if mask == (True,) * num_fixed + (False,) * (len(mask) - num_fixed):
        return x[:num_fixed], x[num_fixed:]
    if mask == (False,) * (len(mask) - num_fixed) + (True,) * num_fixed:
        return x[len(mask) - num_fixed :], x[: len(mask) - num_fixed]
    return x[np.flatnonzero(mask)], x[np.flatnonzero(np.logical_not(mask))]


def _merge(fixed: jax.Array, moved: jax.Array, mask: tuple[bool, ...]) -> jax.Array:
    """Inverse of `_split`."""
    num_fixed = sum(mask)
    if mask == (True,) * num_fixed + (False,) * (len(mask) - num_fixed):
        return jnp.concatenate([fixed, moved])
    if mask == (False,) * (len(mask) - num_fixed) + (True,) * num_fixed:
        return jnp.concatenate([moved, fixed])
    order = np.concatenate([np.flatnonzero(mask), np.flatnonzero(np.logical_not(mask))])
    return jnp.concatenate([fixed, moved])[np.argsort(order)]
