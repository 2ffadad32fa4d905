"""The mean over all batches of B out of N data is the whole: gradients, natural parameters, particle directions."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import distributions, stein, vi

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
TOL = {"rtol": 1e-12, "atol": 1e-12} if jax.config.jax_enable_x64 else {"rtol": 2e-5, "atol": 2e-5}
NUM_DATA, SIZE = 6, 3
BATCHES = np.array(list(itertools.combinations(range(NUM_DATA), SIZE)))
X = jnp.asarray(np.random.default_rng(0).normal(size=(NUM_DATA, 2)), DTYPE)
Y = jnp.asarray([1.0, 0.0, 0.0, 1.0, 1.0, 0.0], DTYPE)


def log_prior(params, z):
    return -0.5 * params["precision"] * jnp.sum(z * z)


def log_likelihood(params, z, datum):
    x, y = datum
    return params["weight"] * distributions.Bernoulli(x @ z).log_prob(y)


def whole(params, z, x, y):
    """Written out, without the library's scaling."""
    logits = x @ z
    return log_prior(params, z) + params["weight"] * jnp.sum(y * logits - jnp.logaddexp(logits, 0.0))


JOINT = vi.minibatch_log_joint(log_prior, log_likelihood, num_data=NUM_DATA)


def test_gradient_of_the_bound_at_the_same_draws():
    """In the guide's parameters and in the model's."""
    params = {
        "guide": distributions.MultivariateNormalDiag(DTYPE([0.2, -0.4]), DTYPE([0.7, 1.1])),
        "precision": jnp.asarray(0.8, DTYPE),
        "weight": jnp.asarray(1.3, DTYPE),
    }

    def guide(params, *_):
        return params["guide"]

    estimator = vi.pathwise(num_samples=3)
    key = jax.random.key(0)
    part = vi.value_and_grad(estimator, vi.elbo_objective(JOINT), guide)
    full = vi.value_and_grad(estimator, vi.elbo_objective(whole), guide)

    @jax.jit
    def both(params):
        parts = jax.vmap(lambda i: part(key, params, (), (X[i], Y[i]))[:2])(BATCHES)
        return jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), parts), full(key, params, (), X, Y)[:2]

    got, want = both(params)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, **TOL)


def test_natural_parameters_after_a_step():
    """Mean of a normal with known variance: the sufficient statistics of a datum are (x, -1/2)."""
    prior = {"a": jnp.asarray([0.1, -0.3], DTYPE), "b": jnp.asarray(-0.5, DTYPE)}
    eta = {"a": jnp.asarray([0.7, 0.2], DTYPE), "b": jnp.asarray(-2.0, DTYPE)}

    def step(index):
        statistics = {"a": X[index], "b": jnp.full(len(index), -0.5, DTYPE)}
        return vi.svi_update(eta, prior, statistics, num_data=NUM_DATA, rho=0.3)

    steps = [step(index) for index in BATCHES]
    for name, per_datum in (("a", np.asarray(X)), ("b", np.full(NUM_DATA, -0.5))):
        want = 0.7 * np.asarray(eta[name]) + 0.3 * (np.asarray(prior[name]) + per_datum.sum(0))
        np.testing.assert_allclose(np.mean([s[name] for s in steps], axis=0), want, **TOL)


def test_scores_and_directions_of_particles():
    params = {"precision": jnp.asarray(0.8, DTYPE), "weight": jnp.asarray(1.3, DTYPE)}
    particles = jnp.asarray(np.random.default_rng(1).normal(size=(4, 2)), DTYPE)
    kernel = stein.RBF(DTYPE(1.2))

    @jax.jit
    def run(particles):
        def scores(log_density, *data):
            return jax.vmap(jax.grad(lambda z: log_density(params, z, *data)))(particles)

        parts = jax.vmap(lambda i: scores(JOINT, (X[i], Y[i])))(BATCHES)
        directions = jax.vmap(lambda s: stein.svgd_direction(particles, s, kernel))(parts)
        full = scores(whole, X, Y)
        return parts.mean(0), directions.mean(0), full, stein.svgd_direction(particles, full, kernel)

    scores, direction, full_scores, full_direction = run(particles)
    np.testing.assert_allclose(scores, full_scores, **TOL)
    np.testing.assert_allclose(direction, full_direction, **TOL)
