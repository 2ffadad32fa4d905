"""What every public function of numbers obeys: the laws of a registry of functions of one number."""

import jax
import jax.numpy as jnp
import numpy as np

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
COMPLEX = np.dtype(np.complex128 if DTYPE == np.float64 else np.complex64)
FLOOR = 16 * np.finfo(DTYPE).eps
RTOL = 1e-8 if jax.config.jax_enable_x64 else 2e-3
POINTS = np.array([0.5, 0.55, 0.62], DTYPE)


def _floats(tree):
    return [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.inexact)]


def _same(one, two):
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        scale = np.nanmax(np.abs(np.where(np.isfinite(a), a, 0.0)), initial=0.0) if np.size(a) else 0.0
        np.testing.assert_allclose(a, b, rtol=RTOL, atol=max(RTOL * scale, FLOOR))


def check_function(fn, *, derivative=jax.jacfwd):
    """One trace for many values; compiled as eager; a batch as a loop; no other dtype; derivatives finite."""
    traces = []

    @jax.jit
    def compiled(p):
        traces.append(None)
        return fn(p)

    found = [compiled(p) for p in POINTS]
    assert len(traces) == 1
    assert {leaf.dtype for leaf in _floats(found)} <= {np.dtype(DTYPE), COMPLEX}
    _same(found[0], fn(jnp.asarray(POINTS[0])))
    _same(jax.tree.map(lambda *x: np.stack(x), *found), jax.jit(jax.vmap(fn))(POINTS))
    slopes = jax.jit(derivative(lambda p: [jnp.where(jnp.isfinite(x), x, 0.0) for x in _floats(fn(p))]))(POINTS[0])
    assert all(np.isfinite(x).all() for x in slopes)
    assert any(np.any(x) for x in slopes)
