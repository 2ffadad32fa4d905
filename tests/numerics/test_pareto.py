import jax
import numpy as np
import pytest
from numerics_oracle import DTYPES
from scipy import stats

import depthjax.numerics as nx


@pytest.mark.parametrize("shape", [-0.3, 0.2, 0.7, 1.2])
def test_fit_recovers_the_shape(shape):
    draws = stats.genpareto.rvs(shape, scale=3.0, size=4000, random_state=np.random.default_rng(0))
    for dtype in DTYPES:
        fitted, scale = jax.jit(nx.fit_generalized_pareto)(draws.astype(dtype))
        assert fitted.dtype == dtype
        np.testing.assert_allclose(fitted, shape, atol=0.08)
        np.testing.assert_allclose(scale, 3.0, rtol=0.1)
        larger, _ = nx.fit_generalized_pareto(draws.astype(dtype) * dtype(1e20))
        np.testing.assert_allclose(larger, fitted, rtol=1e-3)


def test_smoothing():
    rng = np.random.default_rng(0)
    raw = rng.standard_exponential(1000) * 0.8
    raw[:50] = -np.inf
    for dtype in DTYPES:
        values = raw.astype(dtype)
        smoothed, shape = jax.jit(nx.pareto_smooth)(values)
        np.testing.assert_allclose(shape, 0.8, atol=0.25)
        smoothed = np.asarray(smoothed)
        assert smoothed.max() <= values.max()
        np.testing.assert_array_equal(smoothed[:50], -np.inf)
        tail = int(np.ceil(3.0 * np.sqrt(1000)))
        order = np.argsort(values)
        np.testing.assert_array_equal(smoothed[order[:-tail]], values[order[:-tail]])
        assert np.all(np.diff(smoothed[order][50:]) >= 0.0)
        shifted, same = nx.pareto_smooth(values + dtype(300.0))
        np.testing.assert_allclose(same, shape, atol=1e-2)
        np.testing.assert_allclose(shifted[50:] - 300.0, smoothed[50:], atol=1e-2)


def test_degenerate_weights():
    few, shape = nx.pareto_smooth(np.zeros(8, np.float32))
    np.testing.assert_array_equal(few, 0.0)
    assert shape == np.inf
    constant, shape = nx.pareto_smooth(np.zeros(200, np.float32))
    np.testing.assert_array_equal(constant, 0.0)
    assert shape == np.inf
    empty, shape = nx.pareto_smooth(np.full(200, -np.inf, np.float32))
    assert np.all(np.isnan(empty))
    assert np.isnan(shape)
    mostly = np.full(200, -np.inf, np.float32)
    mostly[:3] = 1.0
    smoothed, _ = nx.pareto_smooth(mostly)
    assert not np.any(np.isnan(smoothed))
    batch = np.random.default_rng(1).normal(size=(3, 100)).astype(np.float32)
    mapped = jax.vmap(nx.pareto_smooth)(batch)
    np.testing.assert_allclose(mapped[1][2], nx.pareto_smooth(batch[2])[1], rtol=1e-4)


@pytest.mark.parametrize("shape", [3.0, 8.0, 30.0, 200.0])
def test_a_tail_of_hundreds_of_nats_has_a_large_shape(shape):
    """Exceedances of a known law whose logarithms, not whose values, fit the precision."""
    survival = np.random.default_rng(2).random(4000)
    logs = -shape * np.log(survival) + np.log(-np.expm1(shape * np.log(survival))) - np.log(shape)
    tail = np.ceil(3 * np.sqrt(4000))
    for dtype in DTYPES:
        smoothed, found = jax.jit(nx.pareto_smooth)(logs.astype(dtype))
        want = (tail * shape + 5) / (tail + 10)
        assert abs(float(found) - want) < 4 * (1 + shape) / np.sqrt(tail)
        order = np.argsort(logs)
        assert np.all(np.isfinite(smoothed))
        assert np.all(np.diff(np.asarray(smoothed)[order]) >= 0)


def test_one_weight_that_outweighs_all_is_seen():
    """As of a guide that is far off: the effective sample size is 1, and k-hat says so in either precision."""
    for spread in (10.0, 30.0, 100.0, 1000.0):
        logs = spread * np.random.default_rng(3).normal(size=2000)
        found = [float(jax.jit(nx.pareto_smooth)(logs.astype(dtype))[1]) for dtype in DTYPES]
        assert min(found) > 2
        np.testing.assert_allclose(found, found[-1], rtol=1e-3)


def test_weights_of_zero_are_no_part_of_the_tail():
    logs = np.full(1000, -np.inf)
    logs[::50] = np.random.default_rng(4).normal(size=20)
    for dtype in DTYPES:
        smoothed, shape = nx.pareto_smooth(logs.astype(dtype))
        fitted, _ = nx.fit_generalized_pareto(np.exp(logs[::50]).astype(dtype))
        np.testing.assert_allclose(shape, fitted, atol=0.02)  # the grids differ in their number of points
        np.testing.assert_array_equal(np.isfinite(smoothed), np.isfinite(logs))
