"""The bound with an exact divergence: its gradient under every estimator, its variance, its refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import distributions, vi

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
TOL = 1e-11 if X64 else 3e-5
PRIOR = distributions.Normal(DTYPE(0.2), DTYPE(1.5))
X, NOISE = 1.2, 0.5


def log_likelihood(_, z):
    return -0.5 * (X - z) ** 2 / NOISE


def log_joint(_, z):
    return log_likelihood(_, z) + PRIOR.log_prob(z)


def guide():
    return distributions.Normal(DTYPE(0.4), DTYPE(0.8))


def exact_gradient(loc, scale, beta):
    """Of E log p(x | z) - beta KL in loc and scale, by hand."""
    return (
        (X - loc) / NOISE - beta * (loc - 0.2) / 1.5**2,
        -scale / NOISE - beta * (scale / 1.5**2 - 1 / scale),
    )


NORMAL_ESTIMATORS = {
    "pathwise": vi.pathwise(num_samples=1),
    "score": vi.score_function(num_samples=1),
    "optimal": vi.score_function(num_samples=2, baseline=vi.optimal_baseline()),
    "stl": vi.sticking_the_landing(num_samples=1),
    "dreg": vi.doubly_reparameterized(num_samples=1),
    "measure_valued": vi.measure_valued(num_samples=1),
    "control": vi.with_control_variate(vi.score_function(num_samples=1), vi.delta_control_variate(), coefficient=0.5),
}


@pytest.mark.parametrize("name", NORMAL_ESTIMATORS)
def test_gradient_is_exact_in_the_mean(name):
    estimator, beta = NORMAL_ESTIMATORS[name], 0.7
    objective = vi.analytic_kl_elbo(log_likelihood, PRIOR, beta=beta)
    points = {"measure_valued": 8, "optimal": 16}.get(name, 24)
    run = jax.jit(lambda p: vi.enumerate_gradient(estimator, objective, p, p, estimator.init(p), num_points=points))
    mean, _ = run(guide())
    np.testing.assert_allclose([mean.loc, mean.scale], exact_gradient(0.4, 0.8, beta), rtol=20 * TOL)


def test_the_divergence_adds_no_variance():
    """Score function with f = 0: the whole gradient is that of the divergence, in every draw."""
    objective = vi.analytic_kl_elbo(lambda _, z: 0.0 * z, PRIOR)
    for estimator in (vi.score_function(num_samples=1), vi.pathwise(num_samples=1)):
        _, variance = jax.jit(lambda p, e=estimator: vi.quadrature_gradient(e, objective, p, p, (), num_points=8))(
            guide()
        )
        np.testing.assert_allclose([variance.loc, variance.scale], 0, atol=64 * np.finfo(DTYPE).eps)
    sampled = vi.elbo_objective(lambda _, z: PRIOR.log_prob(z))
    _, variance = jax.jit(
        lambda p: vi.quadrature_gradient(NORMAL_ESTIMATORS["pathwise"], sampled, p, p, (), num_points=8)
    )(guide())
    assert variance.loc > 0.1


def test_value_is_the_bound():
    objective, estimator = vi.analytic_kl_elbo(log_likelihood, PRIOR), vi.pathwise(num_samples=64)
    key = jax.random.key(0)
    value, _, _, aux = jax.jit(vi.value_and_grad(estimator, objective, guide()))(key, guide(), ())
    loc, scale = 0.4, 0.8
    divergence = np.log(1.5 / scale) + (scale**2 + (loc - 0.2) ** 2) / (2 * 1.5**2) - 0.5
    z, _ = guide().from_noise(estimator.draw(key, guide(), guide(), 1)[:, 0])
    terms = -0.5 * (X - np.asarray(z)) ** 2 / NOISE - divergence
    np.testing.assert_allclose(value, terms.mean(), rtol=1e-5)
    np.testing.assert_allclose(aux.per_sample, terms, rtol=1e-4)


def test_discrete_guides_and_learned_priors():
    """A coin with a prior whose logit is a parameter: all estimators of coins, against the sum over both sides."""
    params = {"guide": jnp.asarray(-0.3, DTYPE), "prior": jnp.asarray(0.6, DTYPE)}

    def q(p):
        return distributions.Bernoulli(p["guide"])

    def likelihood(_, z):
        return jnp.where(z == 1, 0.7, -0.2).astype(DTYPE) if z.dtype == jnp.int32 else (0.9 * z - 0.2).astype(DTYPE)

    def bound(p):
        chance = jax.nn.sigmoid(p["guide"])
        prior = distributions.Bernoulli(p["prior"])
        terms = [(1 - chance, -0.2, 0), (chance, 0.7, 1)]
        return sum(c * (f + prior.log_prob(jnp.asarray(z, jnp.int32)) - jnp.log(c)) for c, f, z in terms)

    want = jax.grad(bound)(params)
    objective = vi.analytic_kl_elbo(likelihood, lambda p: distributions.Bernoulli(p["prior"]))
    estimators = (
        vi.score_function(num_samples=2, baseline=vi.leave_one_out_baseline()), vi.arm(num_samples=1),
        vi.disarm(num_samples=1), vi.exact(), vi.rebar(num_samples=1), vi.measure_valued(num_samples=1),
        vi.score_function(num_samples=1, baseline=vi.moving_average_baseline()),
    )  # fmt: skip
    for estimator in estimators:
        state = estimator.init(params)
        mean, _ = jax.jit(
            lambda p, e=estimator, s=state: vi.enumerate_gradient(e, objective, q, p, s, num_points=16)
        )(params)  # fmt: skip
        for name in want:
            np.testing.assert_allclose(mean[name], want[name], rtol=1e-6 if X64 else 2e-4, err_msg=estimator.name)


@pytest.mark.slow
def test_a_raveled_guide_is_fitted_to_the_conjugate_posterior():
    import optax

    prior = distributions.MultivariateNormalDiag(np.zeros(2, DTYPE), np.ones(2, DTYPE))
    objective = vi.analytic_kl_elbo(lambda _, z: -2.0 * jnp.sum((z - 1.0) ** 2), prior)
    start = vi.full_rank(np.zeros(2, DTYPE))
    result = jax.jit(
        lambda key, params: vi.fit(
            key, objective, params, params, estimator=vi.pathwise(num_samples=2048), num_steps=800,
            optimizer=optax.adam(optax.cosine_decay_schedule(0.05, 800)),
        )
    )(jax.random.key(0), start)  # fmt: skip
    assert result.converged
    np.testing.assert_allclose(result.params.base.mean(), 0.8, atol=5e-3)
    np.testing.assert_allclose(np.sqrt(np.diag(result.params.base.covariance())), np.sqrt(0.2), rtol=5e-3)


def test_refusals():
    with pytest.raises(TypeError, match="prior is a distribution record or a function"):
        vi.analytic_kl_elbo(log_likelihood, 3.0)
    law = distributions.StudentT(DTYPE(3.0), DTYPE(0.0), DTYPE(1.0))
    fn = vi.value_and_grad(vi.pathwise(num_samples=1), vi.analytic_kl_elbo(log_likelihood, law), guide())
    with pytest.raises(NotImplementedError, match=r"\(Normal, StudentT\).*elbo_objective"):
        fn(jax.random.key(0), guide(), ())
    other = vi.analytic_kl_elbo(log_likelihood, distributions.Normal(np.zeros(2, DTYPE), np.ones(2, DTYPE)))
    fn = vi.value_and_grad(vi.pathwise(num_samples=1), other, guide())
    with pytest.raises(ValueError, match="event shape"):
        fn(jax.random.key(0), guide(), ())
