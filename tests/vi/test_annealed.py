"""Annealed importance sampling between two Gaussians, where every expectation is known; posterior summaries."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import diagnostics, distributions, vi

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
LOG_EVIDENCE = -1.601671087258755
POSTERIOR = 0.8, np.sqrt(1 / 3)


def log_joint(_, z):
    """z ~ N(0, 1), x = 1.2 | z ~ N(z, variance 1/2)."""
    prior = distributions.Normal(DTYPE(0), DTYPE(1)).log_prob(z[0])
    return prior + distributions.Normal(z[0], DTYPE(np.sqrt(0.5))).log_prob(DTYPE(1.2))


def guide():
    return distributions.Normal(np.array([0.3], DTYPE), np.array([np.sqrt(0.6)], DTYPE))


def perfect(key, z, log_density):
    """An exact draw from a Gaussian bridge, from its mode and curvature."""
    curvature = -jax.hessian(log_density)(jnp.zeros_like(z))[0, 0]
    mode = jax.grad(log_density)(jnp.zeros_like(z))[0] / curvature
    return (mode + jax.random.normal(key, z.shape, z.dtype) / jnp.sqrt(curvature)), jnp.ones((), z.dtype)


def test_sandwich_with_perfect_moves_is_the_two_riemann_sums():
    betas, count = np.linspace(0, 1, 6), 20_000
    posterior = POSTERIOR[0] + POSTERIOR[1] * jax.random.normal(jax.random.key(1), (count, 1), DTYPE)
    forward = jax.jit(
        lambda k: vi.ais_bound(k, log_joint, guide(), None, betas=betas, num_chains=count, transition=perfect)
    )(jax.random.key(0))
    backward = jax.jit(
        lambda k, z: vi.reverse_ais_bound(
            k, log_joint, guide(), None, posterior_draws=z, betas=betas, transition=perfect
        )
    )(jax.random.key(2), posterior)
    for got, want, weights in (
        (forward.lower_bound, -1.6822241824, forward.log_weights),
        (backward.upper_bound, -1.5300019602, backward.log_weights),
    ):
        assert abs(float(got) - want) < 4.5 * float(jnp.std(weights)) / np.sqrt(count)
    assert float(forward.lower_bound) < LOG_EVIDENCE < float(backward.upper_bound)
    np.testing.assert_allclose(forward.log_evidence, LOG_EVIDENCE, atol=0.02)
    np.testing.assert_allclose(backward.log_evidence, LOG_EVIDENCE, atol=0.02)
    assert np.isnan(forward.upper_bound)
    assert np.isnan(backward.lower_bound)


@pytest.mark.parametrize(("transition", "step_size"), [("hmc", 0.25), ("ula", 0.7)])
def test_chains_estimate_the_evidence(transition, step_size):
    found = jax.jit(
        lambda k: vi.ais_bound(
            k, log_joint, guide(), None, betas=np.linspace(0, 1, 9), num_chains=4000, transition=transition,
            step_size=step_size, num_leapfrog=4,
        )
    )(jax.random.key(3))  # fmt: skip
    assert 0.3 < float(found.acceptance) <= 1
    error = float(jnp.std(jnp.exp(found.log_weights - LOG_EVIDENCE))) / np.sqrt(4000)
    assert abs(np.exp(float(found.log_evidence) - LOG_EVIDENCE) - 1) < 4.5 * error
    assert float(found.lower_bound) < LOG_EVIDENCE
    assert found.final.shape == (4000, 1)


def test_one_number_is_annealed_like_a_vector_of_one():
    scalar = distributions.Normal(DTYPE(0.3), DTYPE(np.sqrt(0.6)))
    options = {"betas": [0.0, 0.5, 1.0], "num_chains": 3, "step_size": 0.3}
    found = jax.jit(
        lambda key: (
            vi.ais_bound(key, lambda p, z: log_joint(p, z[None]), scalar, None, **options),
            vi.ais_bound(key, log_joint, guide(), None, **options),
        )
    )(jax.random.key(5))
    assert found[0].final.shape == (3,)
    assert float(found[0].acceptance) > 0.5
    np.testing.assert_allclose(found[0].log_weights, found[1].log_weights, rtol=1e-4)


def test_a_step_that_is_too_long_is_seen():
    found = vi.ais_bound(
        jax.random.key(0), log_joint, guide(), None, betas=[0.0, 0.5, 1.0], num_chains=8, step_size=1e6
    )
    assert float(found.acceptance) == 0
    assert np.isfinite(np.asarray(found.log_weights)).all()


def test_annealing_refuses():
    options = {"betas": [0.0, 1.0], "num_chains": 2}
    for change, match in (
        ({"betas": [0.0, 0.9]}, "increase from 0 to 1"),
        ({"num_chains": 0}, "num_chains must be at least 1"),
        ({"transition": "gibbs"}, "'hmc', 'ula' or a function"),
        ({"step_size": 0.0}, "step_size is 0.0, expected a positive number"),
        ({"num_leapfrog": 0}, "num_leapfrog is 0, expected at least 1"),
    ):
        with pytest.raises(ValueError, match=match):
            vi.ais_bound(jax.random.key(0), log_joint, guide(), None, **{**options, **change})
    with pytest.raises(ValueError, match="posterior_draws has shape"):
        vi.reverse_ais_bound(jax.random.key(0), log_joint, guide(), None, posterior_draws=np.zeros(3), betas=[0.0, 1.0])


def test_weights_mend_a_guide_that_is_off():
    found = jax.jit(lambda k: vi.posterior_summary(k, log_joint, guide(), None, num_draws=40_000))(jax.random.key(0))
    np.testing.assert_allclose([found.mean[0], found.sd[0]], [0.3, np.sqrt(0.6)], atol=0.02)
    np.testing.assert_allclose([found.corrected_mean[0], found.corrected_sd[0]], POSTERIOR, atol=0.02)
    assert float(found.khat) < 0.5
    assert found.log_weights.shape == (40_000,)
    with pytest.raises(ValueError, match="at least 25"):
        vi.posterior_summary(jax.random.key(0), log_joint, guide(), None, num_draws=3)


def test_report_of_estimators_agrees_with_the_exact_moments():
    q = distributions.Bernoulli(DTYPE(-0.4))
    estimators = {
        "score": vi.score_function(num_samples=2),
        "leave one out": vi.score_function(num_samples=2, baseline=vi.leave_one_out_baseline()),
        "exact": vi.exact(),
    }

    def f(_, z):
        return jnp.where(z == 1, -0.4, 1.7).astype(DTYPE)

    found = diagnostics.estimator_report(jax.random.key(0), estimators, f, q, q, num_repeats=4000)
    for name, estimator in estimators.items():
        mean, variance = jax.jit(lambda p, e=estimator: vi.enumerate_gradient(e, f, p, p, ()))(q)
        error = np.sqrt(float(variance.logits) / 4000)
        assert abs(float(found[name].mean[0]) - float(mean.logits)) <= 4.5 * error + 1e-5
        np.testing.assert_allclose(found[name].variance[0], variance.logits, rtol=0.15, atol=1e-6)
        assert found[name].cost > 0
    np.testing.assert_allclose(diagnostics.snr(np.array([1.0, 2.0, 3.0], DTYPE)), 2.0, rtol=1e-6)
    with pytest.raises(ValueError, match="S at least 2"):
        diagnostics.snr(np.zeros((1, 3), DTYPE))
    with pytest.raises(ValueError, match="num_repeats must be at least 2"):
        diagnostics.estimator_report(jax.random.key(0), estimators, f, q, q, num_repeats=1)
