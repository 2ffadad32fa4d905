"""Counts and levels: exact values, certain outcomes, draws, errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from depthjax import distributions as dd

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])


def test_exact_masses_of_large_counts():
    for dtype in DTYPES:
        tol = max(2e-10, 8 * np.finfo(dtype).eps)
        binomial = dd.binomial_from_probs(dtype(1e6), dtype(0.3))
        np.testing.assert_allclose(float(binomial.log_prob(dtype(3e5))), -7.046370252, rtol=tol)
        waiting = dd.negative_binomial_from_mean(dtype(10), dtype(1e7))
        np.testing.assert_allclose(float(waiting.log_prob(dtype(10))), -2.078562143, rtol=tol)
        mixed = dd.GammaPoisson(dtype(1e7), dtype(1e6))
        np.testing.assert_allclose(float(mixed.log_prob(dtype(10))), -2.078562143, rtol=tol)
        even = dd.BetaBinomial(dtype(1e6), dtype(1), dtype(1))
        np.testing.assert_allclose(float(even.log_prob(dtype(1234))), -np.log(1e6 + 1), rtol=tol)


def test_conventions():
    dtype = DTYPES[-1]
    tol = 1e-12 if dtype is np.float64 else 1e-5
    x = np.asarray([0, 1, 5, 20], dtype)
    pairs = (
        (dd.geometric_from_probs(dtype(0.3)), stats.geom(0.3, loc=-1)),
        (dd.negative_binomial_from_probs(dtype(2.5), dtype(0.7)), stats.nbinom(2.5, 0.3)),
        (dd.binomial_from_probs(dtype(30), dtype(0.3)), stats.binom(30, 0.3)),
        (dd.BetaBinomial(dtype(30), dtype(2), dtype(3)), stats.betabinom(30, 2, 3)),
    )
    compiled = jax.jit(lambda d, e: (d.log_prob(e), d.cdf(e + dtype(0.5)), d.mean(), d.variance()))
    for dist, reference in pairs:
        log_prob, cdf, mean, variance = (np.asarray(v) for v in compiled(dist, x))
        np.testing.assert_allclose(log_prob, reference.logpmf(x), rtol=tol)
        np.testing.assert_allclose(cdf, reference.cdf(x), rtol=20 * tol)
        np.testing.assert_allclose(mean, reference.mean(), rtol=tol)
        np.testing.assert_allclose(variance, reference.var(), rtol=tol)


def test_certain_trials():
    @jax.jit
    def values(dist, x):
        slopes = jax.grad(lambda d: d.log_prob(x[1]))(dist)
        draws = dist.sample(jax.random.key(0), 4)
        return dist.log_prob(x), dist.cdf(x), dist.entropy(), dist.mode(), draws, slopes

    for logits, sure in ((-np.inf, 0.0), (np.inf, 5.0)):
        log_prob, cdf, entropy, mode, draws, slopes = values(dd.Binomial(5.0, logits), jnp.asarray([3.0, sure, -1.0]))
        np.testing.assert_array_equal(np.asarray(log_prob), [-np.inf, 0, -np.inf])
        np.testing.assert_array_equal(np.asarray(cdf), [sure == 0, 1, 0])
        assert float(entropy) == 0
        assert int(mode) == sure
        np.testing.assert_array_equal(np.asarray(draws), sure)
        assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(slopes))
    assert float(dd.geometric_from_probs(1.0).log_prob(0)) == 0
    assert float(dd.negative_binomial_from_probs(2.0, 0.0).log_prob(0)) == 0
    assert np.isnan(dd.Binomial(2.5, 0.0).log_prob(1))
    assert np.isnan(dd.geometric_from_probs(0.0).log_prob(1))


def test_rare_successes_in_the_log_tails():
    for dtype in DTYPES:
        rare = dd.Binomial(dtype(100), dtype(-200))
        np.testing.assert_allclose(float(rare.log_survival(dtype(1))), np.log(4950) - 400, rtol=1e-6)
        np.testing.assert_allclose(float(dd.Geometric(dtype(-200)).log_cdf(dtype(3))), np.log(4) - 200, rtol=1e-6)
        waiting = dd.NegativeBinomial(dtype(2), dtype(-200))
        np.testing.assert_allclose(float(waiting.log_survival(dtype(0))), np.log(2) - 200, rtol=1e-6)


def test_no_trials():
    for dist in (dd.Binomial(0.0, 0.3), dd.BetaBinomial(0.0, 2.0, 3.0)):
        assert float(dist.log_prob(0)) == 0
        assert float(dist.cdf(0)) == 1
        assert int(dist.sample(jax.random.key(0))) == 0
        slopes = jax.grad(lambda d: d.log_prob(0.0))(dist)
        assert all(np.isfinite(leaf) for leaf in jax.tree.leaves(slopes))


def test_binomial_entropy_of_many_trials():
    for dtype in DTYPES[-1:]:
        n, p = (1e8 if dtype == np.float64 else 1e6), 0.2  # beyond 2^24 float32 holds no odd count
        # The Gaussian entropy, whose first correction is of order 1/n.
        want = 0.5 * np.log(2 * np.pi * np.e * n * p * (1 - p))
        got, slope = jax.value_and_grad(lambda d: d.entropy())(dd.binomial_from_probs(dtype(n), dtype(p)))
        np.testing.assert_allclose(float(got), want, rtol=1e-6)
        # d H/d logit of log(p q)/2 is (1 - 2 p)/2.
        # The sum cancels from the size of the spread.
        rounding = 10 * np.finfo(dtype).eps * np.sqrt(n * p * (1 - p))
        np.testing.assert_allclose(float(slope.logits), 0.5 * (1 - 2 * p), rtol=max(1e-4, rounding))
        # Each log ratio of the sum rounds by eps; over the spread of the counts the errors average out.
        averaged = np.finfo(dtype).eps * want / np.sqrt(n * p * (1 - p)) ** 0.5
        np.testing.assert_allclose(float(slope.total_count), 0.5 / n, rtol=1e-3, atol=averaged)


@pytest.mark.parametrize(
    "dist",
    [
        dd.Geometric(0.3),
        dd.Binomial(5.0, 0.3),
        dd.NegativeBinomial(2.0, 0.3),
        dd.GammaPoisson(2.0, 0.3),
        dd.BetaBinomial(5.0, 1.0, 2.0),
        dd.ZeroInflated(dd.Poisson(0.3), 0.0),
        dd.Quantized(dd.Normal(0.0, 1.0)),
        dd.DiscretizedLogistic(3.0, 1.0, 8),
    ],
    ids=lambda dist: type(dist).__name__,
)
def test_differentiating_a_count_raises(dist):
    def draw(d):
        return d.sample(jax.random.key(0)).astype(float)

    with pytest.raises(TypeError, match="pathwise"):
        jax.eval_shape(jax.grad(draw, allow_int=True), dist)
    assert np.isfinite(draw(dist.detach()))


def test_levels_finer_than_the_scale():
    for dtype in DTYPES:
        x = np.asarray([-4000.0, -20.0, 0.0, 7.0, 3000.0], dtype)
        wide = dd.DiscretizedLogistic(dtype(0), dtype(1000), 10_000)
        reference = stats.logistic(0, 1000).logpdf(x)
        inner = x > 0
        np.testing.assert_allclose(
            np.asarray(wide.log_prob(x))[inner], reference[inner], rtol=max(1e-6, 8 * np.finfo(dtype).eps)
        )
        got = np.asarray(dd.Quantized(dd.Normal(dtype(0), dtype(1000))).log_prob(x))
        np.testing.assert_allclose(got, stats.norm(-0.5 + 1, 1000).logpdf(x), rtol=max(1e-6, 8 * np.finfo(dtype).eps))


def test_end_levels_take_the_tails():
    dtype = DTYPES[-1]
    dist = dd.Quantized(dd.Normal(dtype(0), dtype(2)), -1, 3)
    total = np.exp(np.asarray(dist.log_prob(np.arange(-2, 5).astype(dtype)), float))
    np.testing.assert_allclose(total[[0, -1]], 0)
    np.testing.assert_allclose(total.sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(total[1], stats.norm.cdf(-0.5), rtol=1e-6)
    np.testing.assert_allclose(total[-2], stats.norm.sf(1.0), rtol=1e-6)
    draws = np.asarray(dist.sample(jax.random.key(0), 2000))
    assert draws.min() == -1
    assert draws.max() == 3
    assert not hasattr(dd.Quantized(dd.Normal(0.0, 1.0), low=0), "mean")
    assert hasattr(dist, "mean")


def test_zero_inflation():
    dtype = DTYPES[-1]
    dist = dd.ZeroInflated(dd.Binomial(np.full(2, 4, dtype), np.zeros(2, dtype)), -1.0)
    gate = 1 / (1 + np.e)
    want = np.log([gate + (1 - gate) / 16, (1 - gate) * 4 / 16])
    np.testing.assert_allclose(np.asarray(dist.log_prob_terms(np.asarray([0, 1], dtype))), want, rtol=1e-6)
    assert np.isnan(dd.ZeroInflated(dd.Poisson(np.nan), 0.0).log_prob(0))
    never = dd.ZeroInflated(dd.Poisson(0.3), -np.inf)
    np.testing.assert_allclose(float(never.log_prob(0)), float(never.base.log_prob(0)), rtol=1e-6)
    assert np.isfinite(jax.grad(lambda d: d.log_prob(0.0))(never).gate_logits)


def test_static_arguments_of_levels():
    with pytest.raises(TypeError, match="high is a float, expected a Python integer"):
        dd.Quantized(dd.Normal(0.0, 1.0), 0, 3.0)
    with pytest.raises(ValueError, match="high = 0 is below low = 3"):
        dd.Quantized(dd.Normal(0.0, 1.0), 3, 0)
    with pytest.raises(ValueError, match="num_levels is 0"):
        dd.DiscretizedLogistic(0.0, 1.0, 0)
    with pytest.raises(TypeError, match="continuous elementwise"):
        dd.Quantized(dd.Poisson(0.0), 0, 3)
    with pytest.raises(TypeError, match="discrete elementwise"):
        dd.ZeroInflated(dd.Normal(0.0, 1.0), 0.0)


def test_large_counts_fit_into_32_bits():
    for dist in (dd.NegativeBinomial(30.0, 25.0), dd.Geometric(-40.0), dd.GammaPoisson(1.0, 1e-20)):
        draws = np.asarray(dist.sample(jax.random.key(0), 100))
        assert draws.dtype == np.int32
        assert (draws >= 0).all()
        assert np.isfinite(np.asarray(dist.log_prob(jnp.asarray(draws)))).all()
