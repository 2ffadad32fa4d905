"""Conjugate pairs: posterior, predictive and evidence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import distributions as dd
from depthjax.distributions import conjugate

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
TOL = 1e-9 if DTYPE is np.float64 else 2e-4
TRIL = np.array([[1.5, 0.0], [0.3, 0.8]], DTYPE)
LOC = np.array([0.3, -1.0], DTYPE)
RNG = np.random.default_rng(0)


def number(*values):
    return tuple(DTYPE(v) for v in values)


COUNTS = RNG.poisson(2.0, 6).astype(DTYPE)
POSITIVE = RNG.gamma(2.0, 1.0, 6).astype(DTYPE)
REALS = RNG.normal(1.0, 2.0, 6).astype(DTYPE)
VECTORS = RNG.normal(size=(6, 2)).astype(DTYPE)
IMAGES = RNG.normal(size=(6, 3)).astype(DTYPE)
DESIGN = RNG.normal(size=(3, 2)).astype(DTYPE)
NOISE = np.diag(np.array([0.5, 1.0, 0.7], DTYPE))

# name: (prior, likelihood, data)
CASES = {
    "Beta-Bernoulli": (
        lambda: dd.Beta(*number(1.5, 2.5)),
        conjugate.BernoulliLikelihood(),
        (COUNTS > 1).astype(DTYPE),
    ),
    "Beta-Binomial": (
        lambda: dd.Beta(*number(1.5, 2.5)),
        conjugate.BinomialLikelihood(DTYPE(12)),
        COUNTS,
    ),
    "Beta-Geometric": (
        lambda: dd.Beta(*number(1.5, 2.5)),
        conjugate.GeometricLikelihood(),
        COUNTS,
    ),
    "Beta-NegativeBinomial": (
        lambda: dd.Beta(*number(1.5, 2.5)),
        conjugate.NegativeBinomialLikelihood(DTYPE(3)),
        COUNTS,
    ),
    "Dirichlet-Categorical": (
        lambda: dd.Dirichlet(np.array([1.5, 0.7, 2.0], DTYPE)),
        conjugate.CategoricalLikelihood(),
        np.array([0, 2, 2, 1, 0, 2], DTYPE),
    ),
    "Gamma-Poisson": (
        lambda: dd.Gamma(*number(2.5, 1.5)),
        conjugate.PoissonLikelihood(),
        COUNTS,
    ),
    "Gamma-Exponential": (
        lambda: dd.Gamma(*number(2.5, 1.5)),
        conjugate.ExponentialLikelihood(),
        POSITIVE,
    ),
    "Gamma-GammaRate": (
        lambda: dd.Gamma(*number(2.5, 1.5)),
        conjugate.GammaRateLikelihood(DTYPE(2.2)),
        POSITIVE,
    ),
    "Gamma-NormalPrecision": (
        lambda: dd.Gamma(*number(2.5, 1.5)),
        conjugate.NormalPrecisionLikelihood(DTYPE(0.4)),
        REALS,
    ),
    "Normal-NormalMean": (
        lambda: dd.Normal(*number(0.4, 1.3)),
        conjugate.NormalMeanLikelihood(DTYPE(0.9)),
        REALS,
    ),
    "InverseGamma-NormalVariance": (
        lambda: dd.InverseGamma(*number(2.5, 1.5)),
        conjugate.NormalVarianceLikelihood(DTYPE(0.4)),
        REALS,
    ),
    "NormalInverseGamma-Normal": (
        lambda: dd.NormalInverseGamma(*number(0.3, 2.0, 2.5, 1.5)),
        conjugate.NormalLikelihood(),
        REALS,
    ),
    "NormalGamma-Normal": (
        lambda: dd.NormalGamma(*number(0.3, 2.0, 2.5, 1.5)),
        conjugate.NormalLikelihood(),
        REALS,
    ),
    "MultivariateNormal-MVNMean": (
        lambda: dd.MultivariateNormal(LOC, TRIL),
        conjugate.MVNMeanLikelihood(np.array([[0.5, 0.0], [0.2, 1.1]], DTYPE)),
        VECTORS,
    ),
    "MultivariateNormal-LinearGaussian": (
        lambda: dd.MultivariateNormal(LOC, TRIL),
        conjugate.LinearGaussianLikelihood(DESIGN, DTYPE(0.1), NOISE),
        IMAGES,
    ),
    "NormalWishart-MVN": (
        lambda: dd.NormalWishart(LOC, DTYPE(2), DTYPE(4.5), TRIL),
        conjugate.MVNLikelihood(),
        VECTORS,
    ),
    "NormalInverseWishart-MVN": (
        lambda: dd.NormalInverseWishart(LOC, DTYPE(2), DTYPE(4.5), TRIL),
        conjugate.MVNLikelihood(),
        VECTORS,
    ),
}
NAMED = list(CASES)


def same(got, want, factor=1.0):
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(a, b, rtol=factor * TOL, atol=factor * TOL, equal_nan=False)


def case(name):
    make, likelihood, data = CASES[name]
    return make(), likelihood, data


@pytest.mark.parametrize("name", NAMED)
def test_batches_weights_and_identity(name):
    prior, likelihood, data = case(name)
    update = jax.jit(lambda p, x, w: conjugate.posterior(p, likelihood, x, weights=w))
    whole = conjugate.posterior(prior, likelihood, data)
    assert type(whole) is type(prior)
    ones = np.ones(3, DTYPE)
    same(update(update(prior, data[:3], ones), data[3:], ones), whole, 10)
    same(update(prior, data[:3], 0 * ones), prior, 10)
    half = update(update(prior, data[:3], ones / 2), data[:3], ones / 2)
    same(half, update(prior, data[:3], ones), 10)
    same(conjugate.posterior(prior, likelihood, data.reshape(2, 3, *data.shape[1:])), whole, 10)


@pytest.mark.parametrize("name", [name for name in NAMED if "LinearGaussian" not in name])
def test_posterior_is_the_addition_of_natural_parameters(name):
    """The change of eta is the sum over observations: linear in the weights, and equal for equal statistics."""
    prior, likelihood, data = case(name)
    if not hasattr(prior, "natural_parameters"):
        pytest.skip(f"{type(prior).__name__} is not an exponential family")
    eta = [jax.tree.map(np.asarray, prior.natural_parameters())]
    for weights in (1.0, 2.5):
        after = conjugate.posterior(prior, likelihood, data, weights=DTYPE(weights))
        eta.append(jax.tree.map(np.asarray, after.natural_parameters()))
    for key in eta[0]:
        change = eta[1][key] - eta[0][key]
        np.testing.assert_allclose(eta[2][key] - eta[0][key], 2.5 * change, rtol=100 * TOL, atol=100 * TOL)


@pytest.mark.parametrize("name", NAMED)
def test_evidence_is_the_sum_of_predictives_and_obeys_bayes(name):
    prior, likelihood, data = case(name)
    total, dist = 0.0, prior
    for row in data[:3]:
        total += float(conjugate.predictive(dist, likelihood).log_prob(row))
        dist = conjugate.posterior(dist, likelihood, row[None])
    evidence = jax.jit(lambda p, x: conjugate.log_evidence(p, likelihood, x))
    np.testing.assert_allclose(evidence(prior, data[:3]), total, rtol=10 * TOL, atol=10 * TOL)
    np.testing.assert_allclose(evidence(prior, data[2::-1]), total, rtol=10 * TOL, atol=10 * TOL)
    # log p(y) = log p(t) + log p(y | t) - log p(t | y) at any t; the likelihood is exchangeable, so two points t agree.
    points = prior.sample(jax.random.key(0), (2,))
    gaps = prior.log_prob(points) - dist.log_prob(points)
    likelihoods = log_likelihood(name, likelihood, points, data[:3])
    np.testing.assert_allclose(gaps + likelihoods, total, rtol=100 * TOL, atol=100 * TOL)


def log_likelihood(name, likelihood, points, data):
    """Log density of the data at each of two parameters, written with scipy."""
    from scipy import stats

    out = []
    for t in np.asarray(points, np.float64):
        laws = {
            "Beta-Bernoulli": lambda t: stats.bernoulli(t),
            "Beta-Binomial": lambda t: stats.binom(12, t),
            "Beta-Geometric": lambda t: stats.geom(t, loc=-1),
            "Beta-NegativeBinomial": lambda t: stats.nbinom(3, 1 - t),
            "Dirichlet-Categorical": lambda t: stats.rv_discrete(values=(np.arange(3), t / t.sum())),
            "Gamma-Poisson": lambda t: stats.poisson(t),
            "Gamma-Exponential": lambda t: stats.expon(scale=1 / t),
            "Gamma-GammaRate": lambda t: stats.gamma(2.2, scale=1 / t),
            "Gamma-NormalPrecision": lambda t: stats.norm(0.4, t**-0.5),
            "Normal-NormalMean": lambda t: stats.norm(t, 0.9),
            "InverseGamma-NormalVariance": lambda t: stats.norm(0.4, t**0.5),
            "NormalInverseGamma-Normal": lambda t: stats.norm(t[0], t[1] ** 0.5),
            "NormalGamma-Normal": lambda t: stats.norm(t[0], t[1] ** -0.5),
            "MultivariateNormal-MVNMean": lambda t: stats.multivariate_normal(t, gram(likelihood.scale_tril)),
            "MultivariateNormal-LinearGaussian": lambda t: stats.multivariate_normal(
                np.asarray(likelihood.matrix, np.float64) @ t + 0.1, gram(likelihood.scale_tril)
            ),
            "NormalWishart-MVN": lambda t: stats.multivariate_normal(t[:, 0], np.linalg.inv(t[:, 1:])),
            "NormalInverseWishart-MVN": lambda t: stats.multivariate_normal(t[:, 0], t[:, 1:]),
        }
        law = laws[name](t)
        density = law.logpmf if hasattr(law, "logpmf") else law.logpdf
        out.append(float(np.sum(density(np.asarray(data, np.float64)))))
    return np.array(out)


def gram(tril):
    tril = np.asarray(tril, np.float64)
    return tril @ tril.T


def test_normal_mean_exact_values():
    """Unit noise and a standard prior: N(sum x/(n+1), 1/sqrt(n+1))."""
    data = np.array([0.5, -1.5, 2.0, 1.0], DTYPE)
    post = conjugate.posterior(dd.Normal(*number(0, 1)), conjugate.NormalMeanLikelihood(DTYPE(1)), data)
    np.testing.assert_allclose(post.loc, data.sum() / 5, rtol=4 * np.finfo(DTYPE).eps)
    np.testing.assert_allclose(post.scale, 5**-0.5, rtol=4 * np.finfo(DTYPE).eps)


def test_normal_mean_is_stable_for_many_observations():
    data = (1000.0 + np.random.default_rng(0).normal(size=100_000)).astype(np.float32)
    prior, like = dd.Normal(np.float32(1000), np.float32(1)), conjugate.NormalMeanLikelihood(np.float32(1))
    post = conjugate.posterior(prior, like, data)
    exact = 1000 + np.sum(data.astype(np.float64) - 1000) / (len(data) + 1)
    assert abs(float(post.loc) - exact) <= 1e-4
    np.testing.assert_allclose(post.scale, (len(data) + 1) ** -0.5, rtol=1e-6)
    batches = prior
    for part in np.split(data, 10):
        batches = conjugate.posterior(batches, like, part)
    np.testing.assert_allclose(batches.scale, post.scale, rtol=1e-5)


def test_weights_of_zero_keep_the_prior_bit_for_bit_where_it_is_scalar():
    for name in ("Beta-Bernoulli", "Gamma-Poisson", "Normal-NormalMean", "Dirichlet-Categorical"):
        prior, likelihood, data = case(name)
        after = conjugate.posterior(prior, likelihood, data, weights=DTYPE(0))
        for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(prior), strict=True):
            np.testing.assert_array_equal(a, b)


def test_variance_of_far_off_data_does_not_cancel():
    data = np.float32(1e4) + np.arange(5, dtype=np.float32)
    prior = dd.NormalInverseGamma(np.float32(1e4), np.float32(1), np.float32(2), np.float32(1))
    post = conjugate.posterior(prior, conjugate.NormalLikelihood(), data)
    np.testing.assert_allclose(post.scale, 1 + 0.5 * (10 + 5 / 6 * 4), rtol=1e-5)


def test_gradient_of_evidence_in_the_prior():
    prior, likelihood, data = case("NormalInverseWishart-MVN")
    slopes = jax.grad(lambda p: conjugate.log_evidence(p, likelihood, data))(prior)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(slopes))


def test_unregistered_pairs_list_what_is_registered():
    prior = dd.Gamma(*number(1, 1))
    want = "ExponentialLikelihood, GammaRateLikelihood, NormalPrecisionLikelihood, PoissonLikelihood"
    for verb in (
        lambda: conjugate.posterior(prior, conjugate.BernoulliLikelihood(), jnp.ones(2)),
        lambda: conjugate.predictive(prior, conjugate.BernoulliLikelihood()),
        lambda: conjugate.log_evidence(prior, conjugate.BernoulliLikelihood(), jnp.ones(2)),
    ):
        with pytest.raises(TypeError, match=want):
            verb()
    with pytest.raises(TypeError, match="none"):
        conjugate.posterior(dd.Laplace(*number(0, 1)), conjugate.BernoulliLikelihood(), jnp.ones(2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: conjugate.posterior(
                dd.MultivariateNormal(LOC, TRIL), conjugate.MVNMeanLikelihood(TRIL), np.zeros((4, 3))
            ),
            r"\(4, 3\), expected \(\.\.\., 2\)",
        ),
        (
            lambda: conjugate.posterior(
                dd.Normal(*number(0, 1)),
                conjugate.NormalMeanLikelihood(DTYPE(1)),
                np.zeros(4, DTYPE),
                weights=np.ones(3, DTYPE),
            ),
            r"weights has shape \(3,\)",
        ),
        (
            lambda: conjugate.LinearGaussianLikelihood(np.ones((3, 2)), np.zeros(2), np.eye(3)),
            r"shift has shape \(2,\)",
        ),
    ],
)
def test_bad_shapes_raise(call, message):
    with pytest.raises(ValueError, match=message):
        call()


IMPOSSIBLE = {
    "Beta-Bernoulli": 2.0,
    "Beta-Binomial": 13.0,
    "Beta-Geometric": -1.0,
    "Beta-NegativeBinomial": 0.5,
    "Dirichlet-Categorical": 3.0,
    "Gamma-Poisson": -1.0,
    "Gamma-Exponential": -0.5,
    "Gamma-GammaRate": -0.5,
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_impossible_observations(name):
    make, likelihood, data = CASES[name]
    rows = np.append(data[:2], DTYPE(IMPOSSIBLE[name]))

    @jax.jit
    def run(prior, rows):
        unused = conjugate.posterior(prior, likelihood, rows, weights=np.array([1, 1, 0], DTYPE))
        used = conjugate.posterior(prior, likelihood, rows)
        return used, unused, conjugate.posterior(prior, likelihood, rows[:2])

    used, unused, without = run(make(), rows)
    assert all(np.all(np.isnan(leaf)) for leaf in jax.tree.leaves(used))
    for got, want in zip(jax.tree.leaves(unused), jax.tree.leaves(without), strict=True):
        np.testing.assert_array_equal(got, want)


def test_impossible_observations_have_no_evidence():
    make, likelihood, data = CASES["Gamma-Poisson"]
    for rows in (np.append(data, DTYPE(-1)), np.append(DTYPE(0.5), data)):
        assert float(conjugate.log_evidence(make(), likelihood, rows)) == -np.inf
