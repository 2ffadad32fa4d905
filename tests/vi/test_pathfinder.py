"""Pathfinder: Gaussians exactly, bent and many-sided targets, targets without a mode, its Gaussian in product form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from depthjax import vi

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)


def gaussian(size, condition):
    """A precision with eigenvalues from 1 to `condition`, a mean, and the log density with its normaliser."""
    random = np.random.default_rng(size)
    turn, _ = np.linalg.qr(random.normal(size=(size, size)))
    precision, mean = (turn * np.geomspace(1, condition, size)) @ turn.T, random.normal(size=size)
    matrix, loc = jnp.asarray(precision, DTYPE), jnp.asarray(mean, DTYPE)
    constant = DTYPE(0.5 * np.linalg.slogdet(precision)[1] - size / 2 * np.log(2 * np.pi))
    return precision, mean, lambda x: -0.5 * (x - loc) @ (matrix @ (x - loc)) + constant


def divergence(guide, precision, mean):
    product = precision @ np.asarray(guide.covariance(), np.float64)
    shift = np.asarray(guide.mean(), np.float64) - mean
    return 0.5 * (np.trace(product) - len(mean) - np.linalg.slogdet(product)[1] + shift @ precision @ shift)


@pytest.mark.parametrize(("size", "condition"), [(1, 1.0), pytest.param(3, 10.0, marks=pytest.mark.slow), (6, 100.0)])
def test_gaussian_is_found_exactly_within_its_dimension(size, condition):
    precision, mean, log_density = gaussian(size, condition)
    run = jax.jit(lambda key, x: vi.pathfinder(key, log_density, x, num_draws=200, max_steps=40))
    result = run(jax.random.key(0), jnp.full(size, 3.0, DTYPE))
    assert result.converged
    assert int(result.best_step) <= size + 1
    assert divergence(result.guide, precision, mean) < 100 * condition * EPS
    np.testing.assert_allclose(result.log_weights, 0, atol=100 * condition * EPS)  # log evidence 0, for every draw
    np.testing.assert_allclose(np.asarray(result.elbo_trace)[int(result.best_step)], 0, atol=100 * condition * EPS)
    steps = np.isfinite(np.asarray(result.elbo_trace)).sum()
    assert int(result.num_evaluations) >= 1 + steps * 26 + 200


def test_short_memory_gives_the_best_bound_of_the_path():
    """With history below the dimension the bound is below the evidence, and its Gaussian has that very gap."""
    precision, mean, log_density = gaussian(12, 30.0)
    run = jax.jit(lambda key, x: vi.pathfinder(key, log_density, x, num_elbo_samples=2000, history=4, max_steps=60))
    result = run(jax.random.key(0), jnp.full(12, 2.0, DTYPE))
    trace = np.asarray(result.elbo_trace)
    assert int(result.best_step) == int(np.nanargmax(trace))
    gap = divergence(result.guide, precision, mean)
    spread = np.asarray(result.log_weights, np.float64).std() / 2000**0.5
    assert gap > 0.01
    assert abs(trace[int(result.best_step)] + gap) < 5 * spread


def test_product_form_is_the_textbook_update():
    """C C^T against dense BFGS updates of diag(variance), and densities against scipy."""
    from depthjax.vi._quasi_newton import QuasiNewtonNormal, inverse_hessian_factors

    random = np.random.default_rng(0)
    size, memory = 5, 3
    root = random.normal(size=(size, size))
    hessian, variance = root @ root.T + np.eye(size), random.uniform(0.2, 2.0, size)
    steps = random.normal(size=(memory, size))
    changes = steps @ hessian
    dense = np.diag(variance)
    for s, z in zip(steps, changes, strict=True):
        shift = np.eye(size) - np.outer(s, z) / (s @ z)
        dense = shift @ dense @ shift.T + np.outer(s, s) / (s @ z)
    given = [jnp.asarray(v, DTYPE) for v in (variance, steps, changes)]
    weights, shrinks = inverse_hessian_factors(*given)
    law = QuasiNewtonNormal(jnp.ones(size, DTYPE), jnp.sqrt(given[0]), given[1], weights, shrinks)
    tol = 1e4 * EPS
    np.testing.assert_allclose(law.covariance(), dense, rtol=tol, atol=tol)
    np.testing.assert_allclose(law.variance(), np.diag(dense), rtol=tol)
    peer, x = stats.multivariate_normal(np.ones(size), dense), random.normal(size=(7, size)).astype(DTYPE)
    np.testing.assert_allclose(law.log_prob(x), peer.logpdf(x), rtol=tol)
    np.testing.assert_allclose(law.entropy(), peer.entropy(), rtol=tol)
    draws, log_q = law.sample_and_log_prob(jax.random.key(0), (50,))
    np.testing.assert_allclose(log_q, peer.logpdf(np.asarray(draws)), rtol=tol, atol=tol)
    np.testing.assert_allclose(log_q, law.log_prob(draws), rtol=tol, atol=tol)
    with pytest.raises(ValueError, match="steps and weights"):
        QuasiNewtonNormal(jnp.ones(3), jnp.ones(3), jnp.ones((2, 4)), jnp.ones((2, 4)), jnp.ones(2))


def banana(x):
    return -0.5 * (x[0] ** 2 / 4 + (x[1] - 0.5 * (x[0] ** 2 - 4)) ** 2) - np.log(4 * np.pi)


def test_banana_bound_is_below_the_evidence_and_beats_the_mode():
    run = jax.jit(lambda key, x: vi.pathfinder(key, banana, x, num_elbo_samples=200))
    result = run(jax.random.key(0), jnp.asarray([4.0, -3.0], DTYPE))
    trace = np.asarray(result.elbo_trace)
    last = np.isfinite(trace).sum() - 1
    assert result.converged
    assert trace[int(result.best_step)] < 0
    assert trace[int(result.best_step)] > trace[last] + 0.3  # the Gaussian at the mode is a poor one
    assert np.asarray(result.log_weights).mean() < 0


def test_modes_count_by_their_mass_and_not_by_the_number_of_paths():
    def two(x):
        left, right = (-0.5 * jnp.sum((x - c) ** 2) for c in (4.0, -4.0))
        return jnp.logaddexp(left + np.log(0.3), right + np.log(0.7)) - np.log(2 * np.pi)

    inits = jnp.concatenate([jnp.full((6, 2), 5.0, DTYPE), jnp.full((2, 2), -6.0, DTYPE)])
    run = jax.jit(
        lambda key, x, how: vi.multipath_pathfinder(key, two, x, num_draws=2000, resample=how), static_argnums=2
    )
    result = run(jax.random.key(0), inits, "psis")
    assert result.draws.shape == (2000, 2)
    assert np.asarray(result.converged).all()
    share = (np.asarray(result.draws)[:, 0] > 0).mean()
    # Of the 8000 candidates 1/4 lie at the larger mode, each of weight 2.8; then 2000 draws with replacement.
    assert abs(share - 0.3) < 4 * (0.3 * 0.7 * (1 / 2000 + 1 / 8000)) ** 0.5 + 0.01
    plain = run(jax.random.key(0), inits, "none")
    np.testing.assert_allclose((np.asarray(plain.draws)[:, 0] > 0).mean(), 0.75, atol=0.01)
    # Raw weights against the mixture average to the evidence, which is 1.
    weights = np.exp(np.asarray(plain.log_weights, np.float64))
    assert abs(weights.mean() - 1) < 4 * weights.std() / 2000**0.5 + 1e-3


@pytest.mark.slow
def test_logistic_regression_agrees_with_the_mode_and_with_importance_weights():
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 5)).astype(DTYPE)
    y = (random.random(200) < 1 / (1 + np.exp(-x @ np.array([1, -1, 0.5, 0, 2.0])))).astype(DTYPE)

    def log_density(b):
        logits = jnp.asarray(x) @ b
        return jnp.sum(y * logits - jnp.logaddexp(logits, jnp.zeros_like(logits))) - 0.5 * b @ b

    inits = jnp.asarray(random.normal(size=(4, 5)), DTYPE)
    result = jax.jit(lambda key, b: vi.multipath_pathfinder(key, log_density, b))(jax.random.key(0), inits)
    normal = vi.laplace(log_density, jnp.zeros(5, DTYPE))
    assert np.asarray(result.converged).all()
    assert float(result.khat) < 0.7
    sd = np.sqrt(np.diag(np.asarray(normal.guide.covariance())))
    draws = np.asarray(result.draws)
    assert (np.abs(draws.mean(0) - np.asarray(normal.mode)) < 0.35 * sd).all()
    assert (np.abs(draws.std(0) / sd - 1) < 0.2).all()


def test_failures_are_flagged():
    run = jax.jit(
        lambda key, x, slope, bend: vi.pathfinder(
            key, lambda z: slope * jnp.sum(z) - 0.5 * bend * jnp.sum(z**2), x, num_draws=30, max_steps=10
        )
    )
    key, one = jax.random.key(0), jnp.ones(2, DTYPE)
    assert not run(key, one, DTYPE(1.0), DTYPE(0.0)).converged  # no mode
    for x, slope in ((one, np.nan), (0 * one, 0.0)):
        result = run(key, x, DTYPE(slope), DTYPE(1.0))
        assert not result.converged
        assert int(result.best_step) == -1
        assert np.isnan(np.asarray(result.guide.loc)).all()
        assert np.isnan(np.asarray(result.draws)).all()
    good = run(key, one, DTYPE(1.0), DTYPE(2.0))
    assert good.converged
    np.testing.assert_allclose(good.guide.loc, 0.5, rtol=64 * EPS)
    assert run._cache_size() == 1


def test_a_failed_path_is_replaced():
    inits = jnp.asarray([[np.nan, 0.0], [1.0, 1.0], [2.0, -1.0]], DTYPE)
    run = jax.jit(lambda key, x: vi.multipath_pathfinder(key, lambda z: -0.5 * jnp.sum(z**2), x, num_draws=60))
    result = run(jax.random.key(0), inits)
    np.testing.assert_array_equal(result.converged, [False, True, True])
    assert np.isfinite(np.asarray(result.draws)).all()
    np.testing.assert_allclose(result.log_weights, np.log(2 * np.pi), rtol=100 * EPS)
    lost = run(jax.random.key(0), jnp.full((3, 2), np.nan, DTYPE))
    assert np.isnan(np.asarray(lost.draws)).all()
    assert not np.asarray(lost.converged).any()


@pytest.mark.skipif(X64, reason="exported in float32")
def test_exports_for_every_platform():
    def run(key, x):
        return vi.pathfinder(jax.random.wrap_key_data(key), banana, x, num_draws=30).draws

    shapes = jax.ShapeDtypeStruct((2,), jnp.uint32), jax.ShapeDtypeStruct((2,), jnp.float32)
    exported = jax.export.export(jax.jit(run), platforms=("cpu", "cuda", "tpu"))(*shapes)
    assert exported.platforms == ("cpu", "cuda", "tpu")


def test_refusals():
    key, x = jax.random.key(0), jnp.zeros(2, DTYPE)
    with pytest.raises(ValueError, match=r"pathfinder: init is \(d,\), got shape \(1, 2\)"):
        vi.pathfinder(key, banana, x[None])
    with pytest.raises(ValueError, match=r"inits is \(P, d\)"):
        vi.multipath_pathfinder(key, banana, x)
    with pytest.raises(ValueError, match="must be at least 1"):
        vi.pathfinder(key, banana, x, history=0)
    with pytest.raises(ValueError, match="resample is 'psis' or 'none', got 'sir'"):
        vi.multipath_pathfinder(key, banana, x[None], resample="sir")
