"""Rows of docs/errata.md on regions, regularisation and linear networks: the right form holds, the printed does not."""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import theory

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
RNG = np.random.default_rng(5)
X, Y = RNG.normal(size=(6, 3)).astype(DTYPE), RNG.normal(size=6).astype(DTYPE)


def test_the_region_formula_bounds_the_maximum_from_below():
    """Two layers of four units in the plane can make 44 regions; eight units in one layer make 37 and no more."""
    assert theory.montufar_lower_bound(2, (4, 4)) == 44
    assert theory.hyperplane_region_count(2, 8) == 37
    assert theory.montufar_upper_bound(2, (4, 4)) > 44


def test_the_error_of_two_layers_keeps_the_transpose():
    """A - Gamma = U (Q W - S) V^T for A = U Q W V^T and Gamma = U S V^T."""
    u, v = (np.linalg.qr(RNG.normal(size=(3, 3)))[0] for _ in range(2))
    q, w, s = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3)), np.diag([3.0, 2.0, 1.0])
    gap = u @ q @ w @ v.T - u @ s @ v.T
    np.testing.assert_allclose(u @ (q @ w - s) @ v.T, gap, atol=1e-12)
    assert np.abs(u @ (q @ w - s) @ v - gap).max() > 0.1


def test_shrinkage_by_eigenvectors_needs_one_penalty():
    """(Q L Q^T + D)^-1 Q L Q^T is Q (L + D)^-1 L Q^T for D = penalty I, and not for other diagonal matrices."""
    angle = 0.6
    q = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    values = np.array([2.0, 0.5])
    hessian = (q * values) @ q.T
    w = np.array([1.0, -2.0])
    factors = np.asarray(theory.shrinkage_factors(values.astype(DTYPE), 0.3))
    np.testing.assert_allclose(
        theory.shrink(hessian.astype(DTYPE), w.astype(DTYPE), 0.3), q @ (factors * (q.T @ w)), rtol=64 * EPS
    )
    penalty = np.array([0.1, 1.0])
    left = np.linalg.solve(hessian + np.diag(penalty), hessian)
    assert np.abs(left - (q * (values / (values + penalty))) @ q.T).max() > 0.05


def test_weight_decay_has_no_factor_of_the_keep_probability():
    """The gradient of |y - X w|^2 + l |w|^2 is -2 X^T (y - X w) + 2 l w."""
    w, penalty = theory.ridge(X, Y, 0.8), DTYPE(0.8)
    gradient = jax.grad(lambda w: jnp.sum((Y - X @ w) ** 2) + penalty * jnp.sum(w**2))(w)
    np.testing.assert_allclose(gradient, np.zeros(3), atol=1e3 * EPS)
    printed = -2 * 0.5 * X.T @ (Y - X @ np.asarray(w)) + 2 * penalty * np.asarray(w)
    assert np.abs(printed).max() > 0.1


def test_only_the_scaled_weights_of_dropout_vanish():
    """As the probability p to keep falls to 0, p w -> 0 and w -> Gamma^-2 X^T y."""
    w = np.asarray(theory.dropout_ridge(X, Y, 1e-9))
    np.testing.assert_allclose(w, X.T @ Y / np.sum(X**2, axis=0), rtol=1e-5)
    assert np.abs(w).max() > 0.05
    assert np.abs(1e-9 * w).max() < 1e-8


def test_noise_on_inputs_decays_slopes_and_not_the_intercept():
    level, slopes = theory.input_noise_ridge(X, Y + 10, 0.5)
    plain, _ = theory.input_noise_ridge(X, Y, 0.5)
    np.testing.assert_allclose(level, plain + 10, rtol=1e3 * EPS)
    design = np.concatenate([np.ones((6, 1)), X], axis=1).astype(np.float64)
    everything = np.linalg.solve(design.T @ design + 6 * 0.25 * np.eye(4), design.T @ (Y + 10.0))
    assert abs(everything[0] - level) > 1
    assert np.abs(everything[1:] - slopes).max() > 1e-3
