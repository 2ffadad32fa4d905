"""Checks of arguments that many functions share, and the one place where scalars become grids."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.numerics._elementwise import promote

_BLOCK = 256


def concrete(value: Any) -> np.ndarray | None:
    """The value of a number or array on the host; None for a tracer."""
    return None if isinstance(value, jax.core.Tracer) else np.asarray(value)


def require(name: str, argument: str, value: Any, holds: Callable[[np.ndarray], Any], expected: str) -> None:
    """Raise `ValueError` if a concrete value breaks a condition; a traced one gives NaN later."""
    known = concrete(value)
    if known is not None and np.size(known) and not np.all(holds(known) | np.isnan(known)):
        bad = known[~np.asarray(holds(known))].ravel()[0] if known.ndim else known
        raise ValueError(f"{name}: {argument} must be {expected}, got {float(bad)}")


def require_scales(name: str, sigma_w: Any = 1.0, sigma_b: Any = 0.0) -> None:
    """Standard deviations: sigma_w > 0, sigma_b >= 0."""
    require(name, "sigma_w", sigma_w, lambda v: v > 0.0, "positive (a standard deviation)")
    require(name, "sigma_b", sigma_b, lambda v: v >= 0.0, "nonnegative (a standard deviation)")


def over_grid(fn: Callable, *args: Any) -> Any:
    """Apply `fn`, which takes scalars, over the broadcast grid of `args`; large ones by blocks, which fit in caches."""
    arrays = promote(*args)
    shape, size = arrays[0].shape, arrays[0].size
    if size <= _BLOCK:
        for _ in shape:
            fn = jax.vmap(fn)
        return fn(*arrays)
    spare = -size % _BLOCK
    blocks = [jnp.pad(x.ravel(), (0, spare), mode="edge").reshape(-1, _BLOCK) for x in arrays]
    found = jax.lax.map(lambda block: jax.vmap(fn)(*block), blocks)
    return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:size].reshape(*shape, *x.shape[2:]), found)
