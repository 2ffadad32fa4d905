"""Scan: equal to the chain and the loop, three backward modes with equal gradients, memory and bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import bijectors

MODES = ("stored", "recompute", "reversible")
EPS = np.finfo(np.float64 if jax.config.jax_enable_x64 else np.float32).eps


def layer(key):
    keys = jax.random.split(key, 3)
    return bijectors.Chain(
        bijectors.Householder(jax.random.normal(keys[0], (2, 4))),
        bijectors.Affine(jax.random.normal(keys[1], (4,)), jnp.exp(0.3 * jax.random.normal(keys[2], (4,)))),
        bijectors.LeakyReLU(0.5, 4),
    )


def stack(depth):
    return bijectors.stack_layers(layer, jax.random.split(jax.random.key(0), depth))


def objective(layers, x, mode):
    y, log_det = bijectors.Scan(layers, backward=mode).forward_and_log_det(x)
    u, inverse_log_det = bijectors.Scan(layers, backward=mode).inverse_and_log_det(0.3 * x)
    return (
        jnp.sum(jnp.sin(y))
        + jnp.sum(log_det * jnp.arange(len(x), dtype=x.dtype))
        + jnp.sum(jnp.cos(u))
        + jnp.sum(inverse_log_det)
    )


def test_equals_the_chain_of_its_layers():
    layers, x = stack(5), jax.random.normal(jax.random.key(1), (3, 4))
    chain = bijectors.Chain(*(jax.tree.map(lambda leaf, i=i: leaf[i], layers) for i in range(5)))
    for mode in MODES:
        scan = bijectors.Scan(layers, backward=mode)
        for ours, expected in (
            (scan.forward_and_log_det(x), chain.forward_and_log_det(x)),
            (scan.inverse_and_log_det(x), chain.inverse_and_log_det(x)),
        ):
            for a, b in zip(ours, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=64 * EPS, atol=64 * EPS, equal_nan=False)


@pytest.mark.parametrize("mode", MODES[1:])
def test_backward_modes_have_equal_gradients(mode):
    layers, x = stack(7), jax.random.normal(jax.random.key(1), (6, 4))
    gradient = jax.jit(jax.grad(objective, argnums=(0, 1)), static_argnums=2)
    bound = 1e-10 if jax.config.jax_enable_x64 else 1e-3
    pairs = zip(*(jax.tree.leaves(gradient(layers, x, m)) for m in ("stored", mode)), strict=True)
    for expected, got in pairs:
        np.testing.assert_allclose(got, expected, rtol=bound, atol=bound, equal_nan=False)


def test_reversible_gradient_under_vmap_over_layers_and_over_events():
    keys = jax.random.split(jax.random.key(0), (2, 3))
    layers = jax.vmap(lambda k: bijectors.stack_layers(layer, k))(keys)
    x = jax.random.normal(jax.random.key(1), (2, 5, 4))
    bound = 1e-10 if jax.config.jax_enable_x64 else 1e-3

    def gradient(mode):
        return jax.vmap(jax.grad(lambda stacked, events: objective(stacked, events, mode)))(layers, x)

    for expected, got in zip(*(jax.tree.leaves(gradient(m)) for m in ("stored", "reversible")), strict=True):
        np.testing.assert_allclose(got, expected, rtol=bound, atol=bound, equal_nan=False)


def test_memory_of_the_gradient_over_depth():
    x = jnp.ones((2048, 4))

    def temporary(mode, depth):
        compiled = jax.jit(jax.grad(objective), static_argnums=2).lower(stack(depth), x, mode).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    stored, recompute, reversible = ([temporary(mode, depth) for depth in (16, 64)] for mode in MODES)
    assert stored[1] > 3 * stored[0]
    assert recompute[1] < 2.5 * recompute[0]
    assert reversible[1] < 1.1 * reversible[0]


def test_bad_input():
    with pytest.raises(ValueError, match="backward is 'stored', 'recompute' or 'reversible', got 'none'"):
        bijectors.Scan(stack(2), backward="none")
    with pytest.raises(ValueError, match="one common leading axis"):
        bijectors.Scan(bijectors.Permutation((1, 0)))
    with pytest.raises(ValueError, match="which they do not take"):
        bijectors.Scan(bijectors.Log())
