"""Fixed grids: orders, closed forms, derivatives, memory and failures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import ode

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)


def logistic(t, y, r):
    return r * y * (1 - y)


def oscillator(t, y, w):
    return {"q": y["p"], "p": -w * w * y["q"]}


def end(f, y0, n, args=None, t1=1.0, **options):
    ts = np.linspace(0.0, t1, n + 1)
    return ode.solve_fixed(f, y0, ts, args, save="last", **options).y1


def orders(method, n, t1=2.0, **options):
    """Order seen between n and 2 n steps on the logistic equation."""
    exact = 1 / (1 + 9 * np.exp(-1.3 * t1))
    ys = [end(logistic, DTYPE(0.1), m, DTYPE(1.3), t1=t1, method=method, **options) for m in (n, 2 * n)]
    return np.log2(abs(ys[0] - exact) / abs(ys[1] - exact))


METHODS = {"HEUN": 2, "BOSH3": 3, "RK4": 4, "TSIT5": 5, "GAUSS4": 4, "RADAU2A3": 3}


@pytest.mark.skipif(not X64, reason="errors down to 1e-11")
@pytest.mark.parametrize("name", METHODS)
def test_order_is_reached(name):
    np.testing.assert_allclose(orders(getattr(ode, name), 32), METHODS[name], atol=0.35)


@pytest.mark.skipif(not X64, reason="errors down to 1e-11")
@pytest.mark.parametrize(
    ("method", "order", "options"),
    [
        (ode.adams_bashforth(3), 3, {}), (ode.adams_moulton(3), 4, {}),
        (ode.adams_moulton(2), 3, {"corrector": "pece"}),
        (ode.adams_moulton(2), 3, {"corrector": "pec"}), (ode.bdf(3), 3, {}), (ode.milne_simpson(), 4, {}),
        (ode.nystrom(2), 2, {}), (ode.adams_bashforth(6), 6, {}),
    ],
)  # fmt: skip
def test_order_of_multistep_methods(method, order, options):
    np.testing.assert_allclose(orders(method, 80, t1=1.0, **options), order, atol=0.2)


def test_gradient_of_the_logistic_equation():
    value = jax.jit(jax.grad(lambda y, r: end(logistic, y, 64, r, t1=2.0, method=ode.RK4), argnums=(0, 1)))
    np.testing.assert_allclose(value(DTYPE(0.1), DTYPE(1.3)), [2.66809692, 0.48025745], rtol=2e-7 if X64 else 2e-5)


def test_energy_factors():
    y0 = {"q": DTYPE(0.3), "p": DTYPE(-0.8)}
    w, h = 1.7, 0.2
    for name, want in {
        "EULER": 1 + h * h * w * w, "IMPLICIT_EULER": 1 / (1 + h * h * w * w), "IMPLICIT_MIDPOINT": 1.0, "GAUSS4": 1.0,
    }.items():  # fmt: skip
        new = ode.rk_step(getattr(ode, name), oscillator, 0.0, h, y0, DTYPE(w)).y
        energy = [float(v["p"]) ** 2 + w * w * float(v["q"]) ** 2 for v in (y0, new)]
        np.testing.assert_allclose(energy[1] / energy[0], want, rtol=64 * EPS)


def test_fifth_root_field():
    field = lambda t, y, _: y ** DTYPE(0.2)  # noqa: E731
    assert float(end(field, DTYPE(0.0), 8, method=ode.EULER)) == 0.0
    failed = ode.solve_fixed(field, DTYPE(0.0), [0.0, 0.5, 1.0], method=ode.IMPLICIT_EULER)
    assert not failed.converged
    assert np.isnan(np.asarray(failed.ys)).all()


def test_fifth_root_field_away_from_zero():
    """Implicit Euler: y_n = (C_n h)^(5/4) with C = 1, 1.85667, 2.69200, 3.51783 from the first point that is not 0."""
    h = 0.1
    field = lambda t, y, _: y ** DTYPE(0.2)  # noqa: E731
    got = ode.solve_fixed(field, DTYPE(h**1.25), h * np.arange(1.0, 5.0), method=ode.IMPLICIT_EULER)
    assert got.converged
    np.testing.assert_allclose(np.asarray(got.ys, np.float64) ** 0.8 / h, [1, 1.85667, 2.69200, 3.51783], rtol=3e-6)


@pytest.mark.skipif(not X64, reason="errors down to 1e-11")
def test_the_gradient_converges_with_the_order_of_the_method():
    slope = jax.jit(
        lambda n: jax.grad(lambda r: end(logistic, DTYPE(0.1), n, r, t1=2.0, method=ode.RK4))(DTYPE(1.3)),
        static_argnums=0,
    )
    t, e = 2.0, np.exp(1.3 * 2.0)
    exact = t * 0.09 * e / (0.9 + 0.1 * e) ** 2
    np.testing.assert_allclose(exact, 0.48025745, atol=5e-9)
    errors = [abs(float(slope(n)) - exact) for n in (16, 32)]
    np.testing.assert_allclose(np.log2(errors[0] / errors[1]), 4, atol=0.2)


def test_newton_that_does_not_settle_gives_nan_in_value_and_gradient():
    def run(y):
        return ode.solve_fixed(logistic, y, [0.0, 1.0], DTYPE(3.0), method=ode.GAUSS4, num_newton=1)

    assert not run(DTYPE(0.1)).converged
    assert np.isnan(np.asarray(run(DTYPE(0.1)).y1))
    assert np.isnan(np.asarray(jax.grad(lambda y: run(y).y1)(DTYPE(0.1))))


@pytest.mark.skipif(not X64, reason="compares to 1e-10")
def test_implicit_derivative_is_that_of_the_exact_stage():
    """Linear problem: y+ = R(hl) y, so d/dl and d2/dl2 are known; they do not move with num_newton."""
    r = ode.stability_function(ode.RADAU2A5)

    def step(rate, num):
        return ode.rk_step(ode.RADAU2A5, lambda t, y, k: k * y, 0.0, 0.5, jnp.asarray(1.5), rate, num_newton=num).y

    want = [value(-3.0) for value in derivatives(lambda rate: 1.5 * r(0.5 * rate))]
    for num in (4, 12):
        got = jax.jit(lambda rate, n=num: [value(rate) for value in derivatives(lambda v: step(v, n))])(-3.0)
        np.testing.assert_allclose(got, want, rtol=1e-10)


def derivatives(fn):
    """The function and its derivatives up to the third."""
    return fn, jax.grad(fn), jax.grad(jax.grad(fn)), jax.grad(jax.grad(jax.grad(fn)))


@pytest.mark.skipif(not X64, reason="finite differences")
@pytest.mark.parametrize(
    "method",
    [ode.RK4, ode.GAUSS4, ode.bdf(2), ode.adams_bashforth(3)],
    ids=("RK4", "GAUSS4", "BDF2", "AB3"),
)
def test_derivatives_to_second_order(method):
    def loss(x):
        ts = jnp.linspace(0.0, 1.0, 5) * x[2]
        return ode.solve_fixed(lambda t, y, _: jnp.sin(x[1] * y) + t, x[0], ts, None, method=method).y1

    x, h = np.array([0.1, 1.3, 0.9]), 1e-5
    value, slope = jax.jit(loss), jax.jit(jax.grad(loss))
    rows = [h * row for row in np.eye(3)]
    np.testing.assert_allclose(slope(x), [(value(x + d) - value(x - d)) / (2 * h) for d in rows], rtol=1e-8)
    want = [(slope(x + d) - slope(x - d)) / (2 * h) for d in rows]
    np.testing.assert_allclose(jax.jit(jax.hessian(loss))(x), want, rtol=1e-6, atol=1e-8)
    if method is ode.RK4:
        np.testing.assert_allclose(jax.jit(jax.jacrev(jax.grad(loss)))(x), want, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("method", [ode.BOSH3, ode.adams_bashforth(2)], ids=("BOSH3", "AB2"))
def test_recomputation_changes_nothing(method):
    def run(y, remat, save, substeps):
        ts = np.linspace(0.0, 1.0, 8)
        options = {"method": method, "remat": remat, "save": save, "substeps": substeps}
        return ode.solve_fixed(logistic, y, ts, DTYPE(1.3), **options).y1.sum()

    y = np.array([0.1, 0.4], DTYPE)
    graded = jax.jit(jax.value_and_grad(run), static_argnums=(1, 2, 3))
    for save, substeps in (("all", 1), ("last", 3), ("all", 3)):
        want = graded(y, None, save, substeps)
        for remat in ("step", "sqrt", 4):
            got = graded(y, remat, save, substeps)
            np.testing.assert_allclose(got[0], want[0], rtol=2 * EPS)
            np.testing.assert_allclose(got[1], want[1], rtol=8 * EPS)


def test_memory_of_the_reverse_pass():
    """Peak temporaries: linear for None and "step", a square root for "sqrt"."""
    w = np.random.default_rng(0).normal(size=(32, 32)).astype(np.float32) / 6
    field = lambda t, y, w: jnp.tanh(jnp.tanh(y @ w) @ w)  # noqa: E731
    y = np.ones((4, 32), np.float32)

    def peak(num_steps, remat):
        def loss(y, w):
            ts = np.linspace(0.0, 1.0, num_steps + 1).astype(np.float32)
            return ode.solve_fixed(field, y, ts, w, method=ode.MIDPOINT, remat=remat, save="last").y1.sum()

        return jax.jit(jax.grad(loss, argnums=1)).lower(y, w).compile().memory_analysis().temp_size_in_bytes

    none, step, root = ([peak(n, remat) for n in (64, 256, 1024)] for remat in (None, "step", "sqrt"))
    assert none[2] > 3.5 * none[1]
    assert step[2] < 0.5 * none[2]
    assert step[2] < 1.2 * (1024 * y.nbytes) + 2**17
    assert root[2] < 4 * root[0]
    assert root[2] < 0.25 * step[2]


def test_backwards_and_substeps_and_dtypes():
    y1 = end(logistic, np.float32(0.1), 40, np.float32(1.3), t1=2.0)
    back = ode.solve_fixed(logistic, y1, np.linspace(2.0, 0.0, 11), np.float32(1.3), substeps=4)
    np.testing.assert_allclose(back.y1, 0.1, rtol=1e-5)
    assert back.ys.shape == (11,)
    assert back.ys.dtype == np.float32
    assert back.num_steps == 40
    assert ode.solve_fixed(lambda t, y, _: -y, 1.0, [0.0, 1.0]).ys.dtype == jnp.result_type(float)
    once = ode.solve_fixed(logistic, y1, np.linspace(0.0, 1.0, 4), np.float32(1.3), method=ode.adams_bashforth(5))
    assert once.ys.shape == (4,)  # fewer steps than the method looks back
    by_starter = ode.solve_fixed(logistic, y1, np.linspace(0.0, 1.0, 4), np.float32(1.3))
    np.testing.assert_allclose(once.ys, by_starter.ys, rtol=1e-6)


def test_under_vmap_and_with_one_trace():
    count = 0

    @jax.jit
    def run(y, r):
        nonlocal count
        count += 1
        return ode.solve_fixed(logistic, y, np.linspace(0, 1, 5), r, method=ode.IMPLICIT_MIDPOINT).y1

    for r in (0.5, 1.5):
        run(DTYPE(0.2), DTYPE(r))
    assert count == 1
    ys = np.linspace(0.1, 0.9, 4, dtype=DTYPE)
    want = [run(y, DTYPE(0.5)) for y in ys]
    np.testing.assert_allclose(jax.vmap(lambda y: run(y, DTYPE(0.5)))(ys), want, rtol=8 * EPS)


def test_unstable_methods_are_refused_and_grow_as_predicted():
    ts = np.arange(0.0, 8.0)
    with pytest.raises(ValueError, match=r"largest root 1.0222, .* pass allow_unstable=True"):
        ode.solve_fixed(logistic, DTYPE(0.1), ts, DTYPE(1.0), method=ode.bdf(7))
    method = ode.LMM([-1.0, -9.0, 9.0, 1.0], [0.0, 6.0, 6.0, 0.0])
    field = lambda t, y, _: jnp.where(t < 1.5, DTYPE(1e-4), DTYPE(0.0)) * jnp.ones_like(y)  # noqa: E731
    got = ode.solve_fixed(field, DTYPE(0.0), np.arange(0.0, 10.0), method=method, allow_unstable=True).ys
    growth = np.diff(got)[5:] / np.diff(got)[4:-1]
    np.testing.assert_allclose(growth[-1], -5 - 2 * 6**0.5, rtol=1e-4)


@pytest.mark.skipif(not X64, reason="stiffness 1e6")
def test_prothero_robinson():
    """y' = -l (y - cos t) - sin t with l = 1e6: stiffly accurate methods stay on cos t."""
    field = lambda t, y, k: -k * (y - jnp.cos(t)) - jnp.sin(t)  # noqa: E731
    for method, tol in ((ode.RADAU2A5, 1e-9), (ode.bdf(3), 1e-8), (ode.IMPLICIT_EULER, 1e-6)):
        got = ode.solve_fixed(field, 1.0, np.linspace(0.0, 1.0, 11), 1e6, method=method, starter=ode.RADAU2A5)
        np.testing.assert_allclose(got.y1, np.cos(1.0), atol=tol)


def test_a_state_that_outgrows_the_dtype_is_flagged():
    """One step past the pole of y' = y^2 the states grow without bound."""
    ts = np.linspace(0.0, 40.0, 41)
    for method in (ode.EULER, ode.adams_bashforth(2)):
        got = ode.solve_fixed(lambda t, y, _: y * y, DTYPE(1), ts, method=method)
        assert not bool(got.converged)
        assert np.isfinite(got.ys[1])


def test_theta_may_be_traced():
    got = jax.jit(jax.value_and_grad(lambda theta: ode.theta_step(theta, lambda t, y, _: -y, 0.0, 0.5, 1.0).y))(0.4)
    np.testing.assert_allclose(got[0], (1 - 0.2) / (1 + 0.3), rtol=1e-5)
    np.testing.assert_allclose(got[1], -0.5 * (1 + 0.3) ** -1 + 0.5 * (1 - 0.2) / (1 + 0.3) ** 2, rtol=1e-5)


def test_a_traced_grid_that_is_not_uniform_is_flagged():
    run = jax.jit(lambda ts: ode.solve_fixed(logistic, DTYPE(0.1), ts, DTYPE(1.0), method=ode.bdf(2)))
    bad, good = run(np.array([0, 1, 3, 4], DTYPE)), run(np.array([0, 1, 2, 3], DTYPE))
    assert not bad.converged
    assert np.isnan(np.asarray(bad.ys)).all()
    assert good.converged
    assert np.isfinite(np.asarray(good.ys)).all()


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"ts": [0.0]}, ValueError, "n >= 2"),
        ({"ts": [[0.0, 1.0]]}, ValueError, r"shape \(1, 2\)"),
        ({"ts": [0.0, 1.0, 1.0]}, ValueError, "not strictly monotone at index 2"),
        ({"ts": [0.0, 1.0, 3.0], "method": ode.bdf(2)}, ValueError, "use a Tableau"),
        ({"method": ode.adams_bashforth(4), "starter": ode.HEUN}, ValueError, "order 2, expected at least 3"),
        ({"f": lambda t, y, _: (y,)}, ValueError, "structure"),
        ({"f": lambda t, y, _: {"a": y["a"][:1]}}, ValueError, r"\['a'\], expected"),
        ({"remat": "all"}, ValueError, "'sqrt'"),
        ({"remat": 0}, ValueError, "'sqrt'"),
        ({"save": "first"}, ValueError, "save is 'first'"),
        ({"corrector": "p"}, ValueError, "corrector is 'p'"),
        ({"substeps": 0}, ValueError, "substeps is 0"),
        ({"y0": {"a": np.array([1, 2])}}, TypeError, r"y0\['a'\] has dtype int"),
        ({"y0": {"a": np.array([1j, 2])}}, TypeError, "complex"),
        ({"method": "rk4"}, TypeError, "expected a Tableau or an LMM"),
    ],
)
def test_bad_input(change, error, match):
    given = {"f": lambda t, y, _: y, "y0": {"a": np.ones(2, DTYPE)}, "ts": [0.0, 1.0, 2.0], **change}
    with pytest.raises(error, match=match):
        ode.solve_fixed(given.pop("f"), given.pop("y0"), given.pop("ts"), **given)
