"""Normal numbers, those of `jax.random`, in one pass over memory on processors."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_ROW = 16  # numbers that a processor works on at once, or a multiple
_MOST = 2**31  # one word counts them


def standard_normal(key: jax.Array, shape: tuple[int, ...], dtype: Any) -> jax.Array:
    """Standard normal numbers of `shape`, those of `jax.random.normal` but for the rounding of the last bit.

    On processors JAX lowers its generator to a loop of kernels that each read and write all of the numbers, and the
    inverse error function is computed number by number where the last axis is short. Here the rounds are written out,
    so that the compiler makes one kernel of both, over a flat array. Other devices, keys of another generator, and
    dtypes that are not of 32 or 64 bits have `jax.random.normal` itself.

    Source: Salmon, Moraes, Dror and Shaw, Parallel Random Numbers: As Easy as 1, 2, 3 (2011), 4.2.
    """
    shape, dtype = tuple(shape), jnp.dtype(dtype)
    if not _of_threefry(key) or dtype not in (jnp.float32, jnp.float64) or math.prod(shape) > _MOST:
        return jax.random.normal(key, shape, dtype)
    return _drawn(jax.random.key_data(key), shape, dtype)


def _of_threefry(key):
    return (
        str(jax.random.key_impl(key)) == "threefry2x32"
        and jnp.shape(jax.random.key_data(key)) == (2,)
        and getattr(jax.config, "jax_threefry_partitionable", True)
    )


@functools.partial(jax.jit, static_argnums=(1, 2), inline=True)
def _drawn(words, shape, dtype):
    return lax.platform_dependent(
        words,
        cpu=lambda words: _flat(words, math.prod(shape), dtype).reshape(shape),
        default=lambda words: jax.random.normal(jax.random.wrap_key_data(words, impl="threefry2x32"), shape, dtype),
    )


def _flat(words, size, dtype):
    """Numbers (size,).

    Unless they are few, by two rounds of a loop, which the compiler fuses into no consumer of another shape.
    """
    if size < 4 * _ROW:
        return _normal(words, jnp.uint32(0), size, dtype)
    half = -(-size // (2 * _ROW)) * _ROW
    starts = np.array([0, half], np.uint32)
    return lax.scan(lambda _, start: (None, _normal(words, start, half, dtype)), None, starts)[1].ravel()[:size]


def _normal(words, start, size, dtype):
    """Numbers (size,) from `start` on, by the inverse distribution function.

    Bits behind a leading one make a number of [1, 2), and that one of the open interval (-1, 1).
    """
    width, mantissa = jnp.finfo(dtype).bits, jnp.finfo(dtype).nmant
    integer = jnp.dtype(f"uint{width}")
    bits = _bits(words, start + lax.iota(jnp.uint32, size), integer)
    one = np.array(1.0, dtype)
    unit = lax.bitcast_convert_type((bits >> np.array(width - mantissa, integer)) | one.view(integer), dtype) - one
    low = np.nextafter(-one, np.array(0.0, dtype), dtype=dtype)
    return np.array(np.sqrt(2.0), dtype) * lax.erf_inv(lax.max(low, unit * (one - low) + low))


def _bits(words, count, integer):
    first, second = _threefry(words, jnp.zeros_like(count), count)
    if integer == jnp.uint32:
        return first ^ second
    return (first.astype(integer) << np.array(32, integer)) | second.astype(integer)


def _threefry(words, first, second):
    """Threefry-2x32 with twenty rounds."""
    keys = words[0], words[1], words[0] ^ words[1] ^ np.uint32(0x1BD11BDA)
    first, second = first + keys[0], second + keys[1]
    for i in range(5):
        for turn in _ROTATIONS[i % 2]:
            first = first + second
            second = first ^ ((second << np.uint32(turn)) | (second >> np.uint32(32 - turn)))
        first = first + keys[(i + 1) % 3]
        second = second + keys[(i + 2) % 3] + np.uint32(i + 1)
    return first, second
