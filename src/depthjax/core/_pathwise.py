"""A sampler whose parameters cannot be differentiated through, loudly."""

from collections.abc import Callable
from typing import Any

import jax
from jax.custom_derivatives import SymbolicZero, zero_from_primal


def forbid_pathwise(draw: Callable[[Any, jax.Array], Any], record: Any, key: jax.Array) -> Any:
    """`draw(record, key)`, raising `TypeError` when a parameter of `record` carries a live tangent.

    The reparameterisation gradient of such a draw does not exist; a silent zero would be a wrong gradient.
    """
    name = type(record).__name__

    @jax.custom_jvp
    def guarded(dist, k):
        return draw(dist, k)

    def rule(primals, tangents):
        if any(not isinstance(t, SymbolicZero) for t in jax.tree.leaves(tangents[0])):
            raise TypeError(
                f"{name}.sample has no pathwise gradient (reparameterized = 'none'). "
                f"Sample with record.detach().sample(key) and use a score-function estimator, "
                f"or differentiate a relaxed or reparameterisable distribution."
            )
        out = guarded(*primals)
        return out, jax.tree.map(lambda leaf: zero_from_primal(leaf, symbolic_zeros=True), out)

    guarded.defjvp(rule, symbolic_zeros=True)
    return guarded(record, key)
