"""Layers of flows beyond couplings."""

import numpy as np
from map_builders import block_autoregressive, deep_sigmoidal, plain, residual
from map_entry import Map
from map_points import CLOUD3, FAR, FAR3, LINE

import depthjax.bijectors as bij

RANDOM = np.random.default_rng(12)
SEEDS = ((0,), (1,), (2,))


def _sylvester(num_vectors, num_units, scales=(1.0, 1e-3, 3.0)):
    """Arguments; rounding of the pre-activations reaches the output times |R| |Rt|, which the scales bound."""
    shapes = ((num_vectors, 3), (num_units, num_units), (num_units, num_units), (num_units,))
    return tuple(tuple(scale * RANDOM.normal(size=shape) for shape in shapes) for scale in scales)


def _multiscale(shift, log_scale, *, dtype):
    shift, log_scale = np.asarray(shift, dtype), np.asarray(log_scale, dtype)
    tail = np.tile(shift, 2), np.tile(log_scale, 2)
    first = bij.Chain(bij.Squeeze((2, 2, 2)), bij.ActNorm(*(np.tile(part, 2) for part in tail), event_shape=(1, 1, 8)))
    return bij.Multiscale(first, bij.ActNorm(*tail, event_shape=(1, 1, 4)))


IMAGES = RANDOM.normal(size=(64, 2, 2, 2))
SCALING = tuple((k * np.array([0.3, -1.0]), k * np.array([0.5, -0.4])) for k in (1.0, 0.0, 4.0))
MIXING = tuple((*k * RANDOM.normal(size=(2, 2, 2)), np.array([[1.0, -1.0], [0.5 * k, -k]])) for k in (1.0, 0.0, 3.0))

LAYERS = [
    Map("ActNorm", plain("ActNorm", event_shape=(2, 2, 2)), SCALING, lambda *a: IMAGES, round_trip=2.0),
    Map(
        "Invertible1x1",
        plain("Invertible1x1", permutation=(1, 0), event_shape=(2, 2, 2)),
        MIXING,
        lambda *a: IMAGES,
        round_trip=4.0,
        log_det_slack=4.0,
    ),
    Map("Squeeze", lambda *, dtype: bij.Squeeze((2, 2, 2)), ((),) * 3, lambda: IMAGES, volume_preserving=True),
    Map("Multiscale", _multiscale, SCALING, lambda *a: IMAGES, round_trip=4.0),
    *(
        Map(
            name,
            plain("Sylvester", kind=kind),
            _sylvester(num_vectors, num_units),
            lambda *a: CLOUD3,
            kind="iterative",
            round_trip=8.0,
            log_det_slack=8.0,
            wild=lambda *a: FAR3,
        )
        for name, kind, num_vectors, num_units in (
            ("Sylvester", "orthogonal", 2, 2),
            ("Sylvester:triangular", "triangular", 0, 3),
        )
    ),
    Map("Residual", residual(0.9), SEEDS, lambda *a: CLOUD3, kind="iterative", round_trip=4.0, wild=lambda *a: FAR3),
    # The series leaves 3 L^17/(17 (1 - L)), 6e-13 at L = 0.2.
    Map(
        "Residual:series",
        residual(0.2, log_det="series", num_terms=16),
        SEEDS,
        lambda *a: CLOUD3,
        kind="iterative",
        round_trip=4.0,
    ),
    Map(
        "BlockAutoregressive",
        block_autoregressive,
        SEEDS,
        lambda *a: CLOUD3,
        kind="iterative",
        round_trip=4.0,
        log_det_slack=4.0,
        wild=lambda *a: FAR3,
    ),
    Map(
        "DeepSigmoidal",
        deep_sigmoidal,
        SEEDS,
        lambda *a: LINE,
        kind="iterative",
        round_trip=4.0,
        log_det_slack=8.0,
        wild=lambda *a: FAR,
    ),
]
