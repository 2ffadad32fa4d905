"""Functions of records lower for every platform, with a symbolic batch size, in float32."""

import jax
import jax.export
import numpy as np
import pytest

import depthjax as dj
from depthjax.distributions import Normal

PLATFORMS = ("cpu", "cuda", "tpu")


def small():
    return Normal(np.arange(3, dtype=np.float32), np.float32(2))


def test_log_prob_with_a_symbolic_batch():
    (batch,) = jax.export.symbolic_shape("n")
    exported = dj.export_fn(lambda d, x: d.log_prob(x), small(), jax.ShapeDtypeStruct((batch, 3), np.float32))
    assert exported.platforms == PLATFORMS
    for count in (1, 5):
        x = np.linspace(-1, 1, 3 * count, dtype=np.float32).reshape(count, 3)
        got = exported.call(jax.tree.leaves(small()), x)
        np.testing.assert_allclose(got, small().log_prob(x), rtol=1e-6)
        assert got.dtype == np.float32


def test_sample_and_gradient():
    key = jax.random.key_data(jax.random.key(0))
    exported = dj.export_fn(lambda d, k: d.sample(jax.random.wrap_key_data(k), (4,)), small(), key)
    assert exported.platforms == PLATFORMS
    got = exported.call(jax.tree.leaves(small()), key)
    np.testing.assert_allclose(got, small().sample(jax.random.key(0), (4,)), rtol=1e-6)
    slope = dj.export_fn(
        lambda d, x: jax.tree.leaves(jax.grad(lambda e: e.log_prob(x))(d)), small(), np.zeros(3, np.float32)
    )
    assert len(slope.call(jax.tree.leaves(small()), np.zeros(3, np.float32))) == 2


def test_other_values_of_the_same_shapes_are_served():
    exported = dj.export_fn(lambda d: d.entropy(), small(), platforms=("cpu",))
    other = Normal(np.zeros(3, np.float32), np.full(3, 5, np.float32))
    np.testing.assert_allclose(exported.call(jax.tree.leaves(other)), other.entropy(), rtol=1e-6)
    assert exported.platforms == ("cpu",)
    with pytest.raises(ValueError, match="mismatch|shape"):
        exported.call(jax.tree.leaves(Normal(np.float32(0), np.float32(1))))
