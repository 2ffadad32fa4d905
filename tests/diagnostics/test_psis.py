"""Pareto-smoothed importance sampling against tails of known index."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import diagnostics

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32


def gaussian_log_weights(scale, size, seed=0):
    """log p/q for p = N(0, 1) and q = N(0, scale^2), drawn from q."""
    z = scale * np.random.default_rng(seed).normal(size=size)
    return jnp.asarray(-0.5 * z**2 + 0.5 * (z / scale) ** 2, DTYPE)


@pytest.mark.parametrize(("scale", "expected"), [(0.9, 0.19), (0.8, 0.34), (0.6, 0.592)])
def test_khat_of_a_narrow_normal_proposal(scale, expected):
    estimates = [float(diagnostics.psis_khat(gaussian_log_weights(scale, 20_000, seed))) for seed in range(8)]
    assert abs(np.mean(estimates) - expected) < 0.08


def test_effective_sample_size_of_a_wide_proposal():
    weights = gaussian_log_weights(2.0, 100_000)
    expected = np.sqrt(2 * 4 - 1) / 4
    np.testing.assert_allclose(diagnostics.ess(weights) / 100_000, expected, rtol=0.01)
    np.testing.assert_allclose(diagnostics.ess(jnp.zeros(50, DTYPE)), 50.0, rtol=1e-5)


def test_smoothed_weights_are_normalised_and_ordered():
    weights = gaussian_log_weights(0.6, 2_000)
    result = jax.jit(diagnostics.psis)(weights)
    np.testing.assert_allclose(np.exp(np.asarray(result.log_weights, np.float64)).sum(), 1.0, rtol=1e-4)
    order = np.argsort(np.asarray(weights), kind="stable")
    assert np.all(np.diff(np.asarray(result.log_weights)[order]) >= -1e-5)


def test_invariant_to_a_constant_and_vmaps():
    weights = gaussian_log_weights(0.7, 2_000)
    shifted = diagnostics.psis_khat(weights + 10.0)
    both = jax.vmap(diagnostics.psis_khat)(jnp.stack([weights, weights[::-1]]))
    np.testing.assert_allclose(shifted, diagnostics.psis_khat(weights), atol=2e-3)
    np.testing.assert_allclose(both, both[0], atol=2e-3)


def test_threshold():
    assert diagnostics.khat_threshold(100) == pytest.approx(0.5)
    assert diagnostics.khat_threshold(10**6) == 0.7
    with pytest.raises(ValueError, match="num_samples is 1, expected at least 2"):
        diagnostics.khat_threshold(1)
