"""Recipes: identity at the start, densities that agree with sampling, contexts, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import bijectors, distributions, flows

RECIPES = (
    "bnaf",
    "iaf",
    "maf",
    "naf",
    "nice",
    "nsf_autoregressive",
    "nsf_coupling",
    "planar_flow",
    "radial_flow",
    "realnvp",
    "residual_flow",
    "sylvester_flow",
)
LONG_TO_COMPILE = ("bnaf", "naf", "nsf_autoregressive", "residual_flow")
EACH_RECIPE = [pytest.param(name, marks=pytest.mark.slow if name in LONG_TO_COMPILE else ()) for name in RECIPES]
EPS = np.finfo(np.float64 if jax.config.jax_enable_x64 else np.float32).eps


def shaken(tree, scale=0.3):
    """The tree with noise on every leaf: away from the identity."""
    leaves, treedef = jax.tree.flatten(tree)
    keys = jax.random.split(jax.random.key(5), len(leaves))
    moved = [v + scale * jax.random.normal(k, v.shape, v.dtype) for k, v in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(treedef, moved)


def small(name, dim=3, num_layers=2, **options):
    return getattr(flows, name)(jax.random.key(0), dim, num_layers=num_layers, hidden=(8,), **options)


@pytest.mark.parametrize("name", EACH_RECIPE)
def test_starts_near_the_identity(name):
    x = jax.random.normal(jax.random.key(1), (16, 3))
    for depth in (2, 3):
        moved = jax.jit(lambda b, v: b.forward(v))(small(name, num_layers=depth).bijector, x)
        np.testing.assert_allclose(moved, x, rtol=0, atol=1e-2, equal_nan=False)


@pytest.mark.parametrize("name", EACH_RECIPE)
def test_density_of_own_samples_and_log_det(name):
    flow = small(name)
    # The gate of bnaf starts nearly closed.
    flow = distributions.Transformed(flow.base, shaken(flow.bijector, 1.0 if name == "bnaf" else 0.3))

    @jax.jit
    def run(flow, key):
        x, log_prob = flow.sample_and_log_prob(key, (8,))
        u, log_det = flow.bijector.inverse_and_log_det(x)
        jacobian = jax.vmap(jax.jacfwd(flow.bijector.inverse))(x)
        return x, log_prob, flow.log_prob(x), u, log_det, jacobian, flow.bijector.forward(u)

    x, carried, log_prob, u, log_det, jacobian, back = map(np.asarray, run(flow, jax.random.key(2)))
    bound = 2e3 * EPS
    np.testing.assert_allclose(log_prob, carried, rtol=bound, atol=bound, equal_nan=False)
    np.testing.assert_allclose(back, x, rtol=bound, atol=bound, equal_nan=False)
    expected = np.linalg.slogdet(jacobian.astype(np.float64))[1]
    np.testing.assert_allclose(log_det, expected, rtol=20 * bound, atol=20 * bound, equal_nan=False)
    assert np.abs(u - x).max() > 0.05


def test_odd_depths_and_two_dimensions():
    for name in ("realnvp", "maf"):
        flow = shaken(small(name, dim=2, num_layers=3), 0.1)
        x, carried = flow.sample_and_log_prob(jax.random.key(0), (4,))
        np.testing.assert_allclose(flow.log_prob(x), carried, rtol=1e-4, atol=1e-4, equal_nan=False)


@pytest.mark.parametrize("name", EACH_RECIPE)
def test_context_changes_the_density(name):
    flow = small(name, context_dim=2)
    # The gate of bnaf starts nearly closed.
    moved = distributions.Transformed(flow.base, shaken(flow.bijector, 0.5 if name == "bnaf" else 0.3))

    @jax.jit
    def run(flow, context, key):
        x, carried = flows.bind(flow, context).sample_and_log_prob(key, (4,))
        return x, carried, flows.bind(flow, context).log_prob(x), flows.bind(flow, context[::-1]).log_prob(x)

    context = jnp.asarray([0.0, 1.0], flow.base.loc.dtype)
    x, carried, log_prob, _ = map(np.asarray, run(flow, context, jax.random.key(0)))
    np.testing.assert_allclose(log_prob, flow.base.log_prob(x), rtol=0, atol=3e-2, equal_nan=False)
    assert jax.tree.structure(flows.bind(flow, context)) == jax.tree.structure(flow)
    _, carried, log_prob, other = map(np.asarray, run(moved, context, jax.random.key(0)))
    np.testing.assert_allclose(log_prob, carried, rtol=1e-3, atol=1e-3, equal_nan=False)
    assert np.abs(log_prob - other).max() > 1e-3


def test_context_is_checked():
    flow = small("maf", context_dim=2)
    with pytest.raises(ValueError, match=r"context has shape \(3,\), expected \(2,\)"):
        flows.bind(flow, jnp.zeros(3))
    with pytest.raises(ValueError, match="no context"):
        flows.bind(small("maf"), jnp.zeros(2))


@pytest.mark.parametrize("name", ["realnvp", "nsf_coupling", "maf", "iaf", "planar_flow"])
def test_hot_paths_export_in_float32(name):
    if jax.config.jax_enable_x64:
        pytest.skip("exports are float32; the float32 leg runs this")
    from depthjax import export_fn

    flow = small(name)
    x = jax.ShapeDtypeStruct((4, 3), jnp.float32)
    exported = export_fn(lambda d, x: d.log_prob(x), flow, x)
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}
    exported = export_fn(lambda d, k: d.sample_and_log_prob(k, (4,)), flow, jax.random.key(0))
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}
    assert "f64" not in str(exported.mlir_module())


def test_conditioners_with_state_or_wrong_size_are_refused():
    from flax import nnx

    class Noisy(nnx.Module):
        def __init__(self, rngs):
            self.dense = nnx.Linear(1, 2, rngs=rngs)
            self.norm = nnx.BatchNorm(2, rngs=rngs)

        def __call__(self, h):
            return self.norm(self.dense(h))

    with pytest.raises(TypeError, match="BatchStat"):
        bijectors.AffineCoupling(Noisy(nnx.Rngs(0)), split_at=1)
    with pytest.raises(TypeError, match="collections batch_stats"):
        flows.Apply({"params": {}, "batch_stats": {}}, lambda v, h: h)
    with pytest.raises(TypeError, match=r"flows\.Apply"):
        bijectors.AffineCoupling(lambda h: h, split_at=1)
    net = flows.mlp(jax.random.key(0), 1, 3)
    with pytest.raises(ValueError, match=r"gives 3 numbers, expected d_moved \* num_params = 1 \* 2 = 2"):
        bijectors.AffineCoupling(net, mask=(True, False))
    with pytest.raises(ValueError, match="mask is all True"):
        bijectors.AffineCoupling(net, mask=(True, True))
    with pytest.raises(ValueError, match="exactly one of mask and split_at"):
        bijectors.AffineCoupling(net)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="dim must be at least 2"):
        small("realnvp", dim=1)
    with pytest.raises(ValueError, match="num_layers must be at least 1"):
        small("maf", num_layers=0)


def test_a_stacked_flow_says_so():
    stack = jax.vmap(lambda k: flows.realnvp(k, 2, num_layers=1, hidden=(4,)))(jax.random.split(jax.random.key(0), 3))
    with pytest.raises(ValueError, match="stack of records"):
        stack.log_prob(jnp.zeros((3, 2)))
