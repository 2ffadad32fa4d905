"""Normal, and the multivariate normal in its three forms."""

import jax
import numpy as np
import pytest
from scipy import stats

import depthjax as dj
from depthjax import distributions as dd

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])
RNG = np.random.default_rng(0)
ROOT = RNG.normal(size=(4, 4))
COVARIANCE = ROOT @ ROOT.T + 0.3 * np.eye(4)
MEAN = RNG.normal(size=4)
POINTS = RNG.normal(size=(7, 4))
FORMS = ["covariance", "precision"]


def _make(form, dtype):
    if form == "covariance":
        return dd.mvn_from_covariance(MEAN.astype(dtype), COVARIANCE.astype(dtype))
    return dd.mvn_from_precision(MEAN.astype(dtype), np.linalg.inv(COVARIANCE).astype(dtype))


def _close(got, want, dtype, factor=1.0):
    tol = factor * (1e-10 if dtype is np.float64 else 2e-4)
    np.testing.assert_allclose(np.asarray(got), want, rtol=tol, atol=tol, equal_nan=False)


def test_normal_exact_tails():
    for dtype in DTYPES:
        normal = dd.Normal(np.zeros(3, dtype), dtype(1))
        got = jax.jit(lambda d, x: d.log_cdf(x))(normal, np.asarray([-10, -40, -1000], dtype))
        want = np.asarray([-53.23128515, -804.608442, -500007.8267])
        np.testing.assert_allclose(np.asarray(got, float), want, rtol=max(2e-10, 8 * np.finfo(dtype).eps))
        slope = jax.grad(dd.Normal(dtype(0), dtype(1)).log_cdf)(dtype(-1000))
        np.testing.assert_allclose(float(slope), 1000.000999998, rtol=8 * np.finfo(dtype).eps)


def test_normal_smallest_scale():
    got = dd.Normal(np.float32(0), np.float32(1e-23)).log_prob(np.float32(0))
    np.testing.assert_allclose(float(got), 52.04051894, rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_density_and_moments(form):
    reference = stats.multivariate_normal(MEAN, COVARIANCE)
    for dtype in DTYPES:
        dist = _make(form, dtype)
        _close(dist.log_prob(POINTS.astype(dtype)), reference.logpdf(POINTS), dtype, 10)
        _close(dist.covariance(), COVARIANCE, dtype, 10)
        _close(dist.variance(), np.diag(COVARIANCE), dtype, 10)
        _close(dist.entropy(), reference.entropy(), dtype)


@pytest.mark.parametrize("form", FORMS)
def test_marginal_condition_and_linear_map(form):
    dtype = DTYPES[-1]
    dist, kept, seen = _make(form, dtype), [0, 2], [1, 3]
    marginal = dist.marginal((2, 0))
    _close(marginal.mean(), MEAN[[2, 0]], dtype)
    _close(marginal.covariance(), COVARIANCE[np.ix_([2, 0], [2, 0])], dtype, 10)
    values = np.asarray([0.3, -0.2])
    gain = COVARIANCE[np.ix_(kept, seen)] @ np.linalg.inv(COVARIANCE[np.ix_(seen, seen)])
    conditional = dist.condition(seen, values.astype(dtype))
    assert type(conditional) is type(dist)
    _close(conditional.mean(), MEAN[kept] + gain @ (values - MEAN[seen]), dtype, 10)
    rest = COVARIANCE[np.ix_(kept, kept)] - gain @ COVARIANCE[np.ix_(seen, kept)]
    _close(conditional.covariance(), rest, dtype, 10)
    matrix = RNG.normal(size=(2, 4))
    image = dist.linear_map(matrix.astype(dtype), np.asarray([1, 2], dtype))
    _close(image.mean(), matrix @ MEAN + [1, 2], dtype, 10)
    _close(image.covariance(), matrix @ COVARIANCE @ matrix.T, dtype, 10)


@pytest.mark.parametrize("form", FORMS)
def test_sampling_carries_its_density_and_whitens(form):
    dtype = DTYPES[-1]
    dist = _make(form, dtype)
    x, log_prob = dist.sample_and_log_prob(jax.random.key(0), (2000,))
    _close(log_prob, dist.log_prob(x), dtype, 10)
    z = np.asarray(dist.whiten(x), float)
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-4
    assert np.max(np.abs(np.corrcoef(z.T) - np.eye(4))) < 0.1


@pytest.mark.parametrize("form", FORMS)
def test_exponential_family(form):
    dtype = DTYPES[-1]
    dist = _make(form, dtype)
    eta, x = dist.natural_parameters(), jax.numpy.asarray(POINTS[0].astype(dtype))
    statistics = dist.sufficient_statistics(x)
    inner = sum(float((statistics[name] * eta[name]).sum()) for name in eta)
    _close(inner - dist.log_normalizer() + dist.log_base_measure(x), dist.log_prob(x), dtype, 10)
    _close(dist.mean_parameters()["xx"], COVARIANCE + np.outer(MEAN, MEAN), dtype, 50)
    for rebuilt in (dist.from_natural(eta), dist.from_mean_parameters(dist.mean_parameters())):
        _close(rebuilt.covariance(), COVARIANCE, dtype, 50)


def test_precision_density_is_largest_at_the_mean():
    dist = _make("precision", np.float32)
    assert float(dist.log_prob(MEAN.astype(np.float32))) > np.max(np.asarray(dist.log_prob(POINTS.astype(np.float32))))


def test_diagonal_against_full():
    for dtype in DTYPES:
        diag = dd.MultivariateNormalDiag(np.asarray([0.5, -1], dtype), np.asarray([2, 0.3], dtype))
        full = dd.MultivariateNormal(diag.loc, np.diag(np.asarray([2, 0.3], dtype)))
        x = np.asarray([[0.1, -0.7], [3, -1.2]], dtype)
        _close(diag.log_prob(x), np.asarray(full.log_prob(x)), dtype)
        _close(diag.entropy(), np.asarray(full.entropy()), dtype)
        _close(diag.linear_map(np.ones((1, 2), dtype)).variance(), [4.09], dtype)
        assert diag.condition(0, 1.0).event_shape == diag.marginal(1).event_shape == (1,)
        draw, log_prob = diag.from_noise(diag.sample_noise(jax.random.key(0)))
        _close(log_prob, np.asarray(diag.log_prob(draw)), dtype)


def test_invalid_factor_gives_nan():
    dist = dd.MultivariateNormal(np.zeros(2, np.float32), np.asarray([[1, 0], [0, -1]], np.float32))
    values = dist.log_prob(np.zeros(2, np.float32)), dist.entropy(), dist.sample(jax.random.key(0)), dist.variance()
    assert all(np.all(np.isnan(np.asarray(v))) for v in values)
    assert np.isnan(dd.mvn_from_covariance(np.zeros(2), -np.eye(2)).log_prob(np.zeros(2)))
    with pytest.raises(ValueError, match="scale_tril"):
        dj.validate(dist)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dd.MultivariateNormal(np.zeros(3), np.eye(2)), r"\(3,\).*\(2, 2\)"),
        (lambda: dd.MultivariateNormal(np.zeros(2), np.ones((2, 3))), "square"),
        (lambda: dd.MultivariateNormalDiag(0.0, 1.0), "vector"),
        (lambda: dd.MultivariateNormalDiag([0.0, 1.0], [1.0]).marginal(5), "does not choose"),
        (lambda: dd.MultivariateNormalDiag([0.0, 1.0], 1.0).marginal([0, 0]), "repeated"),
        (lambda: dd.MultivariateNormal(np.zeros(2), np.eye(2)).linear_map(np.ones((3, 2))), "k <= 2"),
        (lambda: dd.MultivariateNormal(np.zeros(2), np.eye(2)).condition(0, np.zeros(2)), "values"),
    ],
)
def test_bad_shapes_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()
