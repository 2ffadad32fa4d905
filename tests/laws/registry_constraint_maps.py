"""Maps onto constrained spaces."""

import jax.numpy as jnp
import numpy as np
from map_entry import Map
from map_points import CLOUD3

import depthjax.bijectors as bij

NEAR = 0.7 * CLOUD3
CORNERS = np.array([[30.0, -30.0, 5.0], [60.0, -60.0, 5.0], [1.0, -20.0, -20.0], [5.0, 8.0, -9.0], [-60.0, 60.0, -5.0]])
BELOW, LOWER = np.tril_indices(3, -1), np.tril_indices(3)


def _of_size(name, size):
    return lambda *, dtype: getattr(bij, name)(size)


def _simplex_chart():
    return (lambda y: y[:-1]), (lambda c: jnp.concatenate([c, 1 - jnp.sum(c, keepdims=True)]))


def _triangle(indices, size, fill):
    """Coordinates of the triangle, and a matrix with the rest filled in by `fill`."""
    return (lambda y: y[indices]), (lambda c: fill(jnp.zeros((size, size), c.dtype).at[indices].set(c)))


def _unit_rows(lower):
    rest = jnp.sqrt(1 - jnp.sum(lower * lower, axis=1))
    return jnp.where(np.eye(len(lower), dtype=bool), rest[:, None], lower)


def _symmetric(lower):
    return jnp.where(np.tri(len(lower), dtype=bool), lower, lower.T)


def _unit_diagonal(lower):
    return _symmetric(jnp.where(np.eye(len(lower), dtype=bool), 1, lower))


def _map(name, size, points, *, wild=CORNERS, chart=(lambda y: y, lambda c: c), **options):
    return Map(
        name,
        _of_size(name, size),
        ((),) * 3,
        lambda: points,
        wild=lambda: wild,
        chart=chart,
        **{"round_trip": 4.0, "log_det_slack": 4.0, **options},
    )


LOWER2 = np.tril_indices(2)

CONSTRAINT_MAPS = [
    _map("SoftmaxCentered", 4, CLOUD3, chart=_simplex_chart(), jacobian_slack=16.0),
    _map("StickBreaking", 4, CLOUD3, chart=_simplex_chart(), jacobian_slack=16.0),
    _map("Ordered", 3, CLOUD3),
    _map("PositiveOrdered", 3, CLOUD3),
    _map("FillTriangular", 2, CLOUD3, chart=_triangle(LOWER2, 2, lambda m: m), volume_preserving=True),
    _map("LowerCholesky", 2, CLOUD3, chart=_triangle(LOWER2, 2, lambda m: m)),
    _map("PositiveDefinite", 2, NEAR, chart=_triangle(LOWER2, 2, _symmetric), jacobian_slack=16.0),
    _map("CorrCholesky", 3, NEAR, chart=_triangle(BELOW, 3, _unit_rows), jacobian_slack=64.0),
    _map("Correlation", 3, NEAR, chart=_triangle(BELOW, 3, _unit_diagonal), jacobian_slack=64.0),
]
