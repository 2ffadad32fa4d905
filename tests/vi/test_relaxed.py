"""Relaxed estimators of discrete guides: exact means, known variances, declared biases, a loss that trains."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import distributions, vi

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
TOL = 1e4 * EPS

P, F0, F1 = 0.3, 1.7, -0.4
Q, D = 1 - P, F1 - F0
LOGIT = np.log(P / Q)
GRADIENT = P * Q * D
COINS = distributions.Bernoulli(np.array([-0.4, 0.9], DTYPE))


def coin():
    return distributions.Bernoulli(DTYPE(LOGIT))


def line(_, z):
    return F0 + D * z.astype(DTYPE)


def enumerated(estimator, f, q, state, num_points):
    return jax.jit(lambda p, s: vi.enumerate_gradient(estimator, f, q, p, s, num_points=num_points))(q, state)


def close(got, want, tol=TOL):
    np.testing.assert_allclose(got, want, rtol=tol, atol=tol)


def wavy(weights, z):
    return weights * jnp.sum(jnp.tanh(z / 2))


def test_rebar_and_relax_on_a_coin():
    rebar = vi.rebar(num_samples=1, temperature=0.5, eta=0.8)
    mean, variance = enumerated(rebar, line, coin(), rebar.init(coin()), 48)
    close(mean.logits, GRADIENT)
    close(variance.logits, 0.113423683299, max(1e-11, TOL))
    nothing = vi.rebar(num_samples=1, temperature=1.0, eta=0.0)
    mean, variance = enumerated(nothing, line, coin(), nothing.init(coin()), 8)
    close(variance.logits, P * Q * (Q * F1**2 + P * F0**2) - GRADIENT**2)
    relax = vi.relax(num_samples=1, temperature=1.0, surrogate_apply=wavy, surrogate_params=jnp.asarray(0.7, DTYPE))
    state = relax.init(coin())._replace(eta=jnp.asarray(-0.6, DTYPE))
    mean, _ = enumerated(relax, line, coin(), state, 32)
    close(mean.logits, GRADIENT)


def own_density(params, z):
    z = z.astype(DTYPE)
    return -1.5 * z[0] * z[1] + 0.2 * z[0] + 0.1 * jnp.sum(params.logits * z)


@pytest.mark.parametrize("name", ["rebar", "relax"])
def test_two_coins_with_their_own_density_and_parameters_in_f(name):
    options = {"surrogate_apply": wavy, "surrogate_params": jnp.asarray(0.7, DTYPE)} if name == "relax" else {}
    estimator = getattr(vi, name)(num_samples=1, temperature=1.0, eta=0.8, **options)
    objective = vi.elbo_objective(own_density)
    mean, _ = enumerated(estimator, objective, COINS, estimator.init(COINS), 14)
    want, _ = enumerated(vi.exact(), objective, COINS, (), 1)
    close(mean.logits, want.logits, max(1e-10, TOL))


@pytest.mark.parametrize("family", [distributions.Categorical, distributions.OneHotCategorical])
def test_latents_of_a_category_given_the_outcome_are_distributed_as_such(family):
    from depthjax.vi._relaxation import relaxation_of

    logits = np.array([0.5, -1.0, 0.2], DTYPE)
    relaxation = relaxation_of("test", family(logits))
    u, v = np.random.default_rng(0).uniform(size=(2, 20_000, 3)).astype(DTYPE)
    z = jax.vmap(relaxation.latent)(u)
    outcome = jax.vmap(relaxation.harden)(z)
    again = jax.vmap(relaxation.given)(outcome, v)
    np.testing.assert_array_equal(jax.vmap(relaxation.harden)(again), outcome)
    close(outcome.mean(0), relaxation.mean(), 4 * 0.5 / np.sqrt(20_000))
    for k in range(3):  # given and latent have the same law: means of squashed coordinates within four errors
        a, b = (np.asarray(jnp.tanh(x[:, k])) for x in (z, again))
        assert abs(a.mean() - b.mean()) < 4 * np.sqrt((a.var() + b.var()) / 20_000)


sampled = pytest.mark.skipif(bool(jax.config.jax_enable_x64), reason="Monte Carlo error hides the precision")


@sampled
@pytest.mark.parametrize("name", ["rebar", "relax"])
def test_three_categories_without_bias(name):
    logits = np.array([0.5, -1.0, 0.2], DTYPE)
    values = jnp.asarray([1.0, -0.5, 2.0], DTYPE)
    options = {"surrogate_apply": lambda w, z: w * jnp.sum(jnp.tanh(z)), "surrogate_params": jnp.asarray(0.3, DTYPE)}
    estimator = getattr(vi, name)(num_samples=20_000, temperature=0.7, **(options if name == "relax" else {}))
    for q, f in (
        (distributions.Categorical(logits), lambda _, z: values[z]),
        (distributions.OneHotCategorical(logits), lambda _, z: jnp.sum(values * z.astype(DTYPE)) ** 2),
    ):
        each = jax.jit(vi.per_sample_grad(estimator, f, q))(jax.random.key(0), q, estimator.init(q))
        each = np.asarray(each.logits, np.float64)
        want, _ = vi.enumerate_gradient(vi.exact(), f, q, q, ())
        assert (np.abs(each.mean(0) - want.logits) < 4 * each.std(0) / np.sqrt(len(each))).all()


def test_the_loss_is_the_second_moment_and_lowers_the_variance():
    estimator = vi.rebar(num_samples=1, temperature=1.0, eta=0.2)

    assert estimator.outcomes is not None
    outcomes = estimator.outcomes

    def moments(state):
        draws, weights = outcomes(coin(), 24)

        def one(draw):
            alone = jax.tree.map(lambda leaf: leaf[None, None], draw)
            return jax.grad(lambda p: estimator.surrogate(p, state, alone, coin(), line)[0])(coin()).logits, (
                estimator.surrogate(coin(), state, alone, coin(), line)[1].loss
            )

        gradients, losses = jax.vmap(one)(draws)
        return weights @ gradients**2, weights @ losses

    state = estimator.init(coin())
    (second, loss), (slope, of_loss) = jax.jit(
        lambda s: (moments(s), (jax.grad(lambda t: moments(t)[0])(s), jax.grad(lambda t: moments(t)[1])(s)))
    )(state)
    close(second, loss)
    for got, want in zip(jax.tree.leaves(of_loss), jax.tree.leaves(slope), strict=True):
        close(got, want)
    assert float(slope.eta) < 0  # more of the control variate helps


def test_gumbel_softmax_tends_to_the_gradient_and_straight_through_has_its_known_bias():
    def square(_, z):
        return (z.astype(DTYPE) - 0.3) ** 2

    want = P * Q * (1 - 0.6)
    assert not vi.gumbel_softmax(num_samples=1, temperature=1.0).unbiased
    for temperature in (0.1, 0.05):  # E f(soft) - E f = -t pq + O(t^3) for a square, pq the density of z at 0
        estimator = vi.gumbel_softmax(num_samples=1, temperature=temperature)
        mean, _ = enumerated(estimator, square, coin(), (), 64)
        close((mean.logits - want) / temperature, -P * Q * (1 - 2 * P), 8 * temperature**2 + TOL / temperature)
    hard, _ = enumerated(vi.gumbel_softmax(num_samples=1, temperature=1.0, straight_through=True), line, coin(), (), 32)
    soft, _ = enumerated(vi.gumbel_softmax(num_samples=1, temperature=1.0), line, coin(), (), 32)
    close(hard.logits, soft.logits)  # of a linear function
    for t in (0.3, -2.0):
        mean, _ = enumerated(
            vi.straight_through(num_samples=1), lambda _, z, t=t: (z.astype(DTYPE) - t) ** 2, coin(), (), 1
        )
        close(mean.logits, P * Q * (1 - 2 * t) + P * Q * (2 * P - 1))


def test_relaxed_gradients_of_categories():
    logits = np.array([0.5, -1.0, 0.2], DTYPE)
    values = jnp.asarray([1.0, -0.5, 2.0], DTYPE)
    q = distributions.Categorical(logits)
    want, _ = vi.enumerate_gradient(vi.exact(), lambda _, z: values[z], q, q, ())
    mean, _ = enumerated(vi.straight_through(num_samples=1), lambda _, z: values[z], q, (), 1)
    close(mean.logits, want.logits)  # sum_k p_k f(k) is linear in p
    one_hot = distributions.OneHotCategorical(logits)
    for f in (lambda _, z: values @ z.astype(DTYPE), lambda _, z: (values @ z.astype(DTYPE)) ** 2):
        for estimator in (vi.gumbel_softmax(num_samples=8, temperature=0.5), vi.straight_through(num_samples=8)):
            _, gradient, _, _ = vi.value_and_grad(estimator, f, one_hot)(jax.random.key(0), one_hot, ())
            assert np.isfinite(gradient.logits).all()
            close(jnp.sum(gradient.logits), 0.0)


NORMAL = distributions.Normal(DTYPE(0.7), DTYPE(1.3))
MU, S = 0.7, 1.3


@pytest.mark.parametrize("coupled", [False, True])
def test_weak_derivatives_of_a_normal(coupled):
    estimator = vi.measure_valued(num_samples=1, coupled=coupled)
    want = {"line": (1.0, 4 / np.pi - 1 if coupled else 2 / np.pi - 0.5), "square": (2 * MU, None)}
    for name, f in (("line", lambda _, z: z), ("square", lambda _, z: z * z)):
        mean, variance = enumerated(estimator, f, NORMAL, (), 10)
        close(mean.loc, want[name][0])
        close(mean.scale, {"line": 0.0, "square": 2 * S}[name], 4 * TOL)
        if want[name][1] is not None:
            close(variance.loc, want[name][1])
        elif coupled:
            close(variance.loc, MU**2 * (16 / np.pi - 4), 4 * TOL)
    mean, _ = enumerated(estimator, lambda _, z: jnp.sin(z), NORMAL, (), 16)
    close(mean.loc, np.cos(MU) * np.exp(-(S**2) / 2), max(1e-10, TOL))


def test_weak_derivatives_of_the_other_families():
    for coupled in (False, True):
        estimator = vi.measure_valued(num_samples=1, coupled=coupled)
        poisson = distributions.Poisson(np.log(DTYPE(2.5)))
        mean, _ = enumerated(estimator, lambda _, z: z.astype(DTYPE) ** 2, poisson, (), 1)
        close(mean.log_rate, 2.5 * (2 * 2.5 + 1))
        exponential = distributions.Exponential(DTYPE(1.7))
        mean, _ = enumerated(estimator, lambda _, z: z**2, exponential, (), 8)
        close(mean.rate, -4 / 1.7**3)
    for q, f in (
        (COINS, lambda _, z: own_density(COINS, z)),
        (distributions.Categorical(np.array([0.5, -1.0, 0.2], DTYPE)), lambda _, z: jnp.cos(z.astype(DTYPE))),
        (distributions.OneHotCategorical(np.array([0.5, -1.0, 0.2], DTYPE)), lambda _, z: jnp.cos(z[1].astype(DTYPE))),
    ):
        mean, _ = enumerated(vi.measure_valued(num_samples=1), f, q, (), 1)
        want, _ = enumerated(vi.exact(), f, q, (), 1)
        close(mean.logits, want.logits)


def test_weak_derivatives_of_a_vector_and_its_own_density():
    q = distributions.MultivariateNormalDiag(np.array([0.3, -0.5], DTYPE), np.array([1.2, 0.7], DTYPE))
    objective = vi.elbo_objective(lambda _, z: -0.5 * jnp.sum(z * z) - 0.4 * z[0] * z[1])
    mean, _ = enumerated(vi.measure_valued(num_samples=1), objective, q, (), 4)
    want, _ = enumerated(vi.pathwise(num_samples=1), objective, q, (), 4)
    close(mean.loc, want.loc, 4 * TOL)
    close(mean.scale, want.scale, 4 * TOL)


@sampled
def test_draws_have_the_means_of_the_rules():
    """Monte Carlo through `draw`, whose laws the quadrature replaces by its own."""
    for q, f in (
        (NORMAL, lambda _, z: jnp.sin(z)),
        (distributions.Poisson(np.log(DTYPE(2.5))), lambda _, z: jnp.sin(z.astype(DTYPE))),
        (distributions.Exponential(DTYPE(1.7)), lambda _, z: jnp.sin(z)),
    ):
        for coupled in (False, True):
            estimator = vi.measure_valued(num_samples=20_000, coupled=coupled)
            each = jax.jit(vi.per_sample_grad(estimator, f, q))(jax.random.key(1), q, ())
            one = vi.measure_valued(num_samples=1, coupled=coupled)
            want, variance = enumerated(one, f, q, (), 14)
            for got, mean, spread in zip(*(jax.tree.leaves(part) for part in (each, want, variance)), strict=True):
                got = np.asarray(got, np.float64)
                assert abs(got.mean() - mean) < 4 * np.sqrt(spread / len(got))
                np.testing.assert_allclose(got.var(), spread, rtol=0.15)


def test_delta_control_variate():
    def square(_, z):
        return 0.5 * z * z - z

    for make in (vi.score_function, vi.pathwise):
        plain = make(num_samples=1)
        want, before = jax.jit(lambda p, e=plain: vi.quadrature_gradient(e, square, NORMAL, p, (), num_points=12))(
            NORMAL
        )
        for order, left in ((1, None), (2, 0.0)):
            control = vi.delta_control_variate(order=order)
            estimator = vi.with_control_variate(plain, control, coefficient=1.0)
            mean, variance = jax.jit(
                lambda p, e=estimator: vi.quadrature_gradient(e, square, NORMAL, p, (), num_points=12)
            )(NORMAL)
            for field in ("loc", "scale"):
                close(getattr(mean, field), getattr(want, field), 10 * TOL)
                if left is not None:
                    close(getattr(variance, field), left, 10 * TOL)
        assert before.loc > 0
    objective = vi.elbo_objective(lambda _, z: -jnp.exp(0.3 * jnp.sum(z)) - 0.02 * z[0] ** 4)
    q = distributions.MultivariateNormalDiag(np.array([0.3, -0.5], DTYPE), np.array([0.5, 0.7], DTYPE))
    plain = vi.pathwise(num_samples=1)
    want, before = jax.jit(lambda p: vi.quadrature_gradient(plain, objective, q, p, (), num_points=16))(q)
    control = vi.delta_control_variate(order=2, diagonal=False)
    estimator = vi.with_control_variate(plain, control, coefficient=1.0)
    mean, after = jax.jit(lambda p: vi.quadrature_gradient(estimator, objective, q, p, (), num_points=16))(q)
    close(mean.loc, want.loc, 10 * TOL)
    close(mean.scale, want.scale, 10 * TOL)
    assert (np.asarray(after.loc) < 0.5 * np.asarray(before.loc)).all()


def test_chi_and_thermodynamic_objectives():
    log_weights = jnp.asarray(np.random.default_rng(0).normal(size=5).astype(DTYPE))
    chi = vi.cubo_objective(lambda _, z: z, num_particles=5)
    gradient = np.asarray(jax.grad(chi.combine)(log_weights))
    close(gradient, -np.exp(2 * (log_weights - log_weights.max())) / 5)
    far = jax.grad(chi.combine)(log_weights + 1e4 - 2e4)
    assert np.isfinite(far).all()
    assert np.isfinite(jax.grad(chi.combine)(jnp.full(5, -jnp.inf, DTYPE))).all()
    betas = [0.0, 0.3, 1.0]
    tvo = vi.tvo_objective(lambda _, z: z, num_particles=5, betas=betas, rule="right")
    close(tvo.combine(log_weights), vi.tvo(log_weights, betas=betas, rule="right"))


def test_minibatch_elbo_over_all_batches_is_the_whole():
    from itertools import combinations

    x, z = np.random.default_rng(0).normal(size=(2, 5)).astype(DTYPE)

    def local(theta, pair, datum):
        return -0.5 * (datum - pair[1] - pair[0]) ** 2 + theta * pair[1]

    def whole(theta, latent):
        return -0.5 * latent**2 * theta

    f = vi.minibatch_elbo(local, whole, num_data=5)
    theta, latent = jnp.asarray(0.4, DTYPE), jnp.asarray(-0.3, DTYPE)
    parts = [f(theta, (latent, z[list(i)]), x[list(i)]) for i in combinations(range(5), 2)]
    close(np.mean(parts), f(theta, (latent, z), x))
    plain = vi.minibatch_elbo(lambda theta, zi, xi: theta * zi * xi, lambda theta: theta, num_data=5)
    close(plain(theta, z[:2], x[:2]), 0.4 + 2.5 * np.sum(0.4 * z[:2] * x[:2]))


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: vi.rebar(num_samples=0), ValueError, "at least 1, got 0"),
        (lambda: enumerated(vi.rebar(num_samples=1), line, NORMAL, (), 2), TypeError, "got Normal"),
        (lambda: vi.gumbel_softmax(num_samples=1, temperature=0.0), ValueError, "temperature must be positive"),
        (
            lambda: enumerated(vi.measure_valued(num_samples=1), line, distributions.Gamma(DTYPE(1), DTYPE(2)), (), 2),
            TypeError,
            "Gamma has no weak derivative here; those of Normal",
        ),
        (lambda: vi.delta_control_variate(order=3), ValueError, "order is 1 or 2, got 3"),
        (lambda: vi.cubo_objective(line, num_particles=4, order=1.0), ValueError, "order must be above 1"),
        (lambda: vi.tvo_objective(line, num_particles=2, betas=[0.0, 0.0, 1.0]), ValueError, "increas"),
        (lambda: vi.minibatch_elbo(line, line, num_data=2)(0.0, np.zeros(3), np.zeros(3)), ValueError, "batch of 3"),
        (lambda: vi.minibatch_elbo(line, line, num_data=9)(0.0, np.zeros(2), np.zeros(3)), ValueError, "leading axes"),
        (lambda: vi.minibatch_elbo(line, line), TypeError, "num_data"),
    ],
)
def test_refusals(make, error, match):
    with pytest.raises(error, match=match):
        make()
