"""The registry of bijectors: every class exported from `depthjax.bijectors`, by name or as `name:option`."""

from typing import Any

import numpy as np
import registry_combinators
import registry_constraint_maps
import registry_layers
import registry_pointwise
import registry_splines
from map_builders import autoregressive, coupling, fixed, plain, scan_layers
from map_entry import Map
from map_points import CLOUD, CLOUD3, FAR, FAR3, HALF_LINE, LINE, RANDOM, UNIT, vector

import depthjax.bijectors as bij

SEEDS = ((0,), (1,), (2,))
MATRIX = np.array([[1.5, 0, 0], [0.3, 0.8, 0], [-0.4, 0.2, 2.0]])
STEEP = np.array([[30.0, 0, 0], [5.0, 0.05, 0], [-4.0, 2.0, 1.0]])
UPPER = np.array([[2.0, 0.5, -0.3], [0, -0.7, 0.4], [0, 0, 1.2]])
UNIT_LOWER = np.array([[1.0, 0, 0], [0.4, 1, 0], [-0.2, 0.6, 1]])
PAIR = ((np.array([0.3, -1.0, 2.0]), np.array([1.5, -0.4, 2.0])), (np.zeros(3), np.ones(3)),
        (np.array([40.0, 0.0, -900.0]), np.array([1e-3, 1e3, -1.0])))  # fmt: skip


ELEMENTWISE = [
    Map("Identity", fixed("Identity"), ((),) * 3, lambda: vector(LINE), volume_preserving=True),
    Map("Affine", plain("Affine"), PAIR, lambda *a: vector(LINE)),
    Map("Shift", plain("Shift"), tuple((shift,) for shift, _ in PAIR), lambda *a: vector(LINE), volume_preserving=True),
    Map("Exp", fixed("Exp"), ((),) * 3, lambda: vector(LINE), round_trip=2.0, wild=lambda: vector(FAR[1:-1] / 4)),
    Map("Log", fixed("Log"), ((),) * 3, lambda: vector(HALF_LINE), round_trip=2.0),
    Map(
        "Softplus",
        fixed("Softplus"),
        ((0.0,), (-2.0,), (3.0,)),
        lambda *a: vector(LINE),
        separate=True,
        round_trip=2.0,
        wild=lambda *a: vector(FAR),
    ),
    Map(
        "Sigmoid",
        lambda low, high, *, dtype: bij.Sigmoid(low, high, event_shape=(3,)),
        ((0.0, 1.0), (-2.0, 5.0), (0.0, 1e-3)),
        lambda *a: vector(LINE / 2),
        separate=True,
        wild=lambda *a: vector(FAR),
    ),
    Map(
        "Logit",
        lambda low, high, *, dtype: bij.Logit(low, high, event_shape=(3,)),
        ((0.0, 1.0), (-2.0, 5.0), (0.0, 1e-3)),
        lambda low, high: vector(low + (high - low) * UNIT),
        separate=True,
        round_trip=4.0,
    ),
    Map("Tanh", fixed("Tanh"), ((),) * 3, lambda: vector(LINE / 3), jacobian_slack=100.0, wild=lambda: vector(FAR)),
    Map("LeakyReLU", fixed("LeakyReLU"), ((0.01,), (0.5,), (1.0,)), lambda *a: vector(LINE + 0.01), separate=True),
]

LINEAR = [
    Map(
        "TriangularAffine",
        plain("TriangularAffine"),
        ((np.array([0.3, -1.0, 2.0]), MATRIX), (np.zeros(3), np.eye(3)), (np.ones(3), STEEP)),
        lambda *a: CLOUD3,
        round_trip=4.0,
    ),
    Map(
        "LUAffine",
        plain("LUAffine", permutation=(2, 0, 1)),
        (
            (np.array([0.3, -1.0, 2.0]), UNIT_LOWER, UPPER),
            (np.zeros(3), np.eye(3), np.eye(3)),
            (np.ones(3), UNIT_LOWER, 30 * UPPER),
        ),
        lambda *a: CLOUD3,
        round_trip=4.0,
    ),
    Map(
        "Permutation",
        lambda order, *, dtype: bij.Permutation(order),
        (((2, 0, 1),), ((0, 1, 2),), ((1, 0, 2),)),
        lambda *a: CLOUD3,
        separate=True,
        volume_preserving=True,
    ),
    Map("Reverse", lambda *, dtype: bij.Reverse((3,)), ((),) * 3, lambda: CLOUD3, volume_preserving=True),
    Map(
        "Householder",
        plain("Householder"),
        ((RANDOM.normal(size=(2, 3)),), (np.array([[1.0, 2, -2], [0, 0, 0]]),), (1e15 * RANDOM.normal(size=(2, 3)),)),
        lambda *a: CLOUD3,
        volume_preserving=True,
    ),
]

FLOWS = [
    Map(
        "Planar",
        plain("Planar"),
        (
            (np.array([1.0, 0.5]), np.array([0.5, -1.2]), np.array(0.3)),
            (np.array([10.0, 10.0]), np.array([-1.0, -1.0]), np.array(0.0)),
            (np.array([1e-10, -1e-10]), np.array([1.0, 2.0]), np.array(0.5)),
            (np.zeros(2), np.array([1.0, 2.0]), np.array(0.5)),
        ),
        lambda *a: CLOUD,
        kind="iterative",
        round_trip=4.0,
        wild=lambda *a: FAR3[:, :2],
    ),
    Map(
        "Planar:leaky_relu",
        plain("Planar", activation="leaky_relu"),
        (
            (np.array([1.0, 0.5]), np.array([0.5, -1.2]), np.array(0.3)),
            (np.array([3.0, 3.0]), np.array([-1.0, -1.0]), np.array(0.1)),
            (np.array([1e-10, -1e-10]), np.array([1.0, 2.0]), np.array(0.5)),
        ),
        lambda *a: CLOUD,
        round_trip=4.0,
        jacobian_slack=16.0,
        wild=lambda *a: FAR3[:, :2],
    ),
    Map(
        "Radial",
        plain("Radial"),
        (
            (np.array([0.3, -1.0, 2.0]), np.array(1.0), np.array(-2.0)),
            (np.zeros(3), np.array(0.0), np.array(3.0)),
            (np.zeros(3), np.array(-4.0), np.array(8.0)),
        ),
        lambda *a: CLOUD3,
        round_trip=4.0,
        wild=lambda *a: FAR3,
    ),
    Map(
        "RationalQuadraticSpline",
        plain("RationalQuadraticSpline"),
        (
            (np.array([-1.0, 0.2, 1.0]), np.array([-1.0, -0.5, 1.0]), np.array([1.0, 0.4, 1.0])),
            (np.array([-2.0, 0.0, 3.0]), np.array([-2.0, 0.0, 3.0]), np.ones(3)),
            (np.array([-4.0, -3.99, 4.0]), np.array([-4.0, 3.0, 4.0]), np.array([1.0, 30.0, 1.0])),
        ),
        lambda x, y, s: np.concatenate([np.linspace(x[0], x[-1], 58)[1:-1] + 1e-4, [-9.0, -5.0, 5.0, 9.0]]),
        round_trip=4.0,
        wild=lambda *a: FAR,
    ),
]

COMPOSED = [
    Map(
        "Coupling",
        lambda seed, *, dtype: coupling(seed, dtype, "AffineTransformer", mask=(True, False, True)),
        SEEDS,
        lambda *a: CLOUD3,
        round_trip=2.0,
    ),
    Map(
        "Coupling:shift",
        lambda seed, *, dtype: coupling(seed, dtype, "ShiftTransformer", mask=(False, True, False)),
        SEEDS,
        lambda *a: CLOUD3,
        volume_preserving=True,
    ),
    Map(
        "Coupling:spline",
        lambda seed, *, dtype: coupling(
            seed, dtype, "RationalQuadraticTransformer", mask=(True, False, False), scale=2.0
        ),
        SEEDS,
        lambda *a: 2 * CLOUD3,
        round_trip=4.0,
    ),
    Map(
        "MaskedAutoregressive",
        autoregressive("MaskedAutoregressive", "AffineTransformer", inverse_method="jacobi"),
        SEEDS,
        lambda *a: CLOUD3,
        kind="closed",
        round_trip=8.0,
    ),
    Map(
        "InverseAutoregressive",
        autoregressive("InverseAutoregressive", "AffineTransformer", inverse_method="jacobi"),
        SEEDS,
        lambda *a: CLOUD3,
        kind="autoregressive",
        round_trip=8.0,
    ),
    Map(
        "Chain",
        lambda shift, scale, *, dtype: bij.Chain(
            bij.Affine(np.asarray(shift, dtype), np.asarray(scale, dtype)),
            bij.Tanh(event_shape=(3,)),
            bij.Reverse((3,)),
        ),
        tuple((np.array([0.3, -1.0, 0.5]) * k, np.array([0.5, -0.4, 0.3]) * k) for k in (1.0, 0.3, 0.01)),
        lambda *a: CLOUD3,
        round_trip=4.0,
    ),
    Map(
        "Invert",
        lambda shift, scale, *, dtype: bij.Invert(bij.Affine(np.asarray(shift, dtype), np.asarray(scale, dtype))),
        PAIR,
        lambda *a: vector(LINE),
        round_trip=4.0,
    ),
    Map("Scan", scan_layers("stored"), SEEDS, lambda *a: CLOUD3, round_trip=8.0),
    Map("Scan:recompute", scan_layers("recompute"), SEEDS, lambda *a: CLOUD3, round_trip=8.0),
    Map(
        "Stack",
        lambda shift, *, dtype: bij.Stack(
            (
                bij.Shift(np.asarray(shift, dtype)),
                bij.Softplus(),
                bij.Affine(np.asarray(shift, dtype), np.asarray(-2.0, dtype)),
            )
        ),
        ((0.3,), (-5.0,), (100.0,)),
        lambda *a: CLOUD3,
        round_trip=2.0,
    ),
    Map(
        "NumericalInverse",
        lambda shift, scale, *, dtype: bij.NumericalInverse(
            bij.Affine(np.asarray(shift, dtype), np.asarray(scale, dtype))
        ),
        PAIR[:2] + ((np.array([4.0, 0.0, -9.0]), np.array([0.1, 10.0, -1.0])),),
        lambda *a: CLOUD3,
        kind="iterative",
        round_trip=4.0,
    ),
]

ENTRIES: list[Any] = [
    *ELEMENTWISE,
    *LINEAR,
    *FLOWS,
    *COMPOSED,
    *registry_pointwise.POINTWISE,
    *registry_combinators.COMBINATORS,
    *registry_constraint_maps.CONSTRAINT_MAPS,
    *registry_splines.SPLINES,
    *registry_layers.LAYERS,
]
