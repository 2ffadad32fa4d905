"""Splines and other monotone maps of a scalar, and couplings of their families."""

import numpy as np
from map_builders import coupling, plain
from map_entry import Map
from map_points import CLOUD3, FAR

X_KNOTS = np.array([-2.0, -0.5, 0.3, 3.0])
INSIDE = np.concatenate([np.linspace(-2, 3, 58)[1:-1] + 1e-3, [-9.0, -5.0, 5.0, 9.0]])
PARTS = np.linspace(0.06, 0.98, 16)
SEEDS = ((0,), (1,), (2,))
DSF = (np.log([0.2, 0.5, 0.3]), np.array([0.5, 1.0, 3.0]), np.array([1.0, 0.0, -2.0]))


def _coupled(suffix, transformer, points=None, **options):
    options = {"round_trip": 4.0, "log_det_slack": 4.0, **options}
    return Map(
        f"Coupling:{suffix}",
        lambda seed, *, dtype: coupling(seed, dtype, transformer, mask=(True, False, False), scale=2.0),
        SEEDS,
        lambda *a: 2 * CLOUD3 if points is None else points,
        **options,
    )


SPLINES = [
    Map(
        "LinearSpline",
        plain("LinearSpline"),
        (
            (X_KNOTS, np.array([-2.0, 0.0, 0.5, 1.0])),
            (X_KNOTS, X_KNOTS),
            (X_KNOTS, np.array([-90.0, 0.0, 30.0, 31.0])),
        ),
        lambda *a: INSIDE,
        round_trip=4.0,
        wild=lambda *a: FAR,
    ),
    Map(
        "QuadraticSpline",
        plain("QuadraticSpline"),
        (
            (X_KNOTS, np.array([0.3, 2.0, 0.5, 1.0]), np.array(-1.0)),
            (X_KNOTS, np.ones(4), np.array(-2.0)),
            (X_KNOTS, np.array([1e-3, 30.0, 1e-3, 1.0]), np.array(0.0)),
        ),
        lambda *a: INSIDE,
        round_trip=4.0,
        log_det_slack=4.0,
        wild=lambda *a: FAR,
    ),
    *(
        Map(
            "SqrtBin" + suffix,
            plain("SqrtBin", normalize=normalize),
            tuple((np.array(phi),) for phi in ([0.4, 0.3, 0.2, 0.1], [0.25] * 4, [0.9, 0.05, 0.049, 0.001])),
            lambda phi: np.concatenate([(k + PARTS) / 4 for k in range(4)]),
            round_trip=4.0,
            log_det_slack=16.0,
        )
        for suffix, normalize in (("", False), (":normalize", True))
    ),
    Map(
        "MixtureLogistic",
        plain("MixtureLogistic"),
        (DSF, (np.zeros(3), np.ones(3), np.zeros(3)), (np.array([0.0, -9.0, 3.0]), np.array([0.01, 9.0, 2.0]), DSF[2])),
        lambda *a: np.concatenate([np.linspace(-9, 9, 56), [-90.0, -40.0, 40.0, 90.0]]),
        kind="iterative",
        round_trip=4.0,
        log_det_slack=16.0,
        jacobian_slack=16.0,
        wild=lambda *a: FAR,
    ),
    _coupled("linear", "LinearSplineTransformer"),
    _coupled("quadratic", "QuadraticSplineTransformer"),
]
