"""One-hot, multinomial and Dirichlet-multinomial."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from scipy import stats

from depthjax import distributions as dd

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])
DTYPE = DTYPES[-1]


def exact_multinomial(x, logits):
    with mp.workdps(40):
        exact = [mp.mpf(float(v)) for v in logits]
        log_sum = mp.log(mp.fsum(mp.exp(v) for v in exact))
        counts = [int(v) for v in x]
        terms = mp.fsum(k * (v - log_sum) - mp.loggamma(k + 1) for k, v in zip(counts, exact, strict=True))
        return float(mp.loggamma(sum(counts) + 1) + terms)


def test_large_counts_keep_their_digits():
    """With two categories it is the binomial of a million trials: -7.046370252 at its mean."""
    for dtype in DTYPES:
        dist = dd.multinomial_from_probs(dtype(1e6), np.array([0.3, 0.7], dtype))
        x = np.array([3e5, 7e5], dtype)
        got, eps = float(dist.log_prob(x)), np.finfo(dtype).eps
        np.testing.assert_allclose(got, exact_multinomial(x, dist.logits), rtol=64 * eps)
        np.testing.assert_allclose(got, -7.046370252, rtol=max(1e-9, 64 * eps))
        near = stats.binom(10**6, 0.3).logpmf(np.arange(280_000, 320_000))
        entropy = -np.sum(near * np.exp(near))
        np.testing.assert_allclose(dist.entropy(), entropy, rtol=max(1e-6, 64 * eps))


def test_dirichlet_multinomial_large_parameters():
    a, x = np.array([1e6, 2e6, 0.5]), np.array([3e5, 7e5, 2.0])
    with mp.workdps(40):
        terms = mp.fsum(mp.loggamma(k + v) - mp.loggamma(v) - mp.loggamma(k + 1) for k, v in zip(x, a, strict=True))
        total, n = mp.fsum(a), int(x.sum())
        want = float(terms + mp.loggamma(n + 1) + mp.loggamma(total) - mp.loggamma(n + total))
    for dtype in DTYPES:
        got = dd.DirichletMultinomial(dtype(n), a.astype(dtype)).log_prob(x.astype(dtype))
        np.testing.assert_allclose(got, want, rtol=32 * np.finfo(dtype).eps)


@pytest.mark.slow
def test_masked_categories_never_occur():
    logits = np.array([0.0, -np.inf, 1.0], DTYPE)
    one_hot, counts = dd.OneHotCategorical(logits), dd.Multinomial(DTYPE(5), logits)
    np.testing.assert_array_equal(one_hot.log_prob(np.eye(3, dtype=DTYPE)[1]), -np.inf)
    np.testing.assert_array_equal(counts.log_prob(np.array([2, 1, 2], DTYPE)), -np.inf)
    for dist, x in ((one_hot, np.eye(3, dtype=DTYPE)[2]), (counts, np.array([2, 0, 3], DTYPE))):
        assert np.isfinite(dist.log_prob(x))
        assert np.isfinite(dist.entropy())
        assert np.asarray(dist.sample(jax.random.key(0), 200))[:, 1].sum() == 0
        slopes = jax.grad(lambda d: d.log_prob(x) + d.entropy())(dist)  # noqa: B023
        assert np.isfinite(slopes.logits).all()
        assert slopes.logits[1] == 0


def test_probabilities_of_zero_and_below():
    dist = dd.one_hot_categorical_from_probs(np.array([0.0, 1.0], DTYPE))
    np.testing.assert_array_equal(dist.log_prob(np.eye(2, dtype=DTYPE)), [-np.inf, 0.0])
    assert float(dist.entropy()) == 0.0
    assert np.isnan(dd.multinomial_from_probs(DTYPE(3), np.array([-0.5, 1.5], DTYPE)).log_prob(np.ones(2, DTYPE)))


def test_events_that_are_no_counts():
    dist = dd.Multinomial(DTYPE(3), np.zeros(3, DTYPE))
    outside = np.array([[1, 1, 2], [1.5, 0.5, 1], [-1, 2, 2]], DTYPE)
    np.testing.assert_array_equal(dist.log_prob(outside), -np.inf)
    assert np.isnan(dist.log_prob(np.array([np.nan, 1, 2], DTYPE)))
    for dist in (dd.Multinomial(DTYPE(0), np.zeros(3, DTYPE)), dd.DirichletMultinomial(DTYPE(0), np.ones(3, DTYPE))):
        assert float(dist.log_prob(np.zeros(3, DTYPE))) == 0.0
        slopes = jax.grad(lambda d: d.log_prob(np.zeros(3, DTYPE)))(dist)
        assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(slopes))


def test_draws_add_up_and_follow_the_covariance():
    logits = np.array([0.3, -1.0, 2.0, -30.0], DTYPE)
    dist = dd.Multinomial(DTYPE(1e5), logits)
    x = np.asarray(jax.jit(lambda d, k: d.sample(k, 2000))(dist, jax.random.key(1)))
    assert x.dtype == np.int32
    np.testing.assert_array_equal(x.sum(-1), 100_000)
    spread = np.cov(x[:, :3].T)
    np.testing.assert_allclose(spread, np.asarray(dist.covariance())[:3, :3], rtol=0.15)
    for draws in (dist, dd.DirichletMultinomial(DTYPE(9), np.full(4, 0.01, DTYPE))):
        with pytest.raises(TypeError, match="no pathwise gradient"):
            jax.grad(lambda d: jnp.sum(d.sample(jax.random.key(0)).astype(DTYPE)))(draws)
    assert np.isfinite(draws.log_prob(draws.sample(jax.random.key(2), 500))).all()


@pytest.mark.parametrize("total", [1, 7, 30])
def test_mode_is_the_best_of_all_events(total):
    logits = np.random.default_rng(total).normal(size=3).astype(DTYPE)
    dist = dd.Multinomial(DTYPE(total), logits)
    x = np.array([(i, j, total - i - j) for i in range(total + 1) for j in range(total + 1 - i)], DTYPE)
    best = float(np.max(np.asarray(dist.log_prob(x))))
    np.testing.assert_allclose(dist.log_prob(dist.mode()), best, rtol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dd.OneHotCategorical(0.0), "1 axes"),
        (lambda: dd.Multinomial([1.0, 2.0], [0.0, 0.0]), "total_count"),
        (lambda: dd.Multinomial(1.0, np.zeros(0)), "empty"),
        (lambda: dd.DirichletMultinomial(1.0, 2.0), "concentration"),
        (lambda: dd.Multinomial(1.0, [0.0, 0.0]).log_prob(np.zeros(3)), r"expected \(\.\.\., 2\)"),
    ],
)
def test_bad_shapes_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()
