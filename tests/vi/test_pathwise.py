"""The pathwise estimator: exact mean and variance by quadrature over its noise, every kind of guide, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import bijectors, distributions, flows, numerics, vi

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
MEAN, SCALE = 0.7, 1.3


def gradients_at_nodes(f, q, params, num_points=40):
    """Per-noise gradients of the surrogate at Gauss-Hermite nodes, and their weights."""
    nodes, weights = numerics.gauss_hermite_rule(num_points)
    estimator = vi.pathwise(num_samples=1)

    def one(noise):
        draws = jnp.reshape(noise, (1, 1))
        return jax.grad(lambda p: estimator.surrogate(p, (), draws, q, f)[0])(params)

    gradients = jax.vmap(one)(jnp.asarray(nodes, DTYPE))
    return jax.tree.map(lambda g: np.asarray(g, np.float64), gradients), np.asarray(weights)


def moments(values, weights):
    mean = np.sum(weights * values)
    return mean, np.sum(weights * (values - mean) ** 2)


@pytest.mark.parametrize(
    ("f", "mean_loc", "variance_loc"),
    [
        (lambda _, z: z, 1.0, 0.0),
        (lambda _, z: z * z, 2 * MEAN, 4 * SCALE**2),
        (
            lambda _, z: jnp.sin(z),
            np.cos(MEAN) * np.exp(-(SCALE**2) / 2),
            0.5 * (1 + np.cos(2 * MEAN) * np.exp(-2 * SCALE**2)) - (np.cos(MEAN) * np.exp(-(SCALE**2) / 2)) ** 2,
        ),
    ],
    ids=["x", "x^2", "sin x"],
)
def test_unbiased_with_the_variance_of_its_closed_form(f, mean_loc, variance_loc):
    params = distributions.Normal(DTYPE(MEAN), DTYPE(SCALE))
    gradients, weights = gradients_at_nodes(f, params, params)
    mean, variance = moments(gradients.loc, weights)
    np.testing.assert_allclose(mean, mean_loc, rtol=200 * EPS, atol=200 * EPS)
    np.testing.assert_allclose(variance, variance_loc, rtol=1e3 * EPS, atol=1e3 * EPS)


def test_gradient_of_a_square_in_the_scale():
    params = distributions.Normal(DTYPE(MEAN), DTYPE(SCALE))
    gradients, weights = gradients_at_nodes(lambda _, z: z * z, params, params)
    mean, variance = moments(gradients.scale, weights)
    np.testing.assert_allclose(mean, 2 * SCALE, rtol=200 * EPS)
    np.testing.assert_allclose(variance, 4 * MEAN**2 + 8 * SCALE**2, rtol=1e3 * EPS)


def test_elbo_gradient_vanishes_at_the_posterior_and_annealing_at_one_changes_nothing():
    posterior = distributions.Normal(DTYPE(0.8), DTYPE(np.sqrt(1 / 3)))
    objective = vi.elbo_objective(lambda _, z: -0.5 * z * z - (1.2 - z) ** 2)
    gradients, weights = gradients_at_nodes(objective, posterior, posterior)
    assert abs(moments(gradients.loc, weights)[0]) < 200 * EPS
    assert abs(moments(gradients.scale, weights)[0]) < 200 * EPS
    tempered = vi.Objective(objective.log_joint, objective.combine, inverse_temperature=1.0)
    again, _ = gradients_at_nodes(tempered, posterior, posterior)
    np.testing.assert_array_equal(gradients.loc, again.loc)


def test_parameters_of_the_integrand_keep_their_gradient():
    def q(params):
        return distributions.Normal(params["loc"], jnp.ones((), DTYPE))

    fn = vi.value_and_grad(vi.pathwise(num_samples=8), lambda p, z: p["slope"] * z, q)
    params = {"loc": jnp.asarray(0.5, DTYPE), "slope": jnp.asarray(2.0, DTYPE)}
    value, gradient, state, aux = jax.jit(fn)(jax.random.key(0), params, ())
    np.testing.assert_allclose(gradient["loc"], 2.0, rtol=8 * EPS)
    np.testing.assert_allclose(gradient["slope"], value / 2.0, rtol=16 * EPS)
    assert state == ()
    assert aux.per_sample.shape == (8,)


@pytest.mark.parametrize("kind", ["explicit", "implicit", "flow"])
def test_mean_of_per_sample_gradients_is_the_gradient(kind):
    guides = {
        "explicit": lambda: distributions.MultivariateNormal(jnp.zeros(2, DTYPE), jnp.eye(2, dtype=DTYPE)),
        "implicit": lambda: distributions.Gamma(jnp.full(2, 2.0, DTYPE), jnp.ones(2, DTYPE)),
        "flow": lambda: flows.iaf(jax.random.key(3), 2, num_layers=1, hidden=(4,)),
    }
    q = guides[kind]()
    objective = vi.elbo_objective(lambda _, z: -jnp.sum(jnp.sqrt(1.0 + z * z)))
    estimator = vi.pathwise(num_samples=4)
    key = jax.random.key(0)
    _, gradient, _, _ = jax.jit(vi.value_and_grad(estimator, objective, q))(key, q, ())
    each = jax.jit(vi.per_sample_grad(estimator, objective, q))(key, q, ())
    for whole, parts in zip(jax.tree.leaves(gradient), jax.tree.leaves(each), strict=True):
        np.testing.assert_allclose(parts.mean(0), whole, rtol=1e3 * EPS, atol=1e3 * EPS, equal_nan=False)
    assert any(np.abs(leaf).max() > 0 for leaf in jax.tree.leaves(gradient))


def test_iwae_objective_averages_over_particles():
    q = distributions.Normal(DTYPE(0.3), DTYPE(np.sqrt(0.6)))
    objective = vi.iwae_objective(lambda _, z: -0.5 * z * z - (1.2 - z) ** 2, num_particles=5)
    estimator = vi.pathwise(num_samples=3)
    draws = estimator.draw(jax.random.key(0), q, q, objective.num_particles)
    assert draws.shape == (3, 5)
    value, aux = estimator.surrogate(q, (), draws, q, objective)
    x, log_q = jax.vmap(jax.vmap(q.from_noise))(draws)
    expected = vi.iwae_bound(-0.5 * x * x - (1.2 - x) ** 2 - log_q)
    np.testing.assert_allclose(aux.per_sample, expected, rtol=32 * EPS, atol=32 * EPS)
    np.testing.assert_allclose(value, np.mean(np.asarray(expected)), rtol=32 * EPS, atol=32 * EPS)


def test_a_discrete_guide_is_refused():
    q = distributions.Bernoulli(DTYPE(0.3))
    fn = vi.value_and_grad(vi.pathwise(num_samples=2), lambda _, z: z, q)
    with pytest.raises(TypeError, match="Bernoulli has no pathwise gradient; use score_function"):
        fn(jax.random.key(0), q, ())
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        vi.pathwise(num_samples=0)


def test_a_transformed_guide_never_inverts_its_own_sample():
    base = distributions.Normal(DTYPE(0.0), DTYPE(5.0))
    q = distributions.Transformed(base, bijectors.Tanh())
    objective = vi.elbo_objective(lambda _, z: -z * z)
    _, gradient, _, aux = jax.jit(vi.value_and_grad(vi.pathwise(num_samples=4096), objective, q))(
        jax.random.key(0), q, ()
    )
    assert np.all(np.isfinite(np.asarray(aux.per_sample)))
    assert all(np.all(np.isfinite(np.asarray(leaf))) for leaf in jax.tree.leaves(gradient))
