"""Mixtures of families, copies, reshapes, point masses, samples, improper densities, and the logistic normal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

import depthjax as dj
from depthjax import distributions as dd

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
TOL = 1e-10 if DTYPE is np.float64 else 2e-5


def number(*values):
    return tuple(DTYPE(v) for v in values)


def test_mixture_of_half_line_and_line():
    mixture = dd.Mixture(np.array([0.0, 1.0], DTYPE), (dd.Normal(*number(-1, 1)), dd.Weibull(*number(2, 1))))
    weights = special.softmax([0.0, 1.0])
    x = np.array([-3.0, -0.1, 0.7, 4.0], DTYPE)
    want = weights[0] * stats.norm(-1).pdf(x) + weights[1] * stats.weibull_min(2).pdf(x)

    @jax.jit
    def everything(d):
        slopes = jax.grad(lambda m: m.log_prob(x[0]))(d)
        return d.log_prob(x), d.quantile(d.cdf(x[1:3])), d.posterior_logits(x), slopes

    log_prob, back, posterior, slopes = everything(mixture)
    np.testing.assert_allclose(log_prob, np.log(want), rtol=10 * TOL)
    np.testing.assert_allclose(back, x[1:3], rtol=100 * TOL)
    np.testing.assert_array_equal(posterior[:2, 1], -np.inf)
    np.testing.assert_allclose(np.exp(posterior).sum(-1), 1, rtol=10 * TOL)
    assert mixture.reparameterized == "implicit"
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(slopes))


def test_mixture_implicit_gradient_of_the_mean():
    """The mean of draws moves with the logits as the mean of the mixture does."""

    def build(shift):
        logits = jnp.stack([shift, jnp.zeros_like(shift)])
        return dd.Mixture(logits, (dd.Normal(*number(-2, 1)), dd.Laplace(*number(3, 0.5))))

    def of_draws(shift):
        return jnp.mean(build(shift).sample(jax.random.key(0), 20_000))

    got = jax.jit(jax.grad(of_draws))(DTYPE(0.3))
    want = jax.grad(lambda s: build(s).mean())(DTYPE(0.3))
    np.testing.assert_allclose(got, want, rtol=0.06)


def test_mixture_of_masses_and_refusals():
    counts = dd.Mixture(np.zeros(2, DTYPE), (dd.Poisson(DTYPE(0)), dd.poisson_from_rate(DTYPE(9))))
    assert counts.reparameterized == "none"
    assert counts.support is dj.constraints.nonnegative_integer
    np.testing.assert_allclose(counts.mean(), 5, rtol=1e-5)
    with pytest.raises(TypeError, match="no pathwise gradient"):
        jax.grad(lambda d: d.sample(jax.random.key(0)).astype(DTYPE))(counts)
    with pytest.raises(ValueError, match="densities and masses"):
        dd.Mixture(np.zeros(2, DTYPE), (dd.Poisson(DTYPE(0)), dd.Normal(*number(0, 1))))
    with pytest.raises(ValueError, match="one shape"):
        dd.Mixture(np.zeros(2), (dd.Normal(0.0, 1.0), dd.Normal(np.zeros(2), 1.0)))
    with pytest.raises(ValueError, match=r"expected \(1,\)"):
        dd.Mixture(np.zeros(2), (dd.Normal(0.0, 1.0),))
    with pytest.raises(TypeError, match="tuple of distributions"):
        dd.Mixture(np.zeros(2), dd.Normal(0.0, 1.0))


def test_repeated_copies_what_the_base_has():
    base = dd.Weibull(*number(2.5, 1.5))
    copies = dd.Repeated(base, (3, 2))
    x = np.linspace(0.1, 3, 6).reshape(3, 2).astype(DTYPE)
    np.testing.assert_allclose(copies.log_prob(x), stats.weibull_min(2.5, scale=1.5).logpdf(x).sum(), rtol=10 * TOL)
    np.testing.assert_allclose(copies.cdf(x), base.cdf(x), rtol=TOL)
    np.testing.assert_allclose(copies.quantile(copies.cdf(x)), x, rtol=100 * TOL)
    np.testing.assert_allclose(copies.entropy(), 6 * base.entropy(), rtol=TOL)
    assert copies.mean().shape == (3, 2)
    assert copies.sample(jax.random.key(0), (5,)).shape == (5, 3, 2)
    assert not hasattr(dd.Repeated(dd.Gamma(*number(2.5, 1.5)), (3, 2)), "from_noise")
    noisy = dd.Repeated(dd.Normal(*number(0, 1)), 4)
    draw, log_prob = noisy.from_noise(noisy.sample_noise(jax.random.key(0)))
    np.testing.assert_allclose(log_prob, noisy.log_prob(draw), rtol=10 * TOL)
    assert not hasattr(dd.Repeated(dd.MultivariateNormal(np.zeros(2), np.eye(2)), 2), "cdf")
    with pytest.raises(TypeError, match="nonnegative integers"):
        dd.Repeated(base, (2.5,))


@pytest.mark.slow
def test_reshaped_keeps_the_law():
    base = dd.Dirichlet(np.array([1.5, 2.0, 0.5, 3.0], DTYPE))
    square = dd.Reshaped(base, (2, 2))
    x = base.sample(jax.random.key(0), (3,))
    np.testing.assert_array_equal(square.log_prob(x.reshape(3, 2, 2)), base.log_prob(x))
    assert square.support.contains(x.reshape(3, 2, 2)).all()
    raw = square.support.to_raw(x.reshape(3, 2, 2))
    np.testing.assert_allclose(square.support.from_raw(raw), x.reshape(3, 2, 2), rtol=1e-4)
    assert square.mean().shape == (2, 2)
    assert square.covariance().shape == (4, 4)
    assert not hasattr(square, "cdf")
    flat = dd.Reshaped(dd.Normal(np.zeros((2, 3), DTYPE), DTYPE(1)), 6)
    np.testing.assert_allclose(flat.log_cdf(np.ones(6, DTYPE)), stats.norm.logcdf(np.ones(6)), rtol=10 * TOL)
    with pytest.raises(ValueError, match="size"):
        dd.Reshaped(base, (3,))


def test_delta_is_a_mass_and_moves_with_its_value():
    dist = dd.Delta(np.array([1.0, 2.0], DTYPE))
    assert float(dist.log_prob(np.array([1, 2], DTYPE))) == 0.0
    assert float(dist.log_prob(np.array([1, 2.5], DTYPE))) == -np.inf
    assert np.isnan(dist.log_prob(np.array([1, np.nan], DTYPE)))
    slope = jax.grad(lambda d: jnp.sum(d.sample(jax.random.key(0), (3,))))(dist)
    np.testing.assert_array_equal(slope.value, 3.0)


def test_empirical_merges_equal_samples():
    dist = dd.Empirical(np.array([1.0, 2.0, 1.0], DTYPE), np.log(np.array([1, 2, 1], DTYPE)))
    np.testing.assert_allclose(dist.log_prob(np.array([1, 2, 3], DTYPE)), [np.log(0.5), np.log(0.5), -np.inf])
    np.testing.assert_allclose(dist.mean(), 1.5, rtol=TOL)
    np.testing.assert_allclose(dist.variance(), 0.25, rtol=TOL)
    masked = dd.Empirical(np.array([1.0, 2.0], DTYPE), np.array([0, -np.inf], DTYPE))
    np.testing.assert_array_equal(masked.sample(jax.random.key(0), 50), 1.0)
    assert dd.Empirical(np.zeros((5, 3))).event_shape == (3,)
    with pytest.raises(ValueError, match="log_weights has shape"):
        dd.Empirical(np.zeros((5, 3)), np.zeros(4))


def test_improper_uniform_scores_but_does_not_draw():
    dist = dd.ImproperUniform(dj.constraints.positive, (2,))
    x = np.array([[1.0, 2.0], [1.0, -2.0]], DTYPE)
    np.testing.assert_array_equal(jax.jit(lambda d, x: d.log_prob(x))(dist, x), [0.0, -np.inf])
    assert np.isnan(dist.log_prob(np.array([1, np.nan], DTYPE)))
    assert jax.tree.leaves(dist) == []
    np.testing.assert_array_equal(jax.grad(dist.log_prob)(x[0]), 0.0)
    with pytest.raises(TypeError, match="cannot be sampled"):
        dist.sample(jax.random.key(0))
    with pytest.raises(TypeError, match="constraint"):
        dd.ImproperUniform("positive")
    with pytest.raises(ValueError, match="fewer axes"):
        dd.ImproperUniform(dj.constraints.simplex, ())
    simplex = dd.ImproperUniform(dj.constraints.simplex, (3,))
    assert float(simplex.log_prob(np.array([0.2, 0.3, 0.5], DTYPE))) == 0.0


def test_logistic_normal_of_one_coordinate_is_the_logit_normal():
    """The logit-normal(0, 1) has mean 1/2 and variance 0.04337903586."""
    dist = dd.LogisticNormal(np.zeros(1, DTYPE), np.eye(1, dtype=DTYPE))
    nodes, weights = np.polynomial.legendre.leggauss(200)
    x = ((nodes + 1) / 2).astype(DTYPE)
    density = np.exp(np.asarray(dist.log_prob(np.stack([x, 1 - x], -1)), float))
    mass = 0.5 * weights * density
    np.testing.assert_allclose(mass.sum(), 1, rtol=1e-5)
    np.testing.assert_allclose(mass @ x, 0.5, rtol=1e-5)
    np.testing.assert_allclose(mass @ (x - 0.5) ** 2, 0.04337903586, rtol=1e-5)


def test_saturated_draws_of_the_logistic_normal_have_an_exact_density():
    wide = dd.LogisticNormal(np.zeros(3, DTYPE), 200 * np.eye(3, dtype=DTYPE))
    x, log_prob = wide.sample_and_log_prob(jax.random.key(0), (500,))
    assert ((np.asarray(x) > 0) & (np.asarray(x) < 1)).all()
    assert np.isfinite(log_prob).all()
    assert np.isfinite(wide.log_prob(x)).all()
    log_x = wide.sample_log(jax.random.key(0), 5)
    z = np.asarray(log_x[:, :-1] - log_x[:, -1:], float)
    want = stats.multivariate_normal(np.zeros(3), 200**2 * np.eye(3)).logpdf(z) - np.sum(np.asarray(log_x, float), -1)
    np.testing.assert_allclose(wide.log_prob_from_log(log_x), want, rtol=1e-5)
