"""The distance from isometry against the moments that it is made of, its gradient, and descent on it."""

import jax
import numpy as np
import optax
import pytest

from depthjax import meanfield as mf

pytestmark = pytest.mark.skipif(not jax.config.jax_enable_x64, reason="float64 values")
A = mf.activations


@pytest.mark.parametrize("ensemble", [pytest.param("gaussian", marks=pytest.mark.slow), "orthogonal"])
def test_loss_is_made_of_gain_and_variance(ensemble):
    w, b, depth = 1.3, 0.2, 8
    q = mf.q_star(w, b, A.tanh).value
    chi = mf.chi_1(q, w, A.tanh)
    relative = mf.jacobian_variance(A.tanh, q, w, depth, ensemble=ensemble) / chi ** (2 * depth)
    expected = (depth * np.log(chi)) ** 2 + relative
    np.testing.assert_allclose(mf.isometry_loss(w, b, A.tanh, depth, ensemble=ensemble), expected, rtol=1e-10)
    far = mf.isometry_loss(np.array([0.5, 3.0]), 0.2, A.tanh, 10_000, ensemble=ensemble)
    assert np.isfinite(np.asarray(far)).all()


def test_orthogonal_linear_networks_are_isometries():
    np.testing.assert_allclose(mf.isometry_loss(1.0, 0.0, A.linear, 50, ensemble="orthogonal"), 0.0, atol=1e-12)
    np.testing.assert_allclose(mf.isometry_loss(1.0, 0.0, A.linear, 50, ensemble="gaussian"), 50.0, rtol=1e-12)


def test_gradient_passes_through_the_fixed_point():
    value = jax.jit(lambda p: mf.isometry_loss(p[0], p[1], A.erf, 20.0, ensemble="orthogonal"))
    point, h = np.array([1.2, 0.15]), 1e-6
    numeric = [(value(point + h * e) - value(point - h * e)) / (2 * h) for e in np.eye(2)]
    np.testing.assert_allclose(jax.jit(jax.grad(value))(point), numeric, rtol=1e-6)


def test_descent_reaches_the_critical_line():
    found = mf.fit_initialisation(
        1.6, 0.3, A.tanh, 100, ensemble="orthogonal", optimizer=optax.adam(0.05), num_steps=1500
    )
    assert found.trace.shape == (1501,)
    assert found.trace[-1] < 1e-2 * found.trace[0]
    q = mf.q_star(found.sigma_w, found.sigma_b, A.tanh).value
    assert abs(float(mf.chi_1(q, found.sigma_w, A.tanh)) - 1) < 0.02


def test_bad_input():
    with pytest.raises(ValueError, match="ensemble is 'haar'"):
        mf.isometry_loss(1.0, 0.1, A.tanh, 3, ensemble="haar")
    with pytest.raises(ValueError, match="depth must be at least 1"):
        mf.isometry_loss(1.0, 0.1, A.tanh, 0, ensemble="gaussian")
    with pytest.raises(ValueError, match="sigma_b is 0.0"):
        mf.fit_initialisation(1.0, 0.0, A.tanh, 3, ensemble="gaussian", optimizer=optax.sgd(0.1), num_steps=2)
