"""The rule of panels for the law of phi'(sqrt(q) h)^2: nodes that stay where they are, weights that know q."""

import math
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr

from depthjax.meanfield._contour import Contour
from depthjax.meanfield._slope_tables import Table

POINTS = (32, 16, 8)
_REACH = 8.5
_HARMONICS = 6


@lru_cache
def _radau(count):
    """Gauss's rule on [0, 1] with a node at 0, so that the top of the support of phi'^2 is a node."""
    k = np.arange(1.0, count)
    beside = k / np.sqrt(4.0 * k * k - 1.0)
    matrix = np.diag(beside, 1) + np.diag(beside, -1)
    # The last entry that makes -1 an eigenvalue.
    tail = np.linalg.solve(matrix[:-1, :-1] + np.eye(count - 1), np.eye(count - 1)[:, -1] * beside[-1] ** 2)
    matrix[-1, -1] = -1.0 + tail[-1]
    at, vectors = np.linalg.eigh(matrix)
    return 0.5 * (at + 1.0), vectors[0] ** 2


def num_blocks(table: Table) -> int:
    """Number of blocks; the last is filled with panels of length zero."""
    return -(-len(table.ends) // table.in_block)


def _nodes(table, ends, points):
    """Nodes x of every panel, and the lengths that they stand for, (blocks * in_block, points)."""
    spare = num_blocks(table) * table.in_block - len(ends)
    ends = np.concatenate([ends, np.full((spare, 2), ends[-1, 1])])
    at, shares = _radau(points)
    span = ends[:, 1:] - ends[:, :1]
    signs = np.where(np.real(span) < 0.0, -1.0, 1.0)
    return ends[:, :1] + span * at, signs * span * shares


@lru_cache
def _static(make, base, points):
    """Nodes and lengths on the line and on the path, with phi'^2 and its rise over base^2."""
    table = make()

    def with_values(ends):
        x, lengths = _nodes(table, ends, points)
        square = table.slope(x.astype(complex)) ** 2
        rise = square / base**2 - 1.0 if table.rise is None else table.rise(x.astype(complex))
        return x, lengths, square, rise

    line, path = with_values(table.ends.real), with_values(table.ends)
    return (*line[:2], *(part.real for part in line[2:])), path


def _used(table, q):
    """A one for every block that begins within reach of the normal law."""
    starts = np.abs(table.ends.real).min(axis=1)[:: table.in_block]
    return (jnp.asarray(starts, q.dtype) <= _REACH * jnp.sqrt(q)).astype(q.dtype)


def _density(contour, table, q, x):
    """Of x ~ N(0, q), of abs(x) where the table is even, or of x folded into half a period; x real or complex."""
    q = q.astype(x.dtype)
    if contour.period is not None:
        waves = (2.0 * jnp.exp(-2.0 * k * k * q) * jnp.cos(2.0 * k * x) for k in range(1, _HARMONICS))
        return (2.0 / contour.period) * sum(waves, jnp.ones_like(x))
    sides = 2.0 if table.even else 1.0
    return sides * jnp.exp(-0.5 * x * x / q) / jnp.sqrt(2.0 * math.pi * q)


def _rest(contour, table, q, square):
    """Values of phi'^2 beyond the panels and their probabilities."""
    if contour.period is not None:
        return jnp.zeros((2,), q.dtype), jnp.zeros((2,), q.dtype)
    root = jnp.sqrt(q)
    below = (2.0 if table.even else 1.0) * ndtr(table.left / root)
    above = jnp.zeros_like(q) if table.even else ndtr(-table.right / root)
    top = jnp.ones_like(q) if square is None else square
    return jnp.stack([jnp.zeros_like(q), top]), jnp.stack([below, above])


def _with_rest(table, nodes, rest, base):
    """Values, rises and weights, those beyond the panels after the nodes of each block; they count in the first."""
    others, masses = rest
    size = num_blocks(table)
    first = jnp.asarray(np.arange(size)[:, None] == 0)
    extra = others[None], (others / base**2 - 1.0)[None], jnp.where(first, masses[None], 0.0)
    return tuple(
        jnp.concatenate([part.reshape(size, -1), jnp.broadcast_to(more, (size, 2)).astype(part.dtype)], axis=1).ravel()
        for part, more in zip(nodes, extra, strict=True)
    )


def panels(contour: Contour, q: jax.Array, square: jax.Array | None) -> tuple:
    """Values on the line, on the path, and blocks in use, for each number of points; `square` is the declared slope's.

    Each is (phi'^2, rise, weight); for q of at least `lowest` of the table.
    """
    table, dtype = contour.table(), q.dtype
    wide = jnp.complex128 if dtype == jnp.float64 else jnp.complex64
    rest, blocks = _rest(contour, table, q, square), _used(table, q)

    def rule(points):
        for nodes, kind in zip(_static(contour.table, contour.base, points), (dtype, wide), strict=True):
            x, lengths, squares, rises = (jnp.asarray(part.ravel(), kind) for part in nodes)
            values = squares, rises, lengths * _density(contour, table, q, x)
            yield _with_rest(table, values, rest, contour.base)

    return tuple((*rule(points), blocks) for points in POINTS)


def scaled_panels(contour: Contour, q: jax.Array, square: jax.Array) -> tuple:
    """The same for q below `lowest`, on panels that shrink with sqrt(q)."""
    table, dtype = contour.table(), q.dtype
    wide = jnp.complex128 if dtype == jnp.float64 else jnp.complex64
    lowest = jnp.full_like(q, table.lowest)
    blocks = _used(table, lowest)
    count = int(np.sum(np.abs(table.ends.real).min(axis=1)[:: table.in_block] <= _REACH * math.sqrt(table.lowest)))
    rest = _rest(contour, table, lowest, square)
    positive = q > 0.0
    root = jnp.where(positive, jnp.sqrt(jnp.where(positive, q, 1.0)), 0.0 * q)

    def rule(points):
        for ends, kind in ((table.ends.real, dtype), (table.ends, wide)):
            inner = ends[: count * table.in_block]
            x, lengths = _nodes(table._replace(ends=inner), inner, points)
            x, lengths = jnp.asarray(x.ravel(), kind), jnp.asarray(lengths.ravel(), kind)
            at = (root / math.sqrt(table.lowest)).astype(kind) * x
            rise = contour.rise(at)
            nodes = jnp.square(contour.slope(at)), rise * (2.0 + rise), lengths * _density(contour, table, lowest, x)
            spare = (num_blocks(table) - count) * table.in_block * points
            yield _with_rest(table, tuple(jnp.pad(part, (0, spare)) for part in nodes), rest, contour.base)

    return tuple((*rule(points), blocks) for points in POINTS)
