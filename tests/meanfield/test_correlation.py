"""Angles between signals: closed forms against two quadratures, fixed points, kernels, phases."""

import functools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from depthjax import meanfield as mf
from depthjax.meanfield import _joint

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
VALUES = pytest.mark.skipif(not X64, reason="float64 values")
A = mf.activations
GAPS = np.array([1e-14, 1e-8, 1e-3, 0.3, 1.0, 1.7, 2.0])
BARE_ERF = mf.Activation(A.erf.fn)
BARE_HARD_TANH = mf.Activation(A.hard_tanh.fn, breaks=(-1.0, 1.0))


@VALUES
def test_reference_fixed_points():
    found = mf.c_star(1.8, 0.4, A.erf)
    np.testing.assert_allclose(found.value, 0.3966392730791925, rtol=1e-12)
    np.testing.assert_allclose(found.slope, 0.8377359639244539, rtol=1e-12)
    np.testing.assert_allclose(mf.xi_c(1.8, 0.4, A.erf), 5.648048404234427, rtol=1e-12)
    np.testing.assert_allclose(mf.xi_q(1.3, 0.2, A.tanh), 1.643692395539348, rtol=1e-12)
    assert found.converged
    assert found.stable


@VALUES
@pytest.mark.parametrize(
    ("activation", "square", "q", "sigma_w"),
    [
        (A.erf, 0.1, 0.7263592293849606, 1.245840220627686),
        (A.hard_tanh, 0.3, 1.123115050713737, 1.235957183443279),
        (A.tanh, 0.03, 0.4471800549005531, 1.276965830284481),
    ],
)
def test_reference_critical_points(activation, square, q, sigma_w):
    line = mf.critical_line(q, activation)
    np.testing.assert_allclose((line[0], line[1] ** 2), (sigma_w, square), rtol=1e-12)
    points = mf.critical_sigma_w(np.sqrt(square), activation)
    np.testing.assert_allclose((points.q[0], points.sigma_w[0]), (q, sigma_w), rtol=1e-12)
    assert points.num_roots == 1
    assert np.isnan(np.asarray(points.q[1:])).all()
    np.testing.assert_allclose(mf.chi_1(q, sigma_w, activation), 1.0, rtol=1e-12)


def test_critical_points_without_biases():
    found = mf.critical_sigma_w(0.0, A.tanh)
    np.testing.assert_allclose((found.q[0], found.sigma_w[0], found.num_roots), (0.0, 1.0, 1), rtol=4 * EPS)
    found = mf.critical_sigma_w(0.0, A.relu)
    np.testing.assert_allclose((found.q[0], found.sigma_w[0]), (0.0, np.sqrt(2)), rtol=8 * EPS)
    assert mf.critical_sigma_w(0.1, A.relu).num_roots == 0
    np.testing.assert_allclose(mf.critical_line(np.array([0.1, 7.0], DTYPE), A.relu)[1], [0.0, 0.0])
    assert np.isnan(np.asarray(mf.critical_line(DTYPE(0.5), A.softplus)[1]))


@VALUES
@pytest.mark.parametrize("q", [1e-3, 1.0, 50.0, 1e4])
def test_plane_quadrature_against_closed_forms(q):
    for q_b in (q, 0.3 * q):
        scale = np.sqrt(q * q_b)
        both = jax.jit(jax.vmap(lambda g, q_b=q_b: (
            _joint.covariance(BARE_ERF, jnp.asarray(q), jnp.asarray(q_b), g),
            _joint.slope_covariance(BARE_ERF, jnp.asarray(q), jnp.asarray(q_b), g),
        )))(GAPS)  # fmt: skip
        np.testing.assert_allclose(both[0], A.erf.covariance(q, q_b, (1 - GAPS) * scale), atol=2e-14)
        np.testing.assert_allclose(both[1], A.erf.derivative_covariance(q, q_b, (1 - GAPS) * scale), rtol=5e-12)


@VALUES
@pytest.mark.parametrize(("q", "q_b"), [(0.05, 0.05), (1.0, 0.3), (100.0, 100.0), (100.0, 30.0)])
def test_angle_integral_against_plane_quadrature(q, q_b):
    """Price's theorem on one side, cut panels over the plane on the other."""
    gap_map = jax.jit(mf.correlation_gap_map)
    one = gap_map(GAPS, q, q_b, 1.5, 0.1, A.hard_tanh)
    np.testing.assert_allclose(one, gap_map(GAPS, q, q_b, 1.5, 0.1, BARE_HARD_TANH), rtol=2e-11)


def relu_gap(gap):
    with mpmath.workdps(40):
        gap = mpmath.mpf(float(gap))
        angle = mpmath.acos(1 - gap)
        return float(1 - (mpmath.sin(angle) + (mpmath.pi - angle) * (1 - gap)) / mpmath.pi)


def test_relu_keeps_the_digits_of_small_gaps():
    gaps = GAPS.astype(DTYPE)
    found = mf.correlation_gap_map(gaps, 1.0, 1.0, np.sqrt(2.0), 0.0, A.relu)
    np.testing.assert_allclose(found, [relu_gap(g) for g in gaps], rtol=64 * EPS)
    leaky = mf.correlation_map(DTYPE(0.3), 2.0, 0.5, 1.0, 0.1, A.leaky_relu(0.2))
    expected = A.leaky_relu(0.2).covariance(*map(DTYPE, (2.0, 0.5, 0.3))) + DTYPE(0.01)
    scale = np.sqrt((0.52 * 2 + 0.01) * (0.52 * 0.5 + 0.01))
    np.testing.assert_allclose(leaky, expected / scale, rtol=64 * EPS)


@VALUES
def test_gap_map_of_erf_and_sin():
    """1 - c' from closed covariances in 40 digits."""
    for activation, gap in ((A.erf, 1e-12), (A.erf, 0.2), (A.sin, 1e-12), (A.sin, 1.2)):
        with mpmath.workdps(40):
            q, g = mpmath.mpf(0.8), mpmath.mpf(gap)
            if activation is A.erf:
                joint = lambda c: 2 / mpmath.pi * mpmath.asin(2 * q * c / (1 + 2 * q))  # noqa: E731, B023
            else:
                joint = lambda c: mpmath.exp(-q) * mpmath.sinh(q * c)  # noqa: E731, B023
            bias, weight = mpmath.mpf(0.2) ** 2, mpmath.mpf(1.4) ** 2
            expected = float(weight * (joint(1) - joint(1 - g)) / (weight * joint(1) + bias))
        found = mf.correlation_gap_map(gap, 0.8, 0.8, 1.4, 0.2, activation)
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@VALUES
@pytest.mark.parametrize(
    "activation",
    [
        pytest.param(A.relu, id="relu"),
        pytest.param(A.tanh, id="tanh"),
        pytest.param(A.hard_tanh, id="hard_tanh", marks=pytest.mark.slow),
    ],
)
def test_slope_of_the_map_is_chi_c(activation):
    q, sigma_w = mf.q_star(1.4, 0.3, activation).value, 1.4
    gap_map = jax.jit(lambda g: mf.correlation_gap_map(g, q, q, sigma_w, 0.3, activation))
    slope = jax.jit(jax.grad(gap_map))
    np.testing.assert_allclose(slope(0.0), mf.chi_1(q, sigma_w, activation), rtol=1e-9)
    np.testing.assert_allclose(slope(0.4), mf.chi_c(0.6, q, sigma_w, activation), rtol=1e-9)
    np.testing.assert_allclose(slope(0.4), (gap_map(0.4 + 1e-4) - gap_map(0.4 - 1e-4)) / 2e-4, rtol=1e-7)
    second = jax.jit(jax.grad(jax.grad(gap_map)))(0.4)
    np.testing.assert_allclose(second, (slope(0.4 + 1e-4) - slope(0.4 - 1e-4)) / 2e-4, rtol=1e-6)


@VALUES
@pytest.mark.parametrize(
    "activation", [pytest.param(A.erf, id="erf"), pytest.param(A.hard_tanh, id="hard_tanh", marks=pytest.mark.slow)]
)
def test_derivatives_of_c_star(activation):
    value = jax.jit(lambda p: mf.c_star(p[0], p[1], activation).value)
    point, h = np.array([1.9, 0.3]), 1e-5
    gradient = jax.jit(jax.grad(value))(point)
    numeric = [(value(point + h * e) - value(point - h * e)) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(gradient, numeric, rtol=1e-7)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(value))(point), gradient, rtol=1e-12)


def test_ordered_critical_and_dead_networks():
    close = functools.partial(np.testing.assert_allclose, rtol=64 * EPS)
    ordered = mf.c_star(DTYPE(0.9), DTYPE(0.2), A.erf)
    assert ordered.value == 1
    close(ordered.slope, mf.chi_1(mf.q_star(DTYPE(0.9), DTYPE(0.2), A.erf).value, DTYPE(0.9), A.erf))
    dead = mf.c_star(DTYPE(0.5), DTYPE(0.0), A.erf)
    np.testing.assert_allclose((dead.value, dead.slope), (1.0, 0.25 * 4 / np.pi), rtol=64 * EPS)
    assert mf.xi_c(DTYPE(np.sqrt(2)), DTYPE(0.0), A.relu, q=DTYPE(1.0)) == np.inf
    gradient = jax.grad(lambda w: mf.c_star(w, DTYPE(0.2), A.erf).value)(DTYPE(0.9))
    assert gradient == 0


def test_trajectory_reaches_the_fixed_point():
    w, b = DTYPE(1.8), DTYPE(0.4)
    path = mf.correlation_trajectory(DTYPE(0.9), DTYPE(1.0), DTYPE(3.0), w, b, A.erf, 200)
    assert path.shape == (201,)
    np.testing.assert_allclose(path[1], mf.correlation_map(DTYPE(0.9), 1.0, 3.0, w, b, A.erf), rtol=64 * EPS)
    np.testing.assert_allclose(path[-1], 0.3966392730791925, rtol=1e3 * EPS)


def test_arc_cosine_kernels():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 5)).astype(DTYPE)
    size = np.linalg.norm(x), np.linalg.norm(y)
    angle = np.arccos(x @ y / (size[0] * size[1]))
    close = functools.partial(np.testing.assert_allclose, rtol=64 * EPS)
    close(mf.arc_cosine_kernel(x, y, order=0), 1 - angle / np.pi)
    joint = A.relu.covariance(DTYPE(size[0] ** 2), DTYPE(size[1] ** 2), DTYPE(x @ y))
    close(mf.arc_cosine_kernel(x, y, order=1), 2 * joint)
    close(mf.arc_cosine_kernel(x, x, order=2), 3 * size[0] ** 4)
    # E relu(u)^2 relu(v)^2 over the half-plane by polar coordinates: E r^4 = 8 times a mean over the angle
    turn = (np.arange(200_000) + 0.5) / 200_000 * 2 * np.pi
    mean = np.mean(np.maximum(np.cos(turn), 0) ** 2 * np.maximum(np.cos(turn - angle), 0) ** 2)
    np.testing.assert_allclose(
        mf.arc_cosine_kernel(x, y, order=2), 2 * 8 * mean * size[0] ** 2 * size[1] ** 2, rtol=max(1e-8, 64 * EPS)
    )
    for order in (0, 1, 2):
        gradient = jax.grad(lambda x: mf.arc_cosine_kernel(x, x, order=order))(jnp.asarray(x))  # noqa: B023
        assert np.isfinite(np.asarray(gradient)).all()
        assert mf.arc_cosine_kernel(x, 0 * x, order=order) == 0
        assert np.isfinite(np.asarray(jax.grad(lambda v: mf.arc_cosine_kernel(v, y, order=order))(0 * x))).all()  # noqa: B023


def test_kernel_of_a_wide_network():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 3)).astype(DTYPE)
    matrix = mf.nngp_kernel_matrix(x, x, DTYPE(1.3), DTYPE(0.2), A.relu, 3)
    np.testing.assert_allclose(matrix, matrix.T, rtol=64 * EPS)
    assert np.linalg.eigvalsh(np.asarray(matrix, np.float64)).min() > 0
    k = 1.69 * x @ x.T / 3 + DTYPE(0.04)
    for _ in range(3):
        d = np.diag(k)
        k = np.asarray(mf.nngp_kernel(d[:, None], d[None], k, DTYPE(1.3), DTYPE(0.2), A.relu))
    np.testing.assert_allclose(matrix, k, rtol=256 * EPS)
    linear = mf.nngp_kernel_matrix(x, x[:2], DTYPE(0.9), DTYPE(0.0), A.linear, 2)
    np.testing.assert_allclose(linear, 0.9**6 * x @ x[:2].T / 3, rtol=256 * EPS, atol=256 * EPS)
    assert np.isnan(np.asarray(mf.nngp_kernel(1.0, 1.0, DTYPE(1.5), 1.0, 0.0, A.relu)))


@pytest.mark.slow
@VALUES
def test_phase_diagram():
    w, b = np.array([0.8, 1.0, 1.5, 2.5])[:, None], np.array([0.0, 0.3])[None]
    for activation in (A.tanh, A.erf):
        found = jax.jit(lambda w, b, a=activation: mf.phase_diagram(w, b, a))(w, b)
        np.testing.assert_array_equal(found.phase, [[0, 0], [1 if activation is A.tanh else 2, 0], [2, 2], [2, 2]])
        lengths = mf.q_star(w, b, activation)
        np.testing.assert_allclose(found.q_star, lengths.value, rtol=1e-12)
        np.testing.assert_allclose(found.xi_q, mf.xi_q(w, b, activation), rtol=1e-10)
        for i, j in ((2, 1), (3, 0)):
            exact = mf.c_star(w[i, 0], b[0, j], activation)
            np.testing.assert_allclose(found.c_star[i, j], exact.value, atol=1e-8)
            np.testing.assert_allclose(found.xi_c[i, j], mf.xi_c(w[i, 0], b[0, j], activation), rtol=1e-6)
    # A large grid takes the terms of the series from a table; derivatives of c* are those of the implicit function.
    scales = jnp.linspace(1.2, 2.5, 15)[:, None], jnp.linspace(0.02, 0.4, 12)[None]
    large, small = (
        jax.jit(lambda w, b: mf.phase_diagram(w, b, A.tanh))(w, scales[1]) for w in (scales[0], scales[0][:3])
    )
    for ours, theirs in zip(large, small, strict=True):
        np.testing.assert_allclose(ours[:3], theirs, rtol=1e-9, atol=1e-13)
    slopes = jax.jit(jax.jacrev(lambda p: mf.phase_diagram(*p, A.tanh).c_star))(jnp.array([1.5, 0.2]))
    exact = jax.jit(jax.jacfwd(lambda p: mf.c_star(*p, A.tanh).value))(jnp.array([1.5, 0.2]))
    np.testing.assert_allclose(slopes, exact, rtol=1e-9)
    divergent = mf.phase_diagram(1.8, 0.1, A.relu)
    assert divergent.phase == 3
    assert np.isnan(np.asarray(divergent.q_star))


def test_concrete_cosine_inside_jit():
    """Of ReLU (Cho and Saul, 2009): c' = (sqrt(1 - c^2) + c (pi - arccos c))/pi, slope (pi - arccos c)/pi."""
    c = 0.3
    found = jax.jit(lambda q: (
        mf.correlation_map(c, q, q, 2**0.5, 0.0, A.relu), mf.correlation_trajectory(c, q, q, 2**0.5, 0.0, A.relu, 1)[1],
        mf.chi_c(c, q, 2**0.5, A.relu),
    ))(1.0)  # fmt: skip
    slope = (np.pi - np.arccos(c)) / np.pi
    cosine = np.sqrt(1.0 - c**2) / np.pi + c * slope
    np.testing.assert_allclose(found, (cosine, cosine, slope), rtol=16 * EPS)


def test_bad_input():
    with pytest.raises(ValueError, match="c must be in"):
        mf.correlation_map(1.2, 1.0, 1.0, 1.0, 0.0, A.relu)
    with pytest.raises(ValueError, match="gap must be in"):
        mf.correlation_gap_map(-0.1, 1.0, 1.0, 1.0, 0.0, A.relu)
    with pytest.raises(ValueError, match="q_b must be positive"):
        mf.correlation_map(0.5, 1.0, 0.0, 1.0, 0.0, A.relu)
    with pytest.raises(ValueError, match="sigma_w must be positive"):
        mf.c_star(0.0, 0.1, A.relu)
    with pytest.raises(TypeError, match="must be an Activation"):
        mf.chi_c(0.5, 1.0, 1.0, jnp.tanh)
    with pytest.raises(ValueError, match="order is 3"):
        mf.arc_cosine_kernel(jnp.ones(2), jnp.ones(2), order=3)
    with pytest.raises(ValueError, match="expected one shape"):
        mf.arc_cosine_kernel(jnp.ones(2), jnp.ones(3), order=1)
    with pytest.raises(ValueError, match="x1 and x2 have shapes"):
        mf.nngp_kernel_matrix(jnp.ones((2, 3)), jnp.ones((2, 4)), 1.0, 0.0, A.relu, 1)
    with pytest.raises(ValueError, match="max_roots"):
        mf.critical_sigma_w(0.1, A.relu, max_roots=0)
    with pytest.raises(ValueError, match="q must be nonnegative"):
        mf.c_star(1.0, 0.1, A.relu, q=-1.0)
