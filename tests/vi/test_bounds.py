"""Bounds on a conjugate Gaussian whose evidence is known, and on weights that underflow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
