"""Every estimator against its exact mean and variance, by summing over all of its randomness."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import logsumexp

from depthjax import distributions, vi
from depthjax.vi._vimco import bounds_without

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
TOL = 1e4 * EPS

P, F0, F1 = 0.3, 1.7, -0.4
Q, D = 1 - P, F1 - F0
LOGIT = np.log(P / Q)
GRADIENT = P * Q * D


def payoff(_, z):
    return jnp.where(z == 1, F1, F0).astype(DTYPE)


def coin(logit=LOGIT):
    return distributions.Bernoulli(DTYPE(logit))


def enumerated(estimator, f, q, params, state, *batch, **options):
    """Mean and variance of an estimator, compiled."""
    return jax.jit(lambda p, s: vi.enumerate_gradient(estimator, f, q, p, s, *batch, **options))(params, state)


def by_quadrature(estimator, f, q, params, state, **options):
    """The same by Gauss-Hermite quadrature."""
    return jax.jit(lambda p, s: vi.quadrature_gradient(estimator, f, q, p, s, **options))(params, state)


def moments(estimator, f, q, state=None, **options):
    """Mean and variance of a one-number gradient, on the host."""
    state = estimator.init(q) if state is None else state
    found = enumerated(estimator, f, q, q, state, **options)
    return tuple(float(jnp.ravel(jax.tree.leaves(part)[0])[0]) for part in found)


def close(got, want, tol=TOL):
    np.testing.assert_allclose(got, want, rtol=tol, atol=tol)


@pytest.mark.parametrize("value", [0.0, 0.23, -1.0])
def test_constant_baseline_on_a_coin(value):
    estimator = vi.score_function(num_samples=1, baseline=vi.constant_baseline(value))
    mean, variance = moments(estimator, payoff, coin())
    close(mean, GRADIENT)
    close(variance, P * Q * (Q * (F1 - value) ** 2 + P * (F0 - value) ** 2) - GRADIENT**2)


def test_no_baseline_is_the_zero_baseline():
    assert moments(vi.score_function(num_samples=1), payoff, coin()) == moments(
        vi.score_function(num_samples=1, baseline=vi.constant_baseline(0.0)), payoff, coin()
    )


@pytest.mark.parametrize(("count", "want"), [(2, 0.268569), (5, 0.0490833)])
def test_leave_one_out_on_a_coin(count, want):
    estimator = vi.score_function(num_samples=count, baseline=vi.leave_one_out_baseline())
    mean, variance = moments(estimator, payoff, coin())
    close(mean, GRADIENT)
    mu4 = P * Q * (1 - 3 * P * Q)
    close(variance, D**2 * (mu4 / count - (P * Q) ** 2 * (count - 3) / (count * (count - 1))))
    close(variance, want, 1e-5)


def test_a_baseline_that_holds_its_own_sample_is_biased_and_is_seen():
    def values(state, per_sample, *batch):
        return jnp.full_like(per_sample, jnp.mean(per_sample))

    own = vi.leave_one_out_baseline()._replace(values=values)
    mean, _ = moments(vi.score_function(num_samples=4, baseline=own), payoff, coin())
    close(mean, 0.75 * GRADIENT)


def test_optimal_baseline_is_unbiased_for_every_coordinate():
    logits = distributions.Bernoulli(np.array([-0.4, 0.9], DTYPE))

    def f(_, z):
        return jnp.asarray([0.3, -1.1], DTYPE) @ z.astype(DTYPE) + 2.0 * (z[0] * z[1]).astype(DTYPE)

    estimator = vi.score_function(num_samples=3, baseline=vi.optimal_baseline())
    mean, _ = enumerated(estimator, f, logits, logits, ())
    want, nothing = enumerated(vi.exact(), f, logits, logits, ())
    close(mean.logits, want.logits)
    close(nothing.logits, 0.0)


def test_moving_average_reads_the_past_only():
    baseline = vi.moving_average_baseline(decay=0.9)
    estimator = vi.score_function(num_samples=2, baseline=baseline)
    state = (jnp.asarray(0.3, DTYPE), jnp.asarray(0.5, DTYPE))
    mean, _ = moments(estimator, payoff, coin(), state)
    close(mean, GRADIENT)
    draws = jnp.ones((2, 1), jnp.int32)
    _, aux = estimator.surrogate(coin(), state, draws, coin(), payoff)
    close(aux.state[0], 0.9 * 0.3 + 0.1 * F1)
    close(aux.state[1], 0.9 * 0.5 + 0.1)
    constant = estimator.init(coin())
    for _ in range(3):  # no compounding: a constant integrand is recovered at once
        _, aux = estimator.surrogate(coin(), constant, draws, coin(), payoff)
        constant = aux.state
        close(constant[0] / constant[1], F1)


def test_learned_baseline_and_nvil_train_by_their_own_loss():
    def apply(weights, x):
        return weights * x

    x = jnp.asarray(2.0, DTYPE)
    weights = jnp.asarray(0.4, DTYPE)

    def f(_, z, x):
        return payoff(_, z)

    for estimator in (
        vi.score_function(num_samples=1, baseline=vi.learned_baseline(apply, weights)),
        vi.nvil(num_samples=1, baseline_apply=apply, baseline_params=weights),
    ):
        state = estimator.init(coin())
        mean, _ = enumerated(estimator, f, coin(), coin(), state, x)
        close(mean.logits, GRADIENT)
        draws = jnp.ones((1, 1), jnp.int32)

        def loss(state, estimator=estimator, draws=draws):
            return estimator.surrogate(coin(), state, draws, coin(), f, x)[1].loss

        close(loss(state), (F1 - 0.8) ** 2)
        close(jax.tree.leaves(jax.grad(loss)(state))[0], -2 * (F1 - 0.8) * 2)
    assert not vi.nvil(num_samples=1, baseline_apply=apply, normalize_variance=True).unbiased


def test_arm_and_disarm_on_a_coin():
    mean, variance = moments(vi.arm(num_samples=1), payoff, coin(), num_points=4)
    close(mean, GRADIENT)
    close(variance, D**2 * (2 / 3) * (1 / 8 - abs(P - 0.5) ** 3) - GRADIENT**2)
    close(variance, 0.149499, 1e-5)
    mean, variance = moments(vi.disarm(num_samples=1), payoff, coin(), num_points=4)
    close(mean, GRADIENT)
    close(variance, 0.5 * D**2 * max(P, Q) ** 2 * min(P, Q) - GRADIENT**2)
    close(variance, 0.129654, 1e-5)


@pytest.mark.parametrize("name", ["arm", "disarm"])
def test_pairs_on_two_coins_with_their_own_density(name):
    q = distributions.Bernoulli(np.array([-0.4, 0.9], DTYPE))
    objective = vi.elbo_objective(
        lambda _, z: jnp.asarray([-1.5, 0.2], DTYPE) @ jnp.stack([z[0] * z[1], z[0]]).astype(DTYPE)
    )
    got, _ = enumerated(getattr(vi, name)(num_samples=1), objective, q, q, (), num_points=2)
    want, _ = enumerated(vi.exact(), objective, q, q, ())
    close(got.logits, want.logits)


B3 = {"gradient": -0.13528568798015406, "variance": 0.07023239780097, "bound": -1.1254328402786067}


def three_particles():
    joint = jnp.log(jnp.asarray([0.25, 0.1], DTYPE))
    return vi.iwae_objective(lambda _, z: joint[z], num_particles=3)


def test_vimco_on_a_coin():
    q = coin(0.4)
    mean, variance = moments(vi.vimco(num_samples=1), three_particles(), q)
    close(mean, B3["gradient"])
    close(variance, B3["variance"])
    mean, _ = moments(vi.vimco(num_samples=1, mean="arithmetic"), three_particles(), q)
    close(mean, B3["gradient"])
    mean, variance = moments(vi.exact(), three_particles(), q)
    close(mean, B3["gradient"])
    close(variance, 0.0)
    value = vi.exact().surrogate(q, (), None, q, three_particles())[0]
    close(value, B3["bound"])
    mean, _ = moments(vi.score_function(num_samples=1), three_particles(), q)
    close(mean, B3["gradient"])


def test_vimco_with_weights_of_zero():
    q = distributions.Categorical(np.zeros(3, DTYPE))
    joint = jnp.asarray([-np.inf, -np.inf, 0.2], DTYPE)
    objective = vi.iwae_objective(lambda _, z: joint[z], num_particles=3)
    estimator = vi.vimco(num_samples=1)
    for z in ([0, 0, 0], [0, 1, 2], [2, 2, 1]):
        draws = jnp.asarray([z])
        gradient = jax.grad(lambda p, d=draws: estimator.surrogate(p, (), d, q, objective)[0])(q)
        assert np.isfinite(gradient.logits).all(), z


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
def test_bounds_of_vimco_without_one_weight(mean):
    """Each by itself, also where the weight left out is all that there is to single precision."""
    rows = np.array([[0.3, -1.0, 2.0], [-700.0, 0.0, 300.0], [5.0, 5.0, 5.0], [900.0, 899.0, -900.0]])
    rows = np.concatenate([rows, [[-np.inf, 0.0, 1.0], [-np.inf, -np.inf, 1.0]]])
    found = jax.jit(jax.vmap(lambda row: bounds_without(row, mean)))(jnp.asarray(rows, DTYPE))
    want = np.empty_like(rows)
    for i, row in enumerate(rows):
        for k in range(3):
            others = np.delete(row, k)
            new = np.mean(others) if mean == "geometric" else logsumexp(others) - np.log(2)
            want[i, k] = logsumexp([*others, new]) - np.log(3)
    np.testing.assert_allclose(found, want, rtol=8 * EPS, atol=8 * EPS)


MEAN, SCALE = 0.7, 1.3


def normal():
    return distributions.Normal(DTYPE(MEAN), DTYPE(SCALE))


def normal_moments(estimator, f):
    return by_quadrature(estimator, f, normal(), normal(), estimator.init(normal()), num_points=24)


@pytest.mark.parametrize(
    ("baseline", "variance"),
    [
        (0.0, MEAN**4 / SCALE**2 + 14 * MEAN**2 + 15 * SCALE**2),
        (MEAN**2 + SCALE**2, 8 * MEAN**2 + 10 * SCALE**2),
        (MEAN**2 + 3 * SCALE**2, 8 * MEAN**2 + 6 * SCALE**2),
    ],
)
def test_score_of_a_square_under_a_normal(baseline, variance):
    estimator = vi.score_function(num_samples=1, baseline=vi.constant_baseline(baseline))
    mean, found = normal_moments(estimator, lambda _, z: z * z)
    close(mean.loc, 2 * MEAN)
    close(found.loc, variance)
    close(mean.scale, 2 * SCALE)
    if baseline == 0:
        close(found.scale, 2 * MEAN**4 / SCALE**2 + 60 * MEAN**2 + 74 * SCALE**2)


def test_pathwise_is_not_always_better():
    _, by_score = normal_moments(vi.score_function(num_samples=1), lambda _, z: jnp.sin(z))
    _, by_path = normal_moments(vi.pathwise(num_samples=1), lambda _, z: jnp.sin(z))
    close(by_score.loc, 0.19777888, 1e-6)
    close(by_path.loc, 0.39495258, 1e-6)


def posterior_problem(num_particles):
    """Return z ~ N(0, 1), x = 1.2 | z ~ N(z, variance 1/2) with guide parameters (loc, log scale)."""

    def log_joint(_, z):
        likelihood = distributions.Normal(z, jnp.asarray(np.sqrt(0.5), z.dtype))
        return distributions.Normal(DTYPE(0), DTYPE(1)).log_prob(z) + likelihood.log_prob(DTYPE(1.2))

    def q(params):
        return distributions.Normal(params["loc"], jnp.exp(params["log_scale"]))

    params = {"loc": jnp.asarray(0.3, DTYPE), "log_scale": jnp.asarray(0.5 * np.log(0.6), DTYPE)}
    return vi.iwae_objective(log_joint, num_particles=num_particles), q, params


def test_dreg_has_the_mean_of_the_plain_gradient_and_a_tenth_of_its_variance():
    objective, q, params = posterior_problem(2)
    tol = max(1e-7, 1e3 * EPS)
    for name, variances in (("doubly_reparameterized", (0.2884525674, 0.2377486075)),
                            ("pathwise", (2.7903998959, 2.1810088722))):  # fmt: skip
        estimator = getattr(vi, name)(num_samples=1)
        mean, variance = by_quadrature(estimator, objective, q, params, (), num_points=120)
        close([mean["loc"], mean["log_scale"]], (0.66515722, -0.09922489), max(tol, 1e-7))
        close([variance["loc"], variance["log_scale"]], variances, tol)


def test_dreg_keeps_the_gradient_of_model_parameters():
    def log_joint(params, z):
        return -0.5 * params["slope"] * z * z - 0.5 * (1.2 - z) ** 2

    objective = vi.iwae_objective(log_joint, num_particles=2)
    _, guide, params = posterior_problem(2)
    params = {**params, "slope": jnp.asarray(0.8, DTYPE)}
    found = [
        by_quadrature(getattr(vi, name)(num_samples=1), objective, guide, params, (), num_points=40)[0]
        for name in ("doubly_reparameterized", "pathwise")
    ]
    for name in params:
        close(found[0][name], found[1][name], max(1e-6, TOL))


def test_sticking_the_landing_is_zero_at_the_posterior():
    objective, q, _ = posterior_problem(1)
    objective = vi.elbo_objective(objective.log_joint)
    at = {"loc": jnp.asarray(0.8, DTYPE), "log_scale": jnp.asarray(0.5 * np.log(1 / 3), DTYPE)}
    mean, variance = by_quadrature(vi.sticking_the_landing(num_samples=1), objective, q, at, ())
    _, plain = by_quadrature(vi.pathwise(num_samples=1), objective, q, at, ())
    for name, want in (("loc", 3.0), ("log_scale", 2.0)):
        close(mean[name], 0.0)
        close(variance[name], 0.0)
        close(plain[name], want)
    _, _, away = posterior_problem(1)
    landed, _ = by_quadrature(vi.sticking_the_landing(num_samples=1), objective, q, away, ())
    exact, _ = by_quadrature(vi.pathwise(num_samples=1), objective, q, away, ())
    close(landed["loc"], exact["loc"])
    close(landed["log_scale"], exact["log_scale"])


def test_rao_blackwell_has_the_same_mean_and_less_variance():
    q = (coin(-0.4), coin(0.9))

    def terms(_, z):
        a, b = (one.astype(DTYPE) for one in z)
        return jnp.stack([0.3 * a, -1.1 * b + 2.0, 0.7 * a * b])

    table = [[True, False], [False, True], [True, True]]
    means, variances = [], []
    for dependencies in (table, np.ones((3, 2))):
        estimator = vi.rao_blackwell(num_samples=1, dependencies=dependencies)
        mean, variance = enumerated(estimator, terms, q, q, ())
        means.append([float(factor.logits) for factor in mean])
        variances.append([float(factor.logits) for factor in variance])
    close(means[0], means[1])
    assert (np.array(variances[0]) < np.array(variances[1])).all()
    loo = vi.rao_blackwell(num_samples=2, dependencies=table, baseline=vi.leave_one_out_baseline())
    mean, _ = enumerated(loo, terms, q, q, ())
    close([float(factor.logits) for factor in mean], means[0])


@pytest.mark.parametrize("baseline", [vi.leave_one_out_baseline(), vi.optimal_baseline()])
def test_baselines_that_compare_repetitions_are_not_taken_one_by_one(baseline):
    estimator = vi.score_function(num_samples=4, baseline=baseline)
    controlled = vi.with_control_variate(estimator, vi.delta_control_variate())
    args = jax.random.key(0), normal(), ()
    for fn in (
        vi.per_sample_grad(estimator, lambda _, z: z * z, normal()),
        vi.value_and_grad(controlled, lambda _, z: z * z, normal()),
    ):
        with pytest.raises(ValueError, match=f"the {baseline.name} baseline compares repetitions and got 1"):
            fn(*args)


def test_rao_blackwell_is_fitted():
    """To independent coins of the marginals that maximise a sum of terms, each of its own coin."""
    start = {"logits": jnp.zeros(2, DTYPE)}

    def factors(params):
        return tuple(distributions.Bernoulli(logit) for logit in params["logits"])

    def terms(params, z):
        log_q = jnp.stack([q.log_prob(v) for q, v in zip(factors(params), z, strict=True)])
        return jnp.asarray([1.2, -0.7], DTYPE) * jnp.stack(z).astype(DTYPE) - log_q

    estimator = vi.rao_blackwell(num_samples=32, dependencies=np.eye(2), baseline=vi.leave_one_out_baseline())
    rate = optax.cosine_decay_schedule(0.05, 800)
    found = jax.jit(
        lambda key: vi.fit(
            key, terms, factors, start, estimator=estimator, optimizer=optax.adam(rate), num_steps=800
        )
    )(jax.random.key(0))  # fmt: skip
    np.testing.assert_allclose(found.params["logits"], [1.2, -0.7], atol=0.05)
    with pytest.raises(TypeError, match="not a bound"):
        vi.value_and_grad(estimator, vi.elbo_objective(terms), factors)(jax.random.key(0), start, ())


def test_control_variate_keeps_the_mean():
    def control(params, draws, q, *batch):
        scores = draws[:, 0].astype(DTYPE) - jax.nn.sigmoid(params.logits)
        return dataclasses.replace(params, logits=scores), dataclasses.replace(params, logits=jnp.zeros((), DTYPE))

    plain = vi.score_function(num_samples=4)
    for coefficient in ("cross_fit", 0.7):
        estimator = vi.with_control_variate(plain, control, coefficient=coefficient)
        mean, variance = moments(estimator, payoff, coin())
        close(mean, GRADIENT)
        assert np.isfinite(variance)
    close(moments(vi.with_control_variate(plain, control, coefficient=0.23), payoff, coin())[1], 0.0)
    x = np.random.default_rng(0).standard_normal(200).astype(DTYPE)
    close(vi.optimal_coefficient(-3 * x, x, x.mean()), -3.0)
    assert float(vi.optimal_coefficient(x, np.ones_like(x), 1.0)) == 0.0


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: vi.score_function(num_samples=0), ValueError, "num_samples must be at least 1, got 0"),
        (lambda: vi.score_function(num_samples=1, baseline=vi.leave_one_out_baseline()), ValueError, "at least 2"),
        (lambda: vi.vimco(num_samples=1, mean="harmonic"), ValueError, "'geometric' or 'arithmetic'"),
        (lambda: vi.moving_average_baseline(1.0), ValueError, r"decay must lie in \[0, 1\)"),
        (lambda: vi.rao_blackwell(num_samples=1, dependencies=[[False]]), ValueError, "True in every row"),
        (lambda: vi.with_control_variate(vi.exact(), None), ValueError, "at least 3"),
        (lambda: moments(vi.exact(), payoff, normal()), TypeError, "has no finite support"),
        (lambda: moments(vi.arm(num_samples=1), payoff, normal()), TypeError, "the guide is a Bernoulli"),
        (lambda: moments(vi.vimco(num_samples=1), payoff, coin()), TypeError, "iwae_objective"),
        (lambda: normal_moments(vi.sticking_the_landing(num_samples=1), payoff), TypeError, "needs an Objective"),
        (
            lambda: normal_moments(vi.sticking_the_landing(num_samples=1), posterior_problem(2)[0]),
            ValueError,
            "biased for 2 particles",
        ),
        (lambda: moments(vi.score_function(num_samples=25), payoff, coin()), ValueError, "outcomes to sum over"),
        (
            lambda: moments(vi.score_function(num_samples=1), payoff, distributions.Gamma(DTYPE(2), DTYPE(1))),
            TypeError,
            "neither a finite support nor standard normal noise",
        ),
    ],
)
def test_refusals(make, error, match):
    with pytest.raises(error, match=match):
        make()
