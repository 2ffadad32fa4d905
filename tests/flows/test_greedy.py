"""Greedy ascent: monotone, better than a Gaussian, honest about what it cannot fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import bijectors, flows


def _ring(key, n):
    angle_key, radius_key = jax.random.split(key)
    angle = jax.random.uniform(angle_key, (n,), maxval=2 * jnp.pi)
    radius = 2.0 + 0.2 * jax.random.normal(radius_key, (n,))
    return jnp.stack([radius * jnp.cos(angle), 3.0 * radius * jnp.sin(angle)], axis=-1)


def _radial(key):
    return bijectors.Radial.from_values(jax.random.normal(key, (2,)), 1.0, 0.0)


@pytest.mark.slow
def test_likelihood_never_decreases_and_beats_the_gaussian():
    x, held_out = _ring(jax.random.key(0), 1000), _ring(jax.random.key(1), 500)
    result = flows.fit_greedy(jax.random.key(2), _radial, x, num_layers=12, num_steps=10, validation=held_out)
    assert np.all(np.diff(result.log_likelihoods) >= 0)
    assert result.log_likelihoods[-1] > result.log_likelihoods[0] + 0.1
    assert result.validation[-1] > result.validation[0] + 0.05
    assert result.num_accepted > 6
    log_prob = jax.jit(lambda f, v: f.log_prob(v))(result.flow, x)
    np.testing.assert_allclose(np.mean(log_prob), result.log_likelihoods[-1], atol=1e-4)
    draws, log_q = result.flow.sample_and_log_prob(jax.random.key(3), (200,))
    np.testing.assert_allclose(log_q, result.flow.log_prob(draws), atol=1e-2)


def test_before_the_first_layer_it_is_the_gaussian_of_the_data():
    x = _ring(jax.random.key(0), 1000)
    start = flows.fit_greedy(jax.random.key(2), _radial, x, num_layers=1, num_steps=1).log_likelihoods[0]
    covariance = np.cov(np.asarray(x, np.float64).T)
    mean_square = 2 * (len(x) - 1) / len(x)
    want = -0.5 * mean_square - 0.5 * np.linalg.slogdet(covariance)[1] - np.log(2 * np.pi)
    np.testing.assert_allclose(start, want, atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "data", "message"),
    [
        (lambda key: bijectors.Affine(jnp.ones(2), jnp.ones(2)), np.eye(2)[[0, 1, 0]] + np.eye(3)[:, :2], "identity"),
        (_radial, np.zeros((2, 2)), "N > d"),
        (_radial, np.ones((9, 2)), "singular"),
    ],
)
def test_refusals(layer, data, message):
    with pytest.raises(ValueError, match=message):
        flows.fit_greedy(jax.random.key(0), layer, jnp.asarray(data, jnp.result_type(float)), num_layers=1)
