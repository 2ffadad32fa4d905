"""Rows of docs/errata.md on Stein's method: the right form holds numerically, and the printed form does not."""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import numerics, stein

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = float(np.finfo(DTYPE).eps)


def standard_normal(num_points=40):
    nodes, weights = numerics.gauss_hermite_rule(num_points)
    return np.asarray(nodes, np.float64), np.asarray(weights, np.float64)


def test_slope_of_the_normal_density_has_a_minus_sign():
    z = DTYPE(1.0)
    density = lambda z: jnp.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)  # noqa: E731
    np.testing.assert_allclose(jax.grad(density)(z), -z * density(z), rtol=8 * EPS)
    assert abs(jax.grad(density)(z) - z * density(z)) > 0.4


def test_the_stein_operator_has_no_expectation():
    """A_p f(x) = s(x) f(x) + f'(x) with f = sin: not zero at a point, zero on average."""
    x, weights = standard_normal()
    value = -x * np.sin(x) + np.cos(x)
    assert np.abs(value).max() > 0.5
    assert abs(weights @ value) < 1e-12


def test_every_feature_map_gives_a_kernel_and_the_exponential_one_has_one():
    """exp(x y) = sum_k (x^k/sqrt k!)(y^k/sqrt k!); the Gram matrix of any features is positive."""
    x = np.linspace(-1.5, 1.5, 7)
    factorials = np.cumprod(np.concatenate([[1.0], np.arange(1.0, 40)]))
    features = x[:, None] ** np.arange(40) / np.sqrt(factorials)
    np.testing.assert_allclose(features @ features.T, np.exp(np.outer(x, x)), rtol=1e-13)
    rough = np.sign(np.sin(np.outer(x, np.arange(1, 5))))  # features of no smoothness at all
    assert np.linalg.eigvalsh(rough @ rough.T).min() > -1e-12


def test_positive_definite_is_not_enough_for_a_discrepancy():
    """x = -1, 1 has the first two moments of N(0, 1): `Linear` gives 0 and `RBF` does not."""
    x = np.array([[-1.0], [1.0]], DTYPE)
    assert stein.ksd(x, -x, stein.Linear(1.0), statistic="v") == 0
    np.testing.assert_allclose(stein.ksd(x, -x, stein.RBF(1.0), statistic="v"), 0.4586588670535492, rtol=16 * EPS)


def test_descent_runs_on_an_unbounded_space():
    """Particles that start beyond any bound set in advance come to the target's centre."""
    step = jax.jit(lambda x: x + stein.svgd_direction(x, -x, stein.RBF(1.0)))
    x = jnp.asarray([[1e3], [-2e3], [5e2]], DTYPE)
    for _ in range(400):
        x = step(x)
    assert np.abs(np.asarray(x)).max() < 3
