"""Layers of flows beyond couplings."""

import numpy as np
from map_builders import plain
from map_entry import Map
from map_points import CLOUD3, FAR3

RANDOM = np.random.default_rng(12)


def _sylvester(num_vectors, num_units, scales=(1.0, 1e-3, 3.0)):
    """Arguments; rounding of the pre-activations reaches the output times |R| |Rt|, which the scales bound."""
    shapes = ((num_vectors, 3), (num_units, num_units), (num_units, num_units), (num_units,))
    return tuple(tuple(scale * RANDOM.normal(size=shape) for shape in shapes) for scale in scales)


LAYERS = [
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
]
