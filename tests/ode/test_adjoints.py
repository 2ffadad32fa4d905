"""Continuous and reversible adjoints, forward sensitivities, and the report that compares them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ode_cases import DTYPE, EPS, LOTKA_GRADIENT, LOTKA_PARAMS, LOTKA_START, X64, logistic, lotka_volterra, mlp, network
from scipy.linalg import expm

from depthjax import ode

ADJOINTS = {"backsolve": ode.odeint_backsolve, "interpolated": ode.odeint_interpolated}


@pytest.mark.parametrize("name", ADJOINTS)
def test_lotka_volterra(name):
    tol = 1e-10 if X64 else 1e-5
    options = {"rtol": tol, "atol": tol, "max_steps": 4096}
    run = jax.jit(jax.grad(lambda p: ADJOINTS[name](lotka_volterra, LOTKA_START, 0.0, 10.0, p, **options).y1.sum()))
    np.testing.assert_allclose(run(LOTKA_PARAMS), LOTKA_GRADIENT, rtol=2e-5 if X64 else 2e-2)


@pytest.mark.parametrize("name", ADJOINTS)
def test_end_points_closed_over_tracers_and_backwards(name):
    tol = 1e-9 if X64 else 1e-5

    def run(y, t0, t1, rate):
        field = lambda t, y, _: {"a": rate * t * y["a"]}  # noqa: E731
        return ADJOINTS[name](field, {"a": y}, t0, t1, rtol=tol, atol=tol).y1["a"]

    exact = lambda y, t0, t1, rate: y * jnp.exp(rate * (t1 * t1 - t0 * t0) / 2)  # noqa: E731
    graded = jax.jit(jax.value_and_grad(run, argnums=(0, 1, 2, 3)))
    for args in ((1.3, 0.4, 1.5, 0.7), (1.3, 1.5, 0.4, 0.7), (1.3, 0.6, 0.6, 0.7)):
        args = tuple(map(DTYPE, args))
        got, want = graded(*args), jax.value_and_grad(exact, argnums=(0, 1, 2, 3))(*args)
        np.testing.assert_allclose(got[0], want[0], rtol=100 * tol)
        np.testing.assert_allclose(got[1], want[1], rtol=3e3 * tol)


@pytest.mark.parametrize("name", ADJOINTS)
def test_failures_and_refusals(name):
    run = lambda y: ADJOINTS[name](logistic, y, 0.0, 20.0, DTYPE(1.3), max_steps=4)  # noqa: E731
    solution = run(DTYPE(0.1))
    assert not solution.converged
    assert np.isnan(np.asarray(solution.ys)).all()
    assert np.isnan(np.asarray(jax.grad(lambda y: run(y).y1)(DTYPE(0.1))))
    with pytest.raises(TypeError, match="solve_fixed"):
        jax.grad(jax.grad(lambda y: run(y).y1))(DTYPE(0.1))


def test_reconstruction_fails_on_a_contracting_field():
    """y' = -8 y over unit time: the reverse pass multiplies errors by e^8; replay does not reconstruct."""
    field = lambda t, y, r: -r * y + jnp.sin(y)  # noqa: E731
    y, r = np.array([1.0, -0.5], DTYPE), DTYPE(8.0)
    tol = 1e-6
    names = ("replay", "interpolated", "backsolve", "heun")
    loss = lambda s: jnp.sum(s.y1**2) * DTYPE(1e8)  # noqa: E731
    options = {"rtol": tol, "atol": tol, "max_steps": 512, "num_steps": 64, "adjoints": names}
    report = ode.adjoint_check(loss, field, y, 0.0, 1.0, r, **options)
    assert report.reconstruction_error["replay"] == 0.0
    assert report.reconstruction_error["backsolve"] > 1e2 * tol
    assert report.gradient_error["replay"] < 0.2
    assert report.reconstruction_error["heun"] > 8 * EPS
    assert all(report.forward_evaluations[name] > 0 and report.backward_evaluations[name] > 0 for name in names)
    assert report.forward_evaluations["heun"] == 128


@pytest.mark.slow
@pytest.mark.skipif(not X64, reason="shows that tolerance is not the cause")
def test_backsolve_is_wrong_on_a_neural_field_over_a_long_time():
    """MLP 4-32-4, T = 100: the reconstructed path has nothing to do with the path, at 1e-6 and at 1e-9."""
    rng = np.random.default_rng(0)
    a, b, c, d = (scale * rng.normal(size=s) for scale, s in ((1, (4, 32)), (0.3, 32), (8**-0.5, (32, 4)), (0.3, 4)))
    field = lambda t, y, w: jnp.tanh(jax.nn.softplus(y @ w[0] + w[1][None]) @ w[2] + w[3][None])  # noqa: E731
    y = rng.normal(size=(64, 4))
    for tol in (1e-6, 1e-9):
        options = {"adjoints": ("replay", "backsolve"), "rtol": tol, "atol": tol}
        report = ode.adjoint_check(lambda s: jnp.mean(s.y1**2), field, y, 0.0, 100.0, (a, b, c, d), **options)
        assert report.gradient_error["replay"] < 1e-3
        assert report.gradient_error["backsolve"] > 0.2
        assert report.reconstruction_error["backsolve"] > 1.0


@pytest.mark.slow
@pytest.mark.skipif(X64, reason="shows what float32 loses")
def test_reversible_heun_loses_a_contracting_path():
    """Its gradient is that of the stored states over 256 steps, and another one over 4096."""
    rng = np.random.default_rng(0)
    w, y0 = jnp.asarray(0.5 * rng.normal(size=(4, 4)), DTYPE), jnp.linspace(-1, 1, 4, dtype=DTYPE)
    field = lambda t, y, w: 0.05 * (jnp.tanh(w @ y) - 2.0 * y)  # noqa: E731
    loss = lambda y: jnp.sum(jnp.cos(y) * jnp.arange(4, dtype=DTYPE))  # noqa: E731

    def stored(w, ts):
        def step(state, interval):
            (y, z), (t, h) = state, interval
            new = 2.0 * y - z + h * field(t, z, w)
            return (y + 0.5 * h * (field(t, z, w) + field(t + h, new, w)), new), None

        return loss(jax.lax.scan(step, (y0, y0), (ts[:-1], jnp.diff(ts)))[0][0])

    def gap(num_steps):
        ts = 0.05 * jnp.arange(num_steps + 1, dtype=DTYPE)
        reversible = lambda w: loss(ode.odeint_reversible(field, y0, ts, w, scheme="heun").y1)  # noqa: E731
        want, got = jax.jit(jax.grad(stored))(w, ts), jax.jit(jax.grad(reversible))(w)
        return float(np.linalg.norm(got - want) / np.linalg.norm(want))

    assert gap(256) < 1e-5
    assert gap(4096) > 0.5


SCHEMES = [("heun", ode.RK4), ("alf", ode.RK4), ("coupled", ode.RK4), ("coupled", ode.EULER)]


@pytest.mark.skipif(not X64, reason="compares to 1e-10")
@pytest.mark.parametrize(("scheme", "base"), SCHEMES)
def test_reversible_gradient_is_that_of_its_steps(scheme, base):
    y0, w, ts = np.linspace(-1, 1, 3), network(), np.array([0.2, 0.3, 0.5, 0.6])

    def unrolled(y, w, ts):
        z = mlp(ts[0], y, w) if scheme == "alf" else y
        increment = lambda t, h, y: ode.rk_step(base, mlp, t, h, y, w).y - y  # noqa: E731
        for t, h in zip(ts[:-1], jnp.diff(ts), strict=True):
            if scheme == "heun":
                new = 2 * y - z + h * mlp(t, z, w)
                y, z = y + h / 2 * (mlp(t, z, w) + mlp(t + h, new, w)), new
            elif scheme == "alf":
                middle = y + h / 2 * z
                z = 2 * mlp(t + h / 2, middle, w) - z
                y = middle + h / 2 * z
            else:
                y = 0.9 * y + 0.1 * z + increment(t, h, z)
                z = z - increment(t + h, -h, y)
        return jnp.sum(jnp.cos(y))

    def reversible(y, w, ts):
        return jnp.sum(jnp.cos(ode.odeint_reversible(mlp, y, ts, w, scheme=scheme, base=base, coupling=0.9).y1))

    want = jax.jit(jax.value_and_grad(unrolled, argnums=(0, 1, 2)))(y0, w, ts)
    got = jax.jit(jax.value_and_grad(reversible, argnums=(0, 1, 2)))(y0, w, ts)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12), got, want)


@pytest.mark.skipif(not X64, reason="errors down to 1e-10")
@pytest.mark.parametrize(("scheme", "order"), [("heun", 2), ("alf", 2), ("coupled", 4)])
def test_reversible_orders(scheme, order):
    exact = 1 / (1 + 9 * np.exp(-1.3 * 2))
    run = lambda n: ode.odeint_reversible(logistic, 0.1, np.linspace(0, 2, n + 1), 1.3, scheme=scheme).y1  # noqa: E731
    errors = [abs(float(run(n)) - exact) for n in (64, 128)]
    np.testing.assert_allclose(np.log2(errors[0] / errors[1]), order, atol=0.3)


@pytest.mark.skipif(not X64, reason="roots to 1e-10")
def test_stability_of_reversible_schemes():
    """Spectral radius of one step on y' = l y at z = h l, from two independent runs of two steps."""

    def radius(scheme, z, base=ode.RK4, coupling=0.99):
        from depthjax.ode._reversible import _scheme

        made = _scheme((lambda t, y, l: l * y, scheme, base, coupling))  # noqa: E741
        step = lambda pair: jnp.stack(made.forward(jnp.zeros(()), jnp.ones(()), tuple(pair), z))  # noqa: E731
        return np.abs(np.linalg.eigvals(np.asarray(jax.jacfwd(step)(jnp.zeros(2))))).max()

    for scheme in ("heun", "alf"):
        np.testing.assert_allclose(radius(scheme, -0.05), 0.05 + np.sqrt(1 + 0.05**2), rtol=1e-12)
        np.testing.assert_allclose(radius(scheme, -0.05), 1.0512492, atol=5e-8)
    np.testing.assert_allclose(radius("coupled", -0.05), 1.04076, atol=5e-6)
    np.testing.assert_allclose(radius("coupled", -0.05, coupling=0.9), 0.95123, atol=5e-6)
    for coupling, low in ((0.99, -0.01005), (0.9, -0.10536)):
        assert radius("coupled", low + 1e-4, coupling=coupling) <= 1 + 1e-12
        assert radius("coupled", low - 1e-4, coupling=coupling) > 1
        assert radius("coupled", -(1 - coupling) + 1e-4, ode.EULER, coupling) <= 1 + 1e-12
        assert radius("coupled", -(1 - coupling) - 1e-4, ode.EULER, coupling) > 1
    assert radius("coupled", -1e-3, coupling=1.0) > 1


@pytest.mark.skipif(X64, reason="rounding of float32")
def test_reversible_heun_undoes_thousands_of_steps_of_a_rotation():
    """h = 0.05, |z| < 1 on the imaginary axis: the gradient is that of stored steps."""
    y, w = np.linspace(-1, 2, 8).reshape(2, 4).astype(DTYPE), np.linspace(0.5, 0.8, 4).astype(DTYPE)
    turn = np.kron(np.eye(2), [[0.0, 1.0], [-1.0, 0.0]]).astype(DTYPE)

    def field(t, y, w):
        return jnp.broadcast_to(w, y.shape) * (y @ turn)

    def error(num_steps):
        def stored(w):
            def step(pair, _):
                y, v = pair
                new = 2 * y - v + 0.05 * field(0.0, v, w)
                return (y + 0.025 * (field(0.0, v, w) + field(0.0, new, w)), new), None

            return jnp.mean(jax.lax.scan(step, (y, y), length=num_steps)[0][0][:, 0] ** 3)

        def undone(w):
            ts = (0.05 * np.arange(num_steps + 1)).astype(DTYPE)
            return jnp.mean(ode.odeint_reversible(field, y, ts, w, scheme="heun").y1[:, 0] ** 3)

        want, got = (np.asarray(jax.jit(jax.grad(f))(w)) for f in (stored, undone))
        assert np.isfinite(want).all()
        return np.linalg.norm(got - want) / np.linalg.norm(want)

    assert error(256) < 1e-3
    assert error(4096) < 1e-3


def test_memory_of_reversible_schemes_does_not_grow():
    y, w = np.ones((8, 3), DTYPE), network()

    def peak(n):
        def loss(w):
            field = lambda t, y, w: jnp.tanh(y @ w["a"] + w["b"][None]) @ w["c"]  # noqa: E731
            return ode.odeint_reversible(field, y, np.linspace(0, 1, n + 1).astype(DTYPE), w).y1.sum()

        return jax.jit(jax.grad(loss)).lower(w).compile().memory_analysis().temp_size_in_bytes

    small, middle, large = peak(64), peak(256), peak(1024)
    a_few_numbers = 8 * DTYPE().nbytes  # a step: the times and their cotangents
    assert middle - small < 192 * a_few_numbers
    assert large - middle < 768 * a_few_numbers


def test_forward_sensitivity_is_the_reverse_derivative():
    ts = np.linspace(0.0, 2.0, 6)
    y0, r = {"u": np.array([0.1, 0.4], DTYPE)}, DTYPE(1.3)
    field = lambda t, y, r: {"u": r * y["u"] * (1 - y["u"])}  # noqa: E731
    got = jax.jit(lambda y, r: ode.forward_sensitivity(field, y, ts, r, substeps=8))(y0, r)
    assert got.dy_dy0["u"]["u"].shape == (6, 2, 2)
    assert got.dy_dargs["u"].shape == (6, 2)
    u, growth = y0["u"], np.exp(1.3 * ts)[:, None]
    below = 1 + u * (growth - 1)
    np.testing.assert_allclose(got.ys["u"], u * growth / below, rtol=1e-5)
    np.testing.assert_allclose(jnp.diagonal(got.dy_dy0["u"]["u"], axis1=1, axis2=2), growth / below**2, rtol=1e-5)
    np.testing.assert_allclose(got.dy_dargs["u"], ts[:, None] * u * (1 - u) * growth / below**2, rtol=1e-4, atol=1e-7)


def test_linear_equation_in_closed_form():
    rng = np.random.default_rng(0)
    a, da, b, db, g = (rng.normal(size=s) for s in ((4, 4), (4, 4), 4, 4, 4))
    t, h = 0.7, 1e-5
    value = lambda p: g @ expm(t * (a + p * da)) @ (b + p * db)  # noqa: E731
    want = (value(h) - value(-h)) / (2 * h)
    got = ode.linear_ode_gradient(*(v.astype(DTYPE) for v in (a, da, b, db, g)), t)
    np.testing.assert_allclose(got, want, rtol=1e-8 if X64 else 1e-4)
    with pytest.raises(ValueError, match=r"da has shape \(4,\), expected \(4, 4\)"):
        ode.linear_ode_gradient(a, b, b, b, b, t)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"scheme": "leapfrog"}, "alf, coupled, heun"), ({"coupling": 0.0}, "coupling is 0.0"),
        ({"coupling": 1.5}, "coupling is 1.5"), ({"base": ode.GAUSS4}, "explicit"), ({"ts": [0.0]}, "n >= 2"),
    ],
)  # fmt: skip
def test_bad_input(options, match):
    with pytest.raises(ValueError, match=match):
        ode.odeint_reversible(logistic, DTYPE(0.1), options.pop("ts", [0.0, 1.0]), DTYPE(1.0), **options)
    with pytest.raises(ValueError, match="backsolve"):
        ode.adjoint_check(lambda s: s.y1, logistic, 0.1, 0.0, 1.0, 1.0, adjoints=("magic",))
