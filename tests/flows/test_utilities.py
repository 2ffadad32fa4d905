"""Losses, dequantisation, Rosenblatt transform, flows from vectors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import depthjax as dj
from depthjax import bijectors, distributions, flows


def _affine_flow():
    tril = jnp.array([[1.5, 0.0], [0.4, 0.7]])
    base = distributions.MultivariateNormalDiag(jnp.zeros(2), jnp.ones(2))
    return distributions.Transformed(base, bijectors.TriangularAffine(jnp.array([0.3, -1.0]), tril))


def test_both_divergences_of_an_affine_pair():
    """P_U = P_X = N(0, 1), F = 0.5 + 3 u: KL(P_X || flow) = 0.668057, KL(flow || P_X) = 3.026388."""
    base = distributions.Normal(0.0, 1.0)
    flow = distributions.Transformed(base, bijectors.Affine(0.5, 3.0))
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    weights = weights / weights.sum()
    entropy = 0.5 * np.log(2 * np.pi * np.e)
    forward = sum(w * float(flows.forward_kl_loss(flow, jnp.array([z]))) for z, w in zip(nodes, weights, strict=True))
    assert abs(forward - entropy - 0.668057) < 2e-6
    draws = 200_000
    x, log_q = flow.sample_and_log_prob(jax.random.key(0), (draws,))
    got = flows.reverse_kl_loss(jax.random.key(0), flow, base.log_prob, draws)
    terms = np.asarray(log_q - base.log_prob(x))
    np.testing.assert_allclose(got, terms.mean(), rtol=1e-5)
    assert abs(float(got) - 3.026388) < 5 * terms.std() / np.sqrt(draws)


def test_reverse_loss_refuses_what_is_not_one_number():
    with pytest.raises(ValueError, match="one event"):
        flows.reverse_kl_loss(jax.random.key(0), _affine_flow(), lambda x: x, 4)
    with pytest.raises(TypeError, match="no pathwise gradient"):
        jax.grad(lambda d: flows.reverse_kl_loss(jax.random.key(0), d, lambda x: 0.0 * x, 4))(
            distributions.Bernoulli(0.3)
        )


@pytest.mark.parametrize("num_levels", [2, 10, 17, 256, 65536])
def test_quantize_undoes_dequantize(num_levels):
    x = np.resize(np.arange(min(num_levels, 70_000)), 70_000)
    y = flows.dequantize_uniform(jax.random.key(num_levels), x, num_levels)
    np.testing.assert_array_equal(flows.quantize(y, num_levels), x)
    assert np.all((np.asarray(y) >= 0) & (np.asarray(y) < 1))
    u = np.asarray(y, np.float64) * num_levels - x
    if num_levels <= 256:  # beyond, float32 leaves few digits to u
        assert stats.kstest(u, "uniform").pvalue > 1e-4
    outside = flows.dequantize_uniform(jax.random.key(0), np.array([-1.0, num_levels, 0.5]), num_levels)
    assert np.isnan(np.asarray(outside)).all()


@pytest.mark.slow
def test_variational_dequantisation_bounds_the_likelihood_of_integers():
    """With the exact posterior of u the bound is tight: here p is uniform on the levels and q on the unit interval."""
    x = jax.random.randint(jax.random.key(0), (500, 3), 0, 16)

    def q(event):
        return distributions.Beta(jnp.ones_like(event), jnp.ones_like(event))

    y, log_q = flows.dequantize_variational(jax.random.key(1), x, q, num_levels=16)
    np.testing.assert_array_equal(flows.quantize(y, 16), x)
    np.testing.assert_allclose(log_q, 0.0, atol=1e-5)
    np.testing.assert_allclose(flows.bits_per_dim(-log_q, 3, num_levels=16), 4.0, rtol=1e-5)
    raw, _ = flows.dequantize_variational(jax.random.key(1), x, q)
    np.testing.assert_array_equal(np.floor(raw), x)
    with pytest.raises(ValueError, match="support"):
        flows.dequantize_variational(jax.random.key(1), x, lambda e: distributions.Normal(e, 1.0))


def test_bits_per_dim():
    np.testing.assert_allclose(flows.bits_per_dim(-3.0 * np.log(2.0), 3), 1.0, rtol=1e-6)
    np.testing.assert_allclose(flows.bits_per_dim(jnp.zeros(2), 5, num_levels=256), [8.0, 8.0])
    with pytest.raises(ValueError, match="num_dims"):
        flows.bits_per_dim(0.0, 0)


def test_logit_preprocessing():
    alpha, x = 0.05, jnp.array([0.0, 0.25, 1.0])
    bijector = flows.LogitPreprocess(alpha, 3)
    y, log_det = jax.jit(lambda v: bijector.forward_and_log_det(v))(x)
    p = alpha + (1 - 2 * alpha) * np.asarray(x, np.float64)
    np.testing.assert_allclose(y, np.log(p) - np.log1p(-p), rtol=1e-5)
    np.testing.assert_allclose(log_det, np.sum(np.log((1 - 2 * alpha) / (p * (1 - p)))), rtol=1e-5)
    with pytest.raises(ValueError, match="alpha"):
        flows.LogitPreprocess(0.5)


def test_rosenblatt_of_own_draws_is_uniform_and_conditional():
    flow = _affine_flow()
    x = flow.sample(jax.random.key(0), (4000,))
    u = np.asarray(jax.jit(flows.rosenblatt)(flow, x))
    assert u.shape == (4000, 2)
    assert all(stats.kstest(u[:, i], "uniform").pvalue > 1e-4 for i in range(2))
    assert abs(np.corrcoef(u.T)[0, 1]) < 0.06
    (l00, _), (l10, l11) = np.asarray(flow.bijector.scale_tril)
    x = np.asarray(x, np.float64)
    z0 = (x[:, 0] - 0.3) / l00
    second = stats.norm(-1.0 + l10 * z0, l11).cdf(x[:, 1])  # given the first coordinate
    np.testing.assert_allclose(u[:, 1], second, atol=2e-5)
    scalar = distributions.Transformed(distributions.Logistic(0.0, 1.0), bijectors.Exp())
    np.testing.assert_allclose(flows.rosenblatt(scalar, 1.0), 0.5, rtol=1e-6)
    with pytest.raises(TypeError, match="Dirichlet"):
        flows.rosenblatt(distributions.Dirichlet(jnp.ones(3)), jnp.ones(3) / 3)


def test_empirical_cdf():
    samples = jnp.array([[0.0, 5.0], [1.0, 5.0], [2.0, 7.0], [1.0, 6.0]])
    x = jnp.array([[1.0, 5.0], [-1.0, 6.5], [3.0, jnp.nan]])
    want = np.array([[0.75, 0.5], [0.0, 0.75], [1.0, np.nan]])
    np.testing.assert_allclose(jax.jit(flows.empirical_cdf)(samples, x), want)
    with pytest.raises(ValueError, match="samples"):
        flows.empirical_cdf(jnp.zeros((0, 2)), x)
    with pytest.raises(ValueError, match="expected"):
        flows.empirical_cdf(samples, jnp.zeros((3, 3)))
    unknown = np.asarray(flows.empirical_cdf(samples.at[0, 0].set(jnp.nan), x))
    assert np.all(np.isnan(unknown[..., 0]))
    np.testing.assert_allclose(unknown[..., 1], want[..., 1])


def test_hyper_flow_builds_what_ravel_takes_apart():
    template = flows.planar_flow(jax.random.key(0), 2, num_layers=3)
    num_params, build = flows.hyper_flow(template)
    vector, _ = dj.ravel(template)
    assert vector.shape == (num_params,)
    x = jnp.ones(2)
    np.testing.assert_allclose(build(vector).log_prob(x), template.log_prob(x), rtol=1e-5)
    vectors = vector[None] + 0.1 * jax.random.normal(jax.random.key(1), (4, num_params))
    each = jax.jit(jax.vmap(lambda v: build(v).log_prob(x)))(vectors)
    np.testing.assert_allclose(each[2], build(vectors[2]).log_prob(x), rtol=1e-4)
    with pytest.raises(ValueError, match="expected"):
        build(vector[:-1])


def test_a_residual_network_conditions_a_coupling():
    net = flows.resnet_conditioner(jax.random.key(0), 2, 4, hidden=16)
    coupling = bijectors.AffineCoupling(net, mask=(True, True, False, False))
    x = jax.random.normal(jax.random.key(1), (5, 4))
    np.testing.assert_allclose(coupling.forward(x), x, atol=1e-6)
    trained = jax.tree.map(lambda leaf: leaf + 0.1, net)
    moved = bijectors.AffineCoupling(trained, mask=(True, True, False, False))
    y, log_det = jax.jit(lambda b, v: b.forward_and_log_det(v))(moved, x)
    back, inverse_log_det = jax.jit(lambda b, v: b.inverse_and_log_det(v))(moved, y)
    assert np.max(np.abs(np.asarray(y - x))) > 0.1
    np.testing.assert_allclose(back, x, atol=1e-4)
    np.testing.assert_allclose(log_det, -inverse_log_det, atol=1e-4)
