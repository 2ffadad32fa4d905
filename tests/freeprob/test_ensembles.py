"""Random matrices against their limit laws, and spacings against the surmise."""

import jax
import numpy as np
import pytest
from scipy.integrate import quad

from depthjax import freeprob as fp

X64 = jax.config.jax_enable_x64
KEY = jax.random.key(0)
DIM = 400


def distance(matrix, law):
    values = np.linalg.eigvalsh(np.asarray(matrix))
    levels = np.asarray(law.cdf(values))
    return np.abs(levels - (np.arange(len(values)) + 0.5) / len(values)).max()


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (lambda: fp.sample_goe(KEY, DIM, scale=1.5), lambda: fp.Semicircle(0.0, 1.5)),
        (lambda: fp.sample_gue(KEY, DIM, scale=2.0), lambda: fp.Semicircle(0.0, 2.0)),
        (lambda: fp.sample_wishart(KEY, DIM, 600, variance=1.5), lambda: fp.MarchenkoPastur(2 / 3, 1.5)),
        (lambda: fp.sample_jacobi(KEY, DIM, 800, 1200), lambda: fp.Wachter(2.0, 3.0)),
        (lambda: fp.MarchenkoPastur(0.5, 1.0).sample_matrix(KEY, DIM), lambda: fp.MarchenkoPastur(0.5, 1.0)),
        (lambda: fp.Wachter(2.0, 3.0).sample_matrix(KEY, DIM), lambda: fp.Wachter(2.0, 3.0)),
        (lambda: fp.Semicircle(1.0, 0.5).sample_matrix(KEY, DIM), lambda: fp.Semicircle(1.0, 0.5)),
    ],
)
def test_spectra_tend_to_their_laws(draw, law):
    assert distance(draw(), law()) < 0.02


@pytest.mark.parametrize("field", ["real", "complex"])
def test_ginibre(field):
    matrix = np.asarray(fp.sample_ginibre(KEY, DIM, scale=1.3, field=field))
    assert distance(matrix @ matrix.conj().T, fp.MarchenkoPastur(1.0, 1.69)) < 0.02
    radius = np.abs(np.linalg.eigvals(matrix))
    assert radius.max() < 1.3 * 1.1
    np.testing.assert_allclose(np.mean(radius < 0.65), 0.25, atol=0.02)


def test_haar():
    q = np.asarray(jax.vmap(lambda k: fp.sample_haar_orthogonal(k, 3))(jax.random.split(KEY, 4000)))
    np.testing.assert_allclose(np.einsum("nij,nkj->nik", q, q), np.broadcast_to(np.eye(3), q.shape), atol=1e-5)
    # Without the signs of R the diagonal would lean to one side.
    np.testing.assert_allclose(q.mean(0), np.zeros((3, 3)), atol=0.04)
    np.testing.assert_allclose(np.mean(np.trace(q, axis1=1, axis2=2) ** 2), 1.0, atol=0.1)
    u = np.asarray(jax.vmap(lambda k: fp.sample_haar_unitary(k, 3))(jax.random.split(KEY, 4000)))
    np.testing.assert_allclose(np.einsum("nij,nkj->nik", u, u.conj()), np.broadcast_to(np.eye(3), u.shape), atol=1e-5)
    np.testing.assert_allclose(np.mean(np.trace(u, axis1=1, axis2=2) ** 2), 0.0, atol=0.06)


@pytest.mark.parametrize("beta", [1, 2, 4])
def test_surmise_has_mass_and_mean(beta):
    def density(s):
        return float(np.exp(fp.wigner_surmise_log_density(s, beta=beta, mean_spacing=1.7)))

    tol = 1e-10 if X64 else 1e-5
    np.testing.assert_allclose(quad(density, 0, 12)[0], 1.0, rtol=tol)
    np.testing.assert_allclose(quad(lambda s: s * density(s), 0, 12)[0], 1.7, rtol=tol)
    assert fp.wigner_surmise_log_density(-0.1, beta=beta) == -np.inf


def test_spacings_of_a_large_matrix_follow_the_surmise():
    values = np.linalg.eigvalsh(np.asarray(fp.sample_goe(KEY, 1000)))
    gaps = np.asarray(fp.eigenvalue_spacings(values, unfold=fp.Semicircle(0.0, 1.0).cdf))
    np.testing.assert_allclose(gaps.mean(), 1.0, atol=0.02)
    np.testing.assert_allclose(np.mean(gaps < 0.5), 1 - np.exp(-np.pi / 16), atol=0.03)
    np.testing.assert_allclose(np.asarray(fp.eigenvalue_spacings(np.array([3.0, 1.0, 2.5]))), [1.5, 0.5])
