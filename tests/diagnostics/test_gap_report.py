"""Gaps between an amortised guide and the evidence, against linear-Gaussian models where each is a formula."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import diagnostics, distributions

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
X = np.array([-2.0, 0.5, 1.0, 3.0], DTYPE)


def pair_of_normals(_, z, x):
    """z ~ N(0, 1), x | z ~ N(z, 1): posterior N(x/2, 1/2), evidence N(0, 2)."""
    return distributions.Normal(0.0 * x, 1.0).log_prob(z) + distributions.Normal(z, 1.0).log_prob(x)


def test_constant_encoder_loses_only_by_amortisation():
    """Approximation gap 0, amortisation gap (x_i - mean x)^2 / 4."""

    def encoder(params, x):
        return distributions.Normal(params + 0 * x, jnp.sqrt(0.5 + 0 * x))

    report = jax.jit(
        lambda key, params, x: diagnostics.gap_report(
            key, pair_of_normals, encoder, params, x, optimise_steps=600, num_particles=4000
        )
    )(jax.random.key(0), DTYPE(X.mean() / 2), X)
    report = diagnostics.GapReport(*(np.asarray(value, np.float64) for value in report))
    want = (X.astype(np.float64) - X.mean()) ** 2 / 4
    evidence = -0.5 * np.log(4 * np.pi) - X**2 / 4
    # log w is linear in z, with slope x - mean(x) times a standard deviation of sqrt(1/2)
    error = 5 * np.abs(X - X.mean()) * np.sqrt(0.5 / 4000) + 2e-3
    np.testing.assert_allclose(report.approximation_gap, 0, atol=2e-3)
    assert (np.abs(report.amortisation_gap - want) < error).all(), report.amortisation_gap - want
    assert (np.abs(report.elbo - (evidence - want)) < error).all()
    np.testing.assert_allclose(report.elbo + report.inference_gap, evidence, atol=2e-3)
    np.testing.assert_allclose(report.inference_gap, report.approximation_gap + report.amortisation_gap, atol=1e-5)
    assert (report.elbo <= report.iwae + 1e-6).all()
    assert (report.iwae <= report.cubo + 1e-6).all()
    assert (report.elbo <= report.tvo_right + 1e-6).all()
    assert np.isnan(report.ais).all()
    assert np.isfinite(report.khat).all()


@pytest.mark.slow
def test_mean_field_encoder_loses_by_both():
    """A posterior of correlation rho: approximation gap -log(1 - rho^2)/2; the wrong encoder's is a Gaussian KL."""
    rho = 0.6
    precision = np.linalg.inv(np.array([[1.0, rho], [rho, 1.0]]))
    factor = np.linalg.cholesky(np.array([[1.0, rho], [rho, 1.0]])).astype(DTYPE)

    def log_joint(_, z, x):
        return distributions.MultivariateNormal(x * jnp.ones_like(z), jnp.asarray(factor)).log_prob(z) - x**2

    def encoder(params, x):
        return distributions.MultivariateNormalDiag(params * x * jnp.ones(2, DTYPE), jnp.ones(2, DTYPE))

    ais = {"betas": np.linspace(0, 1, 21), "num_chains": 200, "step_size": 0.4, "num_leapfrog": 4}
    report = jax.jit(
        lambda key, params, x: diagnostics.gap_report(
            key, log_joint, encoder, params, x, optimise_steps=500, num_particles=20000, ais=ais
        )
    )(jax.random.key(1), DTYPE(0.7), X[:3])
    approximation = -0.5 * np.log(1 - rho**2)
    shift = 0.3 * X[:3, None].astype(np.float64) * np.ones(2)
    inference = 0.5 * (np.trace(precision) - 2 + np.log(1 - rho**2) + np.sum(shift @ precision * shift, axis=1))
    np.testing.assert_allclose(report.approximation_gap, approximation, atol=0.03)
    np.testing.assert_allclose(report.inference_gap, inference, atol=0.05)
    np.testing.assert_allclose(report.amortisation_gap, inference - approximation, atol=0.05)
    np.testing.assert_allclose(report.ais, -(X[:3] ** 2), atol=0.1)


def test_a_diverging_optimisation_is_not_a_number():
    def broken(_, z, x):
        return jnp.where(x > 0, jnp.nan, pair_of_normals(None, z, x))

    report = diagnostics.gap_report(
        jax.random.key(0),
        broken,
        lambda _, x: distributions.Normal(x, 1.0),
        None,
        X,
        optimise_steps=2,
        num_particles=8,
    )
    np.testing.assert_array_equal(np.isnan(np.asarray(report.inference_gap)), X > 0)
    np.testing.assert_array_equal(np.isnan(np.asarray(report.amortisation_gap)), X > 0)


def test_refusals():
    def run(batch=X, q=lambda _, x: distributions.Normal(x, 1.0), optimise_steps=1, num_particles=2, step_size=0.1):
        return diagnostics.gap_report(
            jax.random.key(0), pair_of_normals, q, None, batch,
            optimise_steps=optimise_steps, num_particles=num_particles, step_size=step_size,
        )  # fmt: skip

    with pytest.raises(ValueError, match="gap_report: optimise_steps is 0"):
        run(optimise_steps=0)
    with pytest.raises(ValueError, match="gap_report: num_particles is 1"):
        run(num_particles=1)
    with pytest.raises(ValueError, match="gap_report: step_size is -1"):
        run(step_size=-1.0)
    with pytest.raises(ValueError, match="gap_report: batch has leading axes"):
        run(batch=(X, X[:2]))
    with pytest.raises(ValueError, match="gap_report: batch has leading axes"):
        run(batch=DTYPE(1.0))
    with pytest.raises(TypeError, match="score_function"):
        run(q=lambda _, x: distributions.Poisson(jnp.exp(x)))
