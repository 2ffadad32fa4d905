"""Laplace, Logistic and Uniform against scipy, and their edges."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from depthjax import distributions as dd

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])
FAMILIES = {
    "laplace": (lambda f: dd.Laplace(np.full(5, 0.3, f), f(2)), stats.laplace(0.3, 2)),
    "logistic": (lambda f: dd.Logistic(np.full(5, 0.3, f), f(2)), stats.logistic(0.3, 2)),
    "uniform": (lambda f: dd.Uniform(np.full(5, -1, f), f(3)), stats.uniform(-1, 4)),
}
PAIRS = {"log_prob_terms": "logpdf", "cdf": "cdf", "log_cdf": "logcdf", "survival": "sf", "log_survival": "logsf"}


@pytest.mark.parametrize("name", list(FAMILIES))
def test_against_scipy(name):
    make, reference = FAMILIES[name]
    for dtype in DTYPES[-1:]:
        tol = 1e-11 if dtype is np.float64 else 1e-5
        dist, x = make(dtype), np.asarray([-3, -0.2, 0.3, 0.5, 4], dtype)
        p = np.asarray([1e-6, 0.2, 0.5, 0.7, 0.999], dtype)
        with np.errstate(divide="ignore"):
            for method, want in PAIRS.items():
                got = np.asarray(getattr(dist, method)(x))
                np.testing.assert_allclose(got, getattr(reference, want)(x.astype(float)), rtol=tol, atol=tol)
        np.testing.assert_allclose(np.asarray(dist.quantile(p)), reference.ppf(p), rtol=tol, atol=tol)
        got = dist.quantile_from_log(np.log(p))
        np.testing.assert_allclose(np.asarray(got), reference.ppf(p), rtol=tol, atol=10 * tol)
        got = dist.quantile_from_log_survival(np.log(p))
        np.testing.assert_allclose(np.asarray(got), reference.isf(p), rtol=tol, atol=10 * tol)
        np.testing.assert_allclose(np.asarray(dist.entropy_terms()), np.full(5, reference.entropy()), rtol=tol)
        np.testing.assert_allclose(np.asarray(dist.variance()), np.full(5, reference.var()), rtol=tol)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_derivative_of_the_cdf_is_the_density(name):
    dist = FAMILIES[name][0](np.float32)
    x = jnp.asarray([-0.9, -0.2, 0.3, 0.5, 2.9], jnp.float32)
    slope = jax.grad(lambda v: dist.cdf(v).sum())(x)
    np.testing.assert_allclose(np.asarray(slope), np.exp(np.asarray(dist.log_prob_terms(x))), rtol=1e-5)


@pytest.mark.parametrize("name", list(FAMILIES))
def test_sampler_against_cdf(name):
    make, reference = FAMILIES[name]
    draws = np.asarray(make(np.float32).sample(jax.random.key(0), 1000), float).ravel()
    assert stats.kstest(draws, reference.cdf).pvalue > 1e-4


def test_uniform_edges():
    for dtype in DTYPES:
        dist = dd.Uniform(dtype(0), dtype(1))
        for x in (dtype(-1), dtype(2)):
            value, grads = jax.value_and_grad(lambda d, x=x: d.log_prob(x))(dist)
            assert float(value) == -np.inf
            assert all(float(g) == 0 for g in jax.tree.leaves(grads))
            assert float(jax.grad(dist.log_cdf)(x)) == 0
        assert float(dist.log_prob(dtype(0))) == float(dist.log_prob(dtype(1))) == 0
        assert np.isnan(dist.quantile(dtype(1.5)))
        narrow = dd.Uniform(dtype(1), dtype(1) + 2 * np.finfo(dtype).eps)
        draws = np.asarray(narrow.sample(jax.random.key(0), 100))
        assert np.all((draws > 1) & (draws < 1 + 2 * np.finfo(dtype).eps))
        assert np.isnan(dd.Uniform(dtype(1), dtype(0)).log_prob(dtype(0.5)))


def test_logistic_second_derivative_at_the_mode():
    dist = dd.Logistic(np.float32(0), np.float32(1))
    np.testing.assert_allclose(float(jax.grad(jax.grad(dist.log_prob))(np.float32(0))), -0.5, rtol=1e-5)


def test_laplace_natural_view_at_a_fixed_location():
    dist = dd.Laplace(np.float32(0.5), np.float32(2))
    x, eta = jnp.float32(1.7), dist.natural_parameters()
    inner = dist.sufficient_statistics(x)["distance"] * eta["distance"] - dist.log_normalizer()
    np.testing.assert_allclose(float(inner), float(dist.log_prob(x)), rtol=1e-6)
    np.testing.assert_allclose(float(dd.Laplace.from_natural(eta, loc=0.5).scale), 2, rtol=1e-6)


def test_slope_of_the_laplace_cdf_is_the_density_in_both_tails():
    """The library's expm1 has the slope expm1 + 1, which is zero where exp is small."""
    dist, x = dd.Laplace(0.0, 1.0), jnp.array([-40.0, -20.0, -1.0, 1.0, 20.0, 40.0])
    slopes = jax.jit(jax.vmap(jax.grad(dist.cdf)))(x)
    np.testing.assert_allclose(slopes, 0.5 * np.exp(-np.abs(np.asarray(x, np.float64))), rtol=1e-5)
