"""Adaptive solutions: values, gradients against unrolled steps and closed forms, failures, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ode_cases import (
    DTYPE,
    EPS,
    LOTKA_GRADIENT,
    LOTKA_LOSS,
    LOTKA_PARAMS,
    LOTKA_START,
    X64,
    logistic,
    lotka_volterra,
    mlp,
    network,
)  # fmt: skip

from depthjax import ode

TOL = 1e-10 if X64 else 1e-5


def test_lotka_volterra():
    tol = 1e-11 if X64 else 1e-6

    @jax.jit
    def run(y, p):
        solution = ode.odeint_replay(lotka_volterra, y, 0.0, 10.0, p, rtol=tol, atol=tol, max_steps=4096)
        return solution.y1.sum(), solution.converged

    (value, converged), gradient = jax.jit(jax.value_and_grad(run, argnums=1, has_aux=True))(LOTKA_START, LOTKA_PARAMS)
    assert converged
    np.testing.assert_allclose(value, LOTKA_LOSS, rtol=1e-9 if X64 else 2e-5)
    np.testing.assert_allclose(gradient, LOTKA_GRADIENT, rtol=1e-8 if X64 else 2e-4)


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("method", [ode.BOSH3, ode.DOPRI5, ode.TSIT5], ids=("BOSH3", "DOPRI5", "TSIT5"))
def test_gradient_is_that_of_the_accepted_steps(method, every):
    """The same steps unrolled by Python, with sizes held constant, under autodiff."""
    y0, w = np.linspace(-1, 1, 3, dtype=DTYPE), network()
    options = {"method": method, "rtol": 1e-3, "atol": 1e-3, "max_steps": 32}
    path = ode.odeint_replay(mlp, y0, 0.0, 2.0, w, step_times=True, **options)
    assert path.converged
    ts = np.asarray(path.ts)[: int(path.num_steps - path.num_rejected) + 1]
    assert len(ts) > 3

    def unrolled(y, w):
        for t, h in zip(ts[:-1], np.diff(ts), strict=True):
            y = ode.rk_step(method, mlp, t, h, y, w).y
        return jnp.sum(jnp.cos(y))

    def replayed(y, w):
        return jnp.sum(jnp.cos(ode.odeint_replay(mlp, y, 0.0, 2.0, w, checkpoint_every=every, **options).y1))

    want = jax.jit(jax.value_and_grad(unrolled, argnums=(0, 1)))(y0, w)
    got = jax.jit(jax.value_and_grad(replayed, argnums=(0, 1)))(y0, w)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=TOL, atol=TOL), got, want)


def test_states_of_the_steps_have_gradients():
    y0 = DTYPE(0.3)
    options = {"rtol": 1e-3, "atol": 1e-3, "max_steps": 32, "step_times": True}
    run = lambda y: ode.odeint_replay(logistic, y, 0.0, 3.0, DTYPE(1.0), **options)  # noqa: E731
    solution = run(y0)
    assert solution.ys.shape == solution.ts.shape == (33,)
    exact = lambda y, t: y / (y + (1 - y) * jnp.exp(-t))  # noqa: E731
    np.testing.assert_allclose(solution.ys, exact(y0, solution.ts), rtol=2e-3)
    got = jax.grad(lambda y: jnp.sum(run(y).ys))(y0)
    np.testing.assert_allclose(got, jax.grad(lambda y: jnp.sum(exact(y, solution.ts)))(y0), rtol=1e-2)


def test_end_points_and_the_empty_interval():
    tol = 1e-10 if X64 else 1e-6

    def run(y, t0, t1):
        return ode.odeint_replay(lambda t, y, _: t * y, y, t0, t1, rtol=tol, atol=tol).y1

    exact = lambda y, t0, t1: y * jnp.exp((t1 * t1 - t0 * t0) / 2)  # noqa: E731
    graded = jax.jit(jax.value_and_grad(run, argnums=(0, 1, 2)))
    for args in ((1.3, 0.4, 1.5), (1.3, 1.5, 0.4)):
        args = tuple(map(DTYPE, args))
        want = jax.value_and_grad(exact, argnums=(0, 1, 2))(*args)
        got = graded(*args)
        np.testing.assert_allclose(got[0], want[0], rtol=1e-8 if X64 else 1e-4)
        np.testing.assert_allclose(got[1], want[1], rtol=1e-8 if X64 else 1e-4)
    value, gradient = graded(*map(DTYPE, (1.3, 0.7, 0.7)))
    assert value == DTYPE(1.3)
    np.testing.assert_allclose(gradient, [1.0, -0.7 * 1.3, 0.7 * 1.3], rtol=4 * EPS)


def test_closed_over_tracers_pytrees_vmap_and_leaks():
    def loss(scale, y):
        field = lambda t, y, args: {"a": -scale * y["a"], "b": y["a"] * args["k"] * args["n"].astype(y["a"].dtype)}  # noqa: E731
        args = {"k": scale * 2, "n": jnp.array([1, 1])}
        end = ode.odeint_replay(field, {"a": y, "b": jnp.zeros_like(y)}, 0.0, 1.0, args).y1
        return jnp.sum(end["b"])

    y = np.array([0.5, 1.5], DTYPE)
    exact = lambda s, y: jnp.sum(2 * y * (1 - jnp.exp(-s)))  # noqa: E731
    with jax.checking_leaks():
        got = jax.jit(jax.grad(loss, argnums=(0, 1)))(DTYPE(0.8), y)
    want = jax.grad(exact, argnums=(0, 1))(DTYPE(0.8), y)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), got, want)
    scales = np.array([0.8, 1.6], DTYPE)
    batch = jax.jit(jax.vmap(jax.grad(loss), in_axes=(0, None)))(scales, y)
    np.testing.assert_allclose(batch, [jax.grad(exact)(s, y) for s in scales], rtol=1e-4)


def test_max_steps_gives_nan_and_a_flag():
    def run(y):
        return ode.odeint_replay(logistic, y, 0.0, 50.0, DTYPE(1.3), max_steps=5)

    solution = jax.jit(run)(DTYPE(0.1))
    assert not solution.converged
    assert solution.num_steps == 5
    assert np.isnan(np.asarray(solution.ys)).all()
    assert np.isnan(np.asarray(jax.grad(lambda y: run(y).y1)(DTYPE(0.1))))
    blown = jax.jit(lambda y: ode.odeint_replay(lambda t, y, _: y * y, y, 0.0, 2.0))(DTYPE(1.0))  # pole at t = 1
    assert not blown.converged
    assert np.isnan(np.asarray(blown.ys)).all()


@pytest.mark.parametrize("span", [1e-9, 1.0, -1e9])
def test_a_field_of_zero_takes_three_steps_whatever_the_unit_of_time(span):
    solution = ode.odeint_replay(lambda t, y, _: 0.0 * y, np.ones(2, DTYPE), 0.0, span)
    assert solution.num_steps == 3
    np.testing.assert_array_equal(solution.y1, np.ones(2))


def test_dtype_and_one_trace():
    count = 0

    @jax.jit
    def run(y, r):
        nonlocal count
        count += 1
        return ode.odeint_replay(logistic, y, 0.0, 1.0, r).y1

    for r in (0.5, 1.5):
        assert run(np.float32(0.1), np.float32(r)).dtype == np.float32
    assert count == 1


@pytest.mark.skipif(not X64, reason="two precisions")
def test_leaves_of_two_precisions():
    y = (np.float32(0.5), np.ones(2))
    got = ode.odeint_replay(lambda t, y, _: (-y[0], -y[1]), y, 0.0, 1.0).y1
    assert [leaf.dtype for leaf in got] == [np.float32, np.float64]
    np.testing.assert_allclose(got[1], np.exp(-1.0), rtol=1e-6)
    fixed = ode.solve_fixed(lambda t, y, _: (-y[0], -y[1]), y, [0.0, 0.1]).y1
    np.testing.assert_allclose(fixed[0], 0.5 * np.exp(-0.1), rtol=1e-6)


ODEINTS = {
    "replay": lambda y: ode.odeint_replay(logistic, y, 0.0, 1.0, DTYPE(1.0)).y1,
    "interpolated": lambda y: ode.odeint_interpolated(logistic, y, 0.0, 1.0, DTYPE(1.0)).y1,
    "backsolve": lambda y: ode.odeint_backsolve(logistic, y, 0.0, 1.0, DTYPE(1.0)).y1,
    "reversible": lambda y: ode.odeint_reversible(logistic, y, [0.0, 1.0], DTYPE(1.0)).y1,
}


@pytest.mark.parametrize("name", ODEINTS)
def test_second_and_forward_derivatives_are_refused(name):
    run, y, one = ODEINTS[name], DTYPE(0.1), DTYPE(1.0)
    refused = {
        "grad of grad": lambda: jax.grad(jax.grad(run))(y),
        "hessian": lambda: jax.hessian(run)(y),
        "forward over reverse": lambda: jax.jvp(jax.grad(run), (y,), (one,)),
        "reverse over forward": lambda: jax.grad(lambda y: jax.jvp(run, (y,), (one,))[1])(y),
        "jvp": lambda: jax.jvp(run, (y,), (one,)),
        "jvp inside of jit": lambda: jax.jit(lambda y: jax.jvp(run, (y,), (one,)))(y),
        "jvp outside of jit": lambda: jax.jvp(jax.jit(run), (y,), (one,)),
        "jacfwd": lambda: jax.jacfwd(run)(y),
        "jvp of vmap": lambda: jax.jvp(jax.vmap(run), (jnp.asarray(y)[None],), (jnp.ones(1, DTYPE),)),
        "linearize": lambda: jax.linearize(run, y)[1](one),
    }
    for way, call in refused.items():
        with pytest.raises(TypeError, match=f"odeint_{name} has first derivatives only.*solve_fixed"):
            raise AssertionError(f"{way} gave {call()}")


@pytest.mark.parametrize("name", ODEINTS)
def test_reverse_mode_passes_through_jit_scan_vmap_and_checkpoint(name):
    """Two unit steps of the logistic equation; of what is refused to forward mode nothing may reach reverse mode."""

    def twice(y):
        return jax.lax.scan(lambda y, _: (jax.checkpoint(jax.jit(ODEINTS[name]))(y), None), y, length=2)[0]

    ys = np.array([0.1, 0.6], DTYPE)
    want = np.exp(2) / (1 + ys * (np.exp(2) - 1)) ** 2
    got = jax.jit(jax.grad(lambda ys: jnp.sum(jax.vmap(twice)(ys))))(ys)
    np.testing.assert_allclose(got, want, rtol=2e-2)


def test_memory_follows_the_checkpoints():
    y = np.ones(512, np.float32)

    def peak(max_steps, every):
        def loss(y):
            field = lambda t, y, _: -y  # noqa: E731
            return ode.odeint_replay(field, y, 0.0, 1.0, max_steps=max_steps, checkpoint_every=every).y1.sum()

        return jax.jit(jax.grad(loss)).lower(y).compile().memory_analysis().temp_size_in_bytes

    for max_steps in (256, 1024, 4096):
        assert peak(max_steps, 1) < 1.1 * max_steps * y.nbytes + 2**17
        assert peak(max_steps, 16) < 1.1 * (max_steps / 16 + 32) * y.nbytes + 2**17


@pytest.mark.parametrize("solver", ["dopri5", "tsit5", "kvaerno5", "kencarp4"])
def test_diffrax_behind_a_call(solver):
    tol = 1e-9 if X64 else 1e-3 if solver in ("kvaerno5", "kencarp4") else 1e-5
    run = jax.jit(
        lambda y, r: ode.solve_ivp(logistic, y, 0.0, 2.0, r, solver=solver, rtol=tol, atol=tol, ts=[0.5, 2.0])
    )
    solution = run(DTYPE(0.1), DTYPE(1.3))
    exact = 1 / (1 + 9 * np.exp(-1.3 * np.array([0.5, 2.0])))
    # Between steps diffrax interpolates kencarp4 by a cubic.
    between = 1e3 * tol if solver == "kencarp4" else 20 * tol
    np.testing.assert_allclose(solution.ys[0], exact[0], rtol=between)
    np.testing.assert_allclose(solution.ys[1], exact[1], rtol=20 * tol)
    assert solution.converged
    if solver == "dopri5":
        gradient = jax.jit(jax.grad(lambda y, r: run(y, r).y1, argnums=(0, 1)))(DTYPE(0.1), DTYPE(1.3))
        np.testing.assert_allclose(gradient, [2.66809692, 0.48025745], rtol=50 * tol)


def test_diffrax_out_of_steps_gives_nan_and_a_flag():
    solution = jax.jit(lambda y: ode.solve_ivp(logistic, y, 0.0, 50.0, DTYPE(1.3), max_steps=4))(DTYPE(0.1))
    assert not solution.converged
    assert np.isnan(np.asarray(solution.ys)).all()


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (lambda: ode.solve_ivp(logistic, DTYPE(0.1), 0, 1, DTYPE(1), solver="rk45"), ValueError, "dopri5, dopri8"),
        (lambda: ode.solve_ivp(logistic, DTYPE(0.1), 0, 1, DTYPE(1), adjoint="replay"), ValueError, "backsolve,"),
        (lambda: ode.solve_ivp(logistic, 1, 0, 1, DTYPE(1)), TypeError, "dtype int"),
        (lambda: ode.odeint_replay(logistic, 1, 0, 1, DTYPE(1)), TypeError, "dtype int"),
        (lambda: ode.odeint_replay(logistic, DTYPE(0.1), 0, 1, DTYPE(1), method=ode.RK4), ValueError, "explicit pair"),
        (lambda: ode.odeint_replay(logistic, DTYPE(0.1), 0, 1, DTYPE(1), max_steps=0), ValueError, "max_steps is 0"),
        (lambda: ode.odeint_replay(logistic, DTYPE(0.1), 0, 1, DTYPE(1), rtol=-1), ValueError, "rtol is -1"),
        (lambda: ode.odeint_replay(logistic, DTYPE(0.1), [0.0], 1, DTYPE(1)), ValueError, "expected a scalar"),
        (lambda: ode.odeint_replay(lambda t, y, _: (y,), DTYPE(0.1), 0, 1), ValueError, "structure"),
        (
            lambda: ode.odeint_replay(logistic, DTYPE(0.1), 0, 1, DTYPE(1), checkpoint_every=2, step_times=True),
            ValueError,
            "checkpoint_every=1",
        ),
    ],
)  # fmt: skip
def test_bad_input(call, error, match):
    with pytest.raises(error, match=match):
        call()
