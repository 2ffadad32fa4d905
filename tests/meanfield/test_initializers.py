"""Initial weights: their variances, orthogonality, and what they do to signals."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from depthjax import meanfield as mf

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
KEY = jax.random.key(0)
I = mf.initializers  # noqa: E741


def test_gaussian_weights_are_normal_and_not_truncated():
    kernel = np.asarray(I.gaussian(1.3)(KEY, (400, 500), DTYPE), np.float64)
    scaled = kernel.ravel() * np.sqrt(400) / 1.3
    assert abs(scaled.var() - 1) < 5 * np.sqrt(2 / scaled.size)
    assert abs(stats.kurtosis(scaled, fisher=False) - 3) < 5 * np.sqrt(24 / scaled.size)
    assert np.abs(scaled).max() > 4
    taps = np.asarray(I.gaussian(1.0)(KEY, (3, 3, 40, 50), DTYPE))
    np.testing.assert_allclose(taps.var(), 1 / 360, rtol=0.05)


@pytest.mark.parametrize("shape", [(40, 40), (60, 20), (20, 60), (3, 8, 30)])
def test_orthogonal_weights(shape):
    kernel = np.asarray(I.orthogonal(1.7)(KEY, shape, DTYPE), np.float64).reshape(-1, shape[-1])
    rows, columns = kernel.shape
    product = kernel.T @ kernel if rows >= columns else kernel @ kernel.T
    expected = 1.7**2 * max(1.0, columns / rows) * np.eye(min(rows, columns))
    np.testing.assert_allclose(product, expected, atol=1e-12 if X64 else 3e-6)


def test_orthogonal_weights_have_the_invariant_law():
    """The trace of a Haar matrix of the plane has mean 0; QR without signs would favour one sign on the diagonal."""
    draws = jax.vmap(lambda k: I.orthogonal(1.0)(k, (2, 2), DTYPE))(jax.random.split(KEY, 4000))
    diagonal = np.asarray(draws)[:, [0, 1], [0, 1]]
    assert np.abs(diagonal.mean(axis=0)).max() < 4 * np.sqrt(0.5 / 4000)


@pytest.mark.parametrize("shape", [(3, 5, 5), (3, 4, 6, 9), (2, 3, 3, 8, 4)])
def test_delta_orthogonal_weights(shape):
    kernel = np.array(I.delta_orthogonal(1.2)(KEY, shape, DTYPE), np.float64)
    centre = tuple((k - 1) // 2 for k in shape[:-2])
    matrix = kernel[centre].copy()
    kernel[centre] = 0
    assert not kernel.any()
    rows, columns = matrix.shape
    product = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
    np.testing.assert_allclose(product, 1.44 * max(1, columns / rows) * np.eye(min(rows, columns)), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("step", [0, 30, -30])
def test_lengths_stay_at_the_fixed_point_over_fifty_layers(kind, step):
    """Square, widening and narrowing networks."""
    activation, sigma_b = mf.activations.tanh, 0.2
    point = mf.critical_sigma_w(sigma_b, activation)
    q = float(point.q[0])
    widths = [160 + step * (i // 10 - 2) for i in range(51)]
    kernel, shift = I.critical(activation, sigma_b=sigma_b, kind=kind), I.bias(sigma_b)

    @functools.partial(jax.jit, static_argnums=2)
    def layer(x, key, width):
        pair = jax.random.split(key)
        return activation(x) @ kernel(pair[0], (x.size, width), DTYPE) + shift(pair[1], (width,), DTYPE)

    squares = []
    for seed in range(3):
        x = np.sqrt(q) * jax.random.normal(KEY, (widths[0],), DTYPE)
        for width, key in zip(widths[1:], jax.random.split(jax.random.key(seed), len(widths) - 1), strict=True):
            x = layer(x, key, width)
        squares.append(float(jnp.mean(x**2)))
    np.testing.assert_allclose(np.mean(squares), q, rtol=0.3)


def test_flax_takes_them():
    x = jnp.ones((2, 5, 5, 3), jnp.float32)
    conv = nn.Conv(4, (3, 3), kernel_init=I.delta_orthogonal(1.0), bias_init=I.bias(0.1))
    assert conv.init(KEY, x)["params"]["kernel"].shape == (3, 3, 3, 4)
    dense = nn.Dense(7, kernel_init=I.orthogonal(1.0), bias_init=I.bias(0.1))
    params = dense.init(KEY, jnp.ones((2, 5), jnp.float32))["params"]
    assert params["kernel"].dtype == jnp.float32
    assert I.gaussian(1.0)(KEY, (4, 4)).dtype == DTYPE


def test_bad_input():
    with pytest.raises(ValueError, match="sigma_w is 0.0"):
        I.gaussian(0.0)
    with pytest.raises(ValueError, match="shape is \\(3,\\)"):
        I.orthogonal(1.0)(KEY, (3,), DTYPE)
    with pytest.raises(ValueError, match="rank 3 to 5"):
        I.delta_orthogonal(1.0)(KEY, (3, 3), DTYPE)
    with pytest.raises(ValueError, match="sigma_b is -1"):
        I.bias(-1.0)
    with pytest.raises(ValueError, match="no critical sigma_w"):
        I.critical(mf.activations.relu, sigma_b=0.3)
    with pytest.raises(ValueError, match="kind is 'he'"):
        I.critical(mf.activations.tanh, sigma_b=0.1, kind="he")
    with pytest.raises(ValueError, match="critical: sigma_b is -0.1"):
        I.critical(mf.activations.tanh, sigma_b=-0.1)


def test_critical_refuses_unstable_lengths():
    """GELU at sigma_b = 0.2 is critical at q = 0.576 only, where the length map has slope 1.095."""
    with pytest.raises(ValueError, match="not stable"):
        I.critical(mf.activations.gelu, sigma_b=0.2)
    kernel = I.critical(mf.activations.relu, sigma_b=0.0, kind="gaussian")(KEY, (400, 500), DTYPE)
    np.testing.assert_allclose(400 * np.asarray(kernel).var(), 2.0, rtol=0.02)
