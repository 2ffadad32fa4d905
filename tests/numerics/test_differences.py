"""Differences of logarithms and of products."""

import jax
import mpmath as mp
import numpy as np

from depthjax.numerics import log1m, log1mexp, log_ratio, product_difference

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])


def _worst(got, want, dtype):
    got, want = np.asarray(got, np.float64), np.asarray([float(v) for v in want])
    return np.max(np.abs(got - want) / np.abs(want)) / np.finfo(dtype).eps


def test_relative_accuracy():
    random = np.random.default_rng(0)
    with mp.workdps(40):
        for dtype in DTYPES:
            x = random.uniform(0.5, 2, 200).astype(dtype)
            y = (x * (1 + np.exp(random.uniform(-14, 3, 200)))).astype(dtype)
            exact = [mp.log(mp.mpf(float(b)) / mp.mpf(float(a))) for a, b in zip(x, y, strict=True)]
            assert _worst(log_ratio(y, x), exact, dtype) < 3
            u = random.uniform(0.001, 0.999, 400).astype(dtype)
            assert _worst(log1m(u), [mp.log1p(-mp.mpf(float(v))) for v in u], dtype) < 3
            v = -np.logspace(-6, 1.5, 400).astype(dtype)
            assert _worst(log1mexp(v), [mp.log(-mp.expm1(mp.mpf(float(t)))) for t in v], dtype) < 3


def test_products_that_nearly_agree():
    random = np.random.default_rng(1)
    for dtype in DTYPES[:1]:
        a, x, b = (random.uniform(1, 2, 200).astype(dtype) for _ in range(3))
        y = (a * x / b).astype(dtype)
        want = a.astype(float) * x - b.astype(float) * y
        error = np.abs(np.asarray(product_difference(a, x, b, y), float) - want)
        assert error.max() < np.finfo(dtype).eps ** 1.4
    slopes = jax.grad(product_difference, argnums=(0, 1, 2, 3))(2.0, 3.0, 5.0, 7.0)
    np.testing.assert_allclose(slopes, (3.0, 2.0, -7.0, -5.0))


def test_overflowing_quotients():
    for dtype in DTYPES[:1]:
        np.testing.assert_allclose(float(log_ratio(dtype(1e30), dtype(1e-30))), 60 * np.log(10), rtol=1e-6)
        assert np.isfinite(jax.grad(log_ratio)(dtype(1e30), dtype(1e-30)))
