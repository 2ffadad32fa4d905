"""Bounds on a conjugate Gaussian whose evidence is known, and on weights that underflow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from depthjax import distributions, numerics, vi

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = np.finfo(DTYPE).eps

# z ~ N(0, 1), x | z ~ N(z, variance 0.5), x = 1.2, q = N(0.3, variance 0.6).
LOG_EVIDENCE = -1.601671087258755
ELBO = -2.08277775
IWAE_2 = -1.782746961777246


def log_joint(_, z):
    likelihood = distributions.Normal(z, jnp.asarray(np.sqrt(0.5), z.dtype))
    return distributions.Normal(0.0, 1.0).log_prob(z) + likelihood.log_prob(1.2)


def guide():
    return distributions.Normal(DTYPE(0.3), DTYPE(np.sqrt(0.6)))


def gauss_hermite_log_weights(num_points):
    nodes, weights = numerics.gauss_hermite_rule(num_points)
    z = guide().loc + guide().scale * jnp.asarray(nodes, DTYPE)
    values = jax.vmap(lambda v: log_joint(None, v) - guide().log_prob(v))(z)
    return np.asarray(values, np.float64), np.asarray(weights)


def test_elbo_by_quadrature_equals_its_closed_form():
    values, weights = gauss_hermite_log_weights(40)
    np.testing.assert_allclose(np.sum(weights * values), ELBO, rtol=max(1e-8, 40 * EPS))


def test_iwae_with_two_draws_by_quadrature_equals_its_exact_value():
    values, weights = gauss_hermite_log_weights(60)
    pairs = jnp.asarray(np.stack(np.meshgrid(values, values), -1), DTYPE)
    bounds = np.asarray(vi.iwae_bound(pairs), np.float64)
    np.testing.assert_allclose(np.sum(weights[:, None] * weights * bounds), IWAE_2, rtol=max(1e-8, 40 * EPS))


def test_bounds_increase_towards_the_evidence():
    q = guide()
    draws = jax.jit(lambda k: vi.log_weights(k, log_joint, q, q, num_samples=64 * 2000))(jax.random.key(0))
    means = [float(jnp.mean(vi.iwae_bound(draws.reshape(-1, k)))) for k in (1, 4, 16, 64)]
    np.testing.assert_allclose(means[0], float(vi.elbo(draws)), rtol=1e-4)
    assert all(a < b + 1e-3 for a, b in zip(means, means[1:], strict=False))
    assert means[-1] < LOG_EVIDENCE + 0.01
    assert abs(means[-1] - LOG_EVIDENCE) < 0.02


def test_weights_of_zero():
    gradient = jax.grad(lambda w: vi.iwae_bound(w))
    none = jnp.full(3, -jnp.inf, DTYPE)
    assert float(vi.iwae_bound(none)) == -np.inf
    np.testing.assert_array_equal(gradient(none), 0)
    some = jnp.asarray([-np.inf, 0.0, np.log(2.0)], DTYPE)
    np.testing.assert_allclose(vi.iwae_bound(some), 0.0, atol=4 * EPS)
    np.testing.assert_allclose(gradient(some), [0, 1 / 3, 2 / 3], rtol=4 * EPS, equal_nan=False)


def test_axis_argument():
    weights = jax.random.normal(jax.random.key(0), (3, 5), DTYPE)
    for bound in (vi.elbo, vi.iwae_bound):
        np.testing.assert_allclose(bound(weights, axis=0), bound(weights.T), rtol=8 * EPS, atol=8 * EPS)


def test_objectives_check_their_input():
    with pytest.raises(ValueError, match="num_particles must be at least 1, got 0"):
        vi.iwae_objective(log_joint, num_particles=0)
    fn = vi.value_and_grad(vi.pathwise(num_samples=2), lambda p, z: jnp.stack([z, z]), guide())
    with pytest.raises(ValueError, match="f sees one z; the library adds vmap"):
        fn(jax.random.key(0), guide(), ())
    with pytest.raises(TypeError, match="distribution record or a function"):
        vi.as_guide(3)
    with pytest.raises(ValueError, match="num_samples is 0, expected at least 1"):
        vi.log_weights(jax.random.key(0), log_joint, guide(), None, num_samples=0)
    for call in (
        lambda f: vi.log_weights(jax.random.key(0), f, guide(), None, num_samples=2),
        lambda f: vi.posterior_summary(jax.random.key(0), f, guide(), None, num_draws=30),
        lambda f: vi.ais_bound(jax.random.key(0), f, guide(), None, betas=[0.0, 1.0], num_chains=2),
    ):
        with pytest.raises(ValueError, match=r"returned shape \(2,\), expected \(\): f sees one z"):
            call(lambda _, z: jnp.stack([z, z]))


def normal_renyi(alpha, loc=0.3, variance=0.6, target=0.8, target_variance=1 / 3):
    """The bound in the limit of many draws: log evidence minus the divergence between the two Gaussians."""
    mixed = alpha * target_variance + (1 - alpha) * variance
    log_ratio = 0.5 * np.log(target_variance / variance)
    return LOG_EVIDENCE - (
        log_ratio + np.log(target_variance / mixed) / (2 * (alpha - 1)) + alpha * (loc - target) ** 2 / (2 * mixed)
    )


@pytest.mark.parametrize(("alpha", "want"), [(0.5, -1.77817856), (2.0, -5.86249671), (-0.5, -1.4853696)])
def test_renyi_bounds_by_quadrature(alpha, want):
    np.testing.assert_allclose(normal_renyi(alpha), want, atol=1e-8)
    values, weights = gauss_hermite_log_weights(120)
    kept = weights > 0
    tilt = np.log(len(weights[kept]) * weights[kept]) / (1 - alpha)  # so that the plain mean is the quadrature
    got = vi.renyi_bound(jnp.asarray(values[kept] + tilt, DTYPE), alpha=alpha)
    np.testing.assert_allclose(got, want, rtol=max(1e-8, 200 * EPS))


def test_renyi_orders_have_their_limits():
    x = jax.random.normal(jax.random.key(1), (4, 50), DTYPE)
    same = {"rtol": 64 * EPS, "atol": 64 * EPS}
    np.testing.assert_allclose(vi.renyi_bound(x, alpha=1), vi.elbo(x), **same)
    np.testing.assert_allclose(vi.renyi_bound(x, alpha=0), vi.iwae_bound(x), **same)
    np.testing.assert_array_equal(vi.renyi_bound(x, alpha=-np.inf), x.max(-1))
    np.testing.assert_array_equal(vi.renyi_bound(x, alpha=np.inf), x.min(-1))
    order = 1e-5
    near = np.asarray(x, np.float64)
    series = near.mean(-1) + order / 2 * near.var(-1)
    np.testing.assert_allclose(vi.renyi_bound(x, alpha=1 - order), series, rtol=1e-6, atol=1e-6)
    falling = [float(vi.renyi_bound(x[0], alpha=a)) for a in (-2.0, -0.5, 0.0, 0.5, 0.999, 1.0, 2.0, 5.0)]
    assert (np.diff(falling) < 0).all()
    shifted = vi.renyi_bound(x + DTYPE(100), alpha=0.5)
    np.testing.assert_allclose(shifted, vi.renyi_bound(x, alpha=0.5) + 100, rtol=8 * EPS)
    some = jnp.asarray([-np.inf, 0.0], DTYPE)
    assert [float(vi.renyi_bound(some, alpha=a)) for a in (1.0, 2.0)] == [-np.inf, -np.inf]
    np.testing.assert_allclose(vi.renyi_bound(some, alpha=0.5), 2 * np.log(0.5), rtol=8 * EPS)


@pytest.mark.parametrize("alpha", [-1.0, 0.0, 0.5, 0.99, 1 - 1e-6, 1.0, 1 + 1e-4, 1.5, 3.0])
def test_renyi_bound_has_a_gradient_in_its_order(alpha):
    """Of a traced order, against the cumulants near 1 and the quotient rule elsewhere."""
    x = np.random.default_rng(4).normal(size=30)
    order, centred = 1 - alpha, x - x.mean()
    if abs(order) < 1e-3:
        want = x.mean() + order * x.var() / 2 + order**2 * (centred**3).mean() / 6
        slope = -x.var() / 2 - order * (centred**3).mean() / 3
    else:
        weights = np.exp(order * x)
        want = np.log(weights.mean()) / order
        slope = -(weights @ x / weights.sum() - want) / order
    got = jax.jit(jax.value_and_grad(lambda a: vi.renyi_bound(jnp.asarray(x, DTYPE), alpha=a)))(DTYPE(alpha))
    # Near 1 float32 holds the order itself to 6e-8, and the formula above three cumulants.
    np.testing.assert_allclose(got, [want, slope], rtol=1e-3 if DTYPE == np.float32 else 1e-7)


def test_weights_that_are_zero_or_not_a_number_in_every_bound():
    bounds = {
        "elbo": vi.elbo,
        "iwae": vi.iwae_bound,
        "renyi 0.5": lambda w: vi.renyi_bound(w, alpha=0.5),
        "renyi 2": lambda w: vi.renyi_bound(w, alpha=2.0),
        "cubo": vi.cubo,
        "left": lambda w: vi.tvo(w, betas=[0.0, 0.5, 1.0]),
        "right": lambda w: vi.tvo(w, betas=[0.0, 0.5, 1.0], rule="right"),
        "jackknife": vi.jackknife_bound,
        "jackknife 2": lambda w: vi.jackknife_bound(w, order=2),
    }
    none = jnp.full(4, -jnp.inf, DTYPE)
    some = jnp.asarray([-np.inf, 0.3, 1.0, -0.2], DTYPE)
    for name, bound in bounds.items():
        assert float(bound(none)) == -np.inf, name
        assert np.isfinite(jax.grad(bound)(none)).all(), name
        assert np.isfinite(jax.grad(bound)(some)).all(), name
        assert np.isnan(bound(some.at[2].set(jnp.nan))), name
    live = np.asarray(some[1:], np.float64)
    np.testing.assert_allclose(bounds["renyi 0.5"](some), 2 * np.log(np.exp(live / 2).sum() / 4), rtol=16 * EPS)
    np.testing.assert_allclose(bounds["cubo"](some), 0.5 * np.log(np.exp(2 * live).sum() / 4), rtol=16 * EPS)
    tempered = [np.exp(b * live) @ live / np.exp(b * live).sum() for b in (0.5, 1.0)]
    np.testing.assert_allclose(bounds["right"](some), np.mean(tempered), rtol=16 * EPS)


def test_cubo_and_thermodynamic_sums_on_a_discrete_model():
    """Outcomes repeated as often as the guide draws them make every average exact."""
    joint, q = np.array([0.2, 0.05, 0.15]), np.array([0.5, 0.2, 0.3])
    log_w = np.log(joint / q)
    draws = jnp.asarray(np.repeat(log_w, [5, 2, 3]), DTYPE)
    np.testing.assert_allclose(vi.cubo(draws), 0.5 * np.log((q * (joint / q) ** 2).sum()), rtol=16 * EPS)
    betas = np.linspace(0, 1, 6)
    tilted = [(q * (joint / q) ** b) / (q * (joint / q) ** b).sum() @ log_w for b in betas]
    for rule, want in (("left", np.mean(tilted[:-1])), ("right", np.mean(tilted[1:]))):
        np.testing.assert_allclose(vi.tvo(draws, betas=betas, rule=rule), want, rtol=16 * EPS)
    low, high = (float(vi.tvo(draws, betas=betas, rule=rule)) for rule in ("left", "right"))
    assert low < np.log(0.4) < high < float(vi.cubo(draws, order=3.0)) + 1
    middle = vi.tvo(draws, betas=np.linspace(0, 1, 65), rule="trapezoid")
    np.testing.assert_allclose(middle, np.log(0.4), atol=1e-4)
    np.testing.assert_allclose(vi.tvo(draws, betas=[0.0, 1.0]), vi.elbo(draws), rtol=8 * EPS)


def test_sandwich_of_the_evidence_on_the_normal_model():
    """Draws at equidistant levels stand for the guide; the values are those of quadrature."""
    z = stats.norm(0.3, np.sqrt(0.6)).ppf((np.arange(100_000) + 0.5) / 100_000)
    log_w = jax.jit(jax.vmap(lambda v: log_joint(None, v) - guide().log_prob(v)))(jnp.asarray(z, DTYPE))
    betas = np.linspace(0, 1, 6)
    left, right = (float(vi.tvo(log_w, betas=betas, rule=rule)) for rule in ("left", "right"))
    chi = float(vi.cubo(log_w))
    np.testing.assert_allclose([left, right, chi], [-1.6822241824, -1.5300019602, -1.40242485], atol=3e-4)
    np.testing.assert_allclose(vi.elbo(log_w), ELBO, atol=3e-4)
    np.testing.assert_allclose(vi.iwae_bound(log_w), LOG_EVIDENCE, atol=3e-4)
    assert ELBO < IWAE_2 < left < LOG_EVIDENCE < right < chi


def test_jackknife_removes_the_leading_bias():
    """Over all K-tuples of a discrete model, exactly."""
    joint, q = np.array([0.2, 0.05, 0.15]), np.array([0.5, 0.2, 0.3])
    count = 5
    index = np.stack(np.meshgrid(*[np.arange(3)] * count, indexing="ij"), -1).reshape(-1, count)
    chance = q[index].prod(-1)
    tuples = jnp.asarray(np.log(joint / q)[index], DTYPE)
    means = [np.asarray(vi.jackknife_bound(tuples, order=m), np.float64) @ chance for m in (0, 1, 2)]
    np.testing.assert_allclose(means[0], np.asarray(vi.iwae_bound(tuples), np.float64) @ chance, rtol=1e-12)
    errors = np.abs(np.array(means) - np.log(0.4))
    assert errors[1] < errors[0] / 10
    assert errors[2] < errors[1] / 2
    one = np.asarray(tuples[7], np.float64)
    without = [np.log(np.mean(np.exp(np.delete(one, k)))) for k in range(count)]
    want = count * np.log(np.mean(np.exp(one))) - (count - 1) * np.mean(without)
    np.testing.assert_allclose(vi.jackknife_bound(tuples[7]), want, rtol=64 * EPS)


def test_evidence_tail():
    low, chance = vi.log_evidence_tail(DTYPE(-3.0), DTYPE(2.0))
    assert (float(low), float(chance)) == (-5.0, pytest.approx(np.exp(-2.0)))
    assert float(vi.log_evidence_tail(DTYPE(0.0), DTYPE(-1.0))[1]) == 1.0


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda w: vi.renyi_bound(w, alpha=np.nan), "alpha must be a number"),
        (lambda w: vi.renyi_bound(w, alpha=w), r"alpha must be a scalar, got shape \(4,\)"),
        (lambda w: vi.cubo(w, order=1.0), "order must be above 1, got 1.0"),
        (lambda w: vi.tvo(w, betas=[0.1, 1.0]), "increase from 0 to 1"),
        (lambda w: vi.tvo(w, betas=[0.0, 0.5, 0.5, 1.0]), "increase from 0 to 1"),
        (lambda w: vi.tvo(w, betas=[0.0, 1.0], rule="middle"), "'left', 'right' or 'trapezoid'"),
        (lambda w: vi.jackknife_bound(w, order=3), "0, 1 or 2"),
        (lambda w: vi.jackknife_bound(w[:1], order=1), "below the 1 draws"),
    ],
)
def test_bounds_refuse(call, match):
    with pytest.raises(ValueError, match=match):
        call(jnp.zeros(4, DTYPE))


def test_minibatches_scale_the_likelihood_only():
    data = jnp.asarray([0.5, -1.0, 2.0, 0.1], DTYPE)

    def log_prior(_, z):
        return -0.5 * z * z

    def log_likelihood(_, z, x):
        return -0.5 * (x - z) ** 2

    joint = vi.minibatch_log_joint(log_prior, log_likelihood, num_data=4)
    z = jnp.asarray(0.7, DTYPE)
    pairs = [joint(None, z, data[jnp.asarray([i, j])]) for i in range(4) for j in range(i + 1, 4)]
    want = log_prior(None, z) + sum(float(log_likelihood(None, z, x)) for x in data)
    np.testing.assert_allclose(np.mean(pairs), want, rtol=16 * EPS)
    with pytest.raises(ValueError, match="batch of 4 is larger than num_data = 3"):
        vi.minibatch_log_joint(log_prior, log_likelihood, num_data=3)(None, z, data)
