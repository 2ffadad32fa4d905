"""Rows of docs/errata.md on random matrices and free probability: the right form holds, the printed does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import comb

from depthjax import freeprob as fp

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
TOL = 1e-10 if X64 else 1e-4


def test_moment_transform_of_a_wishart_matrix():
    """M = z/(2 s) (1 - sqrt(1 - 4 s/z)) - 1 with s = sigma_w^2."""
    s, z = 1.7, 20.0
    found = float(fp.moment_transform(fp.MarchenkoPastur(1.0, s), z))
    series = sum(comb(2 * k, k, exact=True) / (k + 1) * (s / z) ** k for k in range(1, 80))
    np.testing.assert_allclose(found, series, rtol=TOL)
    np.testing.assert_allclose(found, 0.10350682, atol=1e-6)
    printed = z / (2 * s) - 1 - 0.5 * np.sqrt(1 - 4 * s / z)
    np.testing.assert_allclose(printed, 4.476, atol=5e-3)


def test_weighted_sums_of_free_variables_scale_their_variances():
    """R of p H1 + (1 - p) H2 is (p^2 + (1 - p)^2) v g for free H1, H2 of variance v = 1/2."""
    one = fp.Semicircle(0.0, 0.5**0.5)
    for p, variance in ((0.3, 0.29), (0.5, 0.25), (0.8, 0.34)):
        law = fp.free_additive_convolution(fp.Affine(one, 0.0, p), fp.Affine(one, 0.0, 1 - p))
        np.testing.assert_allclose(np.asarray(law.free_cumulants(3)), [0.0, variance, 0.0], atol=TOL)
    law = fp.free_additive_convolution(one, one)
    np.testing.assert_allclose(np.asarray(law.free_cumulants(2)), [0.0, 1.0], atol=TOL)


def test_an_avoided_crossing_and_its_diagonal_part():
    """Eigenvalues +-r of a 2 x 2 matrix of two standard normals: density |x| exp(-x^2/2) of both together, mass 2."""
    rng = np.random.default_rng(0)
    a, c = rng.normal(size=(2, 400_000))
    matrices = np.stack([np.stack([a, c], -1), np.stack([c, -a], -1)], -2)
    values = np.linalg.eigvalsh(matrices).ravel()
    ends = np.linspace(-3, 3, 13)
    count = np.histogram(values, ends)[0] / 400_000
    cumulative = np.where(ends < 0, np.exp(-(ends**2) / 2), 2 - np.exp(-(ends**2) / 2))
    np.testing.assert_allclose(count, np.diff(cumulative), atol=5e-3)
    np.testing.assert_allclose(
        np.trapezoid(np.abs(x := np.linspace(-9, 9, 20001)) * np.exp(-(x**2) / 2), x), 2.0, rtol=1e-6
    )


def test_moment_transform_of_a_projection():
    """M = p/(z - 1)."""
    np.testing.assert_allclose(np.asarray(fp.moment_transform(fp.bernoulli(0.6), 3.0)), 0.3, rtol=TOL)


def test_the_square_of_the_catalan_series():
    """Catalan_(k+1) = sum over j = 0..k of C_j C_(k-j): the moments of a semicircle."""
    moments = np.asarray(fp.Semicircle(0.0, 1.0).moments(10))[1::2]
    catalan = np.concatenate([[1.0], moments])
    for k in range(5):
        whole = sum(catalan[j] * catalan[k - j] for j in range(k + 1))
        np.testing.assert_allclose(whole, catalan[k + 1], rtol=TOL)
        assert abs(whole - sum(catalan[j] * catalan[k - j] for j in range(k)) - 1.0 * catalan[k]) < 1e-3
        assert sum(catalan[j] * catalan[k - j] for j in range(k)) < catalan[k + 1]


def test_inverse_moment_transform_has_a_square_term():
    """M^-1(m) = (m1/m)(1 + (b/a) m + (c/a) m^2 + ...) with a = m1 and b/a = m2/m1^2 in units of the mean."""
    law = fp.Atomic([1.0, 3.0], [0.6, 0.4])
    m1, m2, m3 = np.asarray(law.moments(3), np.float64)
    m = 0.01
    inverse = (1 + m) / (m * float(fp.s_transform(law, m)))
    # z = m1/m + m2/m1 + (m3/m1^2 - m2^2/m1^3) m + ...
    right = m1 / m + m2 / m1 + (m3 / m1**2 - m2**2 / m1**3) * m
    np.testing.assert_allclose(inverse, right, rtol=3e-6 if X64 else 1e-4)
    printed = m1 / m + m2 / m1 + (m3 / m1**2 - m2**2 / m1**3)
    assert abs(printed / inverse - 1) > 1e-3


@pytest.mark.slow
def test_blue_function_of_a_scaled_matrix():
    """B_(pH)(g) = p B_H(p g); two halves of variance 1/4 each make a matrix of scale 1/sqrt 2."""
    law, p, g = fp.Semicircle(0.0, 1.0), 0.5, 0.3
    scaled = fp.Affine(law, 0.0, p)
    found = np.asarray(fp.blue_function(scaled, g))
    np.testing.assert_allclose(found, p * np.asarray(fp.blue_function(law, p * g)), rtol=TOL)
    assert abs(float(fp.blue_function(law, g)) / p - float(found)) > 0.1
    both = fp.free_additive_convolution(scaled, scaled)
    np.testing.assert_allclose(np.asarray(both.edges())[0], [-(2**0.5), 2**0.5], rtol=1e-8 if X64 else 1e-3)


def test_the_surmise_lives_on_positive_spacings():
    """Two eigenvalues of a 2 x 2 matrix (A, C; C, D) with variances 1, 1/2, 1: mean spacing sqrt(pi)."""
    rng = np.random.default_rng(1)
    a, d = rng.normal(size=(2, 300_000))
    c = rng.normal(size=300_000) / 2**0.5
    gap = np.sqrt((a - d) ** 2 + 4 * c**2)
    np.testing.assert_allclose(gap.mean(), np.pi**0.5, rtol=3e-3)
    edges = np.linspace(0, 5, 11)
    mid = np.linspace(0, 5, 2001)
    density = np.exp(np.asarray(fp.wigner_surmise_log_density(mid.astype(DTYPE), mean_spacing=np.pi**0.5)))
    mass = [np.trapezoid(density[i : i + 201], mid[i : i + 201]) for i in range(0, 2000, 200)]
    np.testing.assert_allclose(np.histogram(gap, edges)[0] / 300_000, mass, atol=4e-3)
    assert float(fp.wigner_surmise_log_density(-1.0)) == -np.inf


def test_edges_depend_on_the_normalisation_only():
    """Real and complex ensembles of one scale share the edges +-2 scale."""
    for draw in (fp.sample_goe, fp.sample_gue):
        values = np.linalg.eigvalsh(np.asarray(draw(jax.random.key(0), 400, scale=2**0.5)))
        np.testing.assert_allclose(values[[0, -1]], [-(8**0.5), 8**0.5], rtol=0.05)


def test_shapes_of_a_singular_value_decomposition():
    """A A^T = U S S^T U^T: for A of shape (2, 3), S^T S is 3 x 3 and cannot stand between U and U^T."""
    a = np.asarray(jax.random.normal(jax.random.key(2), (2, 3)))
    u, s, _ = np.linalg.svd(a)
    wide = np.zeros((2, 3))
    wide[[0, 1], [0, 1]] = s
    np.testing.assert_allclose(u @ (wide @ wide.T) @ u.T, a @ a.T, atol=1e-5)
    assert (wide.T @ wide).shape == (3, 3)


def test_the_code_of_a_transform_runs():
    """G of a symmetric matrix by its own eigenvalues, limits and arguments given."""
    matrix = np.asarray(fp.sample_goe(jax.random.key(0), 300))
    z = 0.3 + 0.5j
    values = np.linalg.eigvalsh(matrix)
    exact = np.asarray(fp.Semicircle(0.0, 1.0).stieltjes(z))
    np.testing.assert_allclose(np.mean(1 / (z - values)), exact, atol=0.02)
    np.testing.assert_allclose(
        np.asarray(fp.empirical(jnp.asarray(values)).stieltjes(z)), np.mean(1 / (z - values)), rtol=1e-4
    )
