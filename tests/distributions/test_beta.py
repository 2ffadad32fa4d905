"""Beta and Dirichlet: accuracy at extreme parameters, edges, log-space draws, implicit gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from depthjax import distributions as dd

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])


def test_exact_values():
    for dtype in DTYPES:
        eps = np.finfo(dtype).eps
        got = float(dd.Beta(dtype(1e6), dtype(1e6)).log_prob(dtype(0.5)))
        np.testing.assert_allclose(got, 7.028537392, rtol=max(2e-10, 8 * eps))
        got = float(dd.Beta(dtype(1e6), dtype(1)).log_prob(dtype(np.float32(0.999999))))
        np.testing.assert_allclose(got, 12.8022321, rtol=max(2e-8, 8 * eps))
        got = float(dd.Beta(dtype(20), dtype(1)).log_cdf(dtype(1e-3)))
        np.testing.assert_allclose(got, -138.1551056, rtol=max(2e-9, 8 * eps))


def test_edge_of_the_support():
    for dtype in DTYPES:
        flat = dd.Beta(dtype(1), dtype(1))
        for x in (dtype(0), dtype(1)):
            value, grads = jax.value_and_grad(lambda d, x=x: d.log_prob(x))(flat)
            np.testing.assert_allclose(float(value), 0, atol=1e-7)
            assert np.isfinite(jax.grad(flat.log_prob)(x))
            assert all(np.isfinite(g) for g in jax.tree.leaves(grads))
        for x in (dtype(1.5), dtype(-0.5)):
            value, grads = jax.value_and_grad(lambda d, x=x: d.log_prob(x))(dd.Beta(dtype(2), dtype(2)))
            assert float(value) == -np.inf
            assert all(float(g) == 0 for g in jax.tree.leaves(grads))


def test_cdf_family_and_entropy_against_scipy():
    dtype = DTYPES[-1]
    tol = 1e-10 if dtype is np.float64 else 3e-5
    dist, reference = dd.Beta(np.full(3, 2.5, dtype), dtype(0.7)), stats.beta(2.5, 0.7)
    x = np.asarray([0.01, 0.5, 0.99], dtype)
    wanted = {"log_prob_terms": "logpdf", "cdf": "cdf", "survival": "sf", "quantile": "ppf", "log_cdf": "logcdf"}
    for name, want in wanted.items():
        np.testing.assert_allclose(np.asarray(getattr(dist, name)(x)), getattr(reference, want)(x), rtol=tol, atol=tol)
    got = dist.quantile_from_log_survival(np.log(x))
    np.testing.assert_allclose(np.asarray(got), reference.isf(x), rtol=tol, atol=tol)
    np.testing.assert_allclose(np.asarray(dist.entropy_terms()), np.full(3, reference.entropy()), rtol=tol)
    np.testing.assert_allclose(np.asarray(dist.variance()), np.full(3, reference.var()), rtol=tol)


def test_own_draws_of_tiny_concentration_have_finite_density():
    for dtype in DTYPES[-1:]:
        for dist in (dd.Beta(dtype(0.01), dtype(0.01)), dd.Dirichlet(np.full(3, 0.01, dtype))):
            x = dist.sample(jax.random.key(0), 10000)
            value, grads = jax.jit(jax.value_and_grad(lambda d, x: d.log_prob(x).sum()))(dist, x)
            assert np.isfinite(value)
            assert np.all(np.isfinite(np.asarray(dist.log_prob(x))))
            assert all(np.all(np.isfinite(np.asarray(g))) for g in jax.tree.leaves(grads))


def test_log_space_draws():
    for dtype in DTYPES[-1:]:
        beta = dd.Beta(dtype(0.01), dtype(0.02))
        log_x, log_1mx = beta.sample_logs(jax.random.key(0), 2000)
        assert np.all(np.isfinite(log_x) & np.isfinite(log_1mx))
        np.testing.assert_allclose(np.exp(np.asarray(log_x, float)) + np.exp(np.asarray(log_1mx, float)), 1, rtol=1e-6)
        assert np.all(np.isfinite(np.asarray(beta.log_prob_from_log(log_x, log_1mx))))
        log_x = dd.Dirichlet(np.full(3, 0.01, dtype)).sample_log(jax.random.key(1), 2000)
        assert np.all(np.isfinite(np.asarray(dd.Dirichlet(np.full(3, 0.01, dtype)).log_prob_from_log(log_x))))
        mild = dd.Beta(dtype(2.5), dtype(0.7))
        log_x, log_1mx = mild.sample_logs(jax.random.key(0), 100)
        x = np.exp(np.asarray(log_x, float))
        want = stats.beta(2.5, 0.7).logpdf(x)
        assert np.max(np.abs(np.asarray(mild.log_prob_from_log(log_x, log_1mx), float) - want)) < 1e-3


def test_implicit_gradient_of_the_mean():
    def mean(a, b):
        return jnp.mean(dd.Beta(a, b).sample(jax.random.key(1), 20000))

    dtype = np.float32
    got = jax.jit(jax.grad(mean, argnums=(0, 1)))(dtype(1.3), dtype(0.8))
    np.testing.assert_allclose(np.asarray(got), [0.8 / 2.1**2, -1.3 / 2.1**2], atol=0.01)


def test_sampler_against_cdf():
    for a, b in ((0.3, 2.0), (2.5, 0.7)):
        draws = dd.Beta(np.float32(a), np.float32(b)).sample(jax.random.key(3), 5000)
        assert stats.kstest(np.asarray(draws, float), stats.beta(a, b).cdf).pvalue > 1e-4


def test_dirichlet_against_scipy():
    dtype = DTYPES[-1]
    tol = 1e-9 if dtype is np.float64 else 1e-4
    a = np.asarray([2.5, 0.7, 1, 30])
    reference, dist = stats.dirichlet(a), dd.Dirichlet(a.astype(dtype))
    x = reference.rvs(3, random_state=0)
    want = [reference.logpdf(v / v.sum()) for v in x]
    np.testing.assert_allclose(np.asarray(dist.log_prob(x.astype(dtype))), want, rtol=tol)
    np.testing.assert_allclose(np.asarray(dist.log_prob_from_log(np.log(x).astype(dtype))), want, rtol=10 * tol)
    np.testing.assert_allclose(float(dist.entropy()), reference.entropy(), rtol=tol)
    np.testing.assert_allclose(np.asarray(dist.covariance()), reference.cov(), rtol=tol, atol=1e-6)
    np.testing.assert_allclose(np.asarray(dist.marginals().mean()), reference.mean(), rtol=tol)
    back = dd.Dirichlet.from_mean_parameters(dist.mean_parameters())
    np.testing.assert_allclose(np.asarray(back.concentration), a, rtol=1e-7 if dtype is np.float64 else 2e-2)
    assert float(dist.log_prob(np.full(4, 0.5, dtype))) == -np.inf


def test_dirichlet_keeps_its_digits_at_large_concentration():
    for dtype in DTYPES:
        got = dd.Dirichlet(np.full(2, 1e6, dtype)).log_prob(np.full(2, 0.5, dtype))
        np.testing.assert_allclose(float(got), 7.028537392, rtol=max(2e-10, 8 * np.finfo(dtype).eps))


def test_bad_concentration_raises():
    with pytest.raises(ValueError, match="K >= 2"):
        dd.Dirichlet([1.0])
    with pytest.raises(ValueError, match="axes"):
        dd.Dirichlet(np.ones((2, 2)))
