"""Multiscale architecture: half of the channels leave after every block."""

import math

import jax.numpy as jnp

from depthjax.bijectors._parts import hardest_inverse
from depthjax.core import Bijector, derived, record


@record
class Multiscale(Bijector):
    """Blocks one after another; after each but the last, the second half of the channels goes straight to the output.

    The output is one flat event: what left after the first block, after the second, ..., and what the last block gives.

    Args:
        *blocks: maps of (h, w, c) images; the next one takes the first half of the channels that the last one gives.

    Raises:
        ValueError: no blocks, an odd number of channels, or blocks whose shapes do not meet, naming positions.

    Source:
        Dinh et al., Density Estimation using Real NVP (2017), sec. 3.6.
    """

    blocks: tuple[Bijector, ...]
    event_shape: tuple[int, ...] = derived()

    _variadic = True

    @classmethod
    def _complete(cls, fields):
        blocks = tuple(fields.get("blocks", ()))
        if not blocks:
            raise ValueError(f"{cls.__name__}: give at least one block")
        for i, (above, below) in enumerate(zip(blocks, blocks[1:], strict=False)):
            *space, channels = above.event_shape_out
            if channels % 2:
                raise ValueError(f"{cls.__name__}: block {i} gives an odd number of channels, {channels}")
            if below.event_shape != (*space, channels // 2):
                raise ValueError(
                    f"{cls.__name__}: block {i} leaves {(*space, channels // 2)}, block {i + 1} takes "
                    f"{below.event_shape}"
                )
        return {"blocks": blocks, "event_shape": blocks[0].event_shape}

    @property
    def event_shape_out(self):
        """(h w c,)."""
        return (math.prod(self.event_shape),)

    @property
    def inverse_kind(self):
        """The hardest of the blocks."""
        return hardest_inverse(self.blocks)

    def _forward_and_log_det(self, x):
        left, total = [], jnp.zeros((), x.dtype)
        for block in self.blocks:
            x, log_det = block.forward_and_log_det(x)
            total = total + log_det
            if len(left) < len(self.blocks) - 1:
                x, leaving = jnp.split(x, 2, axis=-1)
                left.append(leaving.ravel())
        return jnp.concatenate([*left, x.ravel()]), total

    def _inverse_and_log_det(self, y):
        total, end, x = jnp.zeros((), y.dtype), y.shape[0], None
        for block in reversed(self.blocks):
            whole = block.event_shape_out
            shape = whole if x is None else (*whole[:-1], whole[-1] // 2)
            start = end - math.prod(shape)
            piece, end = y[start:end].reshape(shape), start
            x, log_det = block.inverse_and_log_det(piece if x is None else jnp.concatenate([x, piece], axis=-1))
            total = total + log_det
        return x, total
