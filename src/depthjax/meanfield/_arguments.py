"""Checks of arguments that many functions share, and the one place where scalars become grids."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from depthjax.numerics._elementwise import promote


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
    """Apply `fn`, which takes scalars, over the broadcast grid of `args`."""
    arrays = promote(*args)
    for _ in range(arrays[0].ndim):
        fn = jax.vmap(fn)
    return fn(*arrays)
