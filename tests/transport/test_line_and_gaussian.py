"""Transport on the line, between normal laws and along slices, against linear programs, scipy and closed forms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.test_util import check_grads
from scipy import linalg, optimize, stats

from depthjax import numerics
from depthjax import transport as ot

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
TOL = 64 * EPS
VALUES = pytest.mark.skipif(not X64, reason="float64 values")
close = functools.partial(np.testing.assert_allclose, rtol=TOL, atol=TOL)


def linear_program(cost, a, b):
    """The exact optimum of min <P, C>."""
    constraints = ot.transport_constraint_matrix(*cost.shape)
    found = optimize.linprog(cost.ravel(order="F"), A_eq=constraints, b_eq=np.concatenate([a, b]), method="highs")
    return found.fun


def test_printed_values_on_the_line():
    x, a = np.array([0.0, 1.0, 1.0], DTYPE), np.array([0.5, 0.25, 0.25], DTYPE)
    y, b = np.array([0.0, 2.0], DTYPE), np.array([0.25, 0.75], DTYPE)
    close(ot.wasserstein_1d(x, y, a, b), 1.0)
    close(ot.wasserstein_1d(x, y, a, b, p=2.0) ** 2, 1.5)
    halves, quarters = np.log(np.array([0.5, 0.5], DTYPE)), np.log(np.array([0.75, 0.25], DTYPE))
    sure = np.array([0.0, -np.inf], DTYPE)
    close(ot.wasserstein_discrete(halves, quarters), 0.25)
    close(ot.wasserstein_discrete(np.stack([halves, quarters]), np.stack([sure, halves])), [0.5, 0.25])
    close(ot.w1_gaussian(DTYPE(0.5), 1.5, -1.0, 0.7), 1.5188689560, rtol=1e-10 if X64 else TOL)
    close(ot.w2_squared_gaussian(DTYPE(0.5), 1.5, -1.0, 0.7), 2.89)
    close(ot.w2_gaussian(DTYPE(0.5), 1.5, -1.0, 0.7), 1.7)
    close(ot.wasserstein_1d(jnp.zeros(1, DTYPE), jnp.full(1, 3.0, DTYPE), p=7.0), 3.0)


@VALUES
@given(seed=st.integers(0, 10_000), n=st.integers(1, 6), m=st.integers(1, 6), p=st.sampled_from([1.0, 1.5, 2.0, 3.0]))
def test_the_line_against_linear_programs(seed, n, m, p):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(-3, 4, n).astype(float), rng.integers(-3, 4, m).astype(float)
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    if n > 1:
        a[0] = 0.0
        a /= a.sum()
    cost = np.abs(x[:, None] - y[None, :]) ** p
    value = ot.wasserstein_1d_power(x, y, a, b, p=p)
    np.testing.assert_allclose(value, linear_program(cost, a, b), atol=1e-9)
    i, j, mass = ot.monotone_coupling_1d(x, y, a, b)
    np.testing.assert_allclose(np.sum(mass * cost[i, j]), value, atol=1e-12)
    np.testing.assert_allclose(np.bincount(i, mass, n), a, atol=1e-12)
    np.testing.assert_allclose(np.bincount(j, mass, m), b, atol=1e-12)
    if p == 1.0:
        f, g = ot.kantorovich_potential_1d(x, y, a, b)
        np.testing.assert_allclose(a @ f - b @ g, value, atol=1e-12)
        z, h = np.concatenate([x, y]), np.concatenate([f, g])
        assert (np.abs(h[:, None] - h[None]) <= np.abs(z[:, None] - z[None]) + 1e-12).all()
        np.testing.assert_allclose(value, stats.wasserstein_distance(x, y, a, b), atol=1e-12)


@VALUES
@pytest.mark.parametrize("p", [1.0, 1.7, 2.0])
def test_gradients_on_the_line(p):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=7).astype(DTYPE), rng.normal(size=5).astype(DTYPE)
    a, b = rng.dirichlet(np.ones(7)).astype(DTYPE), rng.dirichlet(np.ones(5)).astype(DTYPE)
    value = jax.jit(lambda x, y, a, b: ot.wasserstein_1d(x, y, a, b, p=p))
    gradients = jax.jit(jax.grad(value, argnums=(0, 1, 2)))(x, y, a, b)
    h = 1e-5
    along_x = rng.normal(size=7).astype(DTYPE)
    along_a = rng.normal(size=7)
    along_a = (0.02 * (along_a - along_a.mean())).astype(DTYPE)
    for gradient, move in ((gradients[0], (along_x, 0 * a)), (gradients[2], (0 * x, along_a))):
        up = value(x + h * move[0], y, a + h * move[1], b)
        down = value(x - h * move[0], y, a - h * move[1], b)
        direction = move[0] if np.any(move[0]) else move[1]
        np.testing.assert_allclose(np.sum(gradient * direction), (up - down) / (2 * h), rtol=1e-6, atol=1e-8)
    same = jax.grad(lambda x, y: ot.wasserstein_1d(x, y, p=p), argnums=(0, 1))(x, x)
    np.testing.assert_array_equal(same, np.zeros((2, 7)))
    ties = jax.grad(lambda x: ot.wasserstein_1d(x, jnp.asarray([0.0, 2.0], DTYPE), p=p))(
        jnp.asarray([0.0, 1, 1], DTYPE)
    )
    assert np.isfinite(np.asarray(ties)).all()


def test_gaussian_gradients_where_laws_coincide():
    for fn in (ot.w1_gaussian, ot.w2_gaussian):
        for args in ((0.3, 0.7, 0.3, 0.7), (0.3, 0.7, 0.1, 0.7), (2.0, 0.7 + 1e-6, 0.1, 0.7)):
            gradient = jax.grad(fn, argnums=(0, 1, 2, 3))(*map(DTYPE, args))
            assert np.isfinite(np.asarray(gradient)).all()
    np.testing.assert_array_equal(jax.grad(ot.w2_gaussian, argnums=(0, 1))(*map(DTYPE, (0.3, 0.7, 0.3, 0.7))), [0, 0])


def covariances(seed, dim=4):
    first, second = np.random.default_rng(seed).normal(size=(2, dim, dim))
    return (first @ first.T / dim).astype(DTYPE), (second @ second.T / dim).astype(DTYPE)


@VALUES
def test_bures_against_matrix_roots_and_its_map():
    a, b = covariances(0)
    root = linalg.sqrtm(a).real
    expected = np.trace(a) + np.trace(b) - 2 * np.trace(linalg.sqrtm(root @ b @ root).real)
    np.testing.assert_allclose(ot.bures_squared(a, b), expected, rtol=1e-11)
    matrix, shift = ot.gaussian_map(np.ones(4), a, np.arange(4.0), b)
    np.testing.assert_allclose(matrix @ a @ matrix, b, atol=1e-11)
    np.testing.assert_allclose(matrix @ np.ones(4) + shift, np.arange(4.0), atol=1e-12)
    np.testing.assert_allclose(np.trace((matrix - np.eye(4)) @ a @ (matrix - np.eye(4))), expected, rtol=1e-10)
    np.testing.assert_allclose(ot.w2_squared_mvn(np.zeros(4), a, np.ones(4), b), 4 + expected, rtol=1e-11)
    p, q = np.array([1.0, 4, 9]), np.array([4.0, 0, 1])
    np.testing.assert_allclose(ot.bures_squared(np.diag(p), np.diag(q)), np.sum((np.sqrt(p) - np.sqrt(q)) ** 2))


def test_bures_gradients():
    a, b = (c + np.eye(3, dtype=DTYPE) for c in covariances(1, 3))
    if X64:
        symmetric = lambda m: 0.5 * (m + m.T)  # noqa: E731
        check_grads(lambda a, b: ot.bures_squared(symmetric(a), symmetric(b)), (a, b), order=2, rtol=1e-5, atol=1e-5)
    gradient = jax.grad(ot.bures_squared, argnums=(0, 1))(a, a)
    np.testing.assert_allclose(gradient, np.zeros((2, 3, 3)), atol=1e3 * EPS)
    equal = jnp.eye(3, dtype=DTYPE)
    hessian = jax.hessian(lambda t: ot.bures_squared(equal * t, 2 * equal))(DTYPE(1.0))
    np.testing.assert_allclose(hessian, 3 * np.sqrt(2) / 2, rtol=TOL)  # of 3 (t + 2 - 2 sqrt(2 t))
    singular = jnp.diag(jnp.asarray([1.0, 1e-8, 0.0], DTYPE))
    for second in (singular, equal):
        value, gradient = jax.value_and_grad(ot.bures_squared, argnums=(0, 1))(singular, second)
        assert all(np.isfinite(np.asarray(leaf)).all() for leaf in (value, *gradient))


def test_samples_of_fewer_points_than_dimensions():
    """Gradients through covariances whose ranges differ are those of differences, and zero between equal samples."""
    rng = np.random.default_rng(2)
    x, y, move = rng.normal(size=(3, 4, 6)).astype(DTYPE)
    run = jax.jit(jax.value_and_grad(ot.frechet_distance_squared))
    np.testing.assert_allclose(run(x, x)[1], np.zeros((4, 6)), atol=1e-4 if not X64 else 1e-12)
    h = DTYPE(1e-5 if X64 else 1e-2)
    slope = (run(x + h * move, y)[0] - run(x - h * move, y)[0]) / (2 * h)
    slack = {"rtol": 1e-7} if X64 else {"atol": 2e-3}  # in float32 that of the difference
    np.testing.assert_allclose(np.sum(run(x, y)[1] * move), slope, **slack)
    a, b = (np.cov(v.T) for v in (x, y))
    matrix, _ = ot.gaussian_map(np.zeros(6, DTYPE), a.astype(DTYPE), np.zeros(6, DTYPE), b.astype(DTYPE))
    np.testing.assert_allclose(matrix @ a @ matrix, b, atol=1e-10 if X64 else 2e-3)


@VALUES
def test_functions_of_psd_matrices():
    a, b = covariances(2)
    root = numerics.psd_sqrt(a)
    np.testing.assert_allclose(root @ root, a, atol=1e-13)
    x = numerics.lyapunov(a, b)
    np.testing.assert_allclose(a @ x + x @ a, b, atol=1e-12)
    np.testing.assert_allclose(numerics.psd_pinv(a) @ a, np.eye(4), atol=1e-9)
    for fn in (numerics.psd_sqrt, numerics.psd_pinv):
        check_grads(lambda t, fn=fn: fn(a + t * b), (0.1,), order=3, rtol=1e-4, atol=1e-4)
    third = jax.jacfwd(jax.jacfwd(jax.jacfwd(lambda t: numerics.psd_sqrt(t * jnp.eye(3)))))(1.0)
    np.testing.assert_allclose(third, 0.375 * np.eye(3), atol=1e-12)
    assert np.isnan(np.asarray(numerics.psd_sqrt(jnp.diag(jnp.asarray([1.0, -0.5]))))).all()


def test_frechet_distance_and_barycentre():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(50, 3)).astype(DTYPE), (rng.normal(size=(40, 3)) * 2 + 1).astype(DTYPE)
    expected = ot.w2_squared_mvn(x.mean(0), np.cov(x.T).astype(DTYPE), y.mean(0), np.cov(y.T).astype(DTYPE))
    np.testing.assert_allclose(ot.frechet_distance_squared(x, y), expected, rtol=1e3 * EPS)
    a, b = covariances(4)
    locs = np.stack([np.zeros(4), np.ones(4)]).astype(DTYPE)
    middle = ot.gaussian_barycentre(locs, np.stack([a, b]), np.array([0.25, 0.75], DTYPE), num_steps=40)
    matrix, _ = ot.gaussian_map(locs[0], a, locs[1], b)
    path = 0.25 * np.eye(4) + 0.75 * np.asarray(matrix)
    np.testing.assert_allclose(middle.cov, path @ a @ path.T, rtol=1e-8 if X64 else 1e-2, atol=1e-8 if X64 else 1e-3)
    np.testing.assert_allclose(middle.loc, np.full(4, 0.75), rtol=TOL)
    if X64:
        assert np.isnan(np.asarray(ot.gaussian_barycentre(locs, np.stack([a, 100 * b]), num_steps=1).cov)).all()


def test_slices():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(60, 3)).astype(DTYPE)
    shift = np.array([1.0, -2.0, 0.5], DTYPE)
    key = jax.random.key(0)
    for orthogonal in (False, True):
        found = ot.sliced_wasserstein_power(key, x, x + shift, num_projections=300, orthogonal=orthogonal)
        expected = shift @ shift / 3
        assert abs(found.value - expected) <= 4 * found.standard_error + TOL
    close(found.value, expected)  # of whole bases, the squared projections of a shift have an exact mean
    line = ot.sliced_wasserstein_power(key, x[:, :1], x[:40, :1] + 1, num_projections=2, p=1.0)
    close(line.value, ot.wasserstein_1d(x[:, 0], x[:40, 0] + 1))
    far = ot.max_sliced_wasserstein(key, x, x + shift, num_steps=60, step_size=0.1)
    np.testing.assert_allclose(far.value, np.linalg.norm(shift), rtol=5e-3)
    assert far.value <= np.linalg.norm(shift) * (1 + TOL)
    same = jax.grad(lambda v: ot.sliced_wasserstein_power(key, v, x, num_projections=4).value)(jnp.asarray(x))
    np.testing.assert_array_equal(same, np.zeros_like(x))
    equal = ot.sliced_w2_squared_gaussian(
        shift[:2], np.eye(2, dtype=DTYPE), 0 * shift[:2], np.eye(2, dtype=DTYPE), num_nodes=8
    )
    close(equal, 2.5)
    plane = ot.sliced_w2_squared_gaussian(
        np.zeros(2, DTYPE), np.diag([4.0, 1.0]).astype(DTYPE), np.zeros(2, DTYPE), np.eye(2, dtype=DTYPE), num_nodes=64
    )
    angle = (np.arange(4000) + 0.5) / 4000 * np.pi
    np.testing.assert_allclose(plane, np.mean((np.sqrt(1 + 3 * np.cos(angle) ** 2) - 1) ** 2), rtol=1e3 * EPS)


def test_plans():
    matrix = ot.transport_constraint_matrix(4, 4)
    assert matrix.shape == (8, 16)
    assert np.linalg.matrix_rank(matrix) == 7
    plan = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(
        ot.transport_constraint_matrix(3, 4) @ plan.ravel(order="F"), np.concatenate([plan.sum(1), plan.sum(0)])
    )
    y = np.array([[0.0, 1.0], [2.0, 3.0]], DTYPE)
    mapped = ot.barycentric_map(np.array([[0.25, 0.75], [0.0, 0.0]], DTYPE), y)
    close(mapped[0], [1.5, 2.5])
    assert np.isnan(np.asarray(mapped[1])).all()
    i, j = ot.sample_coupling(jax.random.key(0), np.array([[0.1, 0.0], [0.4, 0.5]], DTYPE), num_pairs=20_000)
    counts = np.bincount(2 * np.asarray(i) + np.asarray(j), minlength=4) / 20_000
    assert counts[1] == 0
    assert np.abs(counts - [0.1, 0.0, 0.4, 0.5]).max() < 4 * np.sqrt(0.25 / 20_000)


def test_bad_input():
    x, y = jnp.ones(3, DTYPE), jnp.ones(2, DTYPE)
    with pytest.raises(ValueError, match=r"p is 0.5"):
        ot.wasserstein_1d(x, y, p=0.5)
    with pytest.raises(ValueError, match="x_weights sums to 1.5, expected 1; normalise"):
        ot.wasserstein_1d(x, y, np.full(3, 0.5))
    with pytest.raises(ValueError, match="negative entry"):
        ot.monotone_coupling_1d(x, y, np.array([-0.5, 1.0, 0.5]))
    with pytest.raises(ValueError, match="x has shape"):
        ot.wasserstein_1d(x[:, None], y)
    with pytest.raises(ValueError, match="pass jnp.log"):
        ot.wasserstein_discrete(np.array([0.5, 0.5]), np.log([0.5, 0.5]))
    with pytest.raises(ValueError, match="sums to 0.8"):
        ot.wasserstein_discrete(np.log([0.5, 0.3]), np.log([0.5, 0.5]))
    with pytest.raises(ValueError, match="cov_b has shape"):
        ot.bures_squared(jnp.eye(2), jnp.eye(3))
    with pytest.raises(ValueError, match="loc_b has shape"):
        ot.gaussian_map(jnp.ones(2), jnp.eye(2), jnp.ones(3), jnp.eye(2))
    with pytest.raises(ValueError, match="at least 2 for a covariance"):
        ot.frechet_distance_squared(jnp.ones((1, 2)), jnp.ones((3, 2)))
    with pytest.raises(ValueError, match="multiple of d = 2"):
        ot.sliced_wasserstein_power(
            jax.random.key(0), jnp.ones((3, 2)), jnp.ones((3, 2)), num_projections=3, orthogonal=True
        )
    with pytest.raises(ValueError, match="expected \\(2,\\)"):
        ot.sliced_w2_squared_gaussian(jnp.ones(3), jnp.eye(3), jnp.ones(3), jnp.eye(3), num_nodes=4)
