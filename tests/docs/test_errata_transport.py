"""Rows of docs/errata.md on optimal transport: the right form holds numerically, and the printed form does not."""

import jax
import numpy as np
from scipy import stats

from depthjax import transport

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
TOL = 64 * float(np.finfo(DTYPE).eps)


def test_wasserstein_distance_of_normals_takes_standard_deviations():
    """Standard deviations 1.5 and 0.7: quantiles differ by 0.8 z, so W2^2 = 0.64, against a printed 0.150610."""
    z = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    exact = np.mean((1.5 * z - 0.7 * z) ** 2)
    np.testing.assert_allclose(transport.w2_squared_gaussian(DTYPE(0), 1.5, 0, 0.7), 0.64, rtol=TOL)
    np.testing.assert_allclose(exact, 0.64, rtol=1e-3)
    printed = 1.5 + 0.7 - 2 * np.sqrt(1.5 * 0.7)
    np.testing.assert_allclose(printed, 0.150610, atol=1e-6)


def test_masses_are_weights_and_not_positions():
    """R on the first outcome and S on the third: two apart; as positions, their equal sets of masses give 0."""
    r, s = np.array([1.0, 0, 0], DTYPE), np.array([0, 0, 1.0], DTYPE)
    places = np.arange(3.0, dtype=DTYPE)
    np.testing.assert_allclose(transport.wasserstein_1d(places, places, r, s), 2.0, rtol=TOL)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(transport.wasserstein_discrete(np.log(r), np.log(s)), 2.0, rtol=TOL)
    assert transport.wasserstein_1d(r, s) == 0
    assert stats.wasserstein_distance(r, s) == 0
    assert stats.wasserstein_distance(places, places, r, s) == 2
