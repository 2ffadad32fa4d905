"""Mixtures of normal laws against scipy, the theory of EM, and scikit-learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from latent_cases import DTYPE, EPS, X64, close, clusters
from scipy import integrate, special, stats

import depthjax as dj
from depthjax import latent
from depthjax.latent._floor import raise_eigenvalues

LOGITS = np.array([0.3, -1.0, 0.0], DTYPE)
LOCS = np.array([[0.0, 1.0], [2.0, -1.0], [-3.0, 0.5]], DTYPE)
TRILS = np.array([[[1.0, 0], [0.5, 0.7]], [[0.3, 0], [-0.2, 2.0]], [[1.5, 0], [0, 0.4]]], DTYPE)
MODEL = latent.GaussianMixture(LOGITS, LOCS, TRILS)
WEIGHTS = special.softmax(LOGITS.astype(np.float64))
E_STEP = jax.jit(latent.gmm_e_step)
M_STEP = jax.jit(latent.gmm_m_step, static_argnames=("covariance", "covariance_floor"))
FIT = jax.jit(latent.gmm_fit, static_argnums=2, static_argnames=("num_steps", "tol", "covariance", "covariance_floor"))


def component_densities(x):
    """(n, k) weighted densities."""
    laws = [
        stats.multivariate_normal(m, t.astype(np.float64) @ t.T.astype(np.float64))
        for m, t in zip(LOCS, TRILS, strict=True)
    ]
    return np.stack([w * law.pdf(x) for w, law in zip(WEIGHTS, laws, strict=True)], axis=-1)


def test_density_posterior_and_moments():
    x = clusters(10)
    joint = component_densities(x)
    np.testing.assert_allclose(MODEL.log_prob(x), np.log(joint.sum(1)), rtol=256 * EPS)
    posterior = np.log(joint / joint.sum(1, keepdims=True))
    np.testing.assert_allclose(MODEL.posterior_logits(x), posterior, rtol=256 * EPS, atol=512 * EPS)
    mean = WEIGHTS @ LOCS
    spread = LOCS - mean
    cov = np.einsum("k,kij->ij", WEIGHTS, TRILS @ TRILS.swapaxes(1, 2) + spread[:, :, None] * spread[:, None, :])
    close(MODEL.mean(), mean)
    close(MODEL.covariance(), cov, 32)
    close(MODEL.variance(), np.diag(cov), 32)


def test_draws_have_the_moments_and_no_pathwise_derivative():
    x = np.asarray(MODEL.sample(jax.random.key(0), (8000,)))
    error = np.sqrt(np.diag(MODEL.covariance()) / 8000)
    assert (np.abs(x.mean(0) - np.asarray(MODEL.mean())) < 4 * error).all()
    np.testing.assert_allclose(np.cov(x.T), MODEL.covariance(), atol=0.2)
    with pytest.raises(TypeError, match="detach"):
        jax.grad(lambda m: jnp.sum(m.sample(jax.random.key(0))))(MODEL)


def test_gradients_against_the_naive_form_and_invalid_parameters():
    x = clusters(1)[0]

    def naive(model):
        cov = jax.vmap(lambda t: t @ t.T)(jnp.tril(model.scale_trils))
        parts = jax.vmap(lambda m, c: jax.scipy.stats.multivariate_normal.logpdf(x, m, c))(model.locs, cov)
        return jax.nn.logsumexp(jax.nn.log_softmax(model.logits) + parts)

    got, want = (jax.jit(jax.grad(f))(MODEL) for f in (lambda m: m.log_prob(x), naive))
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e4 * EPS, atol=1e4 * EPS)
    assert np.isnan(np.asarray(latent.GaussianMixture(LOGITS, LOCS, -TRILS).log_prob(x)))
    close(dj.constrain(dj.unconstrain(MODEL)).scale_trils, TRILS)


def test_expectation_step_far_from_every_component():
    x = np.array([[1e3, 1e3], [-1e3, 0.0], [0.0, 1.0]], DTYPE)
    responsibilities, log_prob = E_STEP(MODEL, x)
    close(np.sum(responsibilities, axis=1), np.ones(3))
    assert np.isfinite(np.asarray(log_prob)).all()
    np.testing.assert_allclose(log_prob, MODEL.log_prob(x), rtol=64 * EPS)
    np.testing.assert_allclose(responsibilities, np.exp(MODEL.posterior_logits(x)), atol=64 * EPS)


def by_definition(x, r, covariance):
    x, r = x.astype(np.float64), r.astype(np.float64)
    masses = r.sum(0)
    means = (r.T @ x) / masses[:, None]
    full = np.stack([np.cov(x.T, aweights=r[:, j], bias=True) for j in range(r.shape[1])])
    if covariance == "tied":
        full = np.broadcast_to(np.tensordot(masses / masses.sum(), full, axes=1), full.shape)
    if covariance == "diagonal":
        full = np.stack([np.diag(np.diag(c)) for c in full])
    if covariance == "spherical":
        full = np.stack([np.trace(c) / c.shape[0] * np.eye(c.shape[0]) for c in full])
    return masses / masses.sum(), means, full


@pytest.mark.parametrize("covariance", ["full", "diagonal", "spherical", "tied"])
def test_maximisation_step(covariance):
    x = clusters(30)
    r = np.random.default_rng(0).dirichlet(np.ones(3), 30).astype(DTYPE)
    model = M_STEP(x, r, covariance=covariance)
    weights, means, covs = by_definition(x, r, covariance)
    close(jax.nn.softmax(model.logits), weights)
    close(model.locs, means, 64, scale=4.0)
    close(model.scale_trils @ model.scale_trils.mT, covs, 256, scale=16.0)


def test_the_maximisation_step_has_finite_gradients_at_repeated_eigenvalues():
    x = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1], [5, 5]], DTYPE)
    r = np.array([[1.0, 0], [1, 0], [1, 0], [1, 0], [0, 1]], DTYPE)
    slope = jax.jit(jax.grad(lambda v, w: jnp.sum(latent.gmm_m_step(v, w).scale_trils), argnums=(0, 1)))(x, r)
    for part in slope:
        assert np.isfinite(np.asarray(part)).all()


@pytest.mark.skipif(not X64, reason="finite differences")
@pytest.mark.parametrize("values", [[3.0, 1.0, 0.01], [0.5, 0.5, 0.01], [0.01, 0.01, 0.01], [3.0, 3.0, 1.0]])
def test_derivative_of_raised_eigenvalues(values):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    matrix, floor = basis @ np.diag(values) @ basis.T, np.float64(0.2)
    change = rng.normal(size=(3, 3))
    change, step = change + change.T, 1e-6
    _, slope = jax.jvp(lambda m: raise_eigenvalues(m, floor), (matrix,), (change,))
    ends = [raise_eigenvalues(matrix + s * step * change, floor) for s in (1, -1)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), rtol=1e-6, atol=1e-7)
    raised = basis @ np.diag(np.maximum(values, 0.2)) @ basis.T
    close(raise_eigenvalues(matrix, floor), raised)


def test_responsibilities_that_are_negative_or_no_numbers():
    x, r = np.arange(8.0).reshape(4, 2).astype(DTYPE), np.full((4, 2), 0.5, DTYPE)
    with pytest.raises(ValueError, match="responsibilities have a negative entry -0.5"):
        latent.gmm_m_step(x, -r)
    r[0, 0] = -0.5
    for wrong in (r, np.where(r < 0, np.nan, r).astype(DTYPE)):
        model = jax.jit(latent.gmm_m_step)(x, wrong)
        assert np.isnan(np.asarray(model.locs[0])).all()


def test_empty_component_of_a_maximisation_step_has_no_weight():
    x = clusters(12)
    r = np.tile(np.array([0.5, 0.5, 0.0], DTYPE), (12, 1))
    model = M_STEP(x, r)
    close(jax.nn.softmax(model.logits), [0.5, 0.5, 0.0])
    close(model.locs[2], x.astype(np.float64).mean(0), 64, scale=4.0)
    assert np.isfinite(np.asarray(model.log_prob(x))).all()
    for leaf in jax.tree.leaves(jax.jit(jax.grad(lambda w: jnp.mean(latent.gmm_m_step(x, w).log_prob(x))))(r)):
        assert np.isfinite(np.asarray(leaf)).all()


@pytest.mark.parametrize(
    "covariance",
    ["full", "tied", *(pytest.param(name, marks=pytest.mark.slow) for name in ("diagonal", "spherical"))],
)
def test_the_likelihood_never_falls(covariance):
    """Starts and data at random, some with repeated points and so with components at the floor."""
    sets = [clusters(20, 2, 3, seed) for seed in range(60)]
    for i in range(0, 60, 4):
        sets[i][10:] = sets[i][0]
    keys = jax.random.split(jax.random.key(1), 60)
    options = {"num_steps": 40, "tol": 0.0, "covariance": covariance, "covariance_floor": 1e-2}
    result = jax.jit(jax.vmap(lambda key, x: latent.gmm_fit(key, x, 3, **options)))(keys, np.stack(sets))
    values = np.asarray(result.log_likelihoods)
    assert np.isfinite(values).all()
    assert (np.diff(values, axis=1) > -256 * EPS * (1 + np.abs(values[:, 1:]))).all()
    assert (values[:, -1] > values[:, 0]).all()
    close(values[:, -1], np.mean(dj.log_prob_each(result.model, np.stack(sets)), axis=1), 512)


@pytest.mark.filterwarnings("ignore:.*did not converge")
@pytest.mark.parametrize(
    ("covariance", "peer_name"),
    [
        ("full", "full"),
        ("tied", "tied"),
        pytest.param("diagonal", "diag", marks=pytest.mark.slow),
        pytest.param("spherical", "spherical", marks=pytest.mark.slow),
    ],
)
def test_against_scikit_learn_from_the_same_start(covariance, peer_name):
    mixture = pytest.importorskip("sklearn.mixture")
    x = clusters(120, 2, 3, 5)
    start = latent.gmm_init(jax.random.key(3), x, 3)
    r = np.asarray(E_STEP(start, x)[0])
    first = M_STEP(x, r, covariance=covariance)
    steps = 15
    fit = FIT(jax.random.key(0), x, 3, init=first, num_steps=steps, tol=0.0, covariance=covariance)
    weights, means, covs = by_definition(x, r, covariance)
    precisions = {
        "full": np.linalg.inv(covs), "tied": np.linalg.inv(covs[0]),
        "diagonal": 1 / np.stack([np.diag(c) for c in covs]), "spherical": 1 / covs[:, 0, 0],
    }[covariance]  # fmt: skip
    peer = mixture.GaussianMixture(
        3, covariance_type=peer_name, tol=0.0, max_iter=steps, reg_covar=0.0, weights_init=weights, means_init=means,
        precisions_init=precisions,
    )  # fmt: skip
    peer.fit(x.astype(np.float64))
    tol = 1e-8 if X64 else 1e-3
    np.testing.assert_allclose(jax.nn.softmax(fit.model.logits), peer.weights_, rtol=tol)
    np.testing.assert_allclose(fit.model.locs, peer.means_, rtol=tol, atol=tol)
    np.testing.assert_allclose(fit.log_likelihoods[-1], peer.score(x.astype(np.float64)), rtol=tol)


def test_a_fit_finds_separated_groups_and_says_so():
    x = np.concatenate([clusters(60, 2, 1, s) * 0.1 + 5 * np.array([[np.cos(s), np.sin(s)]]) for s in (0, 2, 4)])
    fit = FIT(jax.random.key(2), x.astype(DTYPE), 3)
    assert fit.converged
    assert 0 < int(fit.num_steps) < 200
    close(np.sort(jax.nn.softmax(fit.model.logits)), np.full(3, 1 / 3), 1e3)
    values = np.asarray(fit.log_likelihoods)
    assert (values[int(fit.num_steps) :] == values[-1]).all()


def test_a_component_on_a_single_point_is_floored_and_flagged():
    x = np.concatenate([clusters(40, 2, 1), np.full((1, 2), 50.0)]).astype(DTYPE)
    start = latent.GaussianMixture(np.zeros(2, DTYPE), np.array([[0.0, 0], [50, 50]], DTYPE), np.stack([np.eye(2)] * 2))
    fit = FIT(jax.random.key(0), x, 2, init=start, covariance_floor=1e-4)
    assert not fit.converged
    smallest = np.linalg.eigvalsh(fit.model.scale_trils[1] @ fit.model.scale_trils[1].T)
    np.testing.assert_allclose(smallest, [1e-4, 1e-4], rtol=1e-3)
    assert np.isfinite(np.asarray(fit.log_likelihoods)).all()


def test_a_component_without_points_keeps_its_parameters():
    x = clusters(40, 2, 2)
    start = latent.GaussianMixture(
        np.zeros(3, DTYPE), np.array([[0.0, 0], [1, 1], [1e4, 1e4]], DTYPE), np.stack([np.eye(2)] * 3).astype(DTYPE)
    )
    fit = FIT(jax.random.key(0), x, 3, init=start)
    assert not fit.converged
    close(fit.model.locs[2], [1e4, 1e4])
    close(fit.model.scale_trils[2], np.eye(2))
    close(jax.nn.softmax(fit.model.logits)[2], 1 / 3)
    values = np.asarray(fit.log_likelihoods)
    assert (np.diff(values) > -64 * EPS * np.abs(values[1:])).all()


def test_identical_points():
    fit = FIT(jax.random.key(0), np.ones((6, 2), DTYPE), 3)
    assert not fit.converged
    for leaf in jax.tree.leaves(fit):
        assert np.isfinite(np.asarray(leaf)).all()


def test_starting_means_are_distinct_points_of_the_data():
    x = clusters(30)
    seeds = np.asarray(latent.gmm_init(jax.random.key(5), x, 5).locs)
    assert len(np.unique(seeds, axis=0)) == 5
    assert all((x == seed).all(1).any() for seed in seeds)


def test_conditioning_integrates_to_the_marginal():
    model = latent.gmm_condition(MODEL, 1, 0.4)
    points = np.array([-2.0, 0.5, 1.5], DTYPE)
    pairs = np.stack([points, np.full(3, 0.4, DTYPE)], axis=1)
    density = lambda v: component_densities(np.array([v, np.float64(DTYPE(0.4))])).sum()  # noqa: E731
    marginal = integrate.quad(density, -30, 30, points=[-3, 0, 2], epsabs=1e-13, limit=200)[0]
    np.testing.assert_allclose(
        model.log_prob(points[:, None]), MODEL.log_prob(pairs) - np.log(marginal), rtol=256 * EPS, atol=64 * EPS
    )
    assert model.event_shape == (1,)


def test_number_of_parameters():
    for k in (1, 2, 5):
        for covariance in ("full", "diagonal", "spherical"):
            assert latent.gmm_num_parameters(k, 1, covariance) == 3 * k - 1
    assert latent.gmm_num_parameters(5, 1) == 14
    assert latent.gmm_num_parameters(3, 4) == 2 + 12 + 30
    assert latent.gmm_num_parameters(3, 4, "tied") == 2 + 12 + 10


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: latent.gmm_init(jax.random.key(0), x, 9), ValueError, "k is 9, expected from 1 to"),
        (lambda x: latent.gmm_fit(jax.random.key(0), x, 9), ValueError, "gmm_fit: k is 9"),
        (lambda x: latent.gmm_fit(jax.random.key(0), x, 2, covariance="round"), ValueError, "covariance is 'round'"),
        (lambda x: latent.gmm_fit(jax.random.key(0), x, 2, covariance_floor=0.0), ValueError, "covariance_floor is"),
        (lambda x: latent.gmm_fit(jax.random.key(0), x, 2, init=MODEL), ValueError, "init has locs"),
        (lambda x: latent.gmm_fit(jax.random.key(0), x.astype(int), 2), TypeError, "dequantise"),
        (lambda x: latent.gmm_m_step(x, np.ones((3, 2))), ValueError, r"expected \(8, k\)"),
        (lambda x: latent.gmm_e_step(MODEL, x[:, :1]), ValueError, "events of shape"),
        (lambda x: latent.GaussianMixture(LOGITS[:2], LOCS, TRILS), ValueError, "logits has shape"),
        (lambda x: latent.GaussianMixture(LOGITS, LOCS, TRILS[:, :1]), ValueError, "scale_trils has shape"),
        (lambda x: latent.gmm_condition(MODEL, 2, 0.0), ValueError, "does not choose"),
        (lambda x: latent.gmm_num_parameters(0, 1), ValueError, "k is 0"),
        (lambda x: latent.gmm_num_parameters(1, 1, "diag"), ValueError, "covariance is 'diag'"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(clusters(8))
