"""Export of a function of a record for other platforms."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.export


def export_fn(
    fn: Callable, record: Any, *shapes: Any, platforms: Sequence[str] = ("cpu", "cuda", "tpu")
) -> jax.export.Exported:
    """Lower `fn(record, *args)` for several platforms.

    The record travels as its list of leaves, so the exported function needs no class of this library: call it as
    `exported.call(jax.tree.leaves(record), *args)`.

    Args:
        fn: function of a record and arrays.
        record: any record; its leaves give shapes and dtypes.
        *shapes: `jax.ShapeDtypeStruct` of the other arguments, or arrays; `jax.export.symbolic_shape` may give the
            batch size.
        platforms: platforms to lower for.

    Returns:
        A `jax.export.Exported`; its `serialize` needs the optional package flatbuffers.
    """
    leaves, treedef = jax.tree.flatten(record)

    def by_leaves(values, *args):
        return fn(jax.tree.unflatten(treedef, values), *args)

    return jax.export.export(jax.jit(by_leaves), platforms=tuple(platforms))(leaves, *shapes)
