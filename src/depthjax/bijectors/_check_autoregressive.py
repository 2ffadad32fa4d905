"""A check, on request, that a conditioner is autoregressive."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

_NUM_POINTS = 8


def check_autoregressive(fn: Callable[[jax.Array], jax.Array], dim: int, *, strict: bool = True) -> None:
    """Raise unless output i of a function of a vector depends on inputs before i only.

    The Jacobian is evaluated at eight fixed random points, so a dependence that is zero at all of them goes unseen;
    `autoregressive_paths` proves it from masks.

    Args:
        fn: (dim,) -> dim groups of numbers, of shape (dim,), (dim, k) or (dim k,), row by row.
        dim: number d of inputs.
        strict: output i must not depend on input i either, as for a conditioner; False allows it, as for a whole map.

    Raises:
        ValueError: naming the first pair (output, input), counted from 0, that breaks the order, or an output whose
            size is no multiple of d.

    Cost:
        Eight Jacobians.

    Source:
        Germain et al., MADE (2015), sec. 2: the autoregressive property.
    """
    x = np.random.default_rng(0).normal(size=(_NUM_POINTS, dim))
    points = jnp.asarray(np.concatenate([x[: _NUM_POINTS // 2], 3.0 * x[_NUM_POINTS // 2 :]]), jnp.result_type(float))
    size = int(np.prod(jax.eval_shape(fn, jax.ShapeDtypeStruct((dim,), points.dtype)).shape))
    if size % dim:
        raise ValueError(f"check_autoregressive: the function gives {size} numbers, expected a multiple of dim = {dim}")
    slopes = jax.vmap(lambda v: jax.jacrev(lambda u: jnp.reshape(fn(u), (dim, -1)))(v))(points)
    depends = np.any(np.asarray(slopes) != 0, axis=(0, 2))
    allowed = np.tri(dim, dim, -1 if strict else 0, dtype=bool)
    for output, source in np.argwhere(depends & ~allowed):
        order = "before" if strict else "up to"
        raise ValueError(
            f"check_autoregressive: output {output} depends on input {source}; it may depend on inputs {order} "
            f"{output} only"
        )
