"""Von Mises-Fisher, Wishart and its relatives, correlation matrices, joint priors of mean and spread."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

from depthjax import distributions as dd
from depthjax.distributions._von_mises_fisher_normalizer import log_mean_exp, mean_cosine, mean_cosine_deficit
from depthjax.distributions._von_mises_fisher_sampling import angle_slope
from depthjax.numerics import bessel_ratio, log_ive

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
TOL = 1e-10 if X64 else 3e-5
TRIL = np.array([[1.5, 0, 0], [0.3, 0.8, 0], [-0.2, 0.4, 1.1]])
SCALE = TRIL @ TRIL.T


@pytest.mark.parametrize("size", [2, 3, 10, 200])
def test_vmf_normaliser_is_the_bessel_function(size):
    k = np.array([1e-3, 0.3, 4.0, 60.0, 3e3, 1e6], DTYPE)
    order = 0.5 * size - 1
    got = jax.jit(jax.vmap(lambda k: (log_mean_exp(k, size), mean_cosine(k, size), mean_cosine_deficit(k, size))))(k)
    want = np.asarray(log_ive(order, k)) - order * np.log(0.5 * k) + special.gammaln(order + 1)
    scale = np.maximum(1, np.abs(order * np.log(k)) + np.abs(special.gammaln(order + 1)))
    assert (np.abs(got[0] - want) <= 64 * np.finfo(DTYPE).eps * scale).all()
    np.testing.assert_allclose(got[1], np.asarray(bessel_ratio(0.5 * size, k)), rtol=256 * np.finfo(DTYPE).eps)
    np.testing.assert_allclose(got[2][3:], (size - 1) / (2 * k[3:]), rtol=0.7)


@pytest.mark.slow
def test_vmf_uniform_and_concentrated_limits():
    direction = np.array([0.6, 0.0, 0.8], DTYPE)
    uniform = dd.VonMisesFisher(direction, DTYPE(0))
    x = np.array([[0, 0, 1], [-0.6, 0, -0.8]], DTYPE)
    np.testing.assert_allclose(uniform.log_prob(x), -np.log(4 * np.pi), rtol=1e-6)
    np.testing.assert_allclose(uniform.entropy(), np.log(4 * np.pi), rtol=1e-6)
    slopes = jax.vmap(lambda e: jax.grad(lambda d: d.log_prob(e))(uniform).concentration)(x)
    np.testing.assert_allclose(slopes, x @ direction, rtol=1e-5)
    sharp = dd.VonMisesFisher(direction, DTYPE(1e8))
    draws = np.asarray(sharp.sample(jax.random.key(0), 2000), np.float64)
    np.testing.assert_allclose(np.linalg.norm(draws - direction, axis=1).std(), 1e-4 * 0.655, rtol=0.1)
    np.testing.assert_allclose(sharp.entropy(), np.log(2 * np.pi / 1e8) + 1, rtol=1e-5)
    assert np.isfinite(sharp.log_prob(sharp.sample(jax.random.key(1), 100))).all()


def test_vmf_in_the_plane_is_von_mises():
    angle, k = 0.7, 5.0
    flat = dd.VonMisesFisher(np.array([np.cos(angle), np.sin(angle)], DTYPE), DTYPE(k))
    x = np.linspace(-3, 3, 7)
    got = flat.log_prob(np.stack([np.cos(x), np.sin(x)], -1).astype(DTYPE))
    np.testing.assert_allclose(got, stats.vonmises(k, angle).logpdf(x), rtol=10 * TOL, atol=10 * TOL)
    draws = np.asarray(flat.sample(jax.random.key(0), 4000), float)
    assert stats.kstest(np.arctan2(draws[:, 1], draws[:, 0]), stats.vonmises(k, angle).cdf).pvalue > 1e-4


@pytest.mark.parametrize(("size", "k"), [(2, 3.0), (3, 0.5), (20, 3.0), (3, 1e4)])
def test_vmf_angle_has_the_implicit_derivative(size, k):
    def cdf(angle, k):
        nodes, weights = np.polynomial.legendre.leggauss(20)
        top = min(np.pi, 40 * np.sqrt(size / k))

        def mass(low, high):
            ends = np.linspace(low, high, 400)
            middle, half = (ends[1:] + ends[:-1]) / 2, (ends[1:] - ends[:-1]) / 2
            t = middle[:, None] + half[:, None] * nodes
            return np.sum(half[:, None] * weights * np.exp(k * (np.cos(t) - 1)) * np.sin(t) ** (size - 2))

        density = np.exp(k * (np.cos(angle) - 1)) * np.sin(angle) ** (size - 2)
        return mass(0, angle) / mass(0, top), density / mass(0, top)

    direction = np.eye(size)[0]
    x = np.asarray(dd.VonMisesFisher(direction.astype(DTYPE), DTYPE(k)).sample(jax.random.key(1), 6), float)
    angles = np.arctan2(np.linalg.norm(x[:, 1:], axis=1), x[:, 0])
    step = 1e-4 * k
    want = [-(cdf(t, k + step)[0] - cdf(t, k - step)[0]) / (2 * step) / cdf(t, k)[1] for t in angles]
    got = angle_slope(jnp.asarray(angles, DTYPE), jnp.full(6, k, DTYPE), size)
    np.testing.assert_allclose(got, want, rtol=1e-6 if X64 else 1e-4)


def test_vmf_pathwise_derivative_of_the_mean():
    """The mean A(k) m moves along m with k and sideways with m."""
    direction = np.array([0.6, 0.0, 0.8], DTYPE)

    def mean(direction, k):
        return jnp.mean(dd.VonMisesFisher(direction, k).sample(jax.random.key(0), 20_000), axis=0)

    by_k = jax.jit(jax.jacfwd(mean, 1))(direction, DTYPE(2.0))
    want = (1 / 4 - 1 / np.sinh(2.0) ** 2) * direction
    np.testing.assert_allclose(by_k, want, atol=0.01)
    side = np.array([0.8, 0.0, -0.6], DTYPE)
    turned = jax.jit(lambda d: jax.jvp(lambda d: mean(d, DTYPE(2.0)), (d,), (side,))[1])(direction)
    np.testing.assert_allclose(turned, (1 / np.tanh(2) - 0.5) * side, atol=0.02)


def test_wishart_against_scipy():
    for df in (3.5, 7.0):
        x = stats.wishart(df, SCALE).rvs(4, random_state=0)
        dist = dd.Wishart(DTYPE(df), TRIL.astype(DTYPE))
        want = stats.wishart(df, SCALE).logpdf(x.transpose(1, 2, 0))
        np.testing.assert_allclose(dist.log_prob(x.astype(DTYPE)), want, rtol=1e3 * TOL, atol=1e2 * TOL)
        y = np.linalg.inv(x)
        inverse = dd.InverseWishart(DTYPE(df), TRIL.astype(DTYPE))
        want = stats.invwishart(df, SCALE).logpdf(y.transpose(1, 2, 0))
        np.testing.assert_allclose(inverse.log_prob(y.astype(DTYPE)), want, rtol=1e3 * TOL, atol=1e2 * TOL)


def test_wishart_of_many_degrees_of_freedom_keeps_its_digits():
    """One dimension is Gamma(df/2, 1/2): at its mean a million has the density of Gamma(5e5) there."""
    dist = dd.Wishart(DTYPE(1e6), np.eye(1, dtype=DTYPE))
    want = stats.gamma(5e5, scale=2).logpdf(1e6)
    np.testing.assert_allclose(dist.log_prob(np.full((1, 1), 1e6, DTYPE)), want, rtol=1e-5)
    np.testing.assert_allclose(dist.entropy(), stats.gamma(5e5, scale=2).entropy(), rtol=1e-5)


def test_wishart_mode_and_moments_at_the_edges():
    eye = np.eye(2, dtype=DTYPE)
    assert np.isnan(dd.Wishart(DTYPE(2.5), eye).mode()).all()
    np.testing.assert_allclose(dd.Wishart(DTYPE(5), eye).mode(), 2 * eye, rtol=1e-6)
    assert np.isnan(dd.InverseWishart(DTYPE(2.5), eye).mean()).all()
    assert np.isposinf(dd.InverseWishart(DTYPE(4.5), eye).variance()).all()
    assert np.isnan(dd.Wishart(DTYPE(1.0), eye).log_prob(eye))
    assert np.isneginf(dd.Wishart(DTYPE(4), eye).log_prob(-eye))


@pytest.mark.slow
def test_nearly_singular_draws_have_a_density():
    for dist in (
        dd.Wishart(DTYPE(1.01), np.eye(2, dtype=DTYPE)),
        dd.InverseWishart(DTYPE(1.01), np.eye(2, dtype=DTYPE)),
    ):
        x, log_prob = dist.sample_and_log_prob(jax.random.key(0), (300,))
        assert np.isfinite(x).all()
        assert np.isfinite(log_prob).all()
        assert np.isfinite(dist.log_prob(x)).all()
    for cls in (dd.LKJ, dd.LKJCholesky):
        x, log_prob = cls(3, DTYPE(0.02)).sample_and_log_prob(jax.random.key(0), (300,))
        assert np.isfinite(log_prob).all()
        assert np.isfinite(cls(3, DTYPE(0.02)).log_prob(x)).all()


def test_uniform_correlation_matrices():
    """In three dimensions the set of correlation matrices has volume pi^2/2."""
    uniform = dd.LKJ(3, DTYPE(1))
    np.testing.assert_allclose(uniform.log_prob(np.eye(3, dtype=DTYPE)), -np.log(np.pi**2 / 2), rtol=1e-5)
    np.testing.assert_allclose(uniform.entropy(), np.log(np.pi**2 / 2), rtol=1e-5)
    assert np.isnan(dd.LKJ(3, DTYPE(0.5)).mode()).all()
    x = np.asarray(dd.LKJ(4, DTYPE(2)).sample(jax.random.key(0), 3000), float)
    np.testing.assert_array_equal(np.diagonal(x, axis1=1, axis2=2), 1)
    assert stats.kstest(0.5 + 0.5 * x[:, 3, 1], stats.beta(3, 3).cdf).pvalue > 1e-4


def test_lkj_of_a_large_concentration_keeps_its_digits():
    x = np.array([[1, 0], [3e-4, np.sqrt(1 - 9e-8)]], DTYPE)
    got = dd.LKJCholesky(2, DTYPE(1e6)).log_prob(x)
    alpha = 1e6 - 0.5
    w = float(x[1, 0])
    want = (1e6 - 1) * np.log1p(-w * w) - special.betaln(0.5, alpha + 0.5)
    np.testing.assert_allclose(got, want, rtol=8 * np.finfo(DTYPE).eps if not X64 else 1e-9)


@pytest.mark.parametrize("cls", [dd.NormalWishart, dd.NormalInverseWishart])
def test_marginal_of_the_mean_vector(cls):
    prior = cls(np.array([0.3, -1.0, 0.5], DTYPE), DTYPE(2), DTYPE(6.5), TRIL.astype(DTYPE))
    marginal = prior.marginal_mean()
    x = np.asarray(jax.jit(lambda d, k: d.sample(k, 4000))(prior, jax.random.key(0)), float)
    scale = np.asarray(marginal.scale_tril) @ np.asarray(marginal.scale_tril).T
    for i in range(3):
        law = stats.t(float(marginal.df), float(marginal.loc[i]), np.sqrt(scale[i, i]))
        assert stats.kstest(x[:, i, 0], law.cdf).pvalue > 1e-4
    assert x.shape == (4000, 3, 4)
    assert marginal.df == 4.5


def test_marginal_of_the_mean():
    for prior in (dd.NormalGamma(0.3, 2.0, 2.5, 1.5), dd.NormalInverseGamma(0.3, 2.0, 2.5, 1.5)):
        marginal = prior.marginal_mean()
        assert isinstance(marginal, dd.StudentT)
        np.testing.assert_allclose(marginal.scale, np.sqrt(1.5 / 2.5 / 2), rtol=1e-6)
        assert float(marginal.df) == 5.0


def test_far_draws_of_the_joint_priors_stay_finite():
    for prior in (
        dd.NormalGamma(*[DTYPE(v) for v in (0, 1, 1e-3, 1)]),
        dd.NormalInverseGamma(*[DTYPE(v) for v in (0, 1, 1e-3, 1)]),
    ):
        x, log_prob = prior.sample_and_log_prob(jax.random.key(0), (1000,))
        assert np.isfinite(x).all()
        assert np.isfinite(log_prob).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dd.VonMisesFisher(np.ones(1), 1.0), "d >= 2"),
        (lambda: dd.LKJ(1, 1.0), "at least 2"),
        (lambda: dd.LKJCholesky(2.5, 1.0), "integer"),
        (lambda: dd.Wishart(3.0, np.ones((2, 3))), "square"),
        (lambda: dd.Wishart(np.ones(2), np.eye(2)), "scalar"),
        (lambda: dd.NormalGamma(0.0, 1.0, np.ones(2), 1.0), "0 axes"),
        (lambda: dd.NormalWishart(np.zeros(3), 1.0, 4.0, np.eye(2)), r"expected \(2,\)"),
        (
            lambda: dd.NormalInverseWishart(np.zeros(2), 1.0, 4.0, np.eye(2)).log_prob(np.zeros((2, 2))),
            r"\(\.\.\., 2, 3\)",
        ),
    ],
)
def test_bad_arguments_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()
