"""Masked autoregressive networks: one pass, and generation step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from depthjax.bijectors._masks import made_degrees
from depthjax.flows import MADE, made

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])
CASES = {
    "wide": (5, (13, 9), 0, 2),
    "narrow": (7, (3,), 0, 2),
    "context": (4, (10, 8, 6), 3, 2),
    "one input": (1, (4,), 2, 3),
}


def _network(case, dtype, scale=1.0):
    dim, widths, context_dim, k = CASES[case]
    degrees = made_degrees(dim, widths)[1]
    if context_dim:
        degrees = [d - 1 if dim > 1 else np.zeros_like(d) for d in made_degrees(dim + 1, widths)[1]]
    sizes = (dim + context_dim, *widths, dim * k)
    rng = np.random.default_rng(3)
    weights = tuple(
        jnp.asarray(scale * rng.normal(size=(o, i)) / np.sqrt(i), dtype) for i, o in zip(sizes, sizes[1:], strict=False)
    )
    biases = tuple(jnp.asarray(0.1 * rng.normal(size=o), dtype) for o in sizes[1:])
    skip = jnp.asarray(0.3 * rng.normal(size=(dim * k, dim)), dtype) if case == "wide" else None
    net = MADE(weights, biases, skip, dim, k, tuple(tuple(int(i) for i in d) for d in degrees))
    u = jnp.asarray(rng.normal(size=dim), dtype)
    return net, u, jnp.asarray(rng.normal(size=context_dim), dtype) if context_dim else None


def _step(u, params):
    return params[0] + jnp.exp(jnp.tanh(params[1])) * u


def _call(net, x, context):
    return net(x if context is None else jnp.concatenate([x, context]))


def _sequential(net, u, context):
    x = jnp.zeros_like(u)
    for i in range(net.dim):
        x = x.at[i].set(_step(u[i], _call(net, x, context)[i]))
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("case", CASES)
def test_generation_is_the_sequential_definition(case, dtype):
    for scale in (1.0, 3.0):
        net, u, context = _network(case, dtype, scale)
        x, raw = jax.jit(lambda n, u, c: n.generate(_step, u, c))(net, u, context)
        assert x.dtype == dtype
        tolerance = 500 * np.finfo(dtype).eps
        np.testing.assert_allclose(x, _sequential(net, u, context), rtol=tolerance, atol=tolerance, equal_nan=False)
        np.testing.assert_allclose(raw, _call(net, x, context), rtol=tolerance, atol=tolerance, equal_nan=False)


@pytest.mark.parametrize("case", CASES)
def test_one_pass_is_autoregressive(case):
    net, u, context = _network(case, np.float32)
    jacobian = np.asarray(jax.jacfwd(lambda x: _call(net, x, context))(u))
    np.testing.assert_array_equal(np.triu(np.abs(jacobian).max(1)), 0)
    if case == "wide":
        assert np.all(np.abs(jacobian).max(1)[np.tril_indices(net.dim, -1)] > 0)


def test_the_first_output_sees_the_context():
    net, u, context = _network("context", np.float32)
    assert np.abs(jax.jacfwd(lambda c: _call(net, u, c))(context)).max() > 0
    jacobian = jax.jacfwd(lambda c: net.generate(_step, u, c)[0])(context)
    assert np.all(np.abs(jacobian).max(1) > 0)


def test_the_constructor_lets_the_first_output_see_the_context():
    net = made(jax.random.key(0), 3, 2, hidden=(12, 12), context_dim=2)
    weights = (*net.weights[:-1], jnp.ones_like(net.weights[-1]))
    net = MADE(weights, net.biases, None, 3, 2, net.hidden_degrees)
    jacobian = np.abs(np.asarray(jax.jacfwd(net)(jnp.full(5, 0.3)))).max(1)
    assert np.all(jacobian[:, 3:] > 0)
    np.testing.assert_array_equal(np.triu(jacobian[:, :3]), 0)


@pytest.mark.parametrize("mapped", ["inputs", "contexts", "both", "networks", "twice"])
def test_mapped_generation_and_its_gradient_are_those_of_a_loop(mapped):
    net, u, context = _network("context", np.float32)

    def total(net, u, context):
        return jnp.sum(jnp.sin(net.generate(_step, u, context)[0]))

    def grown(a, is_mapped, shape):
        factors = jnp.linspace(0.5, 1.5, int(np.prod(shape)), dtype=a.dtype).reshape(shape + (1,) * a.ndim)
        return factors * a.reshape((1,) * len(shape) + a.shape) if is_mapped else a

    shape = (2, 2) if mapped == "twice" else (3,)
    which = {"inputs": "u", "contexts": "c", "both": "uc", "networks": "n", "twice": "u"}[mapped]
    nets = jax.tree.map(lambda a: grown(a, "n" in which, shape), net)
    args = nets, grown(u, "u" in which, shape), grown(context, "c" in which, shape)
    run = jax.value_and_grad(total, (0, 1, 2))
    together = run
    for _ in shape:
        together = jax.vmap(together, tuple(0 if name in which else None for name in "nuc"))
    value, slopes = jax.jit(together)(*args)
    one = jax.jit(run)
    for index in np.ndindex(*shape):
        here = [jax.tree.map(lambda a: a[index], a) if n in which else a for n, a in zip("nuc", args, strict=True)]  # noqa: B023
        want_value, want_slopes = one(*here)
        np.testing.assert_allclose(value[index], want_value, rtol=1e-5, atol=1e-5, equal_nan=False)
        for got, want in zip(jax.tree.leaves(slopes), jax.tree.leaves(want_slopes), strict=True):
            np.testing.assert_allclose(got[index], want, rtol=1e-4, atol=1e-4, equal_nan=False)
    plain = jax.jit(jax.vmap(total, (0 if "n" in which else None, 0 if "u" in which else None, None)))
    if mapped in ("inputs", "networks"):
        np.testing.assert_allclose(plain(*args), value, rtol=1e-5, atol=1e-5, equal_nan=False)


def test_gradient_of_a_mapped_scan_over_networks():
    """Within a scan, the mapped axis of the value and that of its derivative must be the same one."""
    net, u, context = _network("context", np.float32)
    nets = jax.tree.map(lambda a: jnp.stack([a, 0.5 * a]), net)
    inputs = jnp.stack([u, 2.0 * u, -u])

    def total(nets, u):
        def layer(x, net):
            x, raw = net.generate(_step, x, context)
            return x, jnp.sum(raw[:, 1] * np.arange(4, dtype=np.float32))

        x, sums = jax.lax.scan(layer, u, nets)
        return jnp.sum(jnp.sin(x)) + jnp.sum(sums)

    @jax.jit
    def both(nets, inputs):
        outside = jax.grad(lambda nets, u: jnp.sum(jax.vmap(total, (None, 0))(nets, u)), (0, 1))(nets, inputs)
        return outside, jax.vmap(jax.grad(total, (0, 1)), (None, 0))(nets, inputs)

    (of_nets, of_inputs), (each_nets, each_inputs) = both(nets, inputs)
    np.testing.assert_allclose(of_inputs, each_inputs, rtol=1e-4, atol=1e-4)
    for got, each in zip(jax.tree.leaves(of_nets), jax.tree.leaves(each_nets), strict=True):
        np.testing.assert_allclose(got, jnp.sum(each, axis=0), rtol=1e-4, atol=1e-4)


def test_generation_lets_gradients_reach_what_the_step_closes_over():
    net, u, _ = _network("narrow", np.float32)

    def total(scale):
        return jnp.sum(jax.vmap(lambda v: net.generate(lambda g, raw: scale * _step(g, raw), v)[0])(jnp.stack([u, -u])))

    eps = 1e-2
    slope = jax.jit(jax.grad(total))(1.1)
    np.testing.assert_allclose(slope, (total(1.1 + eps) - total(1.1 - eps)) / (2 * eps), rtol=1e-2)


def test_derivatives_in_both_modes():
    dtype = DTYPES[-1]
    net, u, context = _network("context", dtype)
    tolerance = 1e-6 if dtype == np.float64 else 2e-2
    eps = 1e-6 if dtype == np.float64 else 1e-2

    def total(net, u):
        return net.generate(_step, u, context)[0]

    check_grads(total, (net, u), order=1, modes=("fwd", "rev"), atol=tolerance, rtol=tolerance, eps=eps)
    jacobian = np.asarray(jax.jacrev(total, argnums=1)(net, u))
    np.testing.assert_array_equal(np.triu(jacobian, 1), 0)


def test_masks_are_not_leaves_and_masked_weights_do_not_matter():
    net, u, _ = _network("narrow", np.float32)
    assert len(jax.tree.leaves(net)) == 2 * 2
    gradient = jax.grad(lambda m: jnp.sum(m(u)))(net)
    assert np.all(np.asarray(gradient.weights[0])[:, -1] == 0)


@pytest.mark.parametrize("sizes", [(0, 2, (4,)), (3, 0, (4,)), (3, 2, ()), (3, 2, (4, 0))])
def test_bad_sizes_raise(sizes):
    dim, num_params, hidden = sizes
    with pytest.raises(ValueError, match="must be positive"):
        made(jax.random.key(0), dim, num_params, hidden=hidden)


@pytest.mark.parametrize("context_dim", [0, 3])
def test_generation_in_two_stages_is_the_sequential_definition(context_dim):
    """From 32 inputs on, the first half of the steps runs over half of the columns."""
    net = made(jax.random.key(0), 33, 2, hidden=(40, 70), context_dim=context_dim)
    leaves, tree = jax.tree.flatten(net)
    keys = jax.random.split(jax.random.key(1), len(leaves))
    net = jax.tree.unflatten(
        tree, [a + 0.3 * jax.random.normal(k, a.shape, a.dtype) for k, a in zip(keys, leaves, strict=True)]
    )
    given = jax.random.normal(jax.random.key(2), (33,))
    context = jnp.linspace(-1, 1, context_dim) if context_dim else None

    def params(x):
        return net(x if context is None else jnp.concatenate([x, context]))

    def step(z, raw):
        return z * jnp.exp(jnp.tanh(raw[0])) + raw[1]

    x, raw = jax.jit(lambda: net.generate(step, given, context))()
    np.testing.assert_allclose(raw, params(x), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(x, jax.vmap(step)(given, params(x)), rtol=1e-4, atol=1e-4)
