"""What the registry knows about one bijector: parameter draws and where to look."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

NUM_POINTS = 64


def _same(value):
    return value


@dataclasses.dataclass(frozen=True, eq=False)
class Map:
    """One entry of the registry.

    Attributes:
        name: of the class in `depthjax.bijectors`; an entry for an option of a class adds it after a colon.
        build: `(*args, dtype) ->` record.
        draws: arguments, float64 on the host; the records of one entry share a treedef unless `separate`.
        points: `(*args) -> (n, *event)` in the domain, on every branch.
        kind: what `inverse_kind` must say.
        separate: records have different treedefs (static options), so draws are not stacked.
        round_trip: factor on 16 eps, for iterative inverses and chains of maps.
        log_det_slack: factor on the float32 tolerance of the log-det.
        jacobian_slack: factor on the same against a Jacobian that itself loses digits in float32 (1 - tanh^2).
        wild: `(*args) ->` points far out, where output must stay finite and in the codomain.
        volume_preserving: the log-det is zero by definition.
        chart: for maps onto a set with fewer dimensions than entries, output -> the coordinates that its measure is of,
            and back.
    """

    name: str
    build: Callable[..., Any]
    draws: tuple[tuple, ...]
    points: Callable[..., np.ndarray]
    kind: str = "closed"
    separate: bool = False
    round_trip: float = 1.0
    log_det_slack: float = 1.0
    jacobian_slack: float = 1.0
    wild: Callable[..., np.ndarray] | None = None
    volume_preserving: bool = False
    chart: tuple[Callable, Callable] = (_same, _same)

    def record(self, args, dtype):
        """The record with these arguments in this dtype."""
        return self.build(*args, dtype=dtype)

    def inputs(self, args, dtype, points=None):
        """(NUM_POINTS, *event) inputs in the domain."""
        x = np.asarray((points or self.points)(*args), np.float64)
        return np.asarray(x[np.resize(np.arange(len(x)), NUM_POINTS)], dtype)

    def batches(self, dtype):
        """Stacked records with stacked inputs, one pair per treedef."""
        records = [self.record(args, dtype) for args in self.draws]
        inputs = [self.inputs(args, dtype) for args in self.draws]
        groups = [[i] for i in range(len(records))] if self.separate else [list(range(len(records)))]
        return [(stack([records[i] for i in g]), np.stack([inputs[i] for i in g])) for g in groups]


def stack(records):
    """One stacked record out of several of the same treedef."""
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *records)
