"""StudentT: the normal limit, heavy tails, the cdf family, gradients in df."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from depthjax import distributions as dd

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])


def _log_prob(df):
    return dd.StudentT(df, df * 0, df * 0 + 1).log_prob(df * 0 + 1)


def test_normal_limit():
    for dtype in DTYPES:
        tol = max(5e-10, 8 * np.finfo(dtype).eps * 1.5)
        np.testing.assert_allclose(float(_log_prob(dtype(1e6))), -1.418939033, atol=tol)
        np.testing.assert_allclose(float(_log_prob(dtype(1e8))), -1.418938538, atol=tol)


def test_derivative_in_df_has_the_right_sign():
    for dtype in DTYPES:
        slope = float(jax.grad(_log_prob)(dtype(1e6)))
        assert slope > 0
        if dtype is np.float64:
            np.testing.assert_allclose(slope, 4.999998333e-13, rtol=1e-8)


def test_cdf_family_against_scipy():
    dtype = DTYPES[-1]
    tol = 1e-10 if dtype is np.float64 else 1e-4
    dist, reference = dd.StudentT(np.full(4, 2.5, dtype), dtype(0.3), dtype(2)), stats.t(2.5, 0.3, 2)
    x, p = np.asarray([-50, 0.3, 0.5, 10], dtype), np.asarray([1e-5, 0.3, 0.5, 0.99], dtype)
    for name, want in (("log_prob_terms", "logpdf"), ("cdf", "cdf"), ("log_cdf", "logcdf"), ("survival", "sf")):
        np.testing.assert_allclose(np.asarray(getattr(dist, name)(x)), getattr(reference, want)(x), rtol=tol)
    np.testing.assert_allclose(np.asarray(dist.quantile(p)), reference.ppf(p), rtol=tol, atol=tol)
    np.testing.assert_allclose(np.asarray(dist.quantile_from_log(np.log(p))), reference.ppf(p), rtol=tol, atol=tol)
    got = dist.quantile_from_log_survival(np.log(p))
    np.testing.assert_allclose(np.asarray(got), reference.isf(p), rtol=tol, atol=tol)
    np.testing.assert_allclose(np.asarray(dist.entropy_terms()), np.full(4, reference.entropy()), rtol=tol)


def test_tails():
    for dtype in DTYPES[-1:]:
        one, tol = dd.StudentT(dtype(1), dtype(0), dtype(1)), max(1e-9, 8 * np.finfo(dtype).eps)
        np.testing.assert_allclose(float(one.log_cdf(dtype(-1e10))), -24.17058082, rtol=tol)
        np.testing.assert_allclose(float(one.log_cdf(dtype(-1e25))), -np.log(np.pi) - 25 * np.log(10), rtol=1e-6)
        np.testing.assert_allclose(float(one.log_prob(dtype(1e25))), -np.log(np.pi) - 50 * np.log(10), rtol=1e-6)
        wide = dd.StudentT(dtype(1e6), dtype(0), dtype(1))
        np.testing.assert_allclose(float(wide.log_cdf(dtype(-10))), -53.228735551, rtol=30 * tol)


def test_implicit_gradient_in_df():
    """E T^2 = df/(df - 2), so its derivative at 10 is -2/64."""

    def second_moment(df):
        dist = dd.StudentT(df, jnp.zeros_like(df), jnp.ones_like(df))
        return jnp.mean(dist.sample(jax.random.key(0), 50000) ** 2)

    np.testing.assert_allclose(float(jax.jit(jax.grad(second_moment))(np.float32(10))), -2 / 64, atol=3e-3)


def test_sampler_against_cdf_and_moments():
    dist = dd.StudentT(np.float32(2.5), np.float32(0.3), np.float32(2))
    draws = np.asarray(dist.sample(jax.random.key(1), 5000), float)
    assert stats.kstest(draws, stats.t(2.5, 0.3, 2).cdf).pvalue > 1e-4
    assert np.isnan(dd.StudentT(1.0, 0.0, 1.0).mean())
    assert np.isinf(dd.StudentT(2.0, 0.0, 1.0).variance())
    heavy = dd.StudentT(np.float32(0.01), np.float32(0), np.float32(1)).sample(jax.random.key(0), 1000)
    assert np.all(np.isfinite(np.asarray(heavy)))
