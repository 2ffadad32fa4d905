"""Residual and reversible nets, padded features, and recurrent nets on irregular times."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ode_cases import DTYPE, EPS, X64

from depthjax import ode

DEPTH, DIM = 6, 3


def layers(key=0, depth=DEPTH, scale=0.5):
    rng = np.random.default_rng(key)
    return {
        "w": (scale * rng.normal(size=(depth, DIM, DIM))).astype(DTYPE),
        "b": (scale * rng.normal(size=(depth, DIM))).astype(DTYPE),
    }


def block(p, x):
    return jnp.tanh(x @ p["w"] + p["b"])


X, Z = (np.random.default_rng(i).normal(size=DIM).astype(DTYPE) for i in (1, 2))


def test_a_residual_net_is_eulers_method():
    params, h = jax.tree.map(jnp.asarray, layers()), 0.25

    def field(t, x, p):
        layer = jnp.round(t / h).astype(jnp.int32)
        return block(jax.tree.map(lambda leaf: leaf[layer], p), x)

    want = ode.solve_fixed(field, X, h * np.arange(DEPTH + 1), params, method=ode.EULER).y1
    got = jax.jit(lambda p: ode.residual_net(block, p, X, step_size=h))(params)
    np.testing.assert_allclose(got, want, rtol=8 * EPS)


def test_recomputation_zero_blocks_dropping_and_refining():
    params = layers()
    graded = jax.jit(
        jax.value_and_grad(lambda p, remat: ode.residual_net(block, p, X, remat=remat).sum()), static_argnums=1
    )
    want = graded(params, None)
    for remat in ("step", "sqrt", 4):
        got = graded(params, remat)
        np.testing.assert_allclose(got[0], want[0], rtol=4 * EPS)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e3 * EPS, atol=8 * EPS), got[1], want[1])
    np.testing.assert_array_equal(ode.residual_net(block, jax.tree.map(np.zeros_like, params), X), X)
    fewer = ode.drop_layer(params, -2)
    np.testing.assert_array_equal(fewer["w"], np.delete(params["w"], DEPTH - 2, axis=0))
    changes = [
        float(
            np.abs(
                ode.residual_net(block, params, X, step_size=h) - ode.residual_net(block, fewer, X, step_size=h)
            ).max()
        )
        for h in (0.02, 0.01)
    ]
    np.testing.assert_allclose(changes[0] / changes[1], 2.0, rtol=0.1)
    finer = ode.refine_depth(params, 2)
    np.testing.assert_array_equal(finer["b"][:4], params["b"][[0, 0, 1, 1]])
    gaps = [
        float(
            np.abs(
                ode.residual_net(block, params, X, step_size=h) - ode.residual_net(block, finer, X, step_size=h / 2)
            ).max()
        )
        for h in (0.1, 0.05)
    ]
    assert 0 < gaps[1] < 0.4 * gaps[0]  # second order in the step


def test_augmented_features():
    x = np.arange(6.0).reshape(2, 3).astype(DTYPE)
    y = ode.augment(x, 2)
    assert y.shape == (2, 5)
    assert not np.asarray(y[:, 3:]).any()
    np.testing.assert_array_equal(ode.unaugment(y, 2), x)
    np.testing.assert_array_equal(ode.unaugment(x, 0), x)


def rev_net(params, x, z, *, inverse=False):
    net = ode.RevNet(block, lambda p, v: jnp.sin(v @ p["w"]))
    return (net.inverse if inverse else net.forward)((params, layers(5)), x, z)


def pair_net(fn):
    return lambda params, x, z, inverse=False: fn(block, params, x, z, step_size=0.3, inverse=inverse)


def hamiltonian(params, x, z, *, inverse=False):
    return ode.hamiltonian_net(params["w"], params["b"], x, z, 0.3, inverse=inverse)


def rev_by_hand(params, x, z):
    other = layers(5)
    for i in range(DEPTH):
        x = x + jnp.tanh(z @ params["w"][i] + params["b"][i])
        z = z + jnp.sin(x @ other["w"][i])
    return x, z


def midpoint_by_hand(params, x, z):
    for i in range(DEPTH):
        x, z = z, x + 0.6 * jnp.tanh(z @ params["w"][i] + params["b"][i])
    return x, z


def leapfrog_by_hand(params, x, z):
    for i in range(DEPTH):
        x, z = z, 2 * z - x + 0.09 * jnp.tanh(z @ params["w"][i] + params["b"][i])
    return x, z


def hamiltonian_by_hand(params, x, z):
    for k, b in zip(params["w"], params["b"], strict=True):
        x = x + 0.3 * k.T @ jnp.tanh(k @ z + b)
        z = z - 0.3 * k.T @ jnp.tanh(k @ x + b)
    return x, z


NETS = {
    "RevNet": (rev_net, rev_by_hand), "midpoint": (pair_net(ode.midpoint_net), midpoint_by_hand),
    "leapfrog": (pair_net(ode.leapfrog_net), leapfrog_by_hand), "hamiltonian": (hamiltonian, hamiltonian_by_hand),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_reversible_nets_by_hand(name):
    """Values, inverse, and gradients of both against autodiff of the written-out layers."""
    net, by_hand = NETS[name]
    params = layers()

    def loss(out):
        return jnp.sum(jnp.cos(out[0]) + 2 * jnp.sin(out[1]))

    out, got = jax.jit(lambda *a: (net(*a), jax.grad(lambda *b: loss(net(*b)), argnums=(0, 1, 2))(*a)))(params, X, Z)
    want = jax.jit(jax.grad(lambda *a: loss(by_hand(*a)), argnums=(0, 1, 2)))(params, X, Z)
    np.testing.assert_allclose(out, by_hand(params, X, Z), rtol=64 * EPS, atol=8 * EPS)
    tol = 1e-10 if X64 else 1e-4
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=tol, atol=tol), got, want)
    back = lambda p, x, z: net(p, x, z, inverse=True)  # noqa: E731
    restored, through = jax.jit(lambda p, pair: (back(p, *pair), jax.grad(lambda q: loss(back(p, *net(q, X, Z))))(p)))(
        params, out
    )
    np.testing.assert_allclose(restored, (X, Z), rtol=1e3 * EPS, atol=1e2 * EPS)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(through))


def test_leapfrog_keeps_the_energy_of_an_oscillator():
    """((x_{l+1} - x_l)/h)^2 + w^2 x_l x_{l+1} is a constant of x'' = -w^2 x, exactly, over 1000 steps."""
    w, h = 1.7, 0.1
    x = np.array([0.3, 0.35], DTYPE)
    out = ode.leapfrog_net(lambda p, x: -p * x, np.full(1000, w * w, DTYPE), x[0], x[1], step_size=h)
    energy = [((float(b) - float(a)) / h) ** 2 + w * w * float(a) * float(b) for a, b in (x, out)]
    np.testing.assert_allclose(energy[1], energy[0], rtol=1e-11 if X64 else 5e-3)
    assert abs(float(out[1]) - 0.35) > 0.01


def test_closed_over_tracers_and_refusals():
    params = layers()

    def loss(scale):
        out = ode.midpoint_net(lambda p, x: scale * block(p, x), params, X, Z, step_size=0.1 * scale)
        return jnp.sum(out[1])

    s, h = 0.8, 1e-4 if X64 else 1e-2
    want = (float(loss(DTYPE(s + h))) - float(loss(DTYPE(s - h)))) / (2 * h)
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(DTYPE(s)), want, rtol=1e-6 if X64 else 2e-3)
    with pytest.raises(TypeError, match="first derivatives only"):
        jax.grad(jax.grad(loss))(DTYPE(s))


def test_memory_of_reversible_nets_does_not_grow_with_depth():
    """Beyond the gradient itself, which is as large as the parameters."""
    x = np.ones((64, DIM), DTYPE)
    net = ode.RevNet(lambda p, x: jnp.tanh(x @ p), lambda p, x: jnp.tanh(x @ p))

    def peak(depth):
        w = np.zeros((depth, DIM, DIM), DTYPE)
        lowered = jax.jit(jax.grad(lambda w: net.forward((w, w), x, x)[0].sum())).lower(w)
        return lowered.compile().memory_analysis().temp_size_in_bytes

    assert peak(256) - peak(32) < 4 * 224 * DIM * DIM * DTYPE().nbytes
    assert 224 * x.nbytes > 8 * 224 * DIM * DIM * DTYPE().nbytes  # what storing the states would take


def cell(h, x):
    return jnp.tanh(0.5 * h + x)


def test_irregular_times_by_hand():
    """Linear decay between observations, known in closed form; masked entries are NaN."""
    ts = np.array([0.0, 0.4, 1.1, 1.5], DTYPE)
    mask = np.array([True, False, True, False])
    xs = np.where(mask[:, None], np.arange(8.0).reshape(4, 2), np.nan).astype(DTYPE)
    h0 = np.array([0.3, -0.6], DTYPE)

    def run(rate):
        return ode.ode_rnn(cell, lambda t, h, _: -rate * h, h0, ts, xs, mask, substeps=4)

    h, want = h0.astype(np.float64), []
    for i, dt in enumerate([0.0, 0.4, 0.7, 0.4]):
        h = h * np.exp(-0.9 * dt)
        h = np.tanh(0.5 * h + xs[i]) if mask[i] else h
        want.append(h)
    np.testing.assert_allclose(jax.jit(run)(DTYPE(0.9)), want, rtol=1e-5)
    assert np.isfinite(jax.jit(jax.grad(lambda r: run(r).sum()))(DTYPE(0.9)))
    backwards = ode.ode_rnn(cell, lambda t, h, _: -h, h0, ts[::-1], xs[::-1], np.zeros(4, bool))
    np.testing.assert_allclose(backwards[-1], h0 * np.exp(1.5), rtol=1e-3)


def test_batch_of_hidden_states_is_a_map():
    ts, xs = np.linspace(0, 1, 5).astype(DTYPE), np.ones((5, 2), DTYPE)
    h0 = np.random.default_rng(0).normal(size=(3, 2)).astype(DTYPE)
    run = lambda h: ode.ode_rnn(cell, lambda t, h, _: jnp.sin(h), h, ts, xs, np.ones(5, bool))  # noqa: E731
    np.testing.assert_allclose(jax.jit(jax.vmap(run))(h0)[1], run(h0[1]), rtol=8 * EPS)


def rnn(**change):
    given = {"cell": cell, "f": lambda t, h, _: h, "h0": np.ones(2, DTYPE), "ts": [0.0, 1.0]}
    given |= {"xs": np.ones((2, 2), DTYPE), "mask": np.ones(2, bool), **change}
    return ode.ode_rnn(**given)


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: rnn(mask=np.ones(2)), ValueError, "expected bool"),
        (lambda: rnn(mask=np.ones(3, bool)), ValueError, r"expected bool\[2\]"),
        (lambda: rnn(xs=np.ones((3, 2), DTYPE)), ValueError, r"expected \(2, ...\)"),
        (lambda: rnn(ts=[1.0, 1.0]), ValueError, "monotone"),
        (lambda: rnn(cell=lambda h, x: h[:1]), ValueError, "cell"),
        (lambda: rnn(h0=np.ones(2, int)), TypeError, "dtype int"),
        (lambda: rnn(substeps=0), ValueError, "substeps is 0"),
        (lambda: ode.residual_net(block, {"w": np.ones(())}, X), ValueError, "number of layers"),
        (lambda: ode.residual_net(lambda p, x: x[:1], layers(), X), ValueError, "expected float"),
        (lambda: ode.residual_net(block, layers(), X, remat="log"), ValueError, "'sqrt'"),
        (lambda: ode.drop_layer(layers(), DEPTH), ValueError, "6 layers"),
        (lambda: ode.refine_depth(layers(), 0), ValueError, "factor is 0"),
        (lambda: ode.augment(1.0, 1), ValueError, r"shape \(\)"),
        (lambda: ode.augment(X, -1), ValueError, "num_extra is -1"),
        (lambda: ode.unaugment(X, 4), ValueError, "at least 4 features"),
        (lambda: ode.hamiltonian_net(np.ones((2, 3)), np.ones(2), X, X, 0.1), ValueError, r"\(layers, m, d\)"),
        (lambda: ode.midpoint_net(block, layers(), X, X.astype(int)), TypeError, "dtype int"),
    ],
)
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()
