"""Spectra at large q, where phi' is all but zero for most units, against sums over a fine rule."""

import jax
import numpy as np
import pytest

from depthjax import meanfield as mf

X64 = jax.config.jax_enable_x64
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not X64, reason="float64 values")]
A = mf.activations
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(20)


def law(name, q):
    """log d and weights by panels in x = sqrt(q) h, each short where d is not far below its top."""
    root = np.sqrt(q)
    ends = np.linspace(0.0, 9.0 * root, 3 + int(9.0 * root / 0.05))
    half = 0.5 * np.diff(ends)[:, None]
    x = (ends[:-1, None] + half * (POINTS + 1.0)).ravel()
    weights = (half * WEIGHTS).ravel() * np.exp(-0.5 * x * x / q) / np.sqrt(2.0 * np.pi * q)
    if name == "tanh":
        return -4.0 * (np.logaddexp(x, -x) - np.log(2.0)), 2.0 * weights
    if name == "erf":
        return np.log(4.0 / np.pi) - 2.0 * x * x, 2.0 * weights
    return np.append(-2.0 * x, 0.0), np.append(weights, 0.5)


@pytest.mark.parametrize("name", ["tanh", "erf", "elu"])
def test_solution_solves_the_equation_on_the_line(name):
    """The root w lies above the axis, far enough from it at these depths for the fine rule to tell."""
    solve = jax.jit(mf.jacobian_density_solve, static_argnames="ensemble")
    least = (
        {1.0: 0.01, 5.0: 0.03, 30.0: 0.2, 1e3: 0.75} if name == "erf" else dict.fromkeys((1.0, 5.0, 30.0, 1e3), 0.03)
    )
    for ensemble, kind in (("gaussian", 1.0), ("orthogonal", 0.0)):
        for q, lowest in least.items():
            log_d, weights = law(name, q)
            d = np.exp(np.maximum(log_d, -740.0))
            # At q = 1000 the upper end of two layers of tanh is not resolved, and flagged.
            for depth in (64.0, 1e4) if name == "tanh" and q == 1e3 else (2.0, 64.0, 1e4):
                top = np.nanmax(np.asarray(mf.jacobian_edges(getattr(A, name), q, 1.0, depth, ensemble=ensemble)))
                slope = min(12.0 * (1.0 + q), 720.0) if name == "erf" else 2.0 + 12.0 * np.sqrt(q)
                reach = depth * slope + 10.0
                level = top - np.geomspace(0.05, reach, 60)
                found = jax.tree.map(np.asarray, solve(level, getattr(A, name), q, 1.0, depth, ensemble=ensemble))
                known = found.converged & (found.cdf > 0.0)
                assert found.converged[0], (q, depth)
                assert np.nanmin(found.cdf[known]) < lowest, (q, depth)
                inner = known & (found.cdf > lowest)
                first = np.flatnonzero(inner)[-1]
                assert known[: first + 1].all(), (q, depth)
                w = found.omega[inner]
                clear = np.angle(w) > 0.3
                w, at = w[clear], level[inner][clear]
                inverse = weights / (w[:, None] - d)
                g, m = inverse.sum(axis=1), (inverse * d).sum(axis=1)
                one = inverse.sum(axis=1) * w
                log_z = np.log(w) + (depth - 1.0) * np.log(m / g) + kind * depth * np.log(one)
                np.testing.assert_allclose(log_z.real, at, rtol=1e-9, atol=1e-8 * depth)
                np.testing.assert_allclose(log_z.imag, 0.0, atol=1e-8 * depth)
                log_rho = found.log_density[inner][clear]
                np.testing.assert_allclose(log_rho, np.log(-m.imag / np.pi) - at, atol=1e-7)
