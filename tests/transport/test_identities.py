"""Metric laws, invariances and duality of transport over random inputs; traced arguments that are wrong; export."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depthjax import transport as ot
from depthjax.transport._order import sorted_values

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
TOL = 256 * EPS
SEEDS = st.integers(0, 2**32 - 1)


def measure(rng, size):
    """Points with ties and masses of which some are tiny and one is zero."""
    masses = rng.dirichlet(np.full(size, 0.5))
    masses[rng.integers(size)] = 0.0
    return rng.choice([1.0, 30.0]) * rng.integers(-5, 6, size).astype(DTYPE), (masses / masses.sum()).astype(DTYPE)


@jax.jit
def distances(x, a, y, b):
    return jnp.stack([ot.wasserstein_1d(x, y, a, b, p=p) for p in (1.0, 1.5, 2.0, 4.0)])


def between(u, v):
    return np.asarray(distances(*u, *v), np.float64)


@given(SEEDS)
def test_wasserstein_distances_are_metrics_that_rise_with_the_power(seed):
    rng = np.random.default_rng(seed)
    u, v, w = (measure(rng, 5) for _ in range(3))
    size = max(np.abs(m[0]).max() for m in (u, v, w))
    slack = 64 * np.sqrt(EPS) * size  # a root of rounding, where two measures nearly coincide
    one = between(u, v)
    np.testing.assert_allclose(one, between(v, u), rtol=TOL, atol=slack)
    assert (one <= between(u, w) + between(w, v) + slack).all()
    assert (np.diff(one) >= -slack).all()
    assert (between(u, u) <= slack).all()


@given(SEEDS)
def test_translation_and_scale(seed):
    rng = np.random.default_rng(seed)
    (x, a), (y, b) = measure(rng, 5), measure(rng, 5)
    size, factor = np.abs([x, y]).max() + 1, DTYPE(-3)
    here = between((x, a), (y, b))
    slack = 64 * np.sqrt(EPS) * size
    moved = between((x + DTYPE(7), a), (y + DTYPE(7), b))
    np.testing.assert_allclose(moved, here, rtol=TOL, atol=slack)
    np.testing.assert_allclose(between((factor * x, a), (factor * y, b)), 3 * here, rtol=TOL, atol=3 * slack)
    shift = between((x, a), (x + DTYPE(2), a))
    np.testing.assert_allclose(shift, 2.0, atol=slack)


@given(SEEDS)
def test_the_distance_of_normal_laws_is_between_those_of_their_means_and_bounded_by_any_coupling(seed):
    rng = np.random.default_rng(seed)
    a, b, turn = rng.normal(size=(3, 3, 3))
    turn = np.linalg.qr(turn)[0]
    m, n = rng.normal(size=(2, 3))
    args = m, a @ a.T, n, b @ b.T
    value = float(_w2(*(v.astype(DTYPE) for v in args)))
    assert value >= np.sum((m - n) ** 2) * (1 - TOL) - TOL
    assert value <= np.sum((m - n) ** 2) + np.trace(args[1] + args[3]) + TOL  # the independent coupling
    same_noise = np.sum((m - n) ** 2) + np.sum((a - b) ** 2)  # x = m + a z, y = n + b z
    assert value <= same_noise * (1 + 1e4 * EPS)
    turned = (turn @ m, turn @ args[1] @ turn.T, turn @ n, turn @ args[3] @ turn.T)
    np.testing.assert_allclose(_w2(*(v.astype(DTYPE) for v in turned)), value, rtol=2e4 * EPS, atol=2e4 * EPS)


_w2 = jax.jit(ot.w2_squared_mvn)


@given(SEEDS)
def test_entropic_costs_bracket_the_optimum(seed):
    """gap >= 0 after any number of steps; cost falls to the optimum, here of points on the line, from above."""
    rng = np.random.default_rng(seed)
    (x, a), (y, b) = measure(rng, 5), measure(rng, 5)
    x, y = x / DTYPE(30), y / DTYPE(30)
    exact = float(ot.wasserstein_1d_power(x, y, a, b, p=2.0))
    for steps in (1, 7):
        found = _sinkhorn[steps]((x[:, None] - y[None]) ** 2, a, b)
        slack = 64 * EPS * (1 + exact)
        assert found.gap >= -slack
        assert found.cost >= exact - slack
        assert found.dual_value <= found.regularised_cost + slack


_sinkhorn = {n: jax.jit(lambda c, a, b, n=n: ot.sinkhorn(c, a, b, epsilon=0.3, num_steps=n)) for n in (1, 7)}


def test_no_power_overflows_or_underflows():
    """W_p is homogeneous, so large p at large and small scales is that at scale one, with its gradient."""
    x, y = np.array([0.0, 1.0, 2.5], DTYPE), np.array([0.5, 3.5], DTYPE)
    for p in (2.0, 12.0, 60.0):
        run = jax.value_and_grad(lambda x, y, p=p: ot.wasserstein_1d(x, y, p=p))
        value, gradient = run(x, y)
        assert 0 < value <= 3.0
        for scale in (1e-30, 1e30):
            scaled, slope = run(DTYPE(scale) * x, DTYPE(scale) * y)
            np.testing.assert_allclose(scaled, scale * value, rtol=64 * EPS)
            np.testing.assert_allclose(slope, gradient, rtol=1e3 * EPS, atol=1e3 * EPS)


def test_traced_arguments_that_are_wrong_give_nan():
    x, y, third = np.array([0.0, 1, 2], DTYPE), np.array([0.5, 3], DTYPE), np.full(3, 1 / 3, DTYPE)
    assert np.isnan(jax.jit(lambda p: ot.wasserstein_1d(x, y, p=p))(DTYPE(0.5)))
    cost = np.abs(x[:, None] - y[None])
    functions = [
        jax.jit(lambda a: ot.wasserstein_1d(x, y, a)),
        jax.jit(lambda a: ot.monotone_coupling_1d(x, y, a).mass.sum()),
        jax.jit(lambda a: ot.sinkhorn(cost, a, epsilon=1.0, num_steps=3).cost),
        jax.jit(lambda a: ot.sinkhorn_divergence(x[:, None], y[:, None], a, epsilon=1.0, num_steps=3).value),
    ]
    for fn in functions:
        assert np.isfinite(fn(third))
        for wrong in ((-1.0, 1.0, 1.0), (0.5, 0.5, 0.5)):
            assert np.isnan(fn(np.array(wrong, DTYPE)))
    assert np.isnan(jax.jit(lambda e: ot.sinkhorn(cost, epsilon=e, num_steps=3).cost)(DTYPE(-1)))
    assert np.isnan(np.asarray(ot.monotone_coupling_1d(x, np.array([0.5, np.nan], DTYPE)).mass)).all()
    log_p = np.log(np.array([0.5, 0.3], DTYPE))
    assert np.isnan(jax.jit(lambda v: ot.wasserstein_discrete(v, log_p))(np.log(np.array([0.5, 0.5], DTYPE))))
    for fn in (ot.w1_gaussian, ot.w2_gaussian, ot.w2_squared_gaussian):
        assert np.isnan(fn(DTYPE(0), DTYPE(-1), DTYPE(0), DTYPE(1)))
        assert np.isnan(fn(DTYPE(0), DTYPE(-1), DTYPE(0), DTYPE(-1)))


def test_bad_input():
    x = jnp.ones(3, DTYPE)
    with pytest.raises(ValueError, match=r"wasserstein_1d: p is inf, expected a finite number"):
        ot.wasserstein_1d(x, x, p=np.inf)
    with pytest.raises(ValueError, match="plan has negative entries or none above 0"):
        ot.sample_coupling(jax.random.key(0), jnp.zeros((2, 2)), num_pairs=3)


@pytest.mark.skipif(X64, reason="float32 code with x64 off")
def test_export_for_every_platform():
    points = jax.ShapeDtypeStruct((6, 2), jnp.float32)
    line = jax.ShapeDtypeStruct((6,), jnp.float32)
    key = jax.random.key(0)
    square = lambda v: v.T @ v + jnp.eye(2, dtype=v.dtype)  # noqa: E731
    for fn, shape in (
        (jax.grad(lambda v: ot.wasserstein_1d(v, 2 * v + 1, p=2.0)), line),
        (jax.grad(lambda v: ot.wasserstein_1d(v, v, jax.nn.softmax(v), jax.nn.softmax(2 * v))), line),
        (jax.grad(lambda v: ot.sliced_wasserstein_power(key, v, 2 * v, num_projections=4).value), points),
        (jax.grad(lambda v: ot.sinkhorn(v @ v.T, epsilon=1.0, num_steps=5).dual_value), points),
        (lambda v: ot.sinkhorn(v @ v.T, epsilon=1.0, tol=1e-3), points),
        (jax.grad(lambda v: ot.sinkhorn_divergence(v, 2 * v, epsilon=1.0, tol=1e-3).value), points),
        (jax.grad(lambda v: ot.bures_squared(square(v), square(2 * v))), points),
    ):
        exported = jax.export.export(jax.jit(fn), platforms=("cpu", "cuda", "tpu"))(shape)
        assert exported.platforms == ("cpu", "cuda", "tpu")


def test_sorting_by_whole_numbers():
    """Order, signed zeros, infinities, NaN, half precision, and derivatives as those of a gather."""
    x = np.array([3.5, -1e-30, np.inf, -2.0, 0.0, -0.0, -np.inf, 1e-3, -2.0], DTYPE)
    np.testing.assert_array_equal(sorted_values(jnp.asarray(x)), np.sort(x))
    half = jnp.asarray(x, jnp.bfloat16)
    np.testing.assert_array_equal(sorted_values(half), np.sort(np.asarray(half)))
    for sign in (1, -1):
        assert np.isnan(np.asarray(sorted_values(jnp.asarray([1.0, sign * np.nan, 2.0], DTYPE)))).any()
    finite = jnp.asarray([0.3, -1.2, 2.0, 0.1], DTYPE)
    weights = jnp.arange(4, dtype=DTYPE)
    slope = jax.grad(lambda v: jnp.sum(weights * sorted_values(v) ** 3))
    np.testing.assert_allclose(slope(finite), 3 * np.array([2, 0, 3, 1]) * np.asarray(finite) ** 2, rtol=8 * EPS)
    curvature = jax.jacfwd(slope)(finite)
    np.testing.assert_allclose(curvature, np.diag(6 * np.array([2, 0, 3, 1]) * np.asarray(finite)), rtol=8 * EPS)
    rows = jnp.stack([finite, -finite])
    np.testing.assert_array_equal(jax.vmap(sorted_values)(rows), np.sort(rows, axis=1))


def test_points_that_tie_share_what_leaves_them():
    """As their masses do, with or without weights; a mass of zero moves nothing."""
    y, half = np.array([0.0, 4.0], DTYPE), np.array([0.5, 0.5], DTYPE)
    slope = jax.jit(jax.grad(lambda x, a: ot.wasserstein_1d_power(x, y, a, half, p=2.0)))
    np.testing.assert_allclose(slope(DTYPE([1, 1]), DTYPE([0.25, 0.75])), [-0.5, -1.5], rtol=8 * EPS)
    np.testing.assert_allclose(slope(DTYPE([1, 1]), half), [-1, -1], rtol=8 * EPS)
    np.testing.assert_allclose(jax.grad(lambda x: ot.wasserstein_1d_power(x, y, p=2.0))(DTYPE([1, 1])), [-1, -1])
    np.testing.assert_allclose(slope(DTYPE([1, 1, 0]), DTYPE([0.5, 0, 0.5])), [-3, 0, 0], rtol=8 * EPS)
    assert np.isfinite(np.asarray(jax.jacfwd(slope)(DTYPE([1, 1, 1]), DTYPE([0, 0, 1])))).all()
