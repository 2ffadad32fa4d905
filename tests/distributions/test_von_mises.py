"""VonMises: every concentration from 0 to 1e8."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from scipy import integrate, stats

from depthjax import distributions as dd

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])


def test_exact_values():
    for dtype in DTYPES:
        for k, x, want in ((100, 0.1, 0.8828067715), (1e6, 1e-3, 5.488816662), (1e8, 1e-4, 7.791401838)):
            got = float(dd.VonMises(dtype(0), dtype(k)).log_prob(dtype(x)))
            np.testing.assert_allclose(got, want, rtol=max(1e-9, 8 * np.finfo(dtype).eps))
        np.testing.assert_allclose(float(dd.VonMises(dtype(0), dtype(1e8)).entropy()), -7.791401838, atol=1e-5)


def log_cdf_oracle(angle, k):
    """Integral of exp(k (cos t - 1)) up to an angle, over its integral across the peak."""
    with mp.workdps(20):
        angle, k = mp.mpf(float(angle)), mp.mpf(float(k))
        ends = [v / mp.sqrt(k) for v in (-14, -6, -2, 2, 6, 14)]
        below = [e for e in ends if e < angle] + [angle]
        mass, total = (mp.quad(lambda t: mp.exp(k * (mp.cos(t) - 1)), path) for path in (below, ends))
        return float(mp.log(mass / total))


def test_cdf_of_a_narrow_peak_away_from_zero():
    """The angle to the location keeps its digits."""
    for dtype in DTYPES:
        dist, eps = dd.VonMises(dtype(1.2), dtype(5e5)), np.finfo(dtype).eps
        x = np.asarray([1.1985, 1.2014], dtype)
        angles = x.astype(float) - float(dist.loc)
        want = [log_cdf_oracle(angle, dist.concentration) for angle in angles]
        np.testing.assert_allclose(np.asarray(dist.log_cdf(x), float), want, rtol=16 * eps, atol=16 * eps)


@pytest.mark.parametrize("k", [0.0, 1e-3, 2.1, 1e8])
def test_draws(k):
    dist = dd.VonMises(np.zeros(5000, np.float32), np.float32(k))
    draws = dist.sample(jax.random.key(0))
    assert stats.kstest(np.asarray(dist.cdf(draws), float), "uniform").pvalue > 1e-4
    if k == 1e8:
        np.testing.assert_allclose(np.std(np.asarray(draws, float)), 1e-4, rtol=0.05)


def test_implicit_gradient_of_the_mean_cosine():
    def mean_cosine(k, loc):
        return jnp.mean(jnp.cos(dd.VonMises(loc, k).sample(jax.random.key(1), 50000) - 0.3))

    got = jax.jit(jax.grad(mean_cosine, argnums=(0, 1)))(np.float32(2.1), np.float32(0.3))
    np.testing.assert_allclose(np.asarray(got), [0.1510961, 0.0], atol=6e-3)


@pytest.mark.parametrize("k", [1e-3, 2.1, 50.0, 1e8])
def test_pathwise_slope_against_the_cdf(k):
    """Moving (angle, k) along the implicit slope keeps the cdf."""
    from depthjax.distributions._von_mises_cdf import log_tail, slope_in_concentration

    width = min(1.0, 1 / np.sqrt(k))
    for dtype in DTYPES[-1:]:
        for t in (0.3, 1.0, 2.5):
            angle, k_ = jnp.asarray(t * width, dtype), jnp.asarray(k, dtype)
            slope = float(slope_in_concentration(angle, k_))
            large = k > 100
            if large:
                want = -float(angle) / (2 * k)
            else:
                h, start = 1e-4 * k, float(angle)
                densities = [stats.vonmises(v).pdf for v in (k + h, k - h)]
                up, down = (integrate.quad(pdf, start, np.pi, epsabs=1e-14)[0] for pdf in densities)
                want = (up - down) / (2 * h) / stats.vonmises(k).pdf(start)
            np.testing.assert_allclose(slope, want, rtol=2e-3)
            assert np.isfinite(log_tail(angle, k_))


def test_cdf_and_moments_against_quadrature():
    dtype = DTYPES[-1]
    tol = 1e-8 if dtype is np.float64 else 2e-6
    reference = stats.vonmises(3.0, 0.5)
    dist, x = dd.VonMises(np.full(5, 0.5, dtype), dtype(3)), np.asarray([-3, -1, 0.2, 2, 3.1], dtype)
    want = [integrate.quad(reference.pdf, -np.pi, float(v))[0] for v in x]
    np.testing.assert_allclose(np.asarray(dist.cdf(x)), want, atol=tol)
    np.testing.assert_allclose(np.asarray(dist.cdf(x) + dist.survival(x)), 1, atol=10 * tol)
    np.testing.assert_allclose(float(dist.entropy_terms()[0]), reference.entropy(), rtol=tol)
    deep = dd.VonMises(dtype(0), dtype(100)).log_cdf(dtype(-3))
    area = integrate.quad(lambda t: np.exp(100 * (np.cos(t) - np.cos(3))), 3, np.pi)[0]
    np.testing.assert_allclose(float(deep), stats.vonmises(100).logpdf(3.0) + np.log(area), rtol=max(1e-9, tol))


def test_periodic_in_x_and_wrapped_draws():
    dist = dd.VonMises(np.float32(3), np.float32(4))
    x = np.float32(0.7)
    np.testing.assert_allclose(float(dist.log_prob(x + 2 * np.float32(np.pi))), float(dist.log_prob(x)), rtol=1e-5)
    draws = np.asarray(dist.sample(jax.random.key(0), 2000), float)
    assert np.all(np.abs(draws) <= np.pi + 1e-6)
    assert np.isfinite(dist.log_prob(np.float32(100)))


def test_exponential_family_round_trips():
    dtype = DTYPES[-1]
    dist = dd.VonMises(np.asarray([0.5, -2], dtype), np.asarray([3, 40], dtype))
    for back in (dist.from_natural(dist.natural_parameters()), dist.from_mean_parameters(dist.mean_parameters())):
        np.testing.assert_allclose(np.asarray(back.concentration), [3, 40], rtol=1e-8 if dtype is np.float64 else 1e-3)
        np.testing.assert_allclose(np.asarray(back.loc), [0.5, -2], rtol=1e-5)
    assert np.isnan(dd.VonMises(0.0, -1.0).log_prob(0.0))
