"""Sums over all pairs of points in tiles of rows, so that memory grows with the points and not with their square."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

_WHOLE_BYTES, _FAST_BYTES, _MOST_BYTES, _FAST_ROWS = 16 * 2**20, 2 * 2**20, 8 * 2**20, 128


def rows_in_tile(function: str, block_size: int | None, num_rows: int, num_columns: int, itemsize: int) -> int:
    """Rows of a tile: `block_size`, or all where they take at most 16 MiB, or else as many as a cache holds.

    That is as many as keep the tile at 2 MiB, or 128 rows below 8 MiB.

    Raises:
        ValueError: block_size below 1.
    """
    if block_size is None:
        row = num_columns * itemsize
        tile = max(1, _FAST_BYTES // row, min(_FAST_ROWS, _MOST_BYTES // row))
        block_size = num_rows if num_rows * row <= _WHOLE_BYTES else tile
    elif block_size < 1:
        raise ValueError(f"{function}: block_size is {block_size}, expected at least 1")
    return min(block_size, num_rows)


def over_row_tiles(fn: Callable[..., jax.Array], rows: tuple[jax.Array, ...], block_size: int) -> jax.Array:
    """fn(*rows) by tiles of `block_size` rows; the reverse pass recomputes the tiles.

    Fewer rows than a tile that are left over are a tile of their own.
    """
    count = rows[0].shape[0]
    if block_size >= count:
        return fn(*rows)
    whole = count // block_size
    remat = jax.checkpoint(fn)
    tiles = tuple(a[: whole * block_size].reshape(whole, block_size, *a.shape[1:]) for a in rows)
    out = jax.lax.map(lambda tile: remat(*tile), tiles)
    out = out.reshape(whole * block_size, *out.shape[2:])
    if whole * block_size == count:
        return out
    return jnp.concatenate([out, remat(*(a[whole * block_size :] for a in rows))])
