"""Transforms and their inverses against closed forms and series; moments, cumulants and S-series."""

import jax
import numpy as np
import pytest

from depthjax import freeprob as fp

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
TOL = 1e-12 if X64 else 1e-4
G = np.asarray([0.2 - 0.1j, -0.1 - 0.3j, 0.3 + 0.2j], np.complex128 if X64 else np.complex64)
M = np.asarray([-0.5, 0.2, 0.7], DTYPE)


def test_r_of_semicircle_and_marchenko_pastur():
    found = fp.solve_r_transform(fp.Semicircle(0.3, 1.2), G)
    assert np.asarray(found.converged).all()
    np.testing.assert_allclose(np.asarray(found.value), 0.3 + 1.44 * G, rtol=TOL, atol=TOL)
    law = fp.MarchenkoPastur(0.5, 1.3)
    np.testing.assert_allclose(np.asarray(fp.r_transform(law, G)), 1.3 / (1 - 0.65 * G), rtol=TOL, atol=TOL)
    real = np.asarray([0.3, -0.2, 0.0, 1e-9], DTYPE)
    np.testing.assert_allclose(np.asarray(fp.r_transform(law, real)), 1.3 / (1 - 0.65 * real), rtol=10 * TOL)


@pytest.mark.slow
def test_r_adds_and_s_multiplies():
    a, b = fp.Atomic([1.0, 2.0], [0.3, 0.7]), fp.MarchenkoPastur(0.5, 1.0)
    total, product = fp.free_additive_convolution(a, b), fp.free_multiplicative_convolution(a, b)
    np.testing.assert_allclose(
        np.asarray(fp.r_transform(total, G)), np.asarray(fp.r_transform(a, G) + fp.r_transform(b, G)), rtol=10 * TOL
    )
    m = 0.5 * G
    np.testing.assert_allclose(
        np.asarray(fp.s_transform(product, m)), np.asarray(fp.s_transform(a, m) * fp.s_transform(b, m)), rtol=10 * TOL
    )


def test_blue_function_inverts():
    law = fp.free_additive_convolution(fp.bernoulli(0.4), fp.Semicircle(0.3, 1.0))
    found = fp.solve_blue_function(law, G)
    assert np.asarray(found.converged).all()
    np.testing.assert_allclose(np.asarray(law.stieltjes(found.value)), G, rtol=10 * TOL)
    np.testing.assert_allclose(np.asarray(fp.blue_function(fp.Semicircle(0.0, 1.0), 0.5)), 2.5, rtol=TOL)


@pytest.mark.slow
def test_s_transforms():
    found = np.asarray(fp.s_transform(fp.MarchenkoPastur(0.5, 1.3), M))
    np.testing.assert_allclose(found, 1 / (1.3 * (1 + 0.5 * M)), rtol=TOL)
    found = np.asarray(fp.t_transform(fp.bernoulli(0.6), M))
    np.testing.assert_allclose(found, (0.6 + M) / (1 + M), rtol=TOL)
    np.testing.assert_allclose(np.asarray(fp.s_transform(fp.bernoulli(0.6), 0.0)), 1 / 0.6, rtol=TOL)
    np.testing.assert_allclose(np.asarray(fp.s_transform(fp.FussCatalan(2.0), 0.3)), 1.3**-2, rtol=10 * TOL)


def test_outside_the_image_is_not_a_number():
    """G of a semicircle has values below 1/scale; S of a projection of rank 0.4 is defined above -0.6."""
    found = fp.solve_r_transform(fp.Semicircle(0.3, 1.2), 5.0)
    assert np.isnan(found.value)
    assert not found.converged
    found = fp.solve_s_transform(fp.bernoulli(0.4), -0.7)
    assert np.isnan(found.value)
    assert not found.converged
    assert np.isnan(fp.stieltjes(fp.Semicircle(0.0, 1.0), 0.5))


def test_forward_transforms():
    law = fp.Atomic([1.0, -2.0], [0.25, 0.75])
    u = np.asarray([0.2, -0.1, 0.0], DTYPE)
    psi = 0.25 * u / (1 - u) + 0.75 * (-2 * u) / (1 + 2 * u)
    np.testing.assert_allclose(np.asarray(fp.psi_transform(law, u)), psi, rtol=TOL, atol=1e-14)
    np.testing.assert_allclose(np.asarray(fp.eta_transform(law, u)), psi / (1 + psi), rtol=TOL, atol=1e-14)
    z = 3.0 + 1.0j
    expected = z * (0.25 / (z - 1) + 0.75 / (z + 2)) - 1
    np.testing.assert_allclose(np.asarray(fp.moment_transform(law, z)), expected, rtol=TOL)
    np.testing.assert_allclose(np.asarray(fp.stieltjes(law, 3.0)), 0.125 + 0.15, rtol=TOL)


def test_complex128_needs_float64():
    if X64:
        pytest.skip("float64 is on")
    with pytest.raises(TypeError, match="complex128"):
        fp.Semicircle(0.0, 1.0).stieltjes(np.asarray([1j], np.complex128))


def test_gradient_of_an_inverse():
    slope = jax.grad(lambda v: fp.r_transform(fp.MarchenkoPastur(0.5, v), 0.3))(DTYPE(1.3))
    exact = 1 / (1 - 0.195) + 1.3 * 0.15 / (1 - 0.195) ** 2
    np.testing.assert_allclose(np.asarray(slope), exact, rtol=1e-10 if X64 else 1e-3)


def test_series():
    """Catalan numbers; a round trip; the S-series of Marchenko-Pastur; non-crossing partitions of four."""
    moments = np.asarray(fp.free_cumulants_to_moments(np.asarray([0, 1, 0, 0, 0, 0], DTYPE)))
    np.testing.assert_allclose(moments, [0, 1, 0, 2, 0, 5], atol=TOL)
    k = np.asarray([0.3, 1.1, -0.4, 0.7], DTYPE)
    m = np.asarray(fp.free_cumulants_to_moments(k))
    fourth = k[3] + 4 * k[2] * k[0] + 2 * k[1] ** 2 + 6 * k[1] * k[0] ** 2 + k[0] ** 4
    np.testing.assert_allclose(m[3], fourth, rtol=TOL)
    np.testing.assert_allclose(np.asarray(fp.moments_to_free_cumulants(m)), k, rtol=10 * TOL)
    s = np.asarray(fp.moments_to_s_series(fp.MarchenkoPastur(0.5, 1.3).moments(5)))
    np.testing.assert_allclose(s, (-0.5) ** np.arange(5) / 1.3, rtol=100 * TOL)
    np.testing.assert_allclose(
        np.asarray(fp.s_series_to_moments(s)), fp.MarchenkoPastur(0.5, 1.3).moments(5), rtol=1e-4
    )


def test_the_s_transform_of_a_centred_law_is_refused():
    with pytest.raises(ValueError, match="mean 0, where S has a pole; use r_transform"):
        fp.s_transform(fp.Semicircle(0.0, 1.0), 0.1)
    assert np.isnan(jax.jit(lambda loc: fp.s_transform(fp.Semicircle(loc, 1.0), 0.1))(0.0))
