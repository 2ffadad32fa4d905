"""Comparison of vectorised functions with high-precision references, in the precision of the leg."""

import jax
import mpmath as mp
import numpy as np

DTYPES = [np.float64 if jax.config.jax_enable_x64 else np.float32]


def reference(fn, *args, digits=60):
    """Evaluate an mpmath function on arrays and round to float64."""
    with mp.workdps(digits):
        return np.vectorize(lambda *values: float(fn(*(mp.mpf(float(value)) for value in values))))(*args)


def assert_accurate(fn, exact, *args, ulps=8.0, condition=None, floor=0.0, digits=60):
    """Assert that the error of `fn` is within `ulps` eps of the exact value at the rounded arguments.

    `condition` maps the arguments to the relative condition number, by which the bound is scaled where it exceeds
    one; `floor` is the magnitude below which the error counts as absolute.
    """
    compiled = jax.jit(fn)
    for dtype in DTYPES:
        rounded = [np.asarray(arg, dtype) for arg in args]
        got = compiled(*rounded)
        assert got.dtype == dtype
        want = reference(exact, *(arg.astype(np.float64) for arg in rounded), digits=digits)
        scale = np.maximum(np.abs(want), floor)
        if condition is not None:
            scale = scale * np.maximum(1.0, condition(*(arg.astype(np.float64) for arg in rounded)))
        visible = np.abs(want) > np.finfo(dtype).tiny
        error = np.abs(np.asarray(got, np.float64) - want) / scale / np.finfo(dtype).eps
        error = np.where(visible, error, 0.0)
        worst = np.unravel_index(np.argmax(np.where(np.isnan(error), np.inf, error)), error.shape)
        assert error[worst] <= ulps, (
            f"{dtype.__name__}: {error[worst]:.1f} eps at {[np.broadcast_to(a, error.shape)[worst] for a in rounded]}"
        )


def gradient(fn, argnum=0, order=1):
    """Return the elementwise derivative of `fn` for arrays of rank one."""
    for _ in range(order):
        fn = jax.grad(fn, argnum)
    return jax.vmap(fn)
