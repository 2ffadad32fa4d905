"""Bernoulli, Categorical and Poisson."""

import jax
import numpy as np
import pytest
from scipy import stats

from depthjax import distributions as dd

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])


def test_bernoulli_certain_outcomes():
    for dtype in DTYPES[-1:]:
        sure = dd.bernoulli_from_probs(dtype(1))
        assert float(sure.log_prob(0)) == -np.inf
        assert float(sure.log_prob(1)) == 0
        assert float(sure.log_prob(0.5)) == -np.inf
        for dist in (sure, dd.bernoulli_from_probs(dtype(0))):
            value, grads = jax.value_and_grad(lambda d: d.entropy())(dist)
            assert float(value) == 0
            assert float(grads.logits) == 0
        assert np.isfinite(jax.grad(lambda p: dd.bernoulli_from_probs(p).entropy())(dtype(0)))
        assert np.isnan(dd.bernoulli_from_probs(dtype(1.5)).log_prob(1))


def test_bernoulli_keeps_rare_outcomes():
    dist = dd.Bernoulli(np.full(200000, np.log(2e-5), np.float32))
    assert 0 < int(np.sum(np.asarray(dist.sample(jax.random.key(0))))) < 30
    assert np.asarray(dist.sample(jax.random.key(0))).dtype == np.int32


def test_bernoulli_cdf_and_support():
    dist = dd.Bernoulli(np.asarray([-1.0, 2.0], np.float32))
    p = 1 / (1 + np.exp([1.0, -2.0]))
    np.testing.assert_allclose(np.asarray(dist.cdf(np.zeros(2))), 1 - p, rtol=1e-6)
    np.testing.assert_allclose(np.asarray(dist.survival(np.full(2, 0.5))), p, rtol=1e-6)
    total = np.sum(np.exp(np.asarray(dist.log_prob(dist.enumerate_support()), float)))
    np.testing.assert_allclose(total, 1, rtol=1e-6)


def test_categorical_with_a_masked_action():
    for dtype in DTYPES[-1:]:
        dist = dd.Categorical(np.asarray([0, -np.inf, 1, 2], dtype))
        w = np.exp([0, -np.inf, 1, 2]) / np.sum(np.exp([0, -np.inf, 1, 2]))
        got = np.asarray(dist.log_prob(np.arange(6)))
        assert np.all(got[[1, 4, 5]] == -np.inf)
        np.testing.assert_allclose(np.exp(got[[0, 2, 3]]), w[[0, 2, 3]], rtol=1e-5)
        np.testing.assert_allclose(float(dist.entropy()), -np.sum(w[w > 0] * np.log(w[w > 0])), rtol=1e-5)
        np.testing.assert_allclose(float(dist.mean()), w @ np.arange(4), rtol=1e-5)
        for fn in (lambda d: d.entropy(), lambda d: d.log_prob(2), lambda d: d.log_cdf(1.0), lambda d: d.variance()):
            assert np.all(np.isfinite(np.asarray(jax.grad(fn)(dist).logits)))
        steps = dist.cdf(np.asarray([-1, 0, 1.5, 3], dtype))
        np.testing.assert_allclose(np.asarray(steps), [0, w[0], w[0], 1], rtol=1e-5)
        draws = np.asarray(dist.sample(jax.random.key(0), 4000))
        assert stats.chisquare(np.bincount(draws, minlength=4)[[0, 2, 3]], 4000 * w[[0, 2, 3]]).pvalue > 1e-4
    assert float(dd.categorical_from_probs([0.2, 0.0, 0.8]).log_prob(1)) == -np.inf


def test_poisson_exact_values():
    for dtype in DTYPES:
        got = float(dd.poisson_from_rate(dtype(1e6)).log_prob(dtype(1e6)))
        np.testing.assert_allclose(got, -7.826693896, rtol=max(2e-10, 8 * np.finfo(dtype).eps))


def test_poisson_at_zero_and_vanishing_rates():
    for dtype in DTYPES[-1:]:
        for log_rate in (-np.inf, -100, 0.3):
            for x in (0, 2):
                value, slope = jax.value_and_grad(lambda v, x=x: dd.Poisson(v).log_prob(x))(dtype(log_rate))
                assert np.isfinite(slope)
                want = -np.exp(log_rate) if x == 0 else 2 * log_rate - np.exp(log_rate) - np.log(2)
                np.testing.assert_allclose(float(value), want, rtol=1e-5, atol=1e-38)
        assert float(dd.Poisson(dtype(0)).log_prob(dtype(1.5))) == -np.inf
        assert float(dd.Poisson(dtype(0)).log_prob(-1)) == -np.inf


def test_poisson_against_scipy():
    dtype = DTYPES[-1]
    tol = 1e-12 if dtype is np.float64 else 1e-5
    dist, reference = dd.Poisson(np.full(4, np.log(3.3), dtype)), stats.poisson(3.3)
    x = np.asarray([0, 1, 5, 20], dtype)
    for name, want in (("log_prob_terms", "logpmf"), ("cdf", "cdf"), ("log_survival", "logsf")):
        np.testing.assert_allclose(np.asarray(getattr(dist, name)(x)), getattr(reference, want)(x), rtol=tol)
    edges = np.asarray(dist.cdf(np.asarray([-1, 0.5, 2.5, np.inf], dtype)))
    np.testing.assert_allclose(edges, [0, reference.cdf(0), reference.cdf(2), 1], rtol=tol)


def test_poisson_draws():
    for rate in (3.3, 1e6):
        draws = np.asarray(dd.poisson_from_rate(np.float32(rate)).sample(jax.random.key(0), 5000), float)
        assert abs(np.mean(draws) - rate) < 5 * np.sqrt(rate / 5000)
        np.testing.assert_allclose(np.var(draws), rate, rtol=0.12)


@pytest.mark.parametrize("dist", [dd.Bernoulli(0.3), dd.Categorical([0.0, 1.0]), dd.Poisson(0.5)])
def test_differentiating_a_draw_raises(dist):
    def draw(d):
        return d.sample(jax.random.key(0)).astype(float)

    with pytest.raises(TypeError, match="pathwise"):
        jax.grad(draw)(dist)
    assert np.isfinite(draw(dist.detach()))


@pytest.mark.parametrize("dist", [dd.Bernoulli([0.3, -1.0]), dd.Categorical([0.0, 1.0, -2.0]), dd.Poisson([0.5, 1.0])])
def test_exponential_family(dist):
    x = dist.sample(jax.random.key(0))
    eta, statistics = dist.natural_parameters(), dist.sufficient_statistics(x)
    inner = sum(float((statistics[name] * eta[name]).sum()) for name in eta)
    value = inner - float(dist.log_normalizer()) + float(dist.log_base_measure(x))
    np.testing.assert_allclose(value, float(dist.log_prob(x)), rtol=1e-5)
    back = dist.from_mean_parameters(dist.mean_parameters())
    np.testing.assert_allclose(float(back.log_prob(x)), float(dist.log_prob(x)), rtol=1e-5)


def test_categorical_bad_shape_raises():
    with pytest.raises(ValueError, match="logits"):
        dd.Categorical(np.zeros((2, 3)))
