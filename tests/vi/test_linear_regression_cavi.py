"""Coordinate ascent of a linear regression: its fixed point, its bound, the evidence by quadrature."""

import jax
import numpy as np
import pytest
from scipy import integrate, stats

from depthjax import vi

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
SHAPE0, RATE0, BETA = 2.0, 1.5, 4.0


def data():
    random = np.random.default_rng(0)
    x = random.normal(size=(20, 3))
    y = x @ np.array([1.0, -0.5, 0.2]) + 0.5 * random.normal(size=20)
    return x.astype(DTYPE), y.astype(DTYPE)


def fitted(x, y):
    return jax.jit(
        lambda a, b: vi.linear_regression_cavi(a, b, shape0=SHAPE0, rate0=RATE0, noise_precision=BETA, tol=0.0)
    )(x, y)


def test_fixed_point_and_bound():
    x, y = data()
    result = fitted(x, y)
    trace = np.asarray(result.elbo_trace, np.float64)[: int(result.num_steps)]
    assert result.converged
    assert (np.diff(trace) >= -(1e-9 if X64 else 1e-5) * np.abs(trace[1:])).all()

    x, y = x.astype(np.float64), y.astype(np.float64)
    alpha = 1.0
    for _ in range(500):  # Bishop 10.94, 10.95, 10.100, 10.101, by plain matrix inversion
        covariance = np.linalg.inv(alpha * np.eye(3) + BETA * x.T @ x)
        mean = BETA * covariance @ x.T @ y
        rate = RATE0 + 0.5 * (mean @ mean + np.trace(covariance))
        alpha = (SHAPE0 + 1.5) / rate
    factors = result.params
    close = 1e-7 if X64 else 2e-3
    np.testing.assert_allclose(factors.loc, mean, rtol=close)
    np.testing.assert_allclose(factors.covariance, covariance, rtol=close, atol=1e-6)
    np.testing.assert_allclose(factors.rate, rate, rtol=close)
    np.testing.assert_allclose(factors.shape, SHAPE0 + 1.5, rtol=1e-6)

    def joint(a):
        """Density of y and alpha, the weights integrated out."""
        law = stats.multivariate_normal(np.zeros(20), np.eye(20) / BETA + x @ x.T / a)
        return np.exp(law.logpdf(y) - trace[-1]) * stats.gamma(SHAPE0, scale=1 / RATE0).pdf(a)

    evidence = trace[-1] + np.log(integrate.quad(joint, 0, 60, epsabs=1e-12, limit=200)[0])
    assert evidence - 0.2 < trace[-1] < evidence

    random = np.random.default_rng(1)
    w_law = stats.multivariate_normal(mean, covariance)
    a_law = stats.gamma(SHAPE0 + 1.5, scale=1 / rate)
    w, a = w_law.rvs(40_000, random_state=random), a_law.rvs(40_000, random_state=random)
    log_w = stats.norm(w @ x.T, BETA**-0.5).logpdf(y).sum(1) + stats.norm(0, a[:, None] ** -0.5).logpdf(w).sum(1)
    log_w = log_w + stats.gamma(SHAPE0, scale=1 / RATE0).logpdf(a) - w_law.logpdf(w) - a_law.logpdf(a)
    assert abs(log_w.mean() - trace[-1]) < 4 * log_w.std() / 200 + (1e-9 if X64 else 1e-4)


def test_more_weights_than_data():
    x, y = data()
    wide = np.concatenate([x, x], axis=1)[:4]
    result = vi.linear_regression_cavi(wide, y[:4], shape0=1.0, rate0=1.0, max_steps=50)
    assert np.isfinite(np.asarray(result.params.covariance)).all()
    np.testing.assert_allclose(result.params.loc[:3], result.params.loc[3:], atol=1e-5)  # equal columns, equal weights


def test_refusals():
    x, y = data()
    with pytest.raises(ValueError, match=r"x is \(n, d\) and y \(n,\), got \(20, 3\) and \(19,\)"):
        vi.linear_regression_cavi(x, y[:-1], shape0=1.0, rate0=1.0)
    for name in ("shape0", "rate0", "noise_precision"):
        with pytest.raises(ValueError, match=f"linear_regression_cavi: {name} is 0.0"):
            vi.linear_regression_cavi(x, y, **{"shape0": 1.0, "rate0": 1.0, name: 0.0})
    result = vi.linear_regression_cavi(x * np.nan, y, shape0=1.0, rate0=1.0, max_steps=5)
    assert not result.converged
