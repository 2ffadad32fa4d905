import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numerics_oracle import DTYPES

import depthjax.numerics as nx


def test_safe_where_keeps_the_gradient_finite():
    x = jnp.array([0.0, 4.0])
    slope = jax.grad(lambda v: nx.safe_where(v > 0.0, jnp.log, v, -3.0).sum())(x)
    np.testing.assert_allclose(slope, [0.0, 0.25])
    np.testing.assert_allclose(nx.safe_where(x > 0.0, jnp.log, x, -3.0), [-3.0, np.log(4.0)], rtol=1e-6)


def test_safe_norm():
    for dtype in DTYPES:
        for size in (1e-25, 1.0, 1e25):
            x = np.array([3.0, 4.0], dtype) * dtype(size)
            np.testing.assert_allclose(nx.safe_norm(x), 5.0 * size, rtol=1e-6)
            np.testing.assert_allclose(jax.grad(nx.safe_norm)(x), [0.6, 0.8], rtol=1e-6)
        zero = np.zeros(3, dtype)
        np.testing.assert_array_equal(jax.grad(nx.safe_norm)(zero), 0.0)
        np.testing.assert_array_equal(jax.hessian(nx.safe_norm)(zero), 0.0)
        assert np.isnan(nx.safe_norm(np.array([np.nan, 1.0], dtype)))
        assert nx.safe_norm(np.array([np.inf, 1.0], dtype)) == np.inf


def test_safe_sqrt():
    np.testing.assert_allclose(jax.vmap(jax.grad(nx.safe_sqrt))(jnp.array([0.0, 4.0])), [0.0, 0.25])
    assert np.isnan(nx.safe_sqrt(-1.0))


def test_clip_open_is_strict_and_straight_through():
    for dtype in DTYPES:
        x = jnp.asarray(np.array([-np.inf, -1.0, 0.0, 0.5, 1.0, np.inf], dtype))
        y = np.asarray(jax.jit(lambda v: nx.clip_open(v, 0.0, 1.0))(x))
        assert np.all((y > 0.0) & (y < 1.0))
        assert y[0] >= np.finfo(dtype).tiny
        np.testing.assert_array_equal(jax.vmap(jax.grad(lambda v: nx.clip_open(v, 0.0, 1.0)))(x), 1.0)
        assert np.isfinite(nx.clip_open(dtype(np.inf), -np.inf, np.inf))
        assert np.isnan(nx.clip_open(dtype(np.nan), 0.0, 1.0))
        symmetric = np.asarray(nx.clip_open(x, -1.0, 1.0))
        assert np.all(np.abs(symmetric) < 1.0)


def test_pairwise_squared_distance():
    x, y = np.random.default_rng(0).normal(size=(2, 4, 3)).astype(np.float32)
    got = nx.pairwise_squared_distance(x, y)
    np.testing.assert_allclose(got, ((x[:, None] - y[None]) ** 2).sum(-1), rtol=1e-5)
    near = nx.pairwise_squared_distance(x + np.float32(1e4), x + np.float32(1e4))
    assert np.all(np.asarray(near) >= 0.0)
    np.testing.assert_array_equal(np.diag(near), 0.0)
    weights = np.random.default_rng(1).normal(size=(4, 4)).astype(np.float32)
    slope = jax.grad(lambda v: jnp.sum(weights * nx.pairwise_squared_distance(v, y)))(jnp.asarray(x))
    np.testing.assert_allclose(slope, 2 * np.einsum("ij,ijd->id", weights, x[:, None] - y[None]), rtol=1e-4, atol=1e-5)
    curvature = jax.hessian(lambda v: jnp.sum(nx.pairwise_squared_distance(v, y)))(jnp.asarray(x[:1]))
    np.testing.assert_allclose(curvature[0, :, 0], 8 * np.eye(3), atol=1e-5)
    np.testing.assert_array_equal(nx.pairwise_squared_distance(x[:, :0], y[:, :0]), np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"\(n, d\)"):
        nx.pairwise_squared_distance(x, y[:, :2])
