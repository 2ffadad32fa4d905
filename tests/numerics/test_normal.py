import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
from numerics_oracle import DTYPES, assert_accurate, gradient

import depthjax.numerics as nx

DEEP = np.concatenate([-np.geomspace(1e-20, 900.0, 60), np.linspace(-8.0, 9.0, 60)])
LO = np.repeat([-70.0, -30.0, -9.0, -2.0, -0.3, 0.0, 0.3, 2.0, 9.0, 30.0], 4)
WIDTH = np.maximum(np.tile([1e-6, 0.1, 3.0, 40.0], 10), 1e-5 * np.abs(LO))


def tail(x):
    return mp.erfc(x / mp.sqrt(2)) / 2


def log_ndtr(x):
    return mp.log(tail(-x)) if x < 3 else mp.log1p(-tail(x))


def hazard(x):
    return mp.npdf(x) / tail(x)


def squared(x):
    return x * x


def test_log_ndtr():
    assert_accurate(nx.log_ndtr, log_ndtr, DEEP, condition=squared, digits=400)
    assert_accurate(gradient(nx.log_ndtr), lambda x: hazard(-x), DEEP, condition=squared, digits=400)
    second = gradient(nx.log_ndtr, order=2)
    assert_accurate(second, lambda x: -hazard(-x) * (hazard(-x) + x), DEEP, condition=squared, digits=400)
    np.testing.assert_allclose(
        nx.log_ndtr(jnp.array([-10.0, -40.0, -1000.0])), [-53.23128515, -804.608442, -500007.8267], rtol=1e-7
    )
    np.testing.assert_allclose(jax.grad(nx.log_ndtr)(-1000.0), 1000.001, rtol=1e-6)
    assert nx.log_ndtr(-np.inf) == -np.inf


def test_mills_ratio_and_erfcx():
    points = np.concatenate([np.linspace(-3.0, 0.0, 20), np.geomspace(1e-20, 900.0, 80)])

    def ratio(x):
        return mp.erfc(x / mp.sqrt(2)) * mp.exp(x * x / 2) * mp.sqrt(mp.pi / 2)

    left = points[points <= 0.0]
    right = points[points >= 0.0]
    assert_accurate(nx.mills_ratio, ratio, left, condition=squared)
    assert_accurate(nx.mills_ratio, ratio, right)
    assert_accurate(gradient(nx.mills_ratio), lambda x: x * ratio(x) - 1, right)
    assert_accurate(gradient(nx.mills_ratio, order=2), lambda x: ratio(x) + x * (x * ratio(x) - 1), right)
    assert_accurate(nx.erfcx, lambda x: mp.erfc(x) * mp.exp(x * x), right)


def test_log_ndtr_difference():
    def exact(lo, hi):
        if lo + hi < 0:
            lo, hi = -hi, -lo
        return mp.log(tail(lo) - tail(hi)) if lo > 0 else mp.log1p(-tail(-lo) - tail(hi))

    def condition(lo, hi):
        return 1.0 + np.maximum(np.abs(lo), np.abs(hi)) ** 2

    assert_accurate(nx.log_ndtr_difference, exact, LO, LO + WIDTH, condition=condition, digits=1200)
    assert nx.log_ndtr_difference(-np.inf, np.inf) == 0.0
    np.testing.assert_allclose(nx.log_ndtr_difference(3.0, np.inf), nx.log_ndtr(-3.0), rtol=1e-6)
    assert nx.log_ndtr_difference(1.0, 1.0) == -np.inf
    assert np.isnan(nx.log_ndtr_difference(2.0, 1.0))


def test_log_ndtr_difference_derivatives():
    cases = [(-1.0, 1.5), (3.0, 3.2), (5.0, 9.0), (-8.0, -7.9), (-3.0, 8.0), (-2.0, np.inf), (-np.inf, 1.0)]
    lo, hi = (jnp.array(values) for values in zip(*cases, strict=True))
    with mp.workdps(60):
        want = [(-mp.npdf(a) / (mp.ncdf(b) - mp.ncdf(a)), mp.npdf(b) / (mp.ncdf(b) - mp.ncdf(a))) for a, b in cases]
    slopes = jax.jit(jax.vmap(jax.grad(nx.log_ndtr_difference, (0, 1))))(lo, hi)
    np.testing.assert_allclose(np.stack(slopes, 1), np.array(want, float), rtol=2e-5)
    hessian = jax.jit(jax.hessian(nx.log_ndtr_difference, (0, 1)))
    far = np.array(hessian(jnp.float32(1000.0), jnp.float32(np.inf)))
    np.testing.assert_allclose(far, [[-1.0, 0.0], [0.0, 0.0]], atol=1e-5)
    a, b = -1.0, 1.5
    p, q = want[0]
    np.testing.assert_allclose(
        np.array(hessian(a, b)), np.array([[-a * p - p * p, -p * q], [-p * q, -b * q - q * q]], float), rtol=1e-4
    )


def test_quantiles():
    log_p = -np.concatenate([np.geomspace(1e-6, 1e6, 80), np.geomspace(1e-30, 1e-7, 20)])
    for dtype in DTYPES:
        rounded = log_p.astype(dtype)
        x = np.asarray(jax.jit(nx.ndtri_exp)(rounded), np.float64)
        back = np.array([float(log_ndtr(mp.mpf(v))) for v in x[np.abs(x) < 35]])
        target = rounded.astype(np.float64)[np.abs(x) < 35]
        scale = np.abs(target) * (1.0 + x[np.abs(x) < 35] ** 2)
        np.testing.assert_array_less(np.abs(back - target) / scale, 16 * np.finfo(dtype).eps)
        np.testing.assert_allclose(nx.ndtri_exp(dtype(-1e6)), -1414.2077829, rtol=1e-6)
    assert nx.ndtri_exp(-np.inf) == -np.inf
    assert nx.ndtri_exp(0.0) == np.inf
    p = np.concatenate([np.geomspace(1e-30, 0.5, 40), [0.7, 0.99]])

    def quantile(p):
        return mp.sqrt(2) * mp.erfinv(2 * p - 1)

    assert_accurate(nx.ndtri, quantile, p, floor=1e-6)
    assert_accurate(gradient(nx.ndtri), lambda p: 1 / mp.npdf(quantile(p)), p, condition=lambda p: 1 - 2 * np.log(p))
    slope = gradient(lambda v: nx.ndtri_exp(jnp.log(v)))
    assert_accurate(slope, lambda p: 1 / mp.npdf(quantile(p)), p, condition=lambda p: 1 + np.log(p) ** 2)
