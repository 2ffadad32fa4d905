"""Whole fits to normal posteriors within half a percent, by every estimator of normal guides and with every guide."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from depthjax import distributions, flows, vi

pytestmark = pytest.mark.slow
DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
NUM_STEPS, MANY = 2500, 2048

# z ~ N(0, 1), x = 1.2 | z ~ N(z, variance 1/2).
LOC, SCALE = 0.8, np.sqrt(1 / 3)


def log_joint(_, z):
    likelihood = distributions.Normal(z, jnp.asarray(np.sqrt(0.5), z.dtype))
    return distributions.Normal(DTYPE(0), DTYPE(1)).log_prob(z) + likelihood.log_prob(DTYPE(1.2))


def fitted(objective, guide, estimator, *, rate=3e-2, num_steps=NUM_STEPS):
    found = jax.jit(
        lambda g: vi.fit(
            jax.random.key(3), objective, g, g, estimator=estimator, num_steps=num_steps,
            optimizer=optax.adam(optax.cosine_decay_schedule(rate, num_steps)),
        )
    )(guide)  # fmt: skip
    assert found.converged
    return found.params


ELBO = vi.elbo_objective(log_joint)
ESTIMATORS = {
    "pathwise": (vi.pathwise(num_samples=MANY), ELBO),
    "sticking the landing": (vi.sticking_the_landing(num_samples=8), ELBO),
    "doubly reparameterized": (vi.doubly_reparameterized(num_samples=8), vi.iwae_objective(log_joint, num_particles=3)),
    "score": (vi.score_function(num_samples=MANY, baseline=vi.moving_average_baseline()), ELBO),
    "score, one left out": (vi.score_function(num_samples=MANY, baseline=vi.leave_one_out_baseline()), ELBO),
    "score, optimal": (vi.score_function(num_samples=MANY, baseline=vi.optimal_baseline()), ELBO),
    "multi-sample score": (vi.vimco(num_samples=MANY), vi.iwae_objective(log_joint, num_particles=3)),
    "measure valued": (vi.measure_valued(num_samples=MANY), ELBO),
    "control variate": (
        vi.with_control_variate(vi.score_function(num_samples=MANY), vi.delta_control_variate(order=2)),
        ELBO,
    ),
    "analytic divergence": (
        vi.pathwise(num_samples=MANY),
        vi.analytic_kl_elbo(
            lambda _, z: distributions.Normal(z, DTYPE(np.sqrt(0.5))).log_prob(DTYPE(1.2)),
            distributions.Normal(DTYPE(0), DTYPE(1)),
        ),
    ),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_finds_the_posterior(name):
    estimator, objective = ESTIMATORS[name]
    found = fitted(objective, distributions.Normal(DTYPE(0.0), DTYPE(1.0)), estimator)
    np.testing.assert_allclose(found.loc, LOC, atol=0.005 * SCALE)
    np.testing.assert_allclose(found.scale, SCALE, rtol=0.005)


PRECISION = np.array([[2.0, 0.5, 0.0], [0.5, 1.5, -0.3], [0.0, -0.3, 1.0]])
MEAN = np.array([0.5, -1.0, 2.0])
TEMPLATE = {"a": np.zeros((), DTYPE), "b": np.ones((2,), DTYPE)}


def correlated(_, z):
    away = z - jnp.asarray(MEAN, z.dtype)
    return -0.5 * away @ jnp.asarray(PRECISION, z.dtype) @ away


GUIDES = {
    "mean field": lambda: vi.mean_field(TEMPLATE, scale=0.5),
    "full rank": lambda: vi.full_rank(TEMPLATE, scale=0.5),
    "low rank": lambda: vi.low_rank(TEMPLATE, rank=2, scale=0.5),
    "flow": lambda: vi.flow_guide(flows.iaf(jax.random.key(0), 3, num_layers=2, hidden=(16,)), TEMPLATE),
}


@pytest.mark.parametrize("name", GUIDES)
def test_every_guide_finds_its_best_normal(name):
    guide = GUIDES[name]()
    found = fitted(vi.elbo_objective(correlated), guide, vi.sticking_the_landing(num_samples=64), rate=2e-2)
    draws = np.asarray(jax.jit(lambda g, k: g.sample(k, (400_000,)))(found, jax.random.key(4)), np.float64)
    variances = 1 / np.diag(PRECISION) if name == "mean field" else np.diag(np.linalg.inv(PRECISION))
    np.testing.assert_allclose((draws.mean(0) - MEAN) / np.sqrt(variances), 0.0, atol=0.0065)  # 0.005 and one of noise
    np.testing.assert_allclose(draws.std(0), np.sqrt(variances), rtol=0.0061)
    tree = found.unravel(found.sample(jax.random.key(0)))
    assert tree["b"].shape == (2,)
