import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numerics_oracle import DTYPES

import depthjax.numerics as nx


def test_householder_product():
    for dtype in DTYPES:
        eps = np.finfo(dtype).eps
        single = nx.householder_product(np.array([[1.0, 2.0, -2.0]], dtype))
        np.testing.assert_allclose(np.diag(single), np.array([7.0, 1.0, 1.0]) / 9.0, rtol=4 * eps)
        np.testing.assert_allclose(np.linalg.det(single), -1.0, rtol=8 * eps)
        vectors = np.random.default_rng(0).normal(size=(5, 6)).astype(dtype)
        for size in (1e-25, 1.0, 1e25):
            q = np.asarray(nx.householder_product(vectors * dtype(size)))
            np.testing.assert_allclose(q @ q.T, np.eye(6), atol=8 * eps)
        np.testing.assert_array_equal(nx.householder_product(np.zeros((2, 3), dtype)), np.eye(3))
        slope = jax.grad(lambda v: nx.householder_product(v)[0, 1])(jnp.zeros((2, 3), dtype))
        np.testing.assert_array_equal(slope, 0.0)


def test_log_det_lu():
    matrix = np.diag([2.0, -5.0, 1.0, 2.0]).astype(np.float32)
    np.testing.assert_allclose(nx.log_det_lu(matrix), np.log(20.0), rtol=1e-6)
    with pytest.raises(ValueError, match="square"):
        nx.log_det_lu(np.ones((2, 3), np.float32))


def test_spectral_norm_bound_is_an_upper_bound():
    rng = np.random.default_rng(0)
    for dtype in DTYPES:
        for shape in ((3, 7), (7, 3), (5, 5), (1, 4)):
            for size in (1e-20, 1.0, 1e15):
                matrix = (rng.normal(size=shape) * size).astype(dtype)
                norm = np.linalg.norm(matrix.astype(np.float64), 2)
                bounds = [float(nx.spectral_norm_bound(matrix, num_steps=k)) for k in (0, 4, 8)]
                assert all(bound >= norm for bound in bounds)
                assert bounds[1] <= norm * min(shape) ** (2.0**-5) * 1.001
                np.testing.assert_allclose(bounds[2], norm, rtol=0.01)
        zero = jnp.zeros((3, 3), dtype)
        assert nx.spectral_norm_bound(zero) == 0.0
        np.testing.assert_array_equal(jax.grad(nx.spectral_norm_bound)(zero), 0.0)
