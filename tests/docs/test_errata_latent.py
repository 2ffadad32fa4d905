"""Rows of docs/errata.md on latent-variable models: the right form holds numerically, and the printed form does not."""

import jax
import numpy as np

from depthjax import latent

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = float(np.finfo(DTYPE).eps)


def data():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(30, 3)) @ np.diag([2.0, 1.0, 0.5]) + np.array([3.0, -2.0, 1.0])).astype(DTYPE)


def test_principal_components_are_of_centred_and_averaged_data():
    """A shift of the data moves loc alone, and twice the data give the same model."""
    x = data()
    model, shifted, doubled = (latent.ppca_fit(v, 1) for v in (x, x + DTYPE(2.0), np.concatenate([x, x])))
    for other in (shifted, doubled):
        np.testing.assert_allclose(other.loading, model.loading, rtol=1e3 * EPS, atol=1e3 * EPS)
        np.testing.assert_allclose(other.noise_variance, model.noise_variance, rtol=1e3 * EPS)
    printed = [np.linalg.eigvalsh((v.T @ v).astype(np.float64))[-1] for v in (x, x + 2.0, np.concatenate([x, x]))]
    assert abs(printed[1] / printed[0] - 1) > 0.1
    np.testing.assert_allclose(printed[2] / printed[0], 2.0, rtol=1e-5)
    scaled = x * (1 + x.sum(0))
    assert np.abs(np.asarray(latent.ppca_fit(scaled, 1).loading / model.loading) - 1).max() > 0.1


def test_normal_likelihood_has_plus_the_log_determinant():
    """-(k/2)(tr S A^-1 + log det A) is largest at A = S; with minus it grows without bound in A."""
    x = data().astype(np.float64)
    cov = np.asarray(latent.gaussian_mle(x.astype(DTYPE))[1], np.float64)

    def value(matrix, sign):
        return -(np.trace(np.linalg.solve(matrix, cov)) + sign * np.linalg.slogdet(matrix)[1]) * len(x) / 2

    for factor in (0.5, 0.9, 1.1, 2.0):
        assert value(factor * cov, 1) < value(cov, 1)
    assert value(100 * cov, -1) > value(10 * cov, -1) > value(cov, -1)


def test_eigenvalues_scale_the_columns_of_the_eigenvectors():
    """S W = W diag(l) for the loadings W, and the noise has the mean of the discarded eigenvalues."""
    x = data()
    cov = np.asarray(latent.gaussian_mle(x)[1], np.float64)
    values = np.linalg.eigvalsh(cov)[::-1]
    model = latent.ppca_fit(x, 2)
    loading = np.asarray(model.loading, np.float64)
    np.testing.assert_allclose(cov @ loading, loading * values[:2], rtol=1e3 * EPS, atol=1e3 * EPS)
    basis = np.linalg.eigh(cov)[1][:, ::-1]
    assert np.abs(cov @ basis - values[:, None] * basis).max() > 0.1
    one = latent.ppca_fit(x, 1)
    np.testing.assert_allclose(one.noise_variance, values[1:].mean(), rtol=1e3 * EPS)
    assert abs(float(one.noise_variance) - values[1:].sum()) > 0.1
