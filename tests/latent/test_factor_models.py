"""Probabilistic principal components and factor analysis against dense algebra, EM theory and scikit-learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from latent_cases import DTYPE, EPS, X64, close, correlated
from scipy import stats

import depthjax as dj
from depthjax import latent

LOADING = np.array([[1.0, 0.2], [-0.5, 0.7], [0.3, 0.0], [2.0, -1.0]], DTYPE)
LOC = np.array([0.5, -1.0, 2.0, 0.0], DTYPE)
NOISE = np.array([0.5, 1.5, 0.2, 0.9], DTYPE)
MODELS = [latent.PPCA(LOC, LOADING, 0.7), latent.FactorAnalysis(LOC, LOADING, NOISE)]
NAMES = ["ppca", "factor_analysis"]


def dense(model):
    noise = np.diag(np.broadcast_to(np.asarray(getattr(model, "variances", getattr(model, "noise_variance", 0.0))), 4))
    wide = np.asarray(model.loading, np.float64)
    return wide @ wide.T + noise.astype(np.float64)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_density_and_moments(model):
    cov, x = dense(model), correlated(6, seed=3)
    close(model.log_prob(x), stats.multivariate_normal(LOC, cov).logpdf(x), 64)
    close(model.covariance(), cov)
    close(model.variance(), np.diag(cov))
    close(model.mean(), LOC)
    close(model.entropy(), stats.multivariate_normal(LOC, cov).entropy(), 64)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_draws_have_the_law(model):
    x, log_prob = jax.jit(lambda m, k: m.sample_and_log_prob(k, (4000,)))(model, jax.random.key(0))
    close(log_prob, model.log_prob(x), 256)
    white = np.linalg.solve(np.linalg.cholesky(dense(model)), (np.asarray(x, np.float64) - LOC).T)
    for row in white:
        assert stats.kstest(row, "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.cov(white), np.eye(4), atol=0.1)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_posterior_is_that_of_the_joint_normal(model):
    cov, x = dense(model), correlated(5, seed=4)
    wide = np.asarray(model.loading, np.float64)
    mean, spread = jax.jit(lambda m, v: m.posterior(v))(model, x)
    gain = wide.T @ np.linalg.inv(cov)
    close(mean, (x - LOC) @ gain.T, 64)
    close(spread, np.eye(2) - gain @ wide, 64)
    close(model.reconstruct(x), LOC + (x - LOC) @ gain.T @ wide.T, 64, scale=4.0)
    close(model.reconstruct(x[0]), model.reconstruct(x)[0], scale=4.0)


@pytest.mark.parametrize("model", MODELS, ids=NAMES)
def test_bayes_rule(model):
    """Log p(z) + log p(x|z) - log p(z|x) does not depend on z."""
    x, z = correlated(1, seed=5)[0], np.array([[0.0, 0.0], [1.0, -2.0]])
    noise = dense(model) - np.asarray(model.loading, np.float64) @ np.asarray(model.loading, np.float64).T
    mean, spread = (np.asarray(v, np.float64) for v in model.posterior(x))
    for latent_value in z:
        centre = LOC + np.asarray(model.loading, np.float64) @ latent_value
        joint = stats.multivariate_normal(np.zeros(2), np.eye(2)).logpdf(latent_value)
        joint += stats.multivariate_normal(centre, noise).logpdf(x)
        close(joint - stats.multivariate_normal(mean, spread).logpdf(latent_value), model.log_prob(x), 256)


def test_gradients_of_the_density():
    x = correlated(1, seed=6)[0]
    slope = jax.jit(jax.grad(lambda m: m.log_prob(x)))(MODELS[1])

    def plain(m):
        cov = m.loading @ m.loading.T + jnp.diag(m.variances)
        return jax.scipy.stats.multivariate_normal.logpdf(x, m.loc, cov)

    for got, want in zip(jax.tree.leaves(slope), jax.tree.leaves(jax.grad(plain)(MODELS[1])), strict=True):
        close(got, want, 512, scale=4.0)


def test_a_model_without_latent_variables_is_legal():
    model, x = latent.PPCA(LOC, np.zeros((4, 0), DTYPE), 2.0), correlated(3)
    close(model.log_prob(x), stats.norm(LOC, np.sqrt(2.0)).logpdf(x).sum(1), 64)
    mean, spread = model.posterior(x)
    assert mean.shape == (3, 0)
    assert spread.shape == (0, 0)
    close(model.reconstruct(x), np.broadcast_to(LOC, (3, 4)))
    assert model.sample(jax.random.key(0), 2).shape == (2, 4)


def test_unconstrained_round_trip_and_invalid_parameters():
    raw = dj.unconstrain(MODELS[1])
    close(dj.constrain(raw).variances, NOISE)
    assert np.isnan(np.asarray(latent.PPCA(LOC, LOADING, -1.0).log_prob(LOC)))


def diagonal_data():
    """Eight points with mean 0 and covariance diag(4, 2, 1, 1)."""
    signs = np.array([[a, b, c, a * b * c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)])
    return (signs * np.sqrt([4.0, 2.0, 1.0, 1.0])).astype(DTYPE)


def test_the_closed_form_on_a_diagonal_covariance():
    x = diagonal_data()
    model = latent.ppca_fit(x, 1)
    close(model.noise_variance, 4 / 3)
    close(model.loading @ model.loading.T, np.diag([8 / 3, 0, 0, 0]), 32)
    np.testing.assert_allclose(np.mean(np.asarray(model.log_prob(x))), -6.8004244221, atol=1e-10 if X64 else 1e-5)


@pytest.mark.parametrize("num_latents", [0, 1, 3])
def test_ppca_against_scikit_learn(num_latents):
    decomposition = pytest.importorskip("sklearn.decomposition")
    x = correlated(50)
    model = jax.jit(latent.ppca_fit, static_argnums=1)(x, num_latents)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(x.astype(np.float64).T, bias=True)))[::-1]
    close(model.noise_variance, eigenvalues[num_latents:].mean(), 64, scale=eigenvalues[0])
    if num_latents:
        peer = decomposition.PCA(num_latents, svd_solver="full").fit(x.astype(np.float64))
        aligned = np.abs(np.sum(peer.components_.T * np.asarray(model.loading), axis=0))
        close(aligned, np.linalg.norm(np.asarray(model.loading), axis=0), 256)
        # scikit-learn divides by n - 1
        close(model.noise_variance, peer.noise_variance_ * 49 / 50, 128, scale=eigenvalues[0])


def test_the_closed_form_is_a_maximum():
    x = correlated(30)
    model = latent.ppca_fit(x, 2)
    value = jax.jit(lambda m: jnp.mean(m.log_prob(x)))
    for part in jax.tree.leaves(jax.jit(jax.grad(lambda m: jnp.mean(m.log_prob(x))))(model)):
        assert np.abs(np.asarray(part)).max() < 2e3 * EPS
    for seed in range(10):
        rng = np.random.default_rng(seed)
        other = jax.tree.map(lambda v, r=rng: v * (1 + 0.2 * r.normal(size=v.shape)).astype(DTYPE), model)
        assert float(value(other)) < float(value(model))


def test_expectation_maximisation_climbs_to_the_closed_form():
    x = correlated(40)
    best, value = latent.ppca_fit(x, 2), jax.jit(lambda m: jnp.mean(m.log_prob(x)))
    rng = np.random.default_rng(0)
    start = latent.PPCA(np.zeros(4, DTYPE), rng.normal(size=(4, 2)).astype(DTYPE), 1.0)

    @jax.jit
    def run(model):
        return jax.lax.scan(lambda m, _: (latent.ppca_em_step(m, x), value(m)), model, length=500)

    model, values = run(start)
    values = np.asarray(values)
    assert (np.diff(values) > -64 * EPS * np.abs(values[1:])).all()
    assert values[0] < values[1] < values[5]
    tol = 1e-8 if X64 else 2e-3
    np.testing.assert_allclose(model.loading @ model.loading.T, best.loading @ best.loading.T, rtol=tol, atol=tol)
    np.testing.assert_allclose(model.noise_variance, best.noise_variance, rtol=tol)


@pytest.mark.skipif(not X64, reason="finite differences")
def test_gradient_of_the_fitted_likelihood():
    x = correlated(8)
    check_grads(lambda v: jnp.mean(latent.ppca_fit(v, 2).log_prob(LOC)), (x,), 1, modes="rev", rtol=1e-5)


@pytest.mark.parametrize(
    "x",
    [
        np.zeros((6, 3)),
        np.outer(np.arange(6.0), [1.0, 2.0, -1.0]),
        pytest.param(np.ones((1, 3)), marks=pytest.mark.slow),
    ],
)
def test_data_in_a_plane_give_finite_models(x):
    x = x.astype(DTYPE)
    model = latent.ppca_fit(x, 2)
    fit = latent.factor_analysis_fit(x, 2, num_steps=5)
    for leaf in jax.tree.leaves((model, latent.ppca_em_step(model, x), fit)):
        assert np.isfinite(np.asarray(leaf)).all()
    assert np.isfinite(np.asarray(model.log_prob(x))).all()
    assert not fit.converged


def test_factor_analysis_against_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    rng = np.random.default_rng(2)
    wide = np.array([[1.5, 0.0], [1.2, 0.3], [1.0, -0.5], [0.2, 1.4], [0.0, 1.1], [-0.4, 1.3]])
    x = (rng.normal(size=(300, 2)) @ wide.T + rng.normal(size=(300, 6)) * np.linspace(0.6, 1.2, 6)).astype(DTYPE)
    fit = latent.factor_analysis_fit(x, 2, tol=1e-13 if X64 else 1e-6)
    peer = decomposition.FactorAnalysis(2, tol=1e-12, max_iter=20000, svd_method="lapack").fit(x.astype(np.float64))
    tol = 1e-5 if X64 else 2e-2
    assert fit.converged
    np.testing.assert_allclose(fit.model.variances, peer.noise_variance_, rtol=tol)
    np.testing.assert_allclose(fit.model.covariance(), peer.get_covariance(), rtol=tol, atol=tol)
    np.testing.assert_allclose(fit.log_likelihoods[-1], peer.score(x.astype(np.float64)), rtol=1e-9 if X64 else 1e-4)


def test_the_likelihood_of_factor_analysis_never_falls():
    fits = jax.jit(jax.vmap(lambda x: latent.factor_analysis_fit(x, 2, num_steps=60, tol=0.0, variance_floor=1e-3)))
    stack = np.stack([correlated(12, 5, seed) for seed in range(50)])
    result = fits(stack)
    values = np.asarray(result.log_likelihoods)
    assert (np.diff(values, axis=1) > -256 * EPS * np.abs(values[:, 1:])).all()
    close(values[:, -1], np.mean(dj.log_prob_each(result.model, stack), axis=1), 256)
    assert (values[:, -1] > values[:, 0]).all()


def test_scaling_a_coordinate_scales_the_fit():
    x, scale = correlated(60), np.array([1.0, 8.0, 0.25, 2.0], DTYPE)
    options = {"num_steps": 30, "tol": 0.0, "variance_floor": 1e-20}
    one, two = (latent.factor_analysis_fit(v, 1, **options).model for v in (x, x * scale))
    close(two.variances, one.variances * scale**2, 1e3)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: latent.ppca_fit(x, 4), ValueError, "num_latents is 4, expected 0 <= q < d = 4"),
        (lambda x: latent.ppca_fit(x, -1), ValueError, "num_latents is -1"),
        (lambda x: latent.ppca_fit(x[0], 1), ValueError, r"expected \(n, d\)"),
        (lambda x: latent.ppca_fit(x.astype(int), 1), TypeError, "dequantise"),
        (lambda x: latent.factor_analysis_fit(x, 4), ValueError, "num_latents"),
        (lambda x: latent.factor_analysis_fit(x, 1, num_steps=0), ValueError, "num_steps is 0"),
        (lambda x: latent.factor_analysis_fit(x, 1, tol=-1.0), ValueError, "tol is -1.0"),
        (lambda x: latent.factor_analysis_fit(x, 1, variance_floor=0.0), ValueError, "variance_floor is 0.0"),
        (lambda x: latent.ppca_em_step(MODELS[0], x[:, :3]), ValueError, "events of shape"),
        (lambda x: latent.PPCA(LOC, LOADING.T, 1.0), ValueError, "loading has shape"),
        (lambda x: latent.PPCA(LOC, LOADING, NOISE), ValueError, r"noise_variance has shape \(4,\), expected \(\)"),
        (lambda x: latent.FactorAnalysis(LOC[:2], LOADING, NOISE), ValueError, "loc has shape"),
        (lambda x: latent.FactorAnalysis(LOC, LOADING, NOISE[:2]), ValueError, "variances has shape"),
        (lambda x: MODELS[0].posterior(x[:, :3]), ValueError, "posterior: x has shape"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(correlated())
