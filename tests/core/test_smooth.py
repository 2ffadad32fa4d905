"""Elementary functions of maps against float64, their derivatives of both orders, and triangles against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax.core import _smooth as smooth
from depthjax.core import _sums as sums
from depthjax.core._triangles import entries, fill_triangle, raw_diagonal

FLOAT = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = np.finfo(FLOAT).eps


def _sigmoid(x):
    return np.exp(-np.logaddexp(0.0, -x))


# name: exact value, first and second derivative in float64, and where it lives
EXACT = {
    "softplus": (lambda x: np.logaddexp(0.0, x), _sigmoid, lambda x: _sigmoid(x) * _sigmoid(-x), 80.0),
    "log_sigmoid": (
        lambda x: -np.logaddexp(0.0, -x),
        lambda x: _sigmoid(-x),
        lambda x: -_sigmoid(x) * _sigmoid(-x),
        80.0,
    ),
    "log_logistic_slope": (
        lambda x: -np.logaddexp(0.0, -x) - np.logaddexp(0.0, x),
        lambda x: -np.tanh(0.5 * x),
        lambda x: -0.5 / np.cosh(0.5 * x) ** 2,
        80.0,
    ),
    "sech": (
        lambda x: 1 / np.cosh(x),
        lambda x: -np.tanh(x) / np.cosh(x),
        lambda x: (1 - 2 / np.cosh(x) ** 2) / np.cosh(x),
        20.0,
    ),
}


@pytest.mark.parametrize("name", EXACT)
def test_values_and_derivatives(name):
    value, first, second, reach = EXACT[name]
    fn = getattr(smooth, name)
    x = np.concatenate([np.linspace(-reach, reach, 401), np.linspace(-1, 1, 101), [0.0, 1e-8, -1e-8]]).astype(FLOAT)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(jax.jit(fn)(x), value(wide), rtol=4 * EPS)
    slope = jax.vmap(jax.grad(fn))
    np.testing.assert_allclose(jax.jit(slope)(x), first(wide), rtol=8 * EPS, atol=8 * EPS)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(jax.grad(fn))))(x), second(wide), rtol=8 * EPS, atol=8 * EPS)


def test_log_kept_down_to_the_smallest_number():
    y = np.concatenate([np.geomspace(1.0001 * np.finfo(FLOAT).tiny, 30.0, 301), [np.finfo(FLOAT).tiny]]).astype(FLOAT)
    wide = y.astype(np.float64)
    np.testing.assert_allclose(jax.jit(smooth.log_kept)(y), np.log(-np.expm1(-wide)), rtol=4 * EPS, atol=4 * EPS)
    slope = jax.jit(jax.vmap(jax.grad(smooth.log_kept)))(y[y > 1e-30])
    np.testing.assert_allclose(slope, 1 / np.expm1(wide[y > 1e-30]), rtol=8 * EPS)
    assert np.isnan(smooth.log_kept(jnp.asarray(-1.0, FLOAT)))
    assert np.isneginf(smooth.log_kept(jnp.asarray(0.0, FLOAT)))


def test_arcsinh_ratio_neither_overflows_nor_loses_its_slope_at_zero():
    tiny = np.finfo(FLOAT).tiny
    y = np.array([0.0, 1e-8, -1e-3, 0.5, -1.0, 1.0, 1.0], FLOAT)
    x = np.array([1.0, 1.0, 0.7, 0.5, 1e-3, 1e-20, tiny], FLOAT)

    def fn(y, x):
        return smooth.arcsinh_ratio(y, x, jnp.hypot(y, x))

    exact = np.arcsinh(y.astype(np.longdouble) / x).astype(np.float64)
    np.testing.assert_allclose(jax.jit(fn)(y, x), exact, rtol=4 * EPS)
    slopes = jax.jit(jax.vmap(jax.grad(fn, argnums=(0, 1))))(y[:-1], x[:-1])
    wide, size = (y.astype(np.float64)[:-1], x.astype(np.float64)[:-1])
    np.testing.assert_allclose(slopes[0], 1 / np.hypot(wide, size), rtol=8 * EPS)
    np.testing.assert_allclose(slopes[1], -wide / size / np.hypot(wide, size), rtol=8 * EPS)


@pytest.mark.parametrize("size", [1, 3, 15, 16, 100])
def test_totals(size):
    terms = jnp.asarray(np.random.default_rng(0).normal(size=size), FLOAT)
    for fn in (sums.total, sums.total_of_few):
        np.testing.assert_allclose(fn(terms), np.sum(np.asarray(terms, np.float64)), rtol=16 * EPS, atol=16 * EPS)
        assert np.isneginf(fn(terms.at[0].set(-jnp.inf)))
    assert sums.total(terms[0]).shape == ()


def test_sums_and_maxima_over_an_axis():
    terms = jnp.asarray(np.random.default_rng(0).normal(size=(5, 7)), FLOAT)
    exact = np.asarray(terms, np.float64)
    np.testing.assert_allclose(sums.sum_of_each(terms), exact.sum(1), rtol=16 * EPS, atol=16 * EPS)
    np.testing.assert_allclose(sums.sum_over_leading(terms), exact.sum(0), rtol=16 * EPS, atol=16 * EPS)
    for count in (1, 2, 3, 5):
        np.testing.assert_array_equal(sums.max_over_leading(terms[:count]), terms[:count].max(0))
    assert np.isnan(sums.max_over_leading(terms.at[3, 2].set(jnp.nan))[2])


def test_triangles():
    flat = jnp.arange(1.0, 7.0, dtype=FLOAT)
    full = np.asarray(fill_triangle(jnp.stack([flat, -flat])))
    np.testing.assert_array_equal(full[0], [[1, 0, 0], [2, 3, 0], [4, 5, 6]])
    np.testing.assert_array_equal(full[1], -full[0])
    np.testing.assert_array_equal(raw_diagonal(flat), [1, 3, 6])
    np.testing.assert_array_equal(entries(jnp.asarray(full), *np.tril_indices(3)), np.stack([flat, -flat]))
    strict = fill_triangle(flat[:3], -1, shift=1, elsewhere=9)
    np.testing.assert_array_equal(strict, [[9, 9, 9], [9, 1, 9], [9, 2, 3]])
