"""Degrees and masks of autoregressive networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import depthjax.bijectors as bij
from depthjax.bijectors._masks import autoregressive_paths, made_degrees, made_masks


def test_example_of_three_inputs():
    inputs, hidden, outputs = made_degrees(3, (4,))
    first, second = made_masks(inputs, hidden, outputs)
    np.testing.assert_array_equal(hidden[0], [1, 2, 1, 2])
    np.testing.assert_array_equal(first, [[1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 0]])
    np.testing.assert_array_equal(second, [[0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]])
    np.testing.assert_array_equal(autoregressive_paths([first, second]), [[0, 0, 0], [2, 0, 0], [4, 2, 0]])


def test_random_degrees_are_strictly_autoregressive():
    rng = np.random.default_rng(0)
    for seed in range(200):
        dim, widths = int(rng.integers(1, 9)), tuple(int(w) for w in rng.integers(1, 12, size=rng.integers(1, 4)))
        degrees = made_degrees(dim, widths, style="random", key=jax.random.key(seed))
        paths = autoregressive_paths(made_masks(*degrees))
        assert paths.shape == (dim, dim)
        np.testing.assert_array_equal(np.triu(paths), 0)


@pytest.mark.parametrize("order", ["natural", "reverse", (2, 4, 1, 3)])
def test_cyclic_degrees_connect_every_earlier_input(order):
    degrees = made_degrees(4, (9, 7), order=order)
    paths = autoregressive_paths(made_masks(*degrees))
    expected = degrees[0][:, None] > degrees[0][None, :]
    np.testing.assert_array_equal(paths > 0, expected)


def test_path_counts_match_a_numerical_jacobian():
    degrees = made_degrees(5, (11, 6))
    masks = made_masks(*degrees)
    rng = np.random.default_rng(1)
    jacobian = np.eye(5)
    for mask in masks:
        jacobian = (mask * rng.uniform(0.5, 1.5, mask.shape)) @ jacobian
    np.testing.assert_array_equal(jacobian != 0, autoregressive_paths(masks) > 0)


def test_bad_arguments_raise():
    with pytest.raises(ValueError, match="permutation of 1..3"):
        made_degrees(3, (4,), order=(1, 1, 2))
    with pytest.raises(ValueError, match="key"):
        made_degrees(3, (4,), style="random")
    with pytest.raises(ValueError, match="at least 1, got 0"):
        made_degrees(0, (4,))


def test_check_autoregressive_names_the_first_offender():
    weights = np.tril(np.ones((4, 4)), -1)
    bij.check_autoregressive(lambda x: jnp.tanh(jnp.asarray(weights, x.dtype) @ x), 4)
    bij.check_autoregressive(lambda x: jnp.stack([x, jnp.cumsum(x)], axis=-1), 4, strict=False)
    with pytest.raises(ValueError, match="output 0 depends on input 0"):
        bij.check_autoregressive(jnp.cumsum, 4)
    weights[1, 3] = 1e-3
    with pytest.raises(ValueError, match="output 1 depends on input 3"):
        bij.check_autoregressive(lambda x: jnp.asarray(weights, x.dtype) @ x, 4)
    with pytest.raises(ValueError, match="multiple of dim"):
        bij.check_autoregressive(lambda x: x[:3], 4)
