"""Combinators and linear maps."""

import math

import jax.numpy as jnp
import numpy as np
from map_builders import plain
from map_entry import Map
from map_points import CLOUD3, LINE, vector

import depthjax.bijectors as bij
from depthjax.core import constraints

RANDOM = np.random.default_rng(11)
CUBES = np.stack([CLOUD3[:, :2], CLOUD3[:, 1:]], axis=1)
SHIFTS = tuple((np.array(s),) for s in ([0.3, -1.0], [0.0, 0.0], [40.0, -900.0]))
U, V = RANDOM.normal(size=(3, 2)), RANDOM.normal(size=(3, 2))
RAW = RANDOM.normal(size=(3, 3))


def _concatenate(shift, *, dtype):
    shift = np.asarray(shift, dtype)
    return bij.Concatenate((bij.Affine(shift, np.asarray([-2.0, 0.5], dtype)), bij.Softplus(event_shape=1)))


def _block(shift, *, dtype):
    shift = np.asarray(shift, dtype)
    return bij.Block(bij.TriangularAffine(shift, np.asarray([[1.5, 0.0], [0.3, 0.8]], dtype)), 2)


def _cube(x):
    return jnp.power(x, jnp.asarray(3.0, x.dtype))


def _root(y):
    return jnp.cbrt(y)


def _log_slope(x):
    return jnp.sum(math.log(3.0) + 2.0 * jnp.log(jnp.abs(x)))


COMBINATORS = [
    Map("Concatenate", _concatenate, SHIFTS, lambda *a: CLOUD3, round_trip=4.0),
    Map("Block", _block, SHIFTS, lambda *a: CUBES, round_trip=4.0),
    Map(
        "Reshape",
        lambda *, dtype: bij.Reshape((2, 2), 4),
        ((),) * 3,
        lambda: CUBES,
        volume_preserving=True,
    ),
    Map(
        "Lambda",
        lambda *, dtype: bij.Lambda(
            _cube, _root, _log_slope, (3,), None, constraints.positive, constraints.positive, True
        ),
        ((),) * 3,
        lambda: vector(np.abs(LINE[LINE != 0])),
        round_trip=2.0,
    ),
    Map(
        "LowRankAffine",
        plain("LowRankAffine"),
        ((np.ones(3), U, V), (np.zeros(3), 0 * U, V), (-np.ones(3), 30 * U, V)),
        lambda *a: CLOUD3,
        round_trip=4.0,
        log_det_slack=4.0,
    ),
    Map(
        "DiagonalPlusLowRank",
        plain("DiagonalPlusLowRank"),
        (
            (np.ones(3), np.array([1.0, -2.0, 0.5]), U, V),
            (np.zeros(3), np.ones(3), U, 0 * V),
            (-np.ones(3), np.array([9.0, 0.1, 1.0]), 0.1 * U, V),
        ),
        lambda *a: CLOUD3,
        round_trip=4.0,
        log_det_slack=4.0,
    ),
    *(
        Map(
            "Orthogonal" + suffix,
            plain("Orthogonal", method=method),
            ((RAW,), (0 * RAW,), (1e15 * RAW,)),
            lambda *a: CLOUD3,
            volume_preserving=True,
        )
        for suffix, method in (("", "householder"), (":cayley", "cayley"), (":expm", "expm"))
    ),
]
