import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from numerics_oracle import DTYPES, assert_accurate, gradient

import depthjax.numerics as nx

WIDE = np.geomspace(1e-30, 1e8, 60)
SIGNED = np.concatenate([-WIDE, WIDE])
MODERATE = np.geomspace(1e-6, 60.0, 60)


@pytest.mark.parametrize(
    ("fn", "exact", "points"),
    [
        (nx.log1mexp, lambda x: mp.log(-mp.expm1(x)), -np.geomspace(1e-30, 80.0, 80)),
        (nx.log_sinh, lambda x: x - mp.log(2) + mp.log(-mp.expm1(-2 * x)), WIDE),
        (nx.log_cosh, lambda x: abs(x) + mp.log1p(mp.exp(-2 * abs(x))) - mp.log(2), np.geomspace(1e-15, 1e8, 60)),
        (nx.log_sigmoid, lambda x: -mp.log1p(mp.exp(-x)), np.concatenate([-WIDE, np.geomspace(1e-9, 80.0, 40)])),
    ],
)
def test_values(fn, exact, points):
    assert_accurate(fn, exact, points, floor=1e-37)


def test_values_that_cross_zero():
    assert_accurate(nx.log_expm1, lambda x: x + mp.log(-mp.expm1(-x)), WIDE, floor=1.0)
    assert_accurate(nx.softplus_inverse, lambda x: x + mp.log(-mp.expm1(-x)), WIDE, floor=1.0)


@pytest.mark.parametrize(
    ("fn", "first", "second", "points"),
    [
        (nx.log1mexp, lambda x: -1 / mp.expm1(-x), lambda x: -mp.exp(x) / mp.expm1(x) ** 2, -MODERATE),
        (nx.log_expm1, lambda x: -1 / mp.expm1(-x), lambda x: -mp.exp(-x) / mp.expm1(-x) ** 2, MODERATE),
        (nx.log_sinh, mp.coth, lambda x: -1 / mp.sinh(x) ** 2, MODERATE[MODERATE < 40]),
        (nx.log_cosh, mp.tanh, lambda x: mp.sech(x) ** 2, MODERATE[MODERATE < 40]),
        (nx.log_sigmoid, lambda x: 1 / (1 + mp.exp(x)), lambda x: -1 / (2 + mp.exp(x) + mp.exp(-x)), MODERATE),
    ],
)
def test_derivatives(fn, first, second, points):
    def condition(x):
        return np.abs(x)

    assert_accurate(gradient(fn), first, points, condition=condition)
    assert_accurate(gradient(fn, order=2), second, points, condition=condition)


def test_log_sums_and_differences():
    a = np.array([0.0, 3.0, -np.inf, -np.inf, 1e3, -1e4])
    b = np.array([0.0, -np.inf, -np.inf, 2.0, 1e3 - 1e-3, -1e4 - 80.0])
    for dtype in DTYPES:
        x, y = a.astype(dtype), b.astype(dtype)
        with np.errstate(invalid="ignore"):
            np.testing.assert_allclose(nx.log_add(x, y), np.logaddexp(x, y), rtol=1e-6, equal_nan=False)
        slopes = jax.vmap(jax.grad(nx.log_add, (0, 1)))(x, y)
        np.testing.assert_allclose(slopes[0] + slopes[1], 1.0, rtol=1e-5)
        np.testing.assert_allclose(
            nx.log_sub(np.array([2.0, 1.0, -np.inf, 5.0], dtype), np.array([1.0, 1.0, -np.inf, -np.inf], dtype)),
            [2.0 + np.log1p(-np.exp(-1.0)), -np.inf, -np.inf, 5.0],
            rtol=1e-6,
        )
        assert np.isnan(nx.log_sub(dtype(1.0), dtype(2.0)))
        hessian = jax.hessian(nx.log_add)(dtype(0.5), dtype(0.5))
        np.testing.assert_allclose(hessian, 0.25, rtol=1e-6)


def test_products_with_a_logarithm():
    for dtype in DTYPES:
        zero, three = dtype(0.0), dtype(3.0)
        assert nx.xlogy(zero, zero) == 0.0
        assert nx.xlog1py(zero, dtype(-1.0)) == 0.0
        np.testing.assert_allclose(nx.xlogy(three, dtype(2.0)), 3.0 * np.log(2.0), rtol=1e-6)
        for order in (jax.grad(nx.xlogy, (0, 1)), jax.hessian(nx.xlogy, (0, 1))):
            assert np.all(np.isfinite(jax.tree.leaves(order(zero, zero))))
        np.testing.assert_allclose(jax.grad(nx.xlogy, (0, 1))(three, dtype(2.0)), (np.log(2.0), 1.5), rtol=1e-6)
    assert np.isnan(nx.xlogy(0.0, jnp.nan))


def test_signed_logsumexp():
    for dtype in DTYPES:
        log_abs = np.array([[np.log(3.0), np.log(5.0), 0.0], [1.0, 1.0, -np.inf]], dtype) + dtype(500.0)
        sign = np.array([[1.0, -1.0, 1.0], [1.0, -1.0, -1.0]], dtype)
        value, direction = nx.signed_logsumexp(log_abs, sign, axis=1)
        np.testing.assert_allclose(value, [500.0, -np.inf], atol=1e-3)
        np.testing.assert_array_equal(direction, [-1.0, 0.0])
        slope = jax.grad(lambda v, s=sign: nx.signed_logsumexp(v, s, axis=1)[0].sum())(log_abs)
        np.testing.assert_allclose(slope[0], [-3.0, 5.0, -1.0], rtol=1e-4)
        np.testing.assert_array_equal(slope[1], 0.0)


def test_edges_and_half_precision():
    assert nx.log1mexp(0.0) == -np.inf
    assert np.isnan(nx.log1mexp(1.0))
    assert nx.log1mexp(-np.inf) == 0.0
    assert nx.logit_from_logs(-np.inf, 0.0) == -np.inf
    np.testing.assert_allclose(nx.log_sech2(20.0), 2.0 * np.log(2.0) - 40.0, rtol=1e-6)
    low = nx.log_cosh(jnp.asarray(3.0, jnp.bfloat16))
    assert low.dtype == jnp.bfloat16
    assert np.isfinite(float(low))
