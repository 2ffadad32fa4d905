"""The logarithm of one plus x: relative accuracy, ends, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.numerics._log1p import log1p

FLOAT = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = np.finfo(FLOAT).eps


def test_relative_accuracy():
    small = np.geomspace(np.finfo(FLOAT).tiny, 0.9 * np.finfo(FLOAT).max, 40_001)
    x = np.concatenate([small, -small[small < 1], -1 + np.geomspace(2 * EPS, 1, 2001), np.linspace(-0.6, 3, 20_001)])
    x = x.astype(FLOAT)
    x = x[x > -1]
    exact = np.log1p(x.astype(np.longdouble)).astype(np.float64)
    np.testing.assert_allclose(jax.jit(log1p)(x), exact, rtol=2 * EPS)
    np.testing.assert_allclose(jax.vmap(log1p)(x[::97]), exact[::97], rtol=2 * EPS)


def test_ends_and_derivatives():
    values = log1p(jnp.asarray([-1.0, np.inf, 0.0, -2.0, np.nan], FLOAT))
    np.testing.assert_array_equal(values, [-np.inf, np.inf, 0.0, np.nan, np.nan])
    x = jnp.asarray([-0.5, 0.0, 1e-9, 1.0, 7.0], FLOAT)
    np.testing.assert_allclose(jax.vmap(jax.grad(log1p))(x), 1 / (1 + x), rtol=2 * EPS)
    np.testing.assert_allclose(jax.vmap(jax.grad(jax.grad(log1p)))(x), -1 / (1 + x) ** 2, rtol=4 * EPS)
