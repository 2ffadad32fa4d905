"""TruncatedNormal: far tails, every kind of interval."""

import jax
import numpy as np
import pytest
from scipy import stats

from depthjax import distributions as dd

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])
INTERVALS = [(-1.0, 2.0), (10.0, 11.0), (-11.0, -10.0), (-np.inf, -3.0), (3.0, np.inf), (-np.inf, np.inf), (0.0, 1.0)]


def _standard(dtype, low, high, size=()):
    return dd.TruncatedNormal(np.zeros(size, dtype), dtype(1), dtype(low), dtype(high))


def test_exact_values():
    for dtype in DTYPES:
        eps = np.finfo(dtype).eps
        x = dtype(20.1)
        got = float(_standard(dtype, 20, 21).log_prob(x))
        rounding = (float(x) - 20.1) * -float(x)
        np.testing.assert_allclose(got - rounding, 0.9932168391, atol=max(1e-10, 8 * eps))
        tail = _standard(dtype, 10, 11)
        np.testing.assert_allclose(float(tail.mean()), 10.09806837, rtol=max(1e-9, 8 * eps))
        np.testing.assert_allclose(float(tail.variance()), 0.009420771902, rtol=max(1e-9, 16 * eps))


def test_draws_in_a_far_tail():
    sample = jax.jit(lambda d, key: d.sample(key, 100000))
    draws = np.asarray(sample(_standard(np.float32, 10, 11), jax.random.key(0)), float)
    assert stats.kstest(draws, stats.truncnorm(10, 11).cdf).pvalue > 1e-4
    assert np.all((draws > 10) & (draws < 11))
    offsets = np.asarray(sample(_standard(np.float32, 1e3, np.inf), jax.random.key(0)), float) - 1e3
    np.testing.assert_allclose(np.mean(offsets), 1e-3, rtol=0.1)


@pytest.mark.parametrize(("low", "high"), INTERVALS)
def test_against_scipy(low, high):
    reference, p = stats.truncnorm(low, high), np.asarray([0.01, 0.5, 0.99])
    for dtype in DTYPES[-1:]:
        tol = 2e-12 if dtype is np.float64 else 2e-4
        dist, x = _standard(dtype, low, high, 3), reference.ppf(p).astype(dtype)
        draws = jax.jit(lambda d, x, p: (d.log_prob_terms(x), d.cdf(x), d.quantile(p), d.log_survival(x)))
        terms, cdf, quantile, log_survival = draws(dist, x, p.astype(dtype))
        slack = 1 + np.abs(x).max()
        np.testing.assert_allclose(np.asarray(terms), reference.logpdf(x.astype(float)), atol=tol * slack)
        np.testing.assert_allclose(np.asarray(cdf), reference.cdf(x.astype(float)), atol=tol * slack)
        np.testing.assert_allclose(np.asarray(log_survival), reference.logsf(x.astype(float)), atol=2e2 * tol)
        np.testing.assert_allclose(np.asarray(quantile), x, rtol=tol, atol=tol)
        np.testing.assert_allclose(float(dist.mean()[0]), reference.mean(), rtol=tol, atol=tol)


@pytest.mark.parametrize(("low", "high"), INTERVALS)
def test_gradients_are_finite(low, high):
    dist = _standard(np.float32, low, high)

    def total(d):
        x = d.sample(jax.random.key(0))
        return d.log_prob(jax.lax.stop_gradient(x)) + d.mean() + d.variance() + d.entropy() + x

    assert all(np.isfinite(g) for g in jax.tree.leaves(jax.jit(jax.grad(total))(dist)))


def test_pathwise_gradient_is_that_of_the_quantile():
    dtype = DTYPES[-1]
    step = 1e-5 if dtype is np.float64 else 1e-2
    for low, high in ((-1.0, 2.0), (3.0, 4.0)):

        def at(loc, low=low, high=high):
            return dd.TruncatedNormal(loc, dtype(1), dtype(low), dtype(high)).quantile(dtype(0.3))

        numeric = (float(at(dtype(step))) - float(at(dtype(-step)))) / (2 * step)
        np.testing.assert_allclose(float(jax.grad(at)(dtype(0))), numeric, rtol=1e-6 if dtype is np.float64 else 5e-3)


def test_outside_and_invalid():
    dist = _standard(np.float32, -1, 2)
    for x in (np.float32(-1.5), np.float32(3)):
        value, grads = jax.value_and_grad(lambda d, x=x: d.log_prob(x))(dist)
        assert float(value) == -np.inf
        assert all(float(g) == 0 for g in jax.tree.leaves(grads))
    bad = _standard(np.float32, 2, 1)
    assert all(np.isnan(v) for v in (bad.log_prob(1.5), bad.mean(), bad.entropy(), bad.sample(jax.random.key(0))))
