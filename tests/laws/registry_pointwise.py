"""Coordinatewise maps beyond the elementary ones."""

import numpy as np
from map_builders import fixed, plain
from map_entry import Map
from map_points import FAR, LINE, UNIT, vector

import depthjax.bijectors as bij
import depthjax.distributions as dists

SKEW = np.array([0.5, -1.0, 0.0])
POWERS = np.array([2.0, 0.5, 1.0])


def _distribution(name):
    return lambda *args, dtype: bij.DistributionCDF(getattr(dists, name)(*(np.asarray(a, dtype) for a in args)))


POINTWISE = [
    Map("Sinh", fixed("Sinh"), ((),) * 3, lambda: vector(LINE), round_trip=2.0, wild=lambda: vector(FAR)),
    Map("Arcsinh", fixed("Arcsinh"), ((),) * 3, lambda: vector(LINE), round_trip=2.0, wild=lambda: vector(1e20 * FAR)),
    Map(
        "SinhArcsinh",
        plain("SinhArcsinh"),
        ((SKEW, np.array([1.5, 0.5, 1.0])), (np.zeros(3), np.ones(3)), (10 * SKEW, np.array([0.1, 3.0, 1.0]))),
        lambda *a: vector(LINE),
        round_trip=4.0,
        wild=lambda *a: vector(1e6 * FAR),
    ),
    Map("Softsign", fixed("Softsign"), ((),) * 3, lambda: vector(LINE), wild=lambda: vector(1e6 * FAR)),
    Map(
        "LeakyTanh",
        fixed("LeakyTanh"),
        ((3.0,), (0.5,), (8.0,)),
        lambda *a: vector(LINE + 0.01),
        separate=True,
        jacobian_slack=100.0,
        wild=lambda *a: vector(FAR),
    ),
    Map(
        "Power",
        plain("Power"),
        ((POWERS,), (np.ones(3),), (np.array([0.1, 3.0, 7.0]),)),
        lambda *a: vector(np.logspace(-3, 3, 64)),
        round_trip=4.0,
    ),
    Map("NormalCDF", fixed("NormalCDF"), ((),) * 3, lambda: vector(LINE / 4), wild=lambda: vector(FAR)),
    Map(
        "DistributionCDF",
        _distribution("Laplace"),
        ((SKEW, np.ones(3)), (np.zeros(3), np.array([0.2, 3.0, 1.0])), (40 * SKEW, np.full(3, 9.0))),
        lambda loc, scale: loc + scale * vector(np.linspace(-3, 3, 64) + 0.01),
        wild=lambda *a: vector(FAR),
    ),
    Map(
        "DistributionCDF:interval",
        _distribution("Uniform"),
        ((0.0, 1.0), (-2.0, 5.0), (40.0, 40.5)),
        lambda low, high: low + (high - low) * UNIT,
        round_trip=4.0,
    ),
]
