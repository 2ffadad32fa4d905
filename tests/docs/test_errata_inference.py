"""Rows of docs/errata.md on gradient estimators and stochastic bounds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import distributions, vi

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
TOL = 1e-9 if X64 else 2e-5


def test_robbins_monro_exponents():
    for forgetting in (0.5, 0.4, 1.01):
        with pytest.raises(ValueError, match="Robbins|forgetting"):
            vi.robbins_monro(forgetting=forgetting)
    steps = np.arange(1, 200_001.0)
    half, allowed = steps**-0.5, steps**-0.75
    assert (half**2).sum() > 12  # grows like the logarithm, without bound
    assert (allowed**2).sum() < 2.7  # zeta(3/2)
    np.testing.assert_allclose(vi.robbins_monro(forgetting=0.75)(3), 4.0**-0.75, rtol=TOL)


def test_an_unbiased_evidence_is_no_lower_bound():
    joint, q = np.array([0.2, 0.05, 0.15]), np.array([0.3, 0.4, 0.3])
    index = np.stack(np.meshgrid(*[np.arange(3)] * 4, indexing="ij"), -1).reshape(-1, 4)
    chance, estimate = q[index].prod(-1), (joint / q)[index].mean(-1)
    np.testing.assert_allclose(chance @ estimate, joint.sum(), rtol=1e-12)
    assert chance @ np.log(estimate) < np.log(joint.sum())
    assert chance[estimate > joint.sum()].sum() > 0.4  # far from a bound "with high probability"
    for b in (0.05, 0.1, 0.2):
        low, largest = vi.log_evidence_tail(jnp.asarray(np.log(estimate), DTYPE), DTYPE(b))
        exceeds = np.asarray(low) >= np.log(joint.sum())
        assert chance[exceeds].sum() <= float(largest)


def test_control_variate_of_negative_correlation():
    b = np.random.default_rng(0).standard_normal(50).astype(DTYPE)
    a = -b
    c = vi.optimal_coefficient(a, b, b.mean())
    np.testing.assert_allclose(c, -1.0, rtol=1e-5)
    np.testing.assert_allclose(np.var(a - np.asarray(c) * (b - b.mean())), 0.0, atol=1e-10)


def test_baseline_of_least_variance_is_one_for_each_coordinate():
    """Two coins with a reward that mostly depends on the first."""
    q = distributions.Bernoulli(np.array([0.3, -1.2], DTYPE))

    def reward(_, z):
        return jnp.asarray([3.0, 0.2], DTYPE) @ z.astype(DTYPE) + 1.0

    support = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    probs = 1 / (1 + np.exp(-np.array([0.3, -1.2])))
    chance = np.where(support == 1, probs, 1 - probs).prod(1)
    scores, rewards = support - probs, support @ np.array([3.0, 0.2]) + 1.0
    best = (chance @ (scores**2 * rewards[:, None])) / (chance @ scores**2)
    common = (chance @ ((scores**2).sum(1) * rewards)) / (chance @ (scores**2).sum(1))

    def variance(b):
        estimator = vi.score_function(num_samples=1, baseline=vi.constant_baseline(b))
        return np.asarray(jax.jit(lambda p: vi.enumerate_gradient(estimator, reward, p, p, ())[1].logits)(q))

    assert abs(best[0] - best[1]) > 0.2
    for j in range(2):
        assert variance(best[j])[j] <= variance(common)[j]
        assert variance(best[j])[j] < variance(best[1 - j])[j]
    assert variance(common).sum() < variance(best[0]).sum()


def test_variance_of_a_sum_has_twice_the_covariance():
    factor = np.array([[1.0, 0.0], [0.8, 0.6]], DTYPE)
    law = distributions.MultivariateNormal(np.zeros(2, DTYPE), factor)
    total = law.linear_map(np.ones((1, 2), DTYPE))
    covariance = factor @ factor.T
    np.testing.assert_allclose(
        total.variance()[0], covariance[0, 0] + covariance[1, 1] + 2 * covariance[0, 1], rtol=1e-5
    )
