"""Gamma: accuracy at extreme parameters, edges, log-space draws, implicit gradients."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
from scipy import special, stats

from depthjax import distributions as dd
from depthjax.distributions import _gamma_sampling

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])


def _log_density(a, x):
    with mpmath.workdps(40):
        a, x = mpmath.mpf(float(a)), mpmath.mpf(float(x))
        return float((a - 1) * mpmath.log(x) - x - mpmath.loggamma(a))


def test_exact_values():
    for dtype in DTYPES:
        tol = max(2e-9, 8 * 8.4 * np.finfo(dtype).eps)
        dist = dd.Gamma(dtype(1e6), dtype(1))
        np.testing.assert_allclose(float(dist.log_prob(dtype(1e6))), -7.826693896, atol=tol)
        np.testing.assert_allclose(float(dist.entropy()), 8.326693479, atol=tol)
        got = float(dd.Gamma(dtype(50), dtype(1)).log_cdf(dtype(0.5)))
        np.testing.assert_allclose(got, -183.6252756, rtol=max(1e-9, 8 * np.finfo(dtype).eps))


def test_density_at_the_mode_over_nine_decades():
    for dtype in DTYPES:
        a = np.asarray([1e-3, 0.01, 0.5, 1, 1.001, 2, 3.9, 50, 1e3, 1e6], dtype)
        x = np.maximum(a - dtype(1), a * dtype(0.3)).astype(dtype)
        got = np.asarray(jax.jit(lambda d, v: d.log_prob_terms(v))(dd.Gamma(a, np.ones_like(a)), x), float)
        want = np.asarray([_log_density(*pair) for pair in zip(a, x, strict=True)])
        assert np.all(np.abs(got - want) <= 8 * np.finfo(dtype).eps * np.maximum(1, np.abs(want)))


def test_edge_of_the_support():
    for dtype in DTYPES:
        one, zero = dd.Gamma(dtype(1), dtype(2)), dtype(0)
        value, grads = jax.value_and_grad(lambda d, x=zero: d.log_prob(x))(one)
        np.testing.assert_allclose(float(value), np.log(2), rtol=8 * np.finfo(dtype).eps)
        assert all(np.isfinite(g) for g in jax.tree.leaves(grads))
        assert float(jax.grad(one.log_prob)(zero)) == -2.0
        for x in (dtype(-1), dtype(np.inf)):
            assert float(one.log_prob(x)) == -np.inf
            assert all(float(g) == 0 for g in jax.tree.leaves(jax.grad(lambda d, x=x: d.log_prob(x))(one)))
        assert float(dd.Gamma(dtype(2), dtype(1)).log_prob(zero)) == -np.inf
        assert float(dd.Gamma(dtype(0.5), dtype(1)).log_prob(zero)) == np.inf
        assert np.isnan(one.log_prob(dtype(np.nan)))


def test_cdf_family_against_scipy():
    dtype = DTYPES[-1]
    tol = 1e-10 if dtype is np.float64 else 2e-5
    dist, reference = dd.Gamma(np.full(4, 2.5, dtype), dtype(1.5)), stats.gamma(2.5, scale=1 / 1.5)
    x, p = np.asarray([1e-3, 0.5, 2, 20], dtype), np.asarray([1e-6, 0.2, 0.5, 0.99], dtype)
    for name, want in (("cdf", reference.cdf), ("survival", reference.sf), ("log_cdf", reference.logcdf)):
        np.testing.assert_allclose(np.asarray(getattr(dist, name)(x)), want(x), rtol=tol)
    np.testing.assert_allclose(np.asarray(dist.quantile(p)), reference.ppf(p), rtol=tol)
    np.testing.assert_allclose(np.asarray(dist.quantile_from_log_survival(np.log(p))), reference.isf(p), rtol=10 * tol)
    np.testing.assert_allclose(np.asarray(dist.entropy_terms()), np.full(4, reference.entropy()), rtol=tol)


def test_quantile_of_a_log_probability_that_underflows():
    for dtype in DTYPES[-1:]:
        got = dd.Gamma(dtype(50), dtype(1)).quantile_from_log(dtype(-183.6252756))
        np.testing.assert_allclose(float(got), 0.5, rtol=1e-5 if dtype is np.float32 else 1e-9)
        dist = dd.Gamma(dtype(2), dtype(1))
        x = dist.quantile_from_log_survival(dtype(-200))
        np.testing.assert_allclose(float(dist.log_survival(x)), -200, rtol=1e-5)


def test_implicit_slope_against_finite_differences_of_the_quantile():
    for a in (1e-2, 0.3, 2.0, 50.0, 1e4):
        for p in (1e-3, 0.5, 0.999):
            z, h = special.gammaincinv(a, p), a * 1e-5
            if z < 1e-280:
                continue
            want = (special.gammaincinv(a + h, p) - special.gammaincinv(a - h, p)) / (2 * h) / z
            for dtype in DTYPES[-1:]:
                got = _gamma_sampling._slope(jnp.asarray(np.log(z), dtype), jnp.asarray(a, dtype))
                np.testing.assert_allclose(float(got), want, rtol=1e-6 if dtype is np.float64 else 5e-4)


def test_implicit_gradient_of_the_mean_is_one():
    def mean(a):
        return jnp.mean(dd.Gamma(jnp.broadcast_to(a, (20000,)), jnp.ones(20000, a.dtype)).sample(jax.random.key(1)))

    for dtype in DTYPES[-1:]:
        np.testing.assert_allclose(float(jax.jit(jax.grad(mean))(dtype(1.3))), 1.0, atol=0.03)


def test_log_space_draws_of_small_concentration():
    for dtype in DTYPES[-1:]:
        dist = dd.Gamma(np.full(5000, 0.01, dtype), dtype(1))
        log_x = dist.sample_log(jax.random.key(0))
        assert np.all(np.isfinite(log_x))
        assert np.isfinite(dist.log_prob_from_log(log_x))
        np.testing.assert_allclose(np.mean(np.asarray(log_x, float)), special.digamma(0.01), rtol=0.05)
        x = dist.sample(jax.random.key(0))
        grads = jax.grad(lambda d, x=x: d.log_prob(x))(dist)
        assert np.isfinite(dist.log_prob(x))
        assert all(np.all(np.isfinite(np.asarray(g))) for g in jax.tree.leaves(grads))


def test_sampler_against_cdf():
    for a in (0.3, 2.5, 1e3):
        draws = dd.Gamma(np.float32(a), np.float32(2)).sample(jax.random.key(3), 5000)
        assert stats.kstest(np.asarray(draws, float), stats.gamma(a, scale=0.5).cdf).pvalue > 1e-4


def test_mean_parameters_round_trip():
    dtype = DTYPES[-1]
    dist = dd.Gamma(np.asarray([0.4, 2.5, 40], dtype), np.asarray([3, 1.5, 0.2], dtype))
    back = dd.Gamma.from_mean_parameters(dist.mean_parameters())
    tol = 1e-8 if dtype is np.float64 else 1e-3
    np.testing.assert_allclose(np.asarray(back.concentration), np.asarray(dist.concentration), rtol=tol)
