"""Transformed, MixtureSameFamily and Product."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from depthjax import bijectors as bj
from depthjax import distributions as dd
from depthjax.core import Bijector, constraints, derived, param, record

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])


@record
class _Scale(Bijector):
    """y = scale x, a monotone elementwise map of either sign that counts its inversions."""

    scale: jax.Array = param()
    event_shape: tuple[int, ...] = derived()
    elementwise = True

    def _forward_and_log_det(self, x):
        return self.scale * x, jnp.sum(jnp.log(jnp.abs(self.scale)))

    def _inverse_and_log_det(self, y):
        return y / self.scale, -jnp.sum(jnp.log(jnp.abs(self.scale)))


@record
class _OneWay(_Scale):
    """As `_Scale`, and refuses to be inverted."""

    def _inverse_and_log_det(self, y):
        raise AssertionError("a draw was inverted")


@record
class _Exp(Bijector):
    """y = exp(x) for one number."""

    event_shape: tuple[int, ...] = derived()
    elementwise = True
    codomain = constraints.positive

    @classmethod
    def _complete(cls, fields):
        return {**fields, "event_shape": ()}

    def _forward_and_log_det(self, x):
        return jnp.exp(x), x

    def _inverse_and_log_det(self, y):
        return jnp.log(y), -jnp.log(y)


def test_transformed_density_and_draws():
    for dtype in DTYPES[-1:]:
        base = dd.MultivariateNormalDiag(np.zeros(2, dtype), np.ones(2, dtype))
        dist = dd.Transformed(base, bj.Affine(np.asarray([1, 1], dtype), np.asarray([2, -3], dtype)))
        want = stats.multivariate_normal([1, 1], np.diag([4.0, 9.0]))
        x, log_prob = dist.sample_and_log_prob(jax.random.key(0), (5,))
        np.testing.assert_allclose(np.asarray(log_prob), want.logpdf(np.asarray(x, float)), rtol=1e-5)
        np.testing.assert_allclose(np.asarray(dist.log_prob(x)), np.asarray(log_prob), rtol=1e-5)
        event, log_prob = dist.from_noise(dist.sample_noise(jax.random.key(0)))
        np.testing.assert_allclose(float(dist.log_prob(event)), float(log_prob), rtol=1e-5)


def test_transformed_never_inverts_its_draws():
    dist = dd.Transformed(dd.Normal([0.0, 1.0], 1.0), _OneWay([2.0, 3.0]))
    x, log_prob = dist.sample_and_log_prob(jax.random.key(0), (3,))
    assert x.shape == (3, 2)
    assert np.all(np.isfinite(np.asarray(log_prob)))
    dist.from_noise(dist.sample_noise(jax.random.key(0)))


def test_transformed_outside_the_codomain():
    dist = dd.Transformed(dd.Normal(np.float32(0), np.float32(1)), _Exp())
    value, grads = jax.value_and_grad(lambda d: d.log_prob(np.float32(-1)))(dist)
    assert float(value) == -np.inf
    assert all(float(g) == 0 for g in jax.tree.leaves(grads))
    cdf = dist.cdf(np.asarray([-1, 2], np.float32))
    np.testing.assert_allclose(np.asarray(cdf), [0, stats.lognorm(1).cdf(2)], rtol=1e-5)
    np.testing.assert_allclose(float(dist.log_prob(np.float32(2))), stats.lognorm(1).logpdf(2), rtol=1e-5)
    assert np.isnan(dist.log_prob(np.float32(np.nan)))


def test_transformed_cdf_family_of_either_sign():
    for dtype in DTYPES[-1:]:
        base = dd.Normal(np.asarray([0, 1], dtype), np.ones(2, dtype))
        dist = dd.Transformed(base, _Scale(np.asarray([2, -3], dtype)))
        want, y, p = stats.norm([0, -3], [2, 3]), np.asarray([0.3, 0.7], dtype), np.asarray([0.1, 0.2], dtype)
        pairs = ("cdf", want.cdf), ("log_survival", want.logsf), ("survival", want.sf), ("log_cdf", want.logcdf)
        for name, reference in pairs:
            np.testing.assert_allclose(np.asarray(getattr(dist, name)(y)), reference(y), rtol=1e-5)
        np.testing.assert_allclose(np.asarray(dist.quantile(p)), want.ppf(p), rtol=1e-5)
        np.testing.assert_allclose(np.asarray(dist.quantile_from_log_survival(np.log(p))), want.isf(p), rtol=1e-5)
        assert all(np.all(np.isfinite(g)) for g in jax.tree.leaves(jax.grad(lambda d, p=p: d.quantile(p).sum())(dist)))


def test_transformed_capabilities_and_errors():
    diag = dd.MultivariateNormalDiag([0.0, 1.0], 1.0)
    assert not hasattr(dd.Transformed(diag, _Scale([1.0, 2.0])), "cdf")
    assert not hasattr(dd.Transformed(dd.Gamma(1.0, 1.0), _Scale(2.0)), "from_noise")
    with pytest.raises(ValueError, match="event shape"):
        dd.Transformed(diag, _Scale(1.0))
    with pytest.raises(ValueError, match="support"):
        dd.Transformed(dd.Normal(0.0, 1.0), _Exp().invert())
    with pytest.raises(TypeError, match="bijector"):
        dd.Transformed(diag, diag)


def _mixture(dtype):
    parts = jax.vmap(dd.Normal)(jnp.asarray([-2, 0, 3], dtype), jnp.asarray([0.5, 1, 0.3], dtype))
    return dd.MixtureSameFamily(jnp.asarray([0, 1, -1], dtype), parts)


@pytest.mark.slow
def test_mixture_density_moments_and_quantile():
    w = np.exp([0, 1, -1.0]) / np.sum(np.exp([0, 1, -1.0]))
    for dtype in DTYPES[-1:]:
        dist, x = _mixture(dtype), np.linspace(-4, 4, 5).astype(dtype)
        density = stats.norm([-2, 0, 3], [0.5, 1, 0.3]).pdf(x[:, None].astype(float)) @ w
        np.testing.assert_allclose(np.asarray(dist.log_prob(x)), np.log(density), rtol=2e-5)
        np.testing.assert_allclose(float(dist.mean()), w @ [-2, 0, 3], rtol=1e-5)
        variance = w @ (np.square([0.5, 1, 0.3]) + np.square(np.asarray([-2, 0, 3]) - w @ [-2, 0, 3]))
        np.testing.assert_allclose(float(dist.variance()), variance, rtol=1e-5)
        there_and_back = jax.jit(lambda d, x: (d.quantile(d.cdf(x)), d.quantile_from_log_survival(d.log_survival(x))))
        from_cdf, from_survival = there_and_back(dist, x)
        # A probability near one does not determine x: each way is exact in its own tail.
        np.testing.assert_allclose(np.asarray(from_cdf)[:4], x[:4], atol=2e-5)
        np.testing.assert_allclose(np.asarray(from_survival)[1:], x[1:], atol=2e-5)
        np.testing.assert_allclose(np.exp(np.asarray(dist.posterior_logits(x))).sum(-1), 1, rtol=1e-5)


def test_mixture_pathwise_gradient_in_the_logits_is_that_of_the_quantile():
    dtype = DTYPES[-1]
    dist = _mixture(dtype)
    level = dist.cdf(dist.sample(jax.random.key(3)))

    def quantile(d):
        return d.quantile(level)

    got = jax.jit(jax.grad(lambda d: d.sample(jax.random.key(3))))(dist)
    want = jax.jit(jax.grad(quantile))(dist)
    tol = 1e-8 if dtype is np.float64 else 1e-3
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tol, atol=tol)
        assert np.any(np.asarray(a) != 0)
    if dtype is np.float64:
        step = 1e-6 * np.eye(3)[0]
        up, down = (dd.MixtureSameFamily(dist.logits + s * step, dist.components).quantile(level) for s in (1, -1))
        np.testing.assert_allclose(float(got.logits[0]), float(up - down) / 2e-6, rtol=1e-5)


@pytest.mark.parametrize("family", [dd.MultivariateNormalDiag, dd.Normal])
def test_mixture_gradient_in_two_dimensions(family):
    """E x_1 x_2 = sum_k w_k m_k1 m_k2 for independent coordinates, and its derivative in the logits and means."""
    means = jnp.asarray([[-1, 0.5], [1, 2]], jnp.float32)
    scales = jnp.asarray([[0.5, 1], [1, 0.7]], jnp.float32)

    def moment(logits, means):
        dist = dd.MixtureSameFamily(logits, jax.vmap(family)(means, scales))
        return jnp.mean(jnp.prod(dist.sample(jax.random.key(0), 20000), axis=-1))

    logits = jnp.asarray([0.3, -0.2], jnp.float32)
    got = jax.jit(jax.grad(moment, argnums=(0, 1)))(logits, means)
    w = np.asarray(jax.nn.softmax(logits))
    products = np.asarray([-0.5, 2.0])
    np.testing.assert_allclose(np.asarray(got[0]), w * (products - w @ products), atol=0.06)
    np.testing.assert_allclose(np.asarray(got[1]), w[:, None] * np.asarray(means)[:, ::-1], atol=0.06)


def test_mixture_without_a_cdf_refuses_pathwise_gradients():
    parts = jax.vmap(dd.Dirichlet)(jnp.asarray([[1.0, 2.0], [3.0, 1.0]]))
    dist = dd.MixtureSameFamily(jnp.zeros(2), parts)
    assert dist.reparameterized == "none"
    with pytest.raises(TypeError, match="pathwise"):
        jax.grad(lambda d: d.sample(jax.random.key(0)).sum())(dist)
    assert not hasattr(dist, "cdf")
    outside = dd.MixtureSameFamily(jnp.zeros(2), jax.vmap(dd.Gamma)(jnp.asarray([1.0, 2.0]), jnp.ones(2)))
    value, grads = jax.value_and_grad(lambda d: d.log_prob(-1.0))(outside)
    assert float(value) == -np.inf
    assert all(np.all(np.asarray(g) == 0) for g in jax.tree.leaves(grads))


@pytest.mark.parametrize("parts", [lambda: dd.Normal([0.0, 1.0], 1.0), lambda: dd.Normal(0.0, 1.0)])
def test_mixture_of_an_unstacked_record_raises(parts):
    with pytest.raises(ValueError, match="vmap"):
        dd.MixtureSameFamily([0.0, 1.0], parts())


def test_product():
    dist = dd.Product({"a": dd.Normal(0.0, 1.0), "b": dd.MultivariateNormalDiag([0.0, 1.0], [1.0, 2.0])})
    assert dist.event_shape == (3,)
    assert dist.reparameterized == "explicit"
    x, log_prob = dist.sample_and_log_prob(jax.random.key(0), (4,))
    np.testing.assert_allclose(np.asarray(dist.log_prob(x)), np.asarray(log_prob), rtol=1e-5)
    np.testing.assert_array_equal(np.asarray(dist.join(dist.split(x))), np.asarray(x))
    np.testing.assert_allclose(np.asarray(dist.mean()), [0, 0, 1])
    np.testing.assert_allclose(float(dist.entropy()), 3 * 0.5 * np.log(2 * np.pi * np.e) + np.log(2), rtol=1e-6)
    event, value = dist.from_noise(dist.sample_noise(jax.random.key(0)))
    np.testing.assert_allclose(float(dist.log_prob(event)), float(value), rtol=1e-5)
    mixed = dd.Product((dd.Gamma(1.0, 1.0), dd.Poisson(0.0)))
    assert mixed.reparameterized == "none"
    assert not hasattr(mixed, "entropy")
    assert mixed.sample(jax.random.key(0)).shape == (2,)
    with pytest.raises(TypeError, match="float"):
        dd.Product((1.0,))
    with pytest.raises(ValueError, match="empty"):
        dd.Product(())
