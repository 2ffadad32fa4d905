"""Guides over raveled trees, Laplace's approximation, natural gradients, implicit derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from depthjax import bijectors, distributions, flows, vi
from depthjax.core import constraints

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)

TEMPLATE = {"a": np.zeros((), DTYPE), "b": np.ones((2,), DTYPE)}
PRECISION = np.array([[2.0, 0.5, 0.0], [0.5, 1.5, -0.3], [0.0, -0.3, 1.0]])
MEAN = np.array([0.5, -1.0, 2.0])


def log_normal(tree):
    """A Gaussian log density, unnormalised, of the template's structure."""
    v = jnp.concatenate([jnp.reshape(tree["a"], (1,)), tree["b"]]) - jnp.asarray(MEAN, DTYPE)
    return -0.5 * v @ jnp.asarray(PRECISION, DTYPE) @ v


def test_a_guide_knows_its_tree():
    for guide in (
        vi.mean_field(TEMPLATE, scale=0.5),
        vi.full_rank(TEMPLATE, scale=0.5),
        vi.low_rank(TEMPLATE, rank=1, scale=0.5),
        vi.flow_guide(flows.iaf(jax.random.key(0), 3, num_layers=1, hidden=(8,)), TEMPLATE),
    ):
        z, log_q = guide.sample_and_log_prob(jax.random.key(1), (4,))
        assert z.shape == (4, 3)
        tree = guide.unravel(z[0])
        np.testing.assert_array_equal(tree["b"], z[0, 1:])
        np.testing.assert_allclose(log_q, guide.log_prob(z), rtol=1e3 * EPS, atol=1e3 * EPS)
        assert guide.reparameterized == "explicit"
    same = jax.tree.structure(vi.mean_field(TEMPLATE)) == jax.tree.structure(vi.mean_field(TEMPLATE, scale=2.0))
    assert same, "equal templates must not recompile"
    with pytest.raises(ValueError, match="event shape"):
        vi.flow_guide(flows.iaf(jax.random.key(0), 2, num_layers=1, hidden=(8,)), TEMPLATE)
    with pytest.raises(TypeError, match="must be floating"):
        vi.mean_field({"a": np.zeros(2, np.int32)})
    with pytest.raises(ValueError, match="expected"):
        vi.mean_field(TEMPLATE).unravel(np.zeros(4, DTYPE))


@pytest.mark.parametrize("kind", ["mean_field", "full_rank"])
def test_fits_of_a_gaussian_have_its_moments(kind):
    guide = getattr(vi, kind)(TEMPLATE)
    density, _ = vi.ravel_log_density(log_normal, TEMPLATE)
    num_steps = 4000
    fitted = jax.jit(
        lambda g: vi.fit(
            jax.random.key(0), vi.elbo_objective(lambda _, z: density(z)), g, g,
            estimator=vi.sticking_the_landing(num_samples=64), num_steps=num_steps,
            optimizer=optax.adam(optax.cosine_decay_schedule(3e-2, num_steps)),
        ).params
    )(guide)  # fmt: skip
    covariance = np.linalg.inv(PRECISION)
    deviations = 1 / np.sqrt(np.diagonal(PRECISION)) if kind == "mean_field" else np.sqrt(np.diagonal(covariance))
    np.testing.assert_allclose(fitted.base.mean(), MEAN, atol=5e-3 * deviations.max())
    np.testing.assert_allclose(np.sqrt(fitted.base.variance()), deviations, rtol=5e-3)


def test_constrained_densities_get_their_jacobian():
    def log_density(tree):
        rate = distributions.Gamma(DTYPE(2), DTYPE(3)).log_prob(tree["rate"])
        return rate + distributions.Dirichlet(np.array([2.0, 1.0, 3.0], DTYPE)).log_prob(tree["share"])

    maps = {"rate": constraints.positive, "share": bijectors.biject_to(constraints.simplex, 3)}
    fn, constrain = vi.unconstrained_log_density(log_density, maps)
    raw = {"rate": jnp.asarray(0.3, DTYPE), "share": jnp.asarray([0.2, -0.4], DTYPE)}
    values = constrain(raw)
    np.testing.assert_allclose(np.sum(values["share"]), 1, rtol=8 * EPS)
    grid = jnp.linspace(-12, 6, 4001).astype(DTYPE)
    along = jax.jit(jax.vmap(lambda r: fn({"rate": r, "share": raw["share"]})))(grid)
    want = float(fn(raw)) - float(
        distributions.Gamma(DTYPE(2), DTYPE(3)).log_prob(values["rate"])
    ) - float(bijectors.biject_to(constraints.positive, ()).forward_log_det(raw["rate"]))  # fmt: skip
    total = np.log(np.trapezoid(np.exp(np.asarray(along, np.float64) - want), np.asarray(grid, np.float64)))
    np.testing.assert_allclose(total, 0, atol=1e-5)
    with pytest.raises(ValueError, match="give biject_to"):
        vi.unconstrained_log_density(log_density, {"rate": constraints.positive, "share": constraints.simplex})[0](raw)
    with pytest.raises(TypeError, match="a constraint or a bijector"):
        vi.unconstrained_log_density(log_density, {"rate": 3, "share": 4})[0](raw)


def test_laplace_of_a_gamma_in_log_coordinates():
    def log_density(v):
        return distributions.Gamma(DTYPE(5), DTYPE(2)).log_prob(jnp.exp(v[0])) * 1.0 + v[0]

    # The integral is 1; the approximation's own value is Stirling's.
    result = jax.jit(lambda v: vi.laplace(log_density, v))(jnp.zeros(1, DTYPE))
    assert result.converged
    np.testing.assert_allclose(result.mode, np.log(2.5), rtol=1e-6)
    np.testing.assert_allclose(result.guide.variance(), 0.2, rtol=1e-5)
    np.testing.assert_allclose(result.log_evidence, -0.30432676 + 0.28768207, atol=2e-6)


def test_laplace_of_a_gaussian_is_exact_and_climbs_from_far():
    density, _ = vi.ravel_log_density(log_normal, TEMPLATE)
    result = vi.laplace(density, jnp.full(3, 30.0, DTYPE))
    np.testing.assert_allclose(result.mode, MEAN, rtol=1e-5)
    np.testing.assert_allclose(result.guide.covariance(), np.linalg.inv(PRECISION), rtol=1e-5, atol=1e-6)
    want = 1.5 * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(PRECISION)[1]
    np.testing.assert_allclose(result.log_evidence, want, rtol=1e-5)
    wavy = vi.laplace(lambda v: -jnp.sum(jnp.log1p(v * v)), jnp.full(2, 3.0, DTYPE))  # not concave at the start
    assert wavy.converged
    np.testing.assert_allclose(wavy.mode, 0, atol=1e-5)


def test_laplace_without_a_mode_is_flagged():
    result = vi.laplace(lambda v: jnp.sum(v), jnp.zeros(2, DTYPE), max_steps=20)
    assert not result.converged
    assert np.isnan(np.asarray(result.guide.loc)).all()
    assert np.isnan(result.log_evidence)
    with pytest.raises(ValueError, match=r"init is \(d,\)"):
        vi.laplace(jnp.sum, jnp.zeros((2, 2), DTYPE))


def test_one_step_of_the_learning_rule_is_exact_for_a_conjugate_model():
    """z ~ N(0, 1), x = 1.2 | z ~ N(z, 1/2): natural parameters (2.4, -1.5)."""

    def objective(mean):
        expected = -0.5 * mean["x2"] - (1.44 - 2.4 * mean["x"] + mean["x2"])
        return expected + distributions.Normal.from_mean_parameters(mean).entropy()

    start = distributions.Normal(DTYPE(0.3), DTYPE(0.8))
    names = sorted(start.natural_parameters())
    if names != ["x", "x2"]:
        pytest.fail(f"natural parameters of Normal are {names}")
    init, update = vi.bayesian_learning_rule(objective, step_size=1.0)
    eta = update(init(start)).natural_parameters()
    np.testing.assert_allclose([eta["x"], eta["x2"]], [2.4, -1.5], rtol=1e-4)
    with pytest.raises(ValueError, match="step_size"):
        vi.bayesian_learning_rule(objective, step_size=0.0)
    with pytest.raises(TypeError, match="no exponential family"):
        vi.natural_gradient(distributions.Cauchy(0.0, 1.0), {})
    with pytest.raises(ValueError, match="expected"):
        vi.natural_gradient(start, {"x": jnp.zeros(2, DTYPE)})


def test_robbins_monro_and_svi():
    schedule = vi.robbins_monro(scale=2.0, delay=3.0, forgetting=0.75)
    np.testing.assert_allclose(schedule(5), 2.0 * 8.0**-0.75, rtol=16 * EPS)
    for forgetting in (0.5, 1.1):
        with pytest.raises(ValueError, match="sum rho = inf"):
            vi.robbins_monro(forgetting=forgetting)
    with pytest.raises(ValueError, match="scale is positive"):
        vi.robbins_monro(scale=0.0, forgetting=0.7)
    prior, data = np.array([1.0, 2.0], DTYPE), np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 1.0]], DTYPE)
    each = [vi.svi_update(prior * 5, prior, row[None], num_data=3, rho=0.4) for row in data]
    whole = vi.svi_update(prior * 5, prior, data, num_data=3, rho=0.4)
    np.testing.assert_allclose(np.mean(each, axis=0), whole, rtol=16 * EPS)
    np.testing.assert_allclose(whole, 0.6 * 5 * prior + 0.4 * (prior + data.sum(0)), rtol=16 * EPS)
    with pytest.raises(ValueError, match=r"batch of 3 is outside 1..num_data = 2"):
        vi.svi_update(prior, prior, data, num_data=2, rho=0.1)
    with pytest.raises(ValueError, match=r"shapes \(2,\), expected one leading axis"):
        vi.svi_update(prior, prior, prior, num_data=3, rho=0.1)
    with pytest.raises(ValueError, match=r"rho must lie in \[0, 1\], got 1.5"):
        vi.svi_update(prior, prior, data, num_data=3, rho=1.5)


def test_implicit_derivatives():
    q = distributions.Normal(DTYPE(0.4), DTYPE(1.7))
    z = DTYPE(1.1)
    slope = jax.grad(lambda d: vi.implicit_reparameterize(d, z))(q)
    np.testing.assert_allclose([slope.loc, slope.scale], [1.0, (1.1 - 0.4) / 1.7], rtol=1e-4)
    np.testing.assert_allclose(vi.implicit_reparameterize(q, z), z, rtol=0)
    gamma = distributions.Gamma(DTYPE(2.5), DTYPE(1.0))
    draws = jnp.asarray(stats.gamma(2.5).ppf((np.arange(400) + 0.5) / 400), DTYPE)
    slopes = jax.jit(
        jax.vmap(jax.grad(lambda a, v: vi.implicit_reparameterize(distributions.Gamma(a, DTYPE(1)), v)), (None, 0))
    )(gamma.concentration, draws)
    np.testing.assert_allclose(np.mean(slopes), 1.0, rtol=5e-3)
    far = jax.grad(lambda d: vi.implicit_reparameterize(d, DTYPE(25.0)))(distributions.Normal(DTYPE(0), DTYPE(1)))
    np.testing.assert_allclose([far.loc, far.scale], [1.0, 25.0], rtol=1e-4)
    with pytest.raises(TypeError, match="no continuous cdf"):
        vi.implicit_reparameterize(distributions.Bernoulli(DTYPE(0.1)), 1)
    with pytest.raises(ValueError, match=r"shape \(2,\), expected \(\)"):
        vi.implicit_reparameterize(q, np.zeros(2, DTYPE))


def test_implicit_derivatives_of_products_and_mixtures():
    """Against differences of the cdfs, the second coordinate's given the first."""
    parts = distributions.Normal(DTYPE(0.4), DTYPE(1.7)), distributions.Gamma(DTYPE(2.5), DTYPE(1.3))
    slopes = jax.jit(jax.grad(lambda d: jnp.sum(vi.implicit_reparameterize(d, np.array([1.1, 0.9], DTYPE)))))(
        distributions.Product(parts)
    )
    step = 1e-5
    gamma = (stats.gamma(2.5 + step).cdf(0.9 * 1.3) - stats.gamma(2.5 - step).cdf(0.9 * 1.3)) / (2 * step)
    gamma = -gamma / (1.3 * stats.gamma(2.5).pdf(0.9 * 1.3))
    normal, of_gamma = slopes.components
    want = [1.0, 0.7 / 1.7, gamma, -0.9 / 1.3]
    got = [normal.loc, normal.scale, of_gamma.concentration, of_gamma.rate]
    np.testing.assert_allclose(got, want, rtol=1e-6 if X64 else 2e-4)

    locs, scales = np.array([[-1.0, 0.0], [1.0, 2.0]]), np.array([[1.0, 0.5], [0.7, 1.0]])
    z, logits = np.array([0.2, 0.8]), np.array([0.3, -0.2])

    def conditional(logits, x):
        first = np.exp(logits) * stats.norm(locs[:, 0], scales[:, 0]).pdf(x[0])
        marginal = np.exp(logits) @ stats.norm(locs[:, 0], scales[:, 0]).cdf(x[0]) / np.exp(logits).sum()
        return np.array([marginal, first @ stats.norm(locs[:, 1], scales[:, 1]).cdf(x[1]) / first.sum()])

    def differences(f, at):
        return np.stack([(f(at + step * e) - f(at - step * e)) / (2 * step) for e in np.eye(2)], -1)

    want = -np.linalg.solve(
        differences(lambda x: conditional(logits, x), z), differences(lambda t: conditional(t, z), logits)
    )
    parts = jax.vmap(distributions.Normal)(jnp.asarray(locs, DTYPE), jnp.asarray(scales, DTYPE))
    got = jax.jit(
        jax.jacobian(
            lambda t: vi.implicit_reparameterize(distributions.MixtureSameFamily(t, parts), jnp.asarray(z, DTYPE))
        )
    )(jnp.asarray(logits, DTYPE))
    np.testing.assert_allclose(got, want, rtol=1e-6 if X64 else 2e-4)
