"""Derivatives of spectra against central differences, forward against reverse, and what a forced failure gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from depthjax import meanfield as mf
from depthjax.meanfield._jacobian import run
from depthjax.meanfield._one_layer import one_layer

pytestmark = pytest.mark.skipif(not jax.config.jax_enable_x64, reason="float64 values")
A = mf.activations
LOG_LAM = np.array([-2.0, -0.7, 0.3])
POINT = np.array([0.5, 1.3, 0.2])  # q, sigma_w, slope of leaky relu


def _answers(activation, ensemble, depth):
    def values(p):
        phi = A.leaky_relu(p[2]) if activation == "leaky_relu" else getattr(A, activation)
        args = (phi, p[0], p[1], depth)
        found = mf.jacobian_density_solve(jnp.asarray(LOG_LAM), *args, ensemble=ensemble)
        edges = mf.jacobian_edges(*args, ensemble=ensemble)
        top = jnp.max(jnp.where(jnp.isfinite(edges), edges, -jnp.inf))
        variance = mf.jacobian_variance(*args, ensemble=ensemble)
        return jnp.concatenate([found.log_density, found.cdf, jnp.stack([top, variance])])

    return values


@pytest.mark.slow
@pytest.mark.parametrize("ensemble", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("activation", ["tanh", "hard_tanh", "leaky_relu"])
def test_derivatives(activation, ensemble):
    values = jax.jit(_answers(activation, ensemble, 4.0))
    forward = np.asarray(jax.jit(jax.jacfwd(values))(POINT))
    reverse = np.asarray(jax.jit(jax.jacrev(values))(POINT))
    np.testing.assert_allclose(reverse, forward, rtol=1e-12, atol=1e-12)
    matters = [1, 2] if activation == "leaky_relu" else [0, 1]
    assert np.abs(forward[:, matters]).max(axis=0).min() > 1e-3
    for k, step in enumerate(np.eye(3) * 2e-4):
        one, two = (
            (np.asarray(values(POINT + h * step)) - np.asarray(values(POINT - h * step))) / (h * 4e-4) for h in (1, 2)
        )
        np.testing.assert_allclose(forward[:, k], (4 * one - two) / 3, rtol=1e-7, atol=1e-8)


@pytest.mark.slow
def test_second_derivative():
    def log_density(t, q):
        return mf.jacobian_log_density(t[None], A.tanh, q, 1.3, 3.0, ensemble="gaussian")[0]

    args = (jnp.asarray(-0.7), jnp.asarray(0.5))
    check_grads(jax.jit(log_density), args, order=2, modes=["fwd", "rev"], rtol=1e-5, atol=1e-6)


def test_a_forced_failure_gives_no_number():
    """Two Newton steps and no global search: what has settled is right, the rest is NaN."""
    t = jnp.linspace(-3.0, 2.0, 12)
    args = (t, A.hard_tanh, 0.5, 1.3, 64.0, "gaussian")
    cut = jax.jit(lambda: run(*args, num_newton=2, fallback=False))()
    full = jax.jit(lambda: run(*args))()
    assert full.converged.all()
    lost = ~np.asarray(cut.converged)
    assert lost.any()
    assert np.isnan(np.asarray(cut.log_density)[lost]).all()
    assert np.isnan(np.asarray(cut.cdf)[lost]).all()
    assert (np.asarray(cut.residual)[lost] > 1e-12).all()
    np.testing.assert_allclose(np.asarray(cut.log_density)[~lost], np.asarray(full.log_density)[~lost], rtol=1e-9)


@pytest.mark.parametrize("activation", ["tanh", "elu"])
def test_one_orthogonal_layer(activation):
    t = jnp.log(jnp.asarray([0.1, 0.4, 0.9, 1.6]))
    values = jax.jit(lambda p: jnp.concatenate(one_layer(t, getattr(A, activation), p[0], p[1])))
    point = jnp.asarray([0.5, 1.3])
    reverse = np.asarray(jax.jit(jax.jacrev(values))(point))
    np.testing.assert_allclose(reverse, jax.jit(jax.jacfwd(values))(point), rtol=1e-12, atol=1e-14)
    for k, step in enumerate(np.eye(2) * 1e-4):
        one, two = ((np.asarray(values(point + h * step)) - values(point - h * step)) / (h * 2e-4) for h in (1, 2))
        known = np.isfinite(one)
        np.testing.assert_allclose(reverse[known, k], ((4 * one - two) / 3)[known], rtol=1e-8, atol=1e-9)
    assert np.isfinite(reverse).all()
