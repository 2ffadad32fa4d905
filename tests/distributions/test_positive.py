"""Families on the line, half lines and intervals: exact values, ends, composition, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from depthjax import distributions as dd

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])


def test_cauchy_far_tail():
    for dtype in DTYPES:
        cauchy = dd.Cauchy(dtype(0), dtype(1))
        for value in (cauchy.log_cdf(dtype(-1e10)), cauchy.log_survival(dtype(1e10))):
            np.testing.assert_allclose(float(value), -24.17058082, rtol=max(2e-10, 4 * np.finfo(dtype).eps))
        assert np.isfinite(jax.grad(cauchy.log_cdf)(dtype(-1e30)))
        np.testing.assert_allclose(float(cauchy.log_cdf(dtype(1e10))), -1e-10 / np.pi, rtol=1e-6)


def test_logit_normal_moments():
    for dtype in DTYPES:
        standard = dd.LogitNormal(dtype(0), dtype(1))
        tol = max(1e-9, 8 * np.finfo(dtype).eps)
        np.testing.assert_allclose(float(standard.mean()), 0.5, rtol=tol)
        np.testing.assert_allclose(float(standard.variance()), 0.04337903586, rtol=tol)
        # Far out the mean is that of exp(y); for a wide law that of a coin.
        far = dd.LogitNormal(dtype(-30), dtype(0.5))
        np.testing.assert_allclose(float(far.mean()), np.exp(-30 + 0.125), rtol=20 * tol)
        wide = dd.LogitNormal(dtype(1.0), dtype(1e4))
        np.testing.assert_allclose(float(wide.mean()), stats.norm.cdf(1e-4), rtol=1e-6)
        np.testing.assert_allclose(float(wide.variance()), 0.25, rtol=1e-3)


def test_density_at_the_end_of_the_half_line():
    for dtype in DTYPES:
        ends = (
            dd.Weibull(dtype(1), dtype(2)),
            dd.Exponential(dtype(0.5)),
            dd.ChiSquared(dtype(2)),
            dd.BetaPrime(dtype(1), dtype(3), dtype(6)),
            dd.Lomax(dtype(3), dtype(6)),
        )
        for dist in ends:
            value, slopes = jax.value_and_grad(lambda d: d.log_prob(dtype(0)))(dist)  # noqa: B023
            np.testing.assert_allclose(float(value), np.log(0.5), rtol=4 * np.finfo(dtype).eps)
            assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(slopes))


def test_outside_the_half_line():
    for dist in (dd.Exponential(1.0), dd.Weibull(2.0, 1.0), dd.Pareto(1.0, 2.0), dd.InverseGamma(2.0, 1.0)):
        value, slopes = jax.value_and_grad(lambda d: d.log_prob(-1.0))(dist)
        assert float(value) == -np.inf
        assert all(float(leaf) == 0 for leaf in jax.tree.leaves(slopes))
        assert float(dist.log_cdf(-1.0)) == -np.inf
        assert float(dist.survival(-1.0)) == 1


def test_heavy_tails_have_no_moments():
    assert float(dd.Pareto(1.0, 1.0).mean()) == np.inf
    assert float(dd.Lomax(2.0, 1.0).variance()) == np.inf
    assert float(dd.InverseGamma(0.5, 1.0).mean()) == np.inf
    assert float(dd.BetaPrime(1.0, 1.5, 2.0).variance()) == np.inf
    assert np.isfinite(float(dd.BetaPrime(1.0, 1.5, 2.0).mean()))
    assert not hasattr(dd.Cauchy(0.0, 1.0), "mean")


def test_extreme_concentrations_draw_finite_numbers():
    for dtype in DTYPES[:1]:
        for dist in (
            dd.Weibull(dtype(1e-4), dtype(1)),
            dd.Pareto(dtype(1), dtype(1e-4)),
            dd.Lomax(dtype(1e-4), dtype(1)),
        ):
            x, log_prob = dist.sample_and_log_prob(jax.random.key(0), (1000,))
            assert np.isfinite(np.asarray(x)).all()
            assert np.isfinite(np.asarray(log_prob)).all()


def test_truncation_agrees_with_the_closed_form():
    for dtype in DTYPES:
        eps = np.finfo(dtype).eps
        tail = dd.Truncated(dd.Normal(dtype(0), dtype(1)), 20.0, 21.0)
        # The exponent z^2/2 is 200 times the value of log p.
        np.testing.assert_allclose(float(tail.log_prob(dtype(20.1))), 0.9932168391, rtol=max(1e-9, 400 * eps))
        near = dd.Truncated(dd.Normal(dtype(0), dtype(1)), 10.0, 11.0)
        mean, variance = jax.jit(lambda d: (d.mean(), d.variance()))(near)
        np.testing.assert_allclose(float(mean), 10.09806837, rtol=max(1e-9, 8 * eps))
        np.testing.assert_allclose(float(variance), 0.009420771902, rtol=max(1e-9, 1e3 * eps))


def test_truncation_to_a_half_line():
    dtype = DTYPES[-1]
    upper = dd.Truncated(dd.Exponential(dtype(2)), 3.0, np.inf)
    np.testing.assert_allclose(float(upper.log_prob(dtype(4))), np.log(2) - 2, rtol=1e-6)
    np.testing.assert_allclose(float(upper.mean()), 3.5, rtol=1e-5)
    whole = dd.Truncated(dd.Logistic(dtype(0), dtype(1)), -np.inf, np.inf)
    np.testing.assert_allclose(float(whole.log_prob(dtype(0.3))), float(whole.base.log_prob(dtype(0.3))), rtol=1e-6)
    slopes = jax.grad(lambda d: d.log_prob(dtype(0.3)))(whole)
    assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(slopes))


@pytest.mark.slow
def test_truncation_of_an_array():
    base = dd.Logistic(np.zeros(3, np.float32), np.ones(3, np.float32))
    dist = dd.Truncated(base, -1.0, np.asarray([0.5, 1.0, 2.0]))
    assert dist.event_shape == (3,)
    assert dist.low.dtype == np.float32
    draws = np.asarray(dist.sample(jax.random.key(0), 500))
    assert ((draws > -1) & (draws < np.asarray([0.5, 1.0, 2.0]))).all()
    slope = jax.grad(lambda d: jnp.sum(d.sample(jax.random.key(1), 8)))(dist)
    assert np.isfinite(np.asarray(slope.base.loc)).all()
    assert (np.asarray(slope.base.loc) > 0).all()


def test_truncation_errors():
    with pytest.raises(TypeError, match="continuous elementwise"):
        dd.Truncated(dd.Poisson(0.0), 0.0, 1.0)
    with pytest.raises(TypeError, match="Truncated: base VonMises has no quantile"):
        dd.Truncated(dd.VonMises(0.0, 1.0), 0.0, 1.0)
    with pytest.raises(ValueError, match=r"low has shape \(2,\), expected \(3,\)"):
        dd.Truncated(dd.Normal(np.zeros(3), np.ones(3)), np.zeros(2), 1.0)
    assert np.isnan(dd.Truncated(dd.Normal(0.0, -1.0), 0.0, 1.0).log_prob(0.5))


def test_intervals_much_shorter_than_the_scale():
    for dtype in DTYPES:
        for base, density in (
            (dd.Normal(dtype(0), dtype(1)), stats.norm.logpdf(3.0)),
            (dd.Logistic(dtype(0), dtype(1)), stats.logistic.logpdf(3.0)),
            (dd.Gumbel(dtype(0), dtype(1)), stats.gumbel_r.logpdf(3.0)),
            (dd.Exponential(dtype(1)), stats.expon.logpdf(3.0)),
        ):
            width = 2.0**-12
            got = float(base._log_between(dtype(3 - width / 2), dtype(3 + width / 2)))
            np.testing.assert_allclose(got, density + np.log(width), rtol=max(4e-9, 8 * np.finfo(dtype).eps))


def test_beta_prime_half_as_large_again_as_its_mean():
    """The first count differs from its mean by half of itself, where a logarithm of their ratio would cancel."""
    a, b, scale, x = (np.float32(v) for v in (40.06926, 474.60825, 0.07249637, 0.00978274))
    want = stats.betaprime(float(a), float(b), scale=float(scale)).logpdf(float(x))
    got = float(dd.BetaPrime(a, b, scale).log_prob(x))
    np.testing.assert_allclose(got, want, rtol=0, atol=4 * np.finfo(np.float32).eps)
