"""Points of the line in ascending order, alone or with their masses.

Sorted as whole numbers of the same order, without a payload, which a CPU does several times faster than it sorts floats
or pairs; what belongs to a point finds its place by the point's rank. Points that tie have one rank and share.
"""

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.numerics import safe_where


def _whole(x: jax.Array) -> jax.Array:
    """Whole numbers in the order of x; a NaN comes before or after all others."""
    kind = {1: jnp.int8, 2: jnp.int16, 4: jnp.int32, 8: jnp.int64}[x.dtype.itemsize]
    return _reflect_negative(lax.bitcast_convert_type(x, kind))


def _reflect_negative(bits: jax.Array) -> jax.Array:
    return bits ^ jnp.where(bits < 0, jnp.asarray(jnp.iinfo(bits.dtype).max, bits.dtype), jnp.asarray(0, bits.dtype))


def _sums(rank: jax.Array, values: jax.Array) -> jax.Array:
    return jnp.zeros_like(values).at[rank].add(values)


def _ranks(ordered: jax.Array, keys: jax.Array) -> jax.Array:
    return jnp.searchsorted(ordered, keys).astype(jnp.int32)


def _even_shares(rank: jax.Array, dtype) -> jax.Array:
    """(n,) one over the number of points that tie with this one."""
    return 1.0 / _sums(rank, jnp.ones_like(rank)).astype(dtype)[rank]


def _values(x: jax.Array, ordered: jax.Array) -> jax.Array:
    return lax.bitcast_convert_type(_reflect_negative(ordered), x.dtype)


@jax.custom_jvp
def _placed(x: jax.Array, shares: jax.Array, rank: jax.Array, ordered: jax.Array) -> jax.Array:
    """Points from their ordered keys; the derivative at the first of equal ones is their sum weighted by `shares`."""
    del shares, rank
    return _values(x, ordered)


@_placed.defjvp
def _(primals, tangents):
    _, shares, rank, _ = primals
    return _placed(*primals), _sums(rank, shares * tangents[0])


@jax.custom_jvp
def _placed_evenly(x: jax.Array, rank: jax.Array, ordered: jax.Array) -> jax.Array:
    """Points from their ordered keys; the derivative at each of equal ones is their mean."""
    del rank
    return _values(x, ordered)


@_placed_evenly.defjvp
def _(primals, tangents):
    x, rank, ordered = primals
    means = _sums(rank, _even_shares(rank, x.dtype) * tangents[0])
    return _placed_evenly(*primals), means[_ranks(ordered, ordered)]


def sorted_values(x: jax.Array) -> jax.Array:
    """X (n,) in ascending order, NaN at the ends; a derivative is shared evenly among points that tie."""
    keys = _whole(lax.stop_gradient(x))
    ordered = lax.sort(keys)
    return _placed_evenly(x, _ranks(ordered, keys), ordered)


def sorted_measure(x: jax.Array, mass: jax.Array) -> tuple[jax.Array, jax.Array]:
    """X (n,) in ascending order, and the mass (n,) there: the first of equal points has that of all of them.

    A derivative in the points is shared among equal ones as their mass is, evenly where they have none.
    """
    keys = _whole(lax.stop_gradient(x))
    ordered = lax.sort(keys)
    rank = _ranks(ordered, keys)
    total = _sums(rank, mass)
    whole = total[rank]
    shares = safe_where(whole > 0.0, lambda v: mass / v, whole, _even_shares(rank, x.dtype))
    return _placed(x, shares, rank, ordered), total
