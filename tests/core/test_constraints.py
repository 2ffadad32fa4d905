"""Every constraint: membership, maps to and from raw coordinates, and the subset order."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax.core import constraints
from depthjax.core.constraints import implies

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])
CHOLESKY = np.array([[1.5, 0, 0], [0.3, 0.8, 0], [-0.4, 0.2, 2.0]])
UNIT_ROWS = CHOLESKY / np.linalg.norm(CHOLESKY, axis=1, keepdims=True)
ROTATION = np.linalg.qr(np.arange(9.0).reshape(3, 3) + 5 * np.eye(3))[0]

# name -> (constraint, elements of the set, one-element arrays outside the set)
CASES = {
    "real": (constraints.real, np.array([-3.0, 0, 1e6]), [np.nan, np.inf]),
    "positive": (constraints.positive, np.array([1e-6, 1, 1e6]), [0.0, -1.0, np.nan, np.inf]),
    "nonnegative": (constraints.nonnegative, np.array([1e-6, 1, 50.0]), [-1e-6, np.nan, np.inf]),
    "unit_interval": (constraints.unit_interval, np.array([1e-6, 0.5, 0.99]), [-1e-6, 1.0001, np.nan]),
    "interval": (constraints.interval(-2.0, 3.0), np.array([-1.9, 0.5, 2.99]), [-2.1, 3.1, np.nan]),
    "open_interval": (constraints.open_interval(-2.0, 3.0), np.array([-1.9, 0.5, 2.99]), [-2.0, 3.0, np.nan]),
    "greater_than": (constraints.greater_than(2.0), np.array([2.1, 5.0, 100.0]), [2.0, 1.0, np.nan]),
    "less_than": (constraints.less_than(2.0), np.array([1.9, -5.0, -100.0]), [2.0, 3.0, np.nan]),
    "circular": (constraints.circular, np.array([-3.0, 0.5, 3.1]), [3.2, -4.0, np.nan]),
    "simplex": (constraints.simplex, np.array([0.2, 0.5, 0.3]), [[0.5, 0.6, 0], [1.5, -0.5, 0], [np.nan, 0.5, 0.5]]),
    "ordered": (constraints.ordered, np.array([-2.0, 0.3, 5.0]), [[0.0, 0, 1], [1.0, 0, 2], [0, np.nan, 1]]),
    "positive_ordered": (constraints.positive_ordered, np.array([0.2, 0.3, 5.0]), [[-1.0, 0, 1], [1.0, 1, 2]]),
    "unit_vector": (constraints.unit_vector, np.array([0.6, 0.0, -0.8]), [[1.0, 1, 0], [np.nan, 0, 1]]),
    "lower_cholesky": (constraints.lower_cholesky, CHOLESKY, [CHOLESKY.T, -CHOLESKY, CHOLESKY * np.nan]),
    "corr_cholesky": (constraints.corr_cholesky, UNIT_ROWS, [CHOLESKY, UNIT_ROWS.T, UNIT_ROWS * np.nan]),
    "positive_definite": (constraints.positive_definite, CHOLESKY @ CHOLESKY.T, [CHOLESKY, -np.eye(3)]),
    "correlation": (constraints.correlation, UNIT_ROWS @ UNIT_ROWS.T, [CHOLESKY @ CHOLESKY.T, np.ones((3, 3))]),
    "orthogonal": (constraints.orthogonal, ROTATION, [CHOLESKY, ROTATION * 1.1, ROTATION * np.nan]),
}
DISCRETE = {
    "integer": (constraints.integer, np.array([-2.0, 0, 7]), [0.5, np.nan, np.inf]),
    "nonnegative_integer": (constraints.nonnegative_integer, np.array([0.0, 7]), [-1.0, 0.5, np.nan]),
    "integer_interval": (constraints.integer_interval(1, 4), np.array([1.0, 4]), [0.0, 5.0, 2.5, np.nan]),
    "boolean": (constraints.boolean, np.array([0.0, 1.0]), [0.5, 2.0, np.nan]),
    "one_hot": (constraints.one_hot, np.array([0.0, 1, 0]), [[0.0, 0, 0], [1.0, 1, 0], [0.5, 0.5, 0]]),
}
ALL = {**CASES, **DISCRETE}
ILL_CONDITIONED = ("positive_definite", "correlation")  # beyond condition 1/eps a matrix rounds to a singular one
ONE_WAY = ("unit_vector", "orthogonal", "circular")


@pytest.mark.parametrize("name", ALL)
def test_check_tells_members_from_others(name):
    constraint, inside, outside = ALL[name]
    for dtype in DTYPES:
        value = jnp.asarray(inside, dtype)
        assert constraint.check(value).shape == ()
        assert bool(constraint.check(value))
        if (np.asarray(inside) == np.round(inside)).all():
            assert bool(constraint.check(jnp.asarray(inside, jnp.int32)))
        batch = jnp.stack([value] * 4).reshape(2, 2, *value.shape)
        assert constraint.contains(batch).shape == batch.shape[: batch.ndim - constraint.event_ndim]
        assert bool(constraint.check(batch))
        for bad in outside:
            assert not bool(constraint.check(jnp.asarray(bad, dtype))), bad


@pytest.mark.parametrize("name", CASES)
def test_a_value_comes_back_from_raw(name):
    constraint, inside, _ = CASES[name]
    for dtype in DTYPES:
        value = np.asarray(inside, dtype)
        raw = jax.jit(constraint.to_raw)(value)
        assert raw.dtype == dtype
        assert raw.shape == tuple(constraint.raw_shape(value.shape))
        back = np.asarray(jax.jit(constraint.from_raw)(raw))
        assert back.dtype == dtype
        assert back.shape == value.shape
        assert bool(constraint.check(back))
        scale = np.maximum(np.abs(value), np.abs(value).max() if constraint.event_ndim else 1.0)
        error = np.abs(back - value) / scale
        assert (error <= 4 * np.finfo(dtype).eps * max(1, value.shape[-1])).all(), error


@pytest.mark.parametrize("name", [name for name in CASES if name not in ONE_WAY])
def test_raw_coordinates_come_back_from_the_value(name):
    """Up to the rounding of the value: |from_raw(to_raw(v)) - v| <= 16 eps at v = from_raw(r)."""
    constraint, inside, _ = CASES[name]
    for dtype in DTYPES:
        shape = constraint.raw_shape((3,) * constraint.event_ndim)
        raw = jnp.asarray(np.random.default_rng(2).normal(size=(16, *shape)), dtype)
        value = constraint.from_raw(raw)
        again = constraint.from_raw(constraint.to_raw(value))
        size = np.maximum(1, np.abs(np.asarray(value)))
        assert (np.abs(np.asarray(again - value)) <= 16 * np.finfo(dtype).eps * size).all()
        np.testing.assert_allclose(
            constraint.to_raw(value), raw, rtol=2e3 * np.finfo(dtype).eps, atol=2e3 * np.finfo(dtype).eps
        )


@pytest.mark.parametrize("name", CASES)
def test_any_raw_value_is_finite_and_inside(name):
    constraint, _, _ = CASES[name]
    for dtype in DTYPES:
        shape = constraint.raw_shape((3,) * constraint.event_ndim)
        raw = np.random.default_rng(1).uniform(-30, 30, size=(200, *shape))
        raw[0], raw[1], raw[2] = 30.0, -30.0, np.where(np.arange(raw[2].size).reshape(shape) % 2, 30.0, -30.0)
        raw[3] = 0.1 * np.arange(raw[3].size).reshape(shape) + 0.01
        if name in ("orthogonal", "unit_vector"):
            raw[:3] = np.random.default_rng(2).normal(size=(3, *shape))
        value = jax.jit(constraint.from_raw)(jnp.asarray(raw, dtype))
        assert np.isfinite(np.asarray(value)).all()
        if name in ILL_CONDITIONED:
            value = jax.jit(constraint.from_raw)(jnp.asarray(raw / 30, dtype))
        inside = np.asarray(constraint.contains(value)).reshape(200, -1).all(axis=1)
        assert inside.all(), (dtype, raw[~inside][:3], np.asarray(value)[~inside][:3])
        slope = jax.grad(lambda r, f=constraint.from_raw: jnp.sum(f(r)))(jnp.asarray(raw, dtype))
        assert np.isfinite(np.asarray(slope)).all()


def test_derivatives_of_the_orthogonal_factor_are_those_of_the_decomposition():
    """The derivative written by hand against that of jax's own QR, to second order."""
    dtype = DTYPES[-1]
    raw, weights = np.random.default_rng(4).normal(size=(2, 5, 4, 4)).astype(dtype)

    def unrolled(raw):
        q, r = jnp.linalg.qr(raw)
        return q * jnp.sign(jnp.diagonal(r, axis1=-2, axis2=-1))[..., None, :]

    def derivatives(fn):
        first = jax.grad(lambda raw: jnp.sum(weights * fn(raw) ** 3))
        return jax.jit(lambda raw: (first(raw), jax.grad(lambda a: jnp.sum(first(a) ** 2))(raw)))(raw)

    pairs = zip(derivatives(constraints.orthogonal.from_raw), derivatives(unrolled), strict=True)
    for got, want in pairs:
        np.testing.assert_allclose(got, want, rtol=0, atol=2e4 * np.finfo(dtype).eps * np.abs(want).max())


@pytest.mark.parametrize("name", CASES)
def test_leading_axes_are_batch(name):
    constraint, inside, _ = CASES[name]
    value = jnp.asarray(np.stack([inside, inside]), DTYPES[-1])
    raw = constraint.to_raw(value)
    np.testing.assert_allclose(raw, np.stack([constraint.to_raw(v) for v in value]), rtol=1e-6)
    np.testing.assert_allclose(
        constraint.from_raw(raw), np.stack([constraint.from_raw(r) for r in raw]), rtol=1e-6, atol=1e-7
    )


def test_discrete_sets_have_no_raw_map():
    assert all(constraint.discrete for constraint, _, _ in DISCRETE.values())
    assert not any(constraint.discrete for constraint, _, _ in CASES.values())


@pytest.mark.parametrize(
    "chain",
    [
        ("simplex", "unit_interval", "nonnegative", "real"),
        ("positive", "nonnegative", "real"),
        ("positive_ordered", "ordered", "real"),
        ("positive_ordered", "positive", "nonnegative"),
        ("corr_cholesky", "lower_cholesky", "real"),
        ("correlation", "positive_definite", "real"),
        ("circular", "real"),
        ("one_hot", "boolean", "nonnegative_integer", "integer"),
    ],
)
def test_implies_is_a_subset_order(chain):
    sets = [getattr(constraints, name) for name in chain]
    for a, b in itertools.combinations(sets, 2):
        assert implies(a, b)
        assert not implies(b, a)
    assert all(implies(a, a) for a in sets)


def test_implies_compares_interval_ends():
    assert implies(constraints.interval(0.2, 0.8), constraints.unit_interval)
    assert implies(constraints.interval(0.0, 1.0), constraints.unit_interval)
    assert not implies(constraints.unit_interval, constraints.open_interval(0.0, 1.0))
    assert implies(constraints.open_interval(0.0, 1.0), constraints.positive)
    assert not implies(constraints.unit_interval, constraints.positive)
    assert implies(constraints.greater_than(0.5), constraints.positive)
    assert not implies(constraints.less_than(0.5), constraints.positive)
    assert not implies(constraints.integer, constraints.real)
    assert not implies(constraints.real, constraints.integer)


def test_implies_is_never_contradicted_by_a_member():
    for (_, (a, inside, _)), (_, (b, _, _)) in itertools.product(ALL.items(), ALL.items()):
        if implies(a, b) and b.event_ndim <= a.event_ndim:
            assert bool(b.check(jnp.asarray(inside, DTYPES[-1]))), (a, b)


def test_ends_may_be_arrays():
    low = jnp.asarray(np.array([0.0, 1.0]), DTYPES[-1])
    constraint = constraints.greater_than(low)
    np.testing.assert_array_equal(constraint.contains(jnp.asarray(np.array([0.5, 0.5]), low.dtype)), [True, False])
    assert bool(constraint.check(constraint.from_raw(jnp.zeros_like(low))))
    assert implies(constraint, constraints.real)
    assert not implies(constraint, constraints.positive)
