"""Spectra of layers whose lengths differ: against one length, a drawn network, differences, and masses by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import meanfield as mf

A = mf.activations
PROFILE, WEIGHT = np.array([0.05, 0.6, 2.0]), 1.3
float64 = pytest.mark.skipif(not jax.config.jax_enable_x64, reason="float64 values")
solve = jax.jit(mf.jacobian_density_solve, static_argnames="ensemble")


@pytest.mark.slow
@float64
@pytest.mark.parametrize("ensemble", ["gaussian", "orthogonal"])
@pytest.mark.parametrize(("name", "q"), [("tanh", 0.5), ("hard_tanh", 0.44)])
def test_equal_lengths_are_one_length(name, q, ensemble):
    activation, log_lam = getattr(A, name), jnp.linspace(-12.0, 3.5, 70)
    one = solve(log_lam, activation, q, 1.1, 3.0, ensemble=ensemble)
    every = solve(log_lam, activation, jnp.full(3, q), 1.1, 3.0, ensemble=ensemble)
    assert every.converged.all()
    known = np.asarray(one.converged)
    np.testing.assert_allclose(every.log_density[known], one.log_density[known], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(every.cdf[known], one.cdf[known], rtol=1e-10)
    inside = np.isfinite(np.asarray(one.log_density)) & known
    np.testing.assert_allclose(every.omega[inside], np.tile(one.omega[inside, None], 3), rtol=1e-8)


@pytest.mark.slow
@float64
@pytest.mark.parametrize("ensemble", ["gaussian", "orthogonal"])
def test_width_600(ensemble):
    rng, width = np.random.default_rng(0), 600
    jacobian = np.eye(width)
    for q in PROFILE:
        weights = rng.normal(size=(width, width)) / np.sqrt(width)
        if ensemble == "orthogonal":
            basis, triangle = np.linalg.qr(weights)
            weights = basis * np.sign(np.diag(triangle))
        slopes = 1.0 / np.cosh(np.sqrt(q) * rng.normal(size=width)) ** 2
        jacobian = WEIGHT * slopes[:, None] * (weights @ jacobian)
    values = np.sort(np.linalg.svd(jacobian, compute_uv=False) ** 2)
    found = solve(jnp.log(jnp.asarray(values[::10])), A.tanh, PROFILE, WEIGHT, 3.0, ensemble=ensemble)
    assert np.mean(found.converged) > 0.9
    distance = np.abs(np.asarray(found.cdf) - (np.arange(0, width, 10) + 0.5) / width)
    assert np.nanmax(distance) < 0.03


@pytest.mark.slow
@float64
def test_quantiles_of_a_profile():
    q, u = jnp.array([0.3, 1.2]), jnp.array([0.6, 0.9])
    t = jax.jit(lambda u, q: mf.jacobian_quantile(u, A.hard_tanh, q, 1.2, 2.0, ensemble="gaussian"))(u, q)
    np.testing.assert_allclose(mf.jacobian_cdf(t, A.hard_tanh, q, 1.2, 2.0, ensemble="gaussian"), u, rtol=1e-10)


@pytest.mark.slow
@float64
def test_derivatives_in_the_profile():
    log_lam = jnp.array([-2.0, 0.5, 6.0])

    def values(q, sigma_w):
        found = mf.jacobian_density_solve(log_lam, A.tanh, q, sigma_w, 3.0, ensemble="orthogonal")
        return jnp.stack([jnp.where(jnp.isfinite(found.log_density), found.log_density, 0.0), found.cdf])

    q, step = jnp.asarray(PROFILE), 1e-5
    slopes = jax.jit(jax.jacrev(values, argnums=(0, 1)))(q, WEIGHT)
    plain = jax.jit(values)
    for i in range(3):
        change = (plain(q.at[i].add(step), WEIGHT) - plain(q.at[i].add(-step), WEIGHT)) / (2.0 * step)
        np.testing.assert_allclose(slopes[0][..., i], change, rtol=1e-6, atol=1e-7)
    change = (plain(q, WEIGHT + step) - plain(q, WEIGHT - step)) / (2.0 * step)
    np.testing.assert_allclose(slopes[1], change, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(slopes[0][:, 2], 0.0, atol=1e-15)


def test_atoms_of_a_profile():
    """At zero the largest mass of a layer; above, 1 - sum (1 - p_l) at the product of the places."""
    q = np.array([0.2, 0.15], np.float64 if jax.config.jax_enable_x64 else np.float32)
    p = np.asarray(mf.chi_1(q, q.dtype.type(1.0), A.hard_tanh))
    places, masses = mf.jacobian_atoms(A.hard_tanh, q, q.dtype.type(1.1), 2, ensemble="orthogonal")
    rtol = 64 * np.finfo(q.dtype).eps
    np.testing.assert_allclose(np.max(masses[np.isneginf(places)]), 1.0 - p.min(), rtol=1e2 * rtol)
    top = np.isfinite(np.asarray(places))
    np.testing.assert_allclose(places[top], 4.0 * np.log(1.1), rtol=rtol)
    np.testing.assert_allclose(masses[top], 1.0 - np.sum(1.0 - p), rtol=rtol)


def test_depth_that_is_not_that_of_the_profile():
    with pytest.raises(ValueError, match="depth is 4"):
        mf.jacobian_cdf(0.0, A.hard_tanh, PROFILE, WEIGHT, 4, ensemble="gaussian")
    with pytest.raises(ValueError, match=r"depth is 3\.5"):
        mf.jacobian_cdf(0.0, A.hard_tanh, PROFILE, WEIGHT, 3.5, ensemble="gaussian")
    traced = jax.jit(lambda depth: mf.jacobian_cdf(0.0, A.hard_tanh, PROFILE, WEIGHT, depth, ensemble="gaussian"))
    assert np.isnan(np.asarray(traced(4.0)))
