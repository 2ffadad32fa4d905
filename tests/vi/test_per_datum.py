"""Estimators over a batch: the mean of those for each datum, whose particles are combined datum by datum."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from depthjax import distributions, vi

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
TOL = 1e3 * float(np.finfo(DTYPE).eps)
X = jnp.asarray([-0.4, 0.3, 1.1], DTYPE)


def normal_joint(params, z, x):
    return -0.5 * z * z - 0.5 * (x - params["slope"] * z) ** 2


def normal_guide(params, x):
    return distributions.Normal(params["weight"] * x, jnp.exp(params["log_scale"]))


def coin_joint(params, z, x):
    return jnp.where(z == 1, -0.2 * x, -1.3) + params["slope"] * z.astype(DTYPE) * x


def coin_guide(params, x):
    return distributions.Bernoulli(params["weight"] * x + params["log_scale"])


def params():
    return {name: jnp.asarray(v, DTYPE) for name, v in (("slope", 0.7), ("weight", 0.4), ("log_scale", -0.2))}


CASES = {
    "pathwise": (vi.pathwise(num_samples=2), vi.iwae_objective(normal_joint, num_particles=3), normal_guide),
    "dreg": (vi.doubly_reparameterized(num_samples=1), vi.iwae_objective(normal_joint, num_particles=3), normal_guide),
    "vimco": (vi.vimco(num_samples=2), vi.iwae_objective(coin_joint, num_particles=3), coin_guide),
    "moving average": (
        vi.score_function(num_samples=2, baseline=vi.moving_average_baseline()),
        vi.elbo_objective(coin_joint),
        coin_guide,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_is_the_mean_over_the_data(name):
    estimator, objective, guide = CASES[name]
    whole = vi.per_datum(estimator)
    state, key = estimator.init(params()), jax.random.key(0)
    value, gradient, after, aux = jax.jit(vi.value_and_grad(whole, objective, guide))(key, params(), state, X)
    alone = jax.jit(vi.value_and_grad(estimator, objective, guide))
    parts = [alone(k, params(), state, x) for k, x in zip(jax.random.split(key, 3), X, strict=True)]
    np.testing.assert_allclose(value, np.mean([part[0] for part in parts]), rtol=TOL, atol=TOL)
    for leaf in gradient:
        want = np.mean([part[1][leaf] for part in parts])
        np.testing.assert_allclose(gradient[leaf], want, rtol=TOL, atol=TOL)
    assert aux.per_sample.shape == (estimator.num_samples,)
    np.testing.assert_allclose(aux.per_sample.mean(), value, rtol=TOL, atol=TOL)
    for got, *want in zip(*map(jax.tree.leaves, (after, *(part[2] for part in parts))), strict=True):
        np.testing.assert_allclose(got, np.mean(want), rtol=TOL, atol=TOL)


def test_repetitions_one_by_one_have_the_gradient_as_their_mean():
    estimator, objective, guide = CASES["pathwise"]
    whole = vi.per_datum(estimator)
    args = jax.random.key(1), params(), (), X
    each = vi.per_sample_grad(whole, objective, guide)(*args)
    gradient = vi.value_and_grad(whole, objective, guide)(*args)[1]
    for leaf in gradient:
        assert each[leaf].shape == (2,)
        np.testing.assert_allclose(each[leaf].mean(), gradient[leaf], rtol=10 * TOL, atol=10 * TOL)


def test_a_batch_is_fitted_to_the_exact_posterior_of_every_datum():
    """x | z ~ N(z, 1), z ~ N(0, 1): the posterior is N(x/2, 1/2), which the guide can be."""
    start = {"weight": jnp.zeros((), DTYPE), "log_scale": jnp.zeros((), DTYPE)}
    objective = vi.elbo_objective(lambda _, z, x: normal_joint({"slope": 1.0}, z, x))
    found = jax.jit(
        lambda key: vi.fit(
            key,
            objective,
            normal_guide,
            start,
            estimator=vi.per_datum(vi.sticking_the_landing(num_samples=4)),
            optimizer=optax.adam(0.02),
            num_steps=800,
            batches=(jnp.broadcast_to(X, (800, 3)),),
        )
    )(jax.random.key(0))
    np.testing.assert_allclose(found.params["weight"], 0.5, atol=2e-3)
    np.testing.assert_allclose(found.params["log_scale"], 0.5 * np.log(0.5), atol=2e-3)


@pytest.mark.parametrize(
    ("batch", "match"), [((), "there is no batch"), ((X, X[:2]), r"lengths \[2, 3\]"), ((X[0],), r"lengths \[0\]")]
)
def test_refusals(batch, match):
    estimator, objective, guide = CASES["pathwise"]
    with pytest.raises(ValueError, match=match):
        vi.value_and_grad(vi.per_datum(estimator), objective, guide)(jax.random.key(0), params(), (), *batch)
