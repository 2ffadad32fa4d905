"""The spectrum as a law agrees with the functions of log lambda, with its own integrals and with random networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import meanfield as mf

X64 = jax.config.jax_enable_x64
pytestmark = pytest.mark.skipif(not X64, reason="float64 values")
A = mf.activations
Q, W = 0.5055402961460154, 1.3


@pytest.mark.parametrize("ensemble", [pytest.param("gaussian", marks=pytest.mark.slow), "orthogonal"])
def test_reference_values_and_transform(ensemble):
    law = mf.JacobianSpectrum(A.tanh, Q, W, 3, ensemble=ensemble)
    rho, cdf, top = {
        "gaussian": (0.216212118596637, 0.682998838688332, 11.79937530157),
        "orthogonal": (0.39287903853748, 0.433673980905755, 3.385680613051),
    }[ensemble]
    np.testing.assert_allclose(law.density(0.5), rho, rtol=1e-9)
    np.testing.assert_allclose(law.cdf(np.array([-1.0, 0.0, 0.5, 2 * top])), [0, 0, cdf, 1], rtol=1e-9)
    np.testing.assert_allclose(law.edges()[0, 1], top, rtol=1e-10)
    boundary = law.boundary_stieltjes(0.5)
    assert boundary.converged
    np.testing.assert_allclose(-np.imag(boundary.value) / np.pi, rho, rtol=1e-9)
    outside = law.stieltjes(np.array([4 * top, 8 * top, -top]))
    series = [sum(np.asarray(law.moments(30)) / z ** np.arange(2.0, 32)) + 1 / z for z in (4 * top, 8 * top)]
    np.testing.assert_allclose(outside[:2], series, rtol=1e-10)
    assert outside[2] < 0
    potential = np.imag(law._log_potential(np.complex128(0.5)))
    np.testing.assert_allclose(1 - potential / np.pi, cdf, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("ensemble", ["gaussian", "orthogonal"])
def test_matrices_of_the_law(ensemble):
    law = mf.JacobianSpectrum(A.hard_tanh, 0.4365245681608435, 1.1, 4, ensemble=ensemble)
    matrix = np.asarray(law.sample_matrix(jax.random.key(0), 600))
    values = np.sort(np.linalg.eigvalsh(matrix))
    values = np.where(np.abs(values) < 1e-10, 0.0, values)
    values = np.where(np.abs(values / 1.1**8 - 1) < 1e-9, 1.1**8 * (1 + 1e-9), values)  # on the atom at the top
    levels = np.asarray(law.cdf(values))
    ranks = np.searchsorted(values, values, side="right") / values.size
    assert np.abs(levels - ranks).max() < 0.03


def test_bad_input():
    with pytest.raises(ValueError, match="ensemble is 'haar'"):
        mf.JacobianSpectrum(A.tanh, Q, W, 3, ensemble="haar")
    with pytest.raises(ValueError, match="depth must be at least 1"):
        mf.JacobianSpectrum(A.tanh, Q, W, 0, ensemble="gaussian")
    with pytest.raises(TypeError):
        mf.JacobianSpectrum(np.tanh, Q, W, 3, ensemble="gaussian")
    layered = mf.JacobianSpectrum(A.tanh, np.full(3, Q), W, 3, ensemble="gaussian")
    np.testing.assert_allclose(
        layered.moments(3), mf.JacobianSpectrum(A.tanh, Q, W, 3, ensemble="gaussian").moments(3), rtol=1e-12
    )
    with pytest.raises(ValueError, match="layer-wise"):
        layered.edges()


def test_transform_is_flagged_where_the_quadrature_is_not_resolved():
    """Where the density is not known, its transform is not either: a rule on the line, two orthogonal layers."""
    law = mf.JacobianSpectrum(mf.Activation(jnp.tanh), 0.05, 1.0, 2, ensemble="orthogonal")
    low, high = np.exp(mf.jacobian_edges(A.tanh, 0.05, 1.0, 2.0, ensemble="orthogonal")[0])
    x = np.linspace(max(low, 1e-3), high, 12)[1:-1]
    density, boundary = np.asarray(law.density(x)), law.boundary_stieltjes(x)
    unknown = np.isnan(density)
    assert unknown.any()
    assert np.isnan(np.asarray(boundary.value)[unknown]).all()
    assert not np.asarray(boundary.converged)[unknown].any()
