"""Regions by brute force, expectations by enumeration, learning curves by integration."""

import functools
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import integrate

from depthjax import theory

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
VALUES = pytest.mark.skipif(not X64, reason="float64 values")
RNG = np.random.default_rng(0)


def test_regions_of_random_lines():
    """Every region of m random lines of the plane holds a point near a crossing or far out."""
    for m in range(1, 7):
        w, b = RNG.normal(size=(m, 2)), RNG.normal(size=m)
        crossings = [np.linalg.solve(w[[i, j]], -b[[i, j]]) for i, j in itertools.combinations(range(m), 2)]
        turn = np.linspace(0, 2 * np.pi, 721)
        ring = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        around = [c + 1e-6 * ring for c in crossings] + [1e6 * ring, ring @ np.diag([1e3, 1e3])]
        points = np.concatenate(around)
        assert theory.count_activation_patterns([w], [b], points) == theory.hyperplane_region_count(2, m)


def test_region_counts():
    assert theory.hyperplane_region_count(2, 8) == 37
    assert theory.montufar_lower_bound(2, (4, 4)) == 44
    assert theory.montufar_upper_bound(2, (4, 4)) == 121
    assert theory.montufar_lower_bound(1, (4,)) == theory.montufar_upper_bound(1, (4,)) == 5
    big = theory.montufar_upper_bound(64, (64,) * 4)
    assert big == 2**256
    for n, m in ((3, 2), (3, 50), (1, 7), (2, 10**6), (4, 0)):
        expected = math.log(theory.hyperplane_region_count(n, m))
        np.testing.assert_allclose(
            jax.jit(theory.hyperplane_region_count_log, static_argnums=0)(n, m), expected, rtol=64 * EPS
        )
    weights, biases = [RNG.normal(size=(4, 2)), RNG.normal(size=(4, 4))], [RNG.normal(size=4)] * 2
    found = theory.count_activation_patterns(weights, biases, RNG.uniform(-20, 20, size=(20_000, 2)))
    assert 11 <= found <= theory.montufar_upper_bound(2, (4, 4))


def test_dropout_by_every_mask():
    x, y = RNG.normal(size=(3, 3)).astype(DTYPE), RNG.normal(size=3).astype(DTYPE)
    w, p = RNG.normal(size=3).astype(DTYPE), 0.7
    expected = 0.0
    for mask in itertools.product((0, 1), repeat=9):
        r = np.array(mask).reshape(3, 3)
        expected += p ** r.sum() * (1 - p) ** (9 - r.sum()) * np.sum((y - (r * x) @ w) ** 2)
    np.testing.assert_allclose(theory.dropout_ridge_loss(w, x, y, p), expected, rtol=64 * EPS)
    best = theory.dropout_ridge(x, y, p)
    gradient = jax.grad(theory.dropout_ridge_loss)(best, x, y, p)
    np.testing.assert_allclose(gradient, np.zeros(3), atol=1e4 * EPS)
    np.testing.assert_allclose(theory.dropout_ridge(x, y, 1e-9), x.T @ y / np.sum(x**2, axis=0), rtol=1e-5)
    empty = np.concatenate([x, np.zeros((3, 1), DTYPE)], axis=1)
    np.testing.assert_allclose(theory.dropout_ridge(empty, y, p), np.append(best, 0), rtol=1e4 * EPS, atol=1e4 * EPS)


def test_ridges():
    x, y = RNG.normal(size=(20, 3)).astype(DTYPE), RNG.normal(size=20).astype(DTYPE)
    close = {"rtol": 1e4 * EPS, "atol": 1e4 * EPS}
    w = theory.ridge(x, y, 0.7)
    np.testing.assert_allclose(w, np.linalg.solve(x.T @ x + 0.7 * np.eye(3), x.T @ y), **close)
    b, slopes = theory.input_noise_ridge(x + 5, y, 0.3)
    design = np.concatenate([np.ones((20, 1)), x + 5], axis=1).astype(np.float64)
    penalty = np.diag([0.0, *[20 * 0.09] * 3])
    joint = np.linalg.solve(design.T @ design + penalty, design.T @ y)
    np.testing.assert_allclose((b, *slopes), joint, rtol=1e5 * EPS, atol=1e5 * EPS)
    np.testing.assert_allclose(
        theory.input_noise_ridge(x, y, 0.3, fit_intercept=False), theory.ridge(x, y, 1.8), **close
    )


@VALUES
def test_shrinkage_is_what_decay_and_early_stopping_do():
    a = RNG.normal(size=(4, 4))
    hessian, optimum = a @ a.T, RNG.normal(size=4)
    values, vectors = np.linalg.eigh(hessian)
    decayed = vectors @ (np.asarray(theory.shrinkage_factors(values, 0.3)) * (vectors.T @ optimum))
    np.testing.assert_allclose(theory.shrink(hessian, optimum, 0.3), decayed, rtol=1e-10)
    w, size = np.zeros(4), 0.01
    for _ in range(50):
        w = w - size * hessian @ (w - optimum)
    stopped = vectors @ (np.asarray(theory.early_stopping_factors(values, size, 50)) * (vectors.T @ optimum))
    np.testing.assert_allclose(w, stopped, rtol=1e-10)
    small = np.array([1e-9, 1e-7])
    penalty = theory.equivalent_penalty(size, 50)
    near = theory.shrinkage_factors(small, penalty) / theory.early_stopping_factors(small, size, 50)
    np.testing.assert_allclose(near, np.ones(2), rtol=1e-6)
    np.testing.assert_allclose(theory.early_stopping_factors(np.array([150.0]), size, 3.0), [1 + 0.125], rtol=1e-12)
    assert theory.shrinkage_factors(0.0, 0.0) == 0
    assert np.isnan(theory.shrinkage_factors(-1.0, 0.1))
    assert np.all(np.isnan(theory.shrink(np.array([[1.0, 0.5], [0.0, 1.0]]), np.ones(2), 0.1)))


@VALUES
@pytest.mark.parametrize("depth", [1, 2, 3, pytest.param(5, marks=pytest.mark.slow)])
def test_learning_curves_against_integration(depth):
    s, u0 = 1.7, 0.02
    rate_of = lambda t, u: 2 * depth * u ** (2 - 2 / depth) * (s - u)  # noqa: E731
    times = np.array([0.05, 0.4, 1.0, 3.0])
    path = integrate.solve_ivp(rate_of, (0, 3), [u0], t_eval=times, rtol=1e-12, atol=1e-14, method="DOP853").y[0]
    mode = jax.jit(functools.partial(theory.deep_linear_mode, depth=depth))
    np.testing.assert_allclose(mode(times, s, u0), path, rtol=1e-9)
    passed = theory.deep_linear_time(u0, path, s, depth=depth)
    reached = path < s * (1 - 1e-6)
    np.testing.assert_allclose(passed[reached], times[reached], rtol=1e-8)
    check_grads(mode, (0.4, s, u0), order=1, rtol=1e-5)
    np.testing.assert_allclose(np.array(mode(np.array([0.0, 1e-3, 10.0, 1e4]), s, u0))[[0, 3]], [u0, s], rtol=1e-12)


@pytest.mark.parametrize("depth", [3, 5])
def test_modes_have_derivatives_at_the_ends(depth):
    """At time 0 that of the equation, at the target the rate of relaxation; in units of the target, also beyond it."""
    s, u0, t = 1.7, 0.02, 0.3
    slopes = jax.jit(jax.grad(lambda t, s, u: theory.deep_linear_mode(t, s, u, depth=depth), (0, 1, 2)))
    start = 2 * depth * u0 ** (2 - 2 / depth) * (s - u0)
    np.testing.assert_allclose(slopes(0.0, s, u0), (start, 0, 1), rtol=1e3 * EPS, atol=1e3 * EPS)
    decay = np.exp(-2 * depth * s ** (2 - 2 / depth) * t)
    np.testing.assert_allclose(slopes(t, s, s), (0, 1 - decay, decay), rtol=1e3 * EPS, atol=1e3 * EPS)
    relative = theory.deep_linear_mode(np.array([0.0, 0.1]), 1.0, np.array([[1e-8], [3.0]], DTYPE), depth=depth)
    expected = [[u, integrate.solve_ivp(
        lambda t, y: 2 * depth * np.exp((1 - 2 / depth) * y) * -np.expm1(y), (0, 0.1), [np.log(u)],
        rtol=1e-12, atol=1e-12, method="DOP853").y[0, -1]] for u in (1e-8, 3.0)]  # fmt: skip
    expected = [[u, np.exp(y)] for u, y in expected]
    np.testing.assert_allclose(relative, expected, rtol=1e-10 if X64 else 64 * EPS)


@VALUES
def test_modes_have_second_derivatives():
    mode = jax.jit(functools.partial(theory.deep_linear_mode, depth=3))
    slope, second = jax.jit(jax.grad(mode, (0, 1, 2))), jax.jit(jax.hessian(lambda x: mode(*x)))
    for u0 in (0.3, 1.7, 1.7001, 4.0):
        point = np.array([0.3, 1.7, u0])
        steps = 1e-5 * np.eye(3)
        numeric = [(np.array(slope(*(point + h))) - np.array(slope(*(point - h)))) / 2e-5 for h in steps]
        np.testing.assert_allclose(second(point), numeric, rtol=1e-7, atol=1e-7)
    assert theory.deep_linear_time(0.1, 1.0, 1.0, depth=3) == np.inf
    assert theory.deep_linear_time(1.0, 1.0, 1.0, depth=3) == 0
    assert np.isnan(theory.deep_linear_time(0.1, 1.5, 1.0, depth=3))
    np.testing.assert_allclose(theory.deep_linear_time(3.0, 1.2, 1.0, depth=2), np.log(3 * 0.2 / 2 / 1.2) / -4)


def test_derivatives_without_penalty_or_steps():
    x, y = RNG.normal(size=(6, 3)).astype(DTYPE), RNG.normal(size=6).astype(DTYPE)

    def normal(penalty, x):
        return jnp.sum(jnp.linalg.solve(x.T @ x + penalty * jnp.eye(3, dtype=x.dtype), x.T @ y))

    for penalty in (0.0, 0.2):
        found = jax.grad(lambda p, x: jnp.sum(theory.ridge(x, y, p)), (0, 1))(penalty, x)
        for a, b in zip(found, jax.grad(normal, (0, 1))(penalty, x), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e5 * EPS, atol=1e5 * EPS)
    if X64:
        second = jax.hessian(lambda x: jnp.sum(theory.ridge(x, y, 0.2)))(x)
        np.testing.assert_allclose(second, jax.hessian(lambda x: normal(0.2, x))(x), atol=1e-10)
    silent = jax.jacobian(lambda c: theory.input_noise_ridge(x, y, c)[1])(0.0)
    np.testing.assert_array_equal(silent, np.zeros(3))
    for steps, expected in ((0.0, 0.0), (1.0, 1.0), (3.0, 0.0)):
        assert jax.grad(lambda e, n: theory.early_stopping_factors(e, 1.0, n))(1.0, steps) == expected


def test_traced_values_out_of_range_give_nan():
    x, y = RNG.normal(size=(6, 3)).astype(DTYPE), RNG.normal(size=6).astype(DTYPE)

    @jax.jit
    def every(bad):
        return (
            theory.dropout_ridge(x, y, bad), theory.dropout_ridge_loss(x[0], x, y, bad), theory.ridge(x, y, bad),
            theory.input_noise_ridge(x, y, bad), theory.shrinkage_factors(x[0] ** 2, bad),
            theory.early_stopping_factors(x[0] ** 2, bad, 1.0), theory.early_stopping_factors(x[0] ** 2, 0.1, bad),
            theory.equivalent_penalty(bad, 1.0), theory.shrink(x.T @ x, x[0], bad),
            theory.hyperplane_region_count_log(2, bad),
            [theory.deep_linear_mode(1.0, 1.0, bad, depth=d) for d in (1, 2, 3)],
            [theory.deep_linear_time(bad, 0.5, 1.0, depth=d) for d in (1, 2, 3)],
        )  # fmt: skip

    for leaf in jax.tree.leaves(every(DTYPE(-1.0))):
        assert np.isnan(leaf).all()


@VALUES
def test_matrices_learn_mode_by_mode():
    u, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
    v, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
    strengths, start = np.array([3.0, 1.5, 0.5]), np.array([0.01, 0.02, 0.05])
    gamma = (u * strengths) @ v.T
    first, second = np.diag(np.sqrt(start)) @ v.T, u @ np.diag(np.sqrt(start))
    times = np.array([0.1, 0.5, 2.0])
    path = theory.deep_linear_flow((first, second), gamma, times)
    expected = np.stack([(u * np.asarray(theory.deep_linear_mode(t, strengths, start))) @ v.T for t in times])
    np.testing.assert_allclose(path.product, expected, atol=1e-8)
    assert path.converged
    uneven = [RNG.normal(size=(4, 2)), RNG.normal(size=(3, 4)), RNG.normal(size=(2, 3))]
    moved = theory.deep_linear_flow(uneven, np.eye(2), times[:1])
    gap = lambda a, b: b.T @ b - a @ a.T  # noqa: E731
    np.testing.assert_allclose(gap(*(w[0] for w in moved.weights[:2])), gap(*uneven[:2]), atol=1e-8)


def test_residual_networks():
    assert theory.residual_path_counts(4) == (1, 4, 6, 4, 1)
    assert sum(theory.residual_path_counts(100)) == 2**100
    assert theory.residual_variance_growth(5) == 32
    np.testing.assert_allclose(theory.residual_variance_growth(np.array([1.0, 2.0], DTYPE), 0.5), [1.5, 2.25])
    np.testing.assert_allclose(theory.relu_second_moment(DTYPE(3.0)), 1.5)


def test_bad_input():
    x, y = jnp.ones((3, 2)), jnp.ones(3)
    with pytest.raises(ValueError, match="x and y have shapes"):
        theory.ridge(x, y[:2], 1.0)
    with pytest.raises(ValueError, match="keep_prob is 0.0"):
        theory.dropout_ridge(x, y, 0.0)
    with pytest.raises(ValueError, match="penalty is -1"):
        theory.ridge(x, y, -1.0)
    with pytest.raises(ValueError, match="at least num_inputs"):
        theory.montufar_lower_bound(3, (4, 2))
    with pytest.raises(ValueError, match="num_inputs is 0"):
        theory.hyperplane_region_count(0, 3)
    with pytest.raises(ValueError, match="layer 0 has"):
        theory.count_activation_patterns([np.ones((3, 4))], [np.ones(3)], np.ones((5, 2)))
    with pytest.raises(ValueError, match="depth is 0"):
        theory.deep_linear_mode(1.0, 1.0, 0.1, depth=0)
    with pytest.raises(ValueError, match="deep_linear_flow"):
        theory.deep_linear_flow((np.ones((3, 2)), np.ones((2, 2))), np.ones((2, 2)), np.ones(1))
