"""Spectra at large q, where phi' is all but constant for most units, against sums over a fine rule on the line."""

import jax
import numpy as np
import pytest
from scipy import special

from depthjax import meanfield as mf

X64 = jax.config.jax_enable_x64
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not X64, reason="float64 values")]
POINTS, WEIGHTS = np.polynomial.legendre.leggauss(20)
SLOPES = {
    "tanh": lambda x: 1.0 / np.cosh(np.clip(x, -300.0, 300.0)) ** 2,
    "erf": lambda x: 2.0 / np.sqrt(np.pi) * np.exp(-x * x),
    "sin": np.cos,
    "gelu": lambda x: special.ndtr(x) + x * np.exp(-0.5 * x * x) / np.sqrt(2.0 * np.pi),
    "silu": lambda x: special.expit(x) * (1.0 + x * special.expit(-x)),
    "softplus": special.expit,
    "elu": lambda x: np.exp(np.minimum(x, 0.0)),
    "selu": lambda x: 1.0507009873554805 * np.where(x > 0.0, 1.0, 1.6732632423543772 * np.exp(np.minimum(x, 0.0))),
}
# Where small slopes come from.
ZEROS = {"sin": np.pi * (np.arange(-100, 100) + 0.5), "gelu": [-0.7517915246935645], "silu": [-1.2784645427610738]}
# Below this share of the spectrum the slopes that make it are smaller than doubles are.
LEAST = {("erf", 30.0): 0.05, ("erf", 1e3): 0.75, ("gelu", 30.0): 0.04, ("gelu", 1e3): 0.3}


def law(name, q):
    """phi'^2 and weights by panels in x = sqrt(q) h, shorter and shorter towards zeros of phi'."""
    root = np.sqrt(q)
    half_ends = np.linspace(0.0, 9.0 * root, 3 + int(9.0 * root / 0.15))
    near = 0.15 * 4.0 ** -np.arange(14.0)
    zeros = np.array([z + step for z in ZEROS.get(name, []) for step in (*-near, 0.0, *near) if abs(z) < 9.0 * root])
    ends = np.unique(np.concatenate([-half_ends, half_ends, zeros]))
    half = 0.5 * np.diff(ends)[:, None]
    x = (ends[:-1, None] + half * (POINTS + 1.0)).ravel()
    weights = (half * WEIGHTS).ravel() * np.exp(-0.5 * x * x / q) / np.sqrt(2.0 * np.pi * q)
    return SLOPES[name](x) ** 2, weights


@pytest.mark.parametrize("ensemble", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("name", SLOPES)
def test_solution_is_known_and_solves_the_equation_on_the_line(name, ensemble):
    """From a twentieth of log lambda below the top down to a thirtieth of the mass or less."""
    solve = jax.jit(mf.jacobian_density_solve, static_argnames="ensemble")
    activation, kind = getattr(mf.activations, name), float(ensemble == "gaussian")
    for q in (1.0, 30.0, 1e3):
        d, weights = law(name, q)
        sigma_w = (weights @ d) ** -0.5
        for depth in (2.0, 64.0, 1e4):
            lowest = LEAST.get((name, q), 0.03)
            top = np.nanmax(np.asarray(mf.jacobian_edges(activation, q, sigma_w, depth, ensemble=ensemble)))
            reach = depth * (min(12.0 * (1.0 + q), 720.0) if name in ("erf", "gelu") else 2.0 + 12.0 * np.sqrt(q))
            level = top - np.geomspace(0.05, reach + 10.0, 50)
            found = jax.tree.map(np.asarray, solve(level, activation, q, sigma_w, depth, ensemble=ensemble))
            known = found.converged
            inner = known & (found.cdf > lowest)
            assert known[: np.flatnonzero(inner)[-1] + 1].all(), (q, depth)
            assert found.cdf[known].min() < max(lowest, 0.05), (q, depth)
            # Where w lies far enough above the axis for the fine rule to tell.
            clear = np.flatnonzero(inner & (np.angle(found.omega) > 0.3))[::3]
            w, at = found.omega[clear], level[clear]
            sums = [((weights / (w - d)).sum(), (weights * d / (w - d)).sum()) for w in w]
            g, m = np.array(sums).reshape(-1, 2).T
            log_z = (
                np.log(w) + 2.0 * depth * np.log(sigma_w) + (depth - 1.0) * np.log(m / g) + kind * depth * np.log(g * w)
            )
            np.testing.assert_allclose(log_z.real, at, rtol=1e-9, atol=1e-8 * depth)
            np.testing.assert_allclose(log_z.imag, 0.0, atol=1e-8 * depth)
            np.testing.assert_allclose(found.log_density[clear], np.log(-m.imag / np.pi) - at, atol=1e-7)
