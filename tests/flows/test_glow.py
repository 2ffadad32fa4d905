"""The image recipe: start, log-det, samples, bad input."""

import jax
import numpy as np
import pytest

from depthjax import flows

EPS = np.finfo(np.float64 if jax.config.jax_enable_x64 else np.float32).eps


def shaken(tree, scale):
    leaves, treedef = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(5), len(leaves))
    moved = [v + scale * jax.random.normal(k, v.shape, v.dtype) for k, v in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(treedef, moved)


@pytest.fixture(scope="module")
def flow():
    return flows.glow(jax.random.key(0), (4, 4, 1), num_layers=2, num_scales=2, hidden=(4,))


def test_starts_as_a_rearrangement(flow):
    x = jax.random.normal(jax.random.key(1), (4, 4, 1))
    u, log_det = flow.bijector.inverse_and_log_det(x)
    assert u.shape == (16,)
    np.testing.assert_array_equal(np.sort(u), np.sort(x.ravel()))
    assert float(log_det) == 0.0


@pytest.mark.slow
def test_density_of_own_samples_and_log_det(flow):
    @jax.jit
    def run(b, key):
        x, carried = b.sample_and_log_prob(key, (3,))
        u, log_det = b.bijector.inverse_and_log_det(x)
        jacobian = jax.vmap(jax.jacrev(lambda v: b.bijector.inverse(v.reshape(4, 4, 1))))(x.reshape(3, 16))
        return x, carried, b.log_prob(x), u, log_det, jacobian

    x, carried, log_prob, u, log_det, jacobian = map(np.asarray, run(shaken(flow, 0.2), jax.random.key(2)))
    assert x.shape == (3, 4, 4, 1)
    np.testing.assert_allclose(log_prob, carried, rtol=2e3 * EPS, atol=2e3 * EPS)
    expected = np.linalg.slogdet(jacobian.astype(np.float64))[1]
    np.testing.assert_allclose(log_det, expected, rtol=2e4 * EPS, atol=2e4 * EPS)
    assert np.abs(np.sort(u) - np.sort(x.reshape(3, 16))).max() > 0.05


def test_context_changes_the_density():
    flow = flows.glow(jax.random.key(0), (4, 4, 1), num_layers=1, num_scales=1, hidden=(4,), context_dim=2)
    x, context = jax.random.normal(jax.random.key(1), (2, 4, 4, 1)), np.asarray([0.0, 1.0])
    moved = shaken(flow, 0.2)
    one, same, other = jax.jit(
        lambda f: (flows.bind(f, context).log_prob(x), f.log_prob(x), flows.bind(f, context[::-1]).log_prob(x))
    )(moved)
    assert np.abs(np.asarray(one) - np.asarray(other)).min() > 1e-3
    assert np.abs(np.asarray(one) - np.asarray(same)).min() > 1e-3
    with pytest.raises(ValueError, match=r"context has shape \(3,\), expected \(2,\)"):
        flows.bind(flow, np.zeros(3))


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="multiples of 2"):
        flows.glow(jax.random.key(0), (4, 6, 1), num_layers=1, num_scales=2)
    with pytest.raises(ValueError, match="num_layers must be at least 1"):
        flows.glow(jax.random.key(0), (4, 4, 1), num_layers=0)
