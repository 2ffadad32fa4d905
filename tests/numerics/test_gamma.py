import jax
import mpmath as mp
import numpy as np
import pytest
from numerics_oracle import assert_accurate, gradient
from scipy import special

import depthjax.numerics as nx

RNG = np.random.default_rng(0)
A = 10 ** RNG.uniform(-6, 8, 200)
B = 10 ** RNG.uniform(-9, 8, 200)
NEAR = A * np.exp(10 ** RNG.uniform(-6, 1, 200))


def test_stirling_error():
    points = np.geomspace(1e-15, 1e8, 120)
    half = mp.mpf(1) / 2

    def exact(n):
        return mp.loggamma(n + 1) - (n + half) * mp.log(n) + n - mp.log(2 * mp.pi) / 2

    assert_accurate(nx.stirling_error, exact, points)
    assert_accurate(gradient(nx.stirling_error), lambda n: mp.psi(0, n + 1) - mp.log(n) - half / n, points)
    assert_accurate(gradient(nx.stirling_error, order=2), lambda n: mp.psi(1, n + 1) - 1 / n + half / n**2, points)
    assert nx.stirling_error(0.0) == np.inf


def test_deviance():
    for mean in (B, NEAR):
        assert_accurate(nx.deviance, lambda x, m: x * mp.log(x / m) + m - x, A, mean)
        assert_accurate(gradient(nx.deviance), lambda x, m: mp.log(x / m), A, mean)
        assert_accurate(gradient(nx.deviance, 1), lambda x, m: 1 - x / m, A, mean)
    assert nx.deviance(0.0, 3.0) == 3.0
    assert nx.deviance(0.0, 0.0) == 0.0
    assert nx.deviance(2.0, 0.0) == np.inf
    assert np.isnan(nx.deviance(np.nan, 0.0))
    np.testing.assert_allclose(jax.grad(nx.deviance, 1)(0.0, 3.0), 1.0)
    np.testing.assert_allclose(jax.hessian(nx.deviance, 1)(2.0, 3.0), 2.0 / 9.0, rtol=1e-6)
    assert np.all(np.isfinite(jax.tree.leaves(jax.hessian(nx.deviance, (0, 1))(0.0, 3.0))))


def test_log_gamma_difference():
    def exact(a, b):
        return mp.loggamma(a + b) - mp.loggamma(a)

    def condition(a, b):
        small = b < 1e-3 * a
        value = np.where(small, b * special.digamma(a + 0.5 * b), special.gammaln(a + b) - special.gammaln(a))
        return np.minimum(b, 4.0) * (1.0 + np.abs(np.log(a + b))) / np.abs(value)

    # Where the value crosses zero the error counts against the terms it is made of.
    assert_accurate(nx.log_gamma_difference, exact, A, B, condition=condition)
    first = gradient(nx.log_gamma_difference)
    assert_accurate(first, lambda a, b: mp.psi(0, a + b) - mp.psi(0, a), A, B)
    assert_accurate(gradient(nx.log_gamma_difference, 1), lambda a, b: mp.psi(0, a + b), A, B, floor=1.0)
    second = gradient(nx.log_gamma_difference, order=2)
    assert_accurate(second, lambda a, b: mp.psi(1, a + b) - mp.psi(1, a), A, B)
    assert jax.grad(nx.log_gamma_difference)(np.float32(1e8), np.float32(0.5)) > 0.0


def test_beta_function_and_binomial_coefficient():
    def log_beta(a, b):
        return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)

    assert_accurate(nx.log_beta, log_beta, A, B, floor=1.0)
    assert_accurate(gradient(nx.log_beta), lambda a, b: mp.psi(0, a) - mp.psi(0, a + b), A, B)
    n = np.floor(10 ** RNG.uniform(0, 7, 100))
    k = np.floor(n * RNG.uniform(size=100) ** 3)
    assert_accurate(
        nx.log_binomial, lambda n, k: mp.loggamma(n + 1) - mp.loggamma(k + 1) - mp.loggamma(n - k + 1), n, k
    )
    np.testing.assert_allclose(
        nx.log_binomial(5, np.array([0, 5, -1, 6, 2], np.int32)), [0.0, 0.0, -np.inf, -np.inf, np.log(10.0)], atol=1e-6
    )


def test_multigammaln():
    want = 0.25 * 6 * np.log(np.pi) + sum(float(mp.loggamma(mp.mpf(4.5) - j / mp.mpf(2))) for j in range(3))
    np.testing.assert_allclose(nx.multigammaln(4.5, 3), want, rtol=1e-6)
    assert np.isnan(nx.multigammaln(0.9, 3))
    with pytest.raises(ValueError, match="d=0"):
        nx.multigammaln(1.0, 0)
