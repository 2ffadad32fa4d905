"""Normal numbers drawn in one pass are those of `jax.random.normal`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax.numerics._draws import standard_normal


def _same(found, expected):
    """Other bits would give other numbers altogether; another kernel may round the last one elsewhere."""
    eps = float(jnp.finfo(expected.dtype).eps)
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(expected, float), rtol=4 * eps)


@pytest.mark.parametrize("shape", [(), (0,), (33,), (65,), (67, 3)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64, jnp.bfloat16])
def test_numbers_of_jax(shape, dtype):
    if dtype == jnp.float64 and not jax.config.jax_enable_x64:
        pytest.skip("needs x64")
    for key in (jax.random.key(5), jax.random.PRNGKey(2**31), jax.random.key(1, impl="rbg")):
        found, expected = standard_normal(key, shape, dtype), jax.random.normal(key, shape, dtype)
        assert found.dtype == expected.dtype
        _same(found, expected)


def test_under_transformations():
    keys = jax.random.split(jax.random.key(3), 5)

    def loss(scale, key):
        return jnp.sum(jnp.sin(scale * standard_normal(key, (9, 11), jnp.float32)))

    def by_jax(scale, key):
        return jnp.sum(jnp.sin(scale * jax.random.normal(key, (9, 11), jnp.float32)))

    found, expected = (
        jax.jit(jax.vmap(jax.grad(f), in_axes=(None, 0)))(jnp.float32(2.0), keys) for f in (loss, by_jax)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_other_generators():
    with jax.threefry_partitionable(False):
        key = jax.random.key(0)
        _same(standard_normal(key, (100,), jnp.float32), jax.random.normal(key, (100,), jnp.float32))
    with pytest.raises((TypeError, ValueError), match="key"):
        standard_normal(jax.random.split(jax.random.key(0), 2), (3,), jnp.float32)


def test_exports_everywhere():
    def draw(key):
        return standard_normal(key, (70,), jnp.float32)

    key = jax.random.key(4)
    exported = jax.export.export(jax.jit(draw), platforms=["cpu", "cuda", "tpu"])(key)
    _same(exported.call(key), jax.random.normal(key, (70,), jnp.float32))
