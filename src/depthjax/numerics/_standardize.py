"""The standard score of a location-scale family, whose derivatives keep one array alive instead of two."""

import jax
from jax.custom_derivatives import SymbolicZero


@jax.custom_jvp
def standardize(x: jax.Array, loc: jax.Array, scale: jax.Array) -> jax.Array:
    """(x - loc)/scale.

    Args:
        x: any shape.
        loc: same shape.
        scale: same shape.

    Returns:
        Same shape.

    Numerics:
        The derivatives 1/scale, -1/scale and -z/scale are written with the result z: reverse mode needs no second array
        x - loc, and the compiler sums them as it computes them.
    """
    return (x - loc) / scale


def _rule(primals, tangents):
    z = standardize(*primals)
    dx, dloc, dscale = (None if isinstance(t, SymbolicZero) else t / primals[2] for t in tangents)
    parts = [dx, None if dloc is None else -dloc, None if dscale is None else -z * dscale]
    live = [part for part in parts if part is not None]
    return z, sum(live[1:], live[0])


standardize.defjvp(_rule, symbolic_zeros=True)
