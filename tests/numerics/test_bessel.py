import jax
import mpmath as mp
import numpy as np
from numerics_oracle import DTYPES, assert_accurate, gradient

import depthjax.numerics as nx

POINTS = np.geomspace(1e-12, 1e8, 60)
RNG = np.random.default_rng(2)
ORDER, ARGUMENT = 10 ** RNG.uniform(-0.3, 3, 60), 10 ** RNG.uniform(-3, 5, 60)


def ratio(x):
    return mp.besseli(1, x) / mp.besseli(0, x)


def test_orders_zero_and_one():
    assert_accurate(nx.log_i0e, lambda x: mp.log(mp.besseli(0, x)) - x, POINTS)
    assert_accurate(nx.log_i1e, lambda x: mp.log(mp.besseli(1, x)) - x, POINTS)
    assert_accurate(gradient(nx.log_i0e), lambda x: ratio(x) - 1, POINTS)
    assert_accurate(gradient(nx.log_i0e, order=2), lambda x: 1 - ratio(x) / x - ratio(x) ** 2, POINTS, ulps=16)
    assert_accurate(gradient(nx.log_i1e), lambda x: 1 / ratio(x) - 1 / x - 1, POINTS, ulps=64)
    assert_accurate(lambda x: nx.bessel_ratio(1, x), ratio, POINTS)
    assert nx.log_i0e(0.0) == 0.0
    assert nx.log_i1e(0.0) == -np.inf
    np.testing.assert_allclose(nx.log_i0e(-3.0), nx.log_i0e(3.0))


def test_any_order():
    assert_accurate(nx.bessel_ratio, lambda v, x: mp.besseli(v, x) / mp.besseli(v - 1, x), ORDER, ARGUMENT)
    assert_accurate(nx.log_ive, lambda v, x: mp.log(mp.besseli(v, x)) - x, ORDER, ARGUMENT, ulps=64)
    slope = gradient(nx.log_ive, 1)
    assert_accurate(slope, lambda v, x: v / x + mp.besseli(v + 1, x) / mp.besseli(v, x) - 1, ORDER, ARGUMENT, ulps=256)
    for dtype in DTYPES:
        assert nx.log_ive(dtype(0.0), dtype(0.0)) == 0.0
        assert nx.log_ive(dtype(1.0), dtype(0.0)) == -np.inf
        assert nx.bessel_ratio(dtype(1.5), dtype(0.0)) == 0.0
        assert np.isnan(nx.log_ive(dtype(1.0), dtype(-1.0)))
        np.testing.assert_allclose(jax.grad(nx.bessel_ratio, 1)(dtype(1.5), dtype(0.0)), 1.0 / 3.0, rtol=1e-6)
