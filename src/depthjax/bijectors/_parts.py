"""What combinators say about their parts."""

from collections.abc import Sequence

from depthjax.core import Bijector, Constraint


def hardest_inverse(parts: Sequence[Bijector]) -> str:
    """The `inverse_kind` of the part that is hardest to invert."""
    kinds = {part.inverse_kind for part in parts}
    return next(kind for kind in ("iterative", "autoregressive", "closed") if kind in kinds)


def common_set(sets: Sequence[Constraint], fallback: Constraint) -> Constraint:
    """The set of which all parts say that their events lie in it; `fallback` where they differ."""
    first = sets[0]
    same = all(s is first or (s.bounds is not None and s.bounds == first.bounds) for s in sets)
    return first if same else fallback
