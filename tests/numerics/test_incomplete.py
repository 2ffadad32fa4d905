import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
from numerics_oracle import DTYPES, assert_accurate

import depthjax.numerics as nx

RNG = np.random.default_rng(1)
SHAPE = 10 ** RNG.uniform(-2, 3.5, 60)
POINT = SHAPE * np.exp(RNG.normal(size=60) * 1.5 / np.sqrt(1 + SHAPE) ** 0.7)
A, B = 10 ** RNG.uniform(-1, 2.5, (2, 40))
X = np.clip(RNG.beta(A, B), 1e-3, 0.999)


def lower(a, x):
    p = mp.gammainc(a, 0, x, regularized=True)
    return mp.log(p) if p < 0.9 else mp.log1p(-mp.gammainc(a, x, mp.inf, regularized=True))


def upper(a, x):
    q = mp.gammainc(a, x, mp.inf, regularized=True)
    return mp.log(q) if q < 0.9 else mp.log1p(-mp.gammainc(a, 0, x, regularized=True))


def conditioning(a, x):
    """Relative effect of the last digit of either argument, seen from the smaller tail and from the larger."""
    return np.abs(a - x) + np.sqrt(a) + 10.0


def test_incomplete_gamma():
    assert_accurate(nx.log_gammainc, lower, SHAPE, POINT, condition=conditioning)
    assert_accurate(nx.log_gammaincc, upper, SHAPE, POINT, condition=conditioning)
    np.testing.assert_allclose(nx.log_gammainc(50.0, 0.5), -183.6252756, rtol=1e-6)
    assert nx.log_gammainc(2.0, 0.0) == -np.inf
    assert nx.log_gammaincc(2.0, 0.0) == 0.0
    assert nx.log_gammaincc(2.0, np.inf) == -np.inf
    assert np.isnan(nx.log_gammainc(-1.0, 1.0))


def test_slope_in_the_shape():
    a = np.array([0.01, 0.5, 0.7, 1.0, 3.0, 12.0, 25.0, 100.0, 100.0, 1000.0])
    x = np.array([0.2, 0.6, 4.0, 3.0, 2.0, 20.0, 24.0, 60.0, 105.0, 1010.0])
    with mp.workdps(50):
        want = [float(mp.diff(lambda s, x=x_: lower(s, mp.mpf(x)), mp.mpf(a_))) for a_, x_ in zip(a, x, strict=True)]
    for dtype in DTYPES:
        slope = jax.jit(jax.vmap(jax.grad(nx.log_gammainc)))(a.astype(dtype), x.astype(dtype))
        np.testing.assert_allclose(slope, want, rtol=4000 * np.finfo(dtype).eps)
    curvature = jax.jit(jax.vmap(jax.hessian(nx.log_gammainc)))(jnp.asarray(a), jnp.asarray(x))
    assert np.all(np.isfinite(curvature))


def test_inverse_of_the_incomplete_gamma():
    p = RNG.uniform(0.001, 0.999, 60)
    a = 10 ** RNG.uniform(-1, 5, 60)
    for dtype in DTYPES:
        shape, target = a.astype(dtype), p.astype(dtype)
        for inverse, forward in ((nx.gammaincinv, nx.log_gammainc), (nx.gammainccinv, nx.log_gammaincc)):
            there_and_back = jax.jit(lambda s, t, inverse=inverse, forward=forward: forward(s, inverse(s, t)))
            log_back = np.asarray(there_and_back(np.append(shape, dtype(3.0)), np.append(target, dtype(1e-30))))
            back = np.exp(log_back[:-1].astype(np.float64))
            tolerance = 64 * np.finfo(dtype).eps * (1.0 + np.sqrt(a))
            np.testing.assert_array_less(np.abs(back - target) / target, tolerance)
            np.testing.assert_allclose(log_back[-1], np.log(1e-30), rtol=1e-5)
    a_slope, p_slope = jax.jit(jax.grad(nx.gammaincinv, (0, 1)))(2.5, 0.3)
    with mp.workdps(30):
        x = mp.findroot(lambda x: mp.gammainc(2.5, 0, x, regularized=True) - 0.3, 1.5)
        density = mp.exp(-x) * x**1.5 / mp.gamma(2.5)
        want = -mp.diff(lambda s: mp.gammainc(s, 0, x, regularized=True), 2.5) / density
    np.testing.assert_allclose([a_slope, p_slope], [float(want), float(1 / density)], rtol=1e-5)


def test_inverse_of_log_probabilities_that_underflow():
    a = jnp.array([3.0, 40.0, 2e4, 3.0, 3.0, 3.0])
    level = jnp.array([-150.0, -2000.0, -1000.0, -jnp.inf, 0.0, 0.1])
    for inverse, forward, ends in (
        (nx.gammaincinv_exp, nx.log_gammainc, [0.0, np.inf, np.nan]),
        (nx.gammainccinv_exp, nx.log_gammaincc, [np.inf, 0.0, np.nan]),
    ):
        x, back = jax.jit(lambda i=inverse, f=forward: (x := i(a, level), f(a, x)))()
        error = np.abs(np.asarray(back / level) - 1)[:3]
        assert np.all(error <= 64 * np.finfo(back.dtype).eps * (1 + np.sqrt(a[:3])))
        np.testing.assert_array_equal(x[3:], ends)


def test_incomplete_beta():
    def exact(a, b, x):
        value = mp.betainc(a, b, 0, x, regularized=True)
        return mp.log(value) if value < 0.9 else mp.log1p(-mp.betainc(a, b, x, 1, regularized=True))

    def condition(a, b, x):
        return 10.0 + np.abs(a - (a + b) * x) / (1 - x) + np.sqrt(a + b)

    assert_accurate(nx.log_betainc, exact, A, B, X, condition=condition)
    np.testing.assert_allclose(nx.log_betainc(20.0, 1.0, 1e-3), -138.1551056, rtol=1e-6)
    assert nx.log_betainc(2.0, 3.0, 0.0) == -np.inf
    assert nx.log_betainc(2.0, 3.0, 1.0) == 0.0
    assert np.isnan(nx.log_betainc(2.0, 3.0, 1.5))


def test_slopes_of_the_incomplete_beta():
    a, b, x = np.array([0.5, 2.0, 30.0, 3.0]), np.array([2.0, 0.7, 20.0, 4.0]), np.array([0.2, 0.9, 0.55, 0.1])

    def exact(a, b, x):
        return mp.log(mp.betainc(a, b, 0, mp.mpf(x), regularized=True))

    with mp.workdps(40):
        in_a = [float(mp.diff(lambda s, b=b_, x=x_: exact(s, b, x), a_)) for a_, b_, x_ in zip(a, b, x, strict=True)]
        in_b = [float(mp.diff(lambda s, a=a_, x=x_: exact(a, s, x), b_)) for a_, b_, x_ in zip(a, b, x, strict=True)]
    for dtype in DTYPES:
        args = [v.astype(dtype) for v in (a, b, x)]
        slopes = jax.jit(jax.vmap(jax.grad(nx.log_betainc, (0, 1))))(*args)
        np.testing.assert_allclose(np.stack(slopes), [in_a, in_b], rtol=2000 * np.finfo(dtype).eps)


def test_inverse_of_the_incomplete_beta():
    p = RNG.uniform(0.01, 0.99, 40)
    for dtype in DTYPES:
        a, b, target = A.astype(dtype), B.astype(dtype), p.astype(dtype)
        x = np.asarray(jax.jit(nx.betaincinv)(a, b, target))
        assert np.all((x > 0.0) & (x < 1.0))
        back = np.exp(np.asarray(jax.jit(nx.log_betainc)(a, b, x), np.float64))
        inner = x < 1 - 1e-3
        tolerance = 2000 * np.finfo(dtype).eps * (1.0 + np.sqrt(A + B))
        np.testing.assert_array_less((np.abs(back - target) / target)[inner], tolerance[inner])
