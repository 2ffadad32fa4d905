"""Spectra of drawn networks of width 1000 against the limiting law: density, cdf, edges and atoms at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import meanfield as mf

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not jax.config.jax_enable_x64, reason="float64 values")]
A = mf.activations
WIDTH = 1000
# The weights are critical; of hard_tanh p is 0.975, so that L (1 - p) stays below one and the top is an atom.
CASES = {"tanh": 0.5, "erf": 0.3, "hard_tanh": 0.2}


def _draw(rng, name, q, sigma_w, depth, ensemble):
    """J J^T of one network with independent slopes, by NumPy alone."""
    jacobian = np.eye(WIDTH)
    for _ in range(depth):
        noise = rng.normal(size=(WIDTH, WIDTH))
        if ensemble == "gaussian":
            weights = noise / np.sqrt(WIDTH)
        else:
            basis, triangle = np.linalg.qr(noise)
            weights = basis * np.sign(np.diag(triangle))
        x = np.sqrt(q) * rng.normal(size=WIDTH)
        slopes = {
            "tanh": lambda x: 1.0 / np.cosh(x) ** 2,
            "erf": lambda x: 2.0 / np.sqrt(np.pi) * np.exp(-x * x),
            "hard_tanh": lambda x: (np.abs(x) < 1.0).astype(float),
        }[name](x)
        jacobian = sigma_w * slopes[:, None] * (weights @ jacobian)
    return np.linalg.svd(jacobian, compute_uv=False) ** 2


@pytest.mark.parametrize("ensemble", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("name", CASES)
def test_width_1000(name, ensemble):
    """Kolmogorov distance below 0.03 at 1, 4 and 16 layers."""
    activation, q = getattr(A, name), CASES[name]
    sigma_w = float(mf.chi_1(q, 1.0, activation)) ** -0.5
    cdf = jax.jit(lambda t, depth: mf.jacobian_cdf(t, activation, q, sigma_w, depth, ensemble=ensemble))
    atoms = jax.jit(lambda depth: mf.jacobian_atoms(activation, q, sigma_w, depth, ensemble=ensemble))
    edges = jax.jit(lambda depth: mf.jacobian_edges(activation, q, sigma_w, depth, ensemble=ensemble))
    for depth in (1, 4, 16):
        values = np.sort(_draw(np.random.default_rng(depth), name, q, sigma_w, depth, ensemble))
        places, masses = (np.asarray(part) for part in atoms(float(depth)))
        ends = np.asarray(edges(float(depth)))
        # Below, values are rounding of the largest; they count as small, whatever they are.
        resolved = values > 1e-24 * values[-1]
        log_values = np.log(np.where(resolved, values, 1e-300))
        # Rounding must not put a value beside the atom on which it lies.
        for place in places[(masses > 0) & np.isfinite(places)]:
            near = np.abs(log_values - place) < 1e-8
            np.testing.assert_allclose(near.mean(), masses[places == place].sum(), atol=0.03)
            log_values = np.where(near, place + 1e-8, log_values)
        levels = np.asarray(cdf(jnp.asarray(log_values), float(depth)))
        ranks = np.searchsorted(log_values, log_values, side="right") / WIDTH
        known = resolved & ~np.isnan(levels)
        assert known.sum() > 0.9 * resolved.sum(), (depth, known.sum(), resolved.sum())
        assert np.abs(levels - ranks)[known].max() < 0.03, depth
        finite = ends[np.isfinite(ends)]
        top = max([*finite, *places[masses > 0]])
        assert log_values.max() < top + 0.1
        assert log_values.max() > top - 0.3


@pytest.mark.parametrize("ensemble", ["gaussian", "orthogonal"])
def test_mass_and_atoms_sum_to_one(ensemble):
    """The density of hard_tanh integrated between the edges, atoms added; at 4 layers one atom is at the top."""
    activation, q, sigma_w = A.hard_tanh, 0.4365245681608435, 1.1
    solve = jax.jit(lambda t, depth: mf.jacobian_density_solve(t, activation, q, sigma_w, depth, ensemble=ensemble))
    nodes, weights = np.polynomial.legendre.leggauss(400)
    angle, weights = 0.5 * np.pi * (nodes + 1.0), 0.5 * np.pi * weights
    for depth in (1.5, 4.0, 16.0):
        edges = np.asarray(mf.jacobian_edges(activation, q, sigma_w, depth, ensemble=ensemble))
        _, masses = mf.jacobian_atoms(activation, q, sigma_w, depth, ensemble=ensemble)
        total = float(np.sum(np.asarray(masses)))
        for low, high in edges[~np.isnan(edges[:, 1])]:
            # lambda^(1/(2 depth + 2)) has square-root ends, or regular ones at zero.
            power = 1.0 / (2.0 * depth + 2.0)
            start, end = np.exp(power * low), np.exp(power * high)
            x = start + (end - start) * 0.5 * (1.0 - np.cos(angle))
            t = np.log(x) / power
            found = solve(jnp.asarray(t), depth)
            assert found.converged.all()
            measure = weights * 0.5 * (end - start) * np.sin(angle) / (x * power)
            total += float(np.sum(np.exp(np.asarray(found.log_density) + t) * measure))
        np.testing.assert_allclose(total, 1.0, atol=1e-10)
