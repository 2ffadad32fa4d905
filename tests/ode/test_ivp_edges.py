"""`solve_ivp` at the ends of its times, and at times and tolerances that are none."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import ode


def decay(t, y, rate):
    return -rate * (1.0 + t) * y


Y0 = np.array([1.0, 2.0])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"solver": "kencarp4", "adjoint": "backsolve"}, "which kencarp4 does not have"),
        ({"rtol": -1e-6}, "rtol"),
        ({"atol": float("nan")}, "atol"),
        ({"rtol": 0.0, "atol": 0.0}, "both 0"),
        ({"t1": float("nan")}, "t1"),
        ({"t1": float("inf")}, "t1"),
        ({"ts": [0.0, 2.0]}, "ts runs"),
        ({"ts": [0.7, 0.2]}, "ts runs"),
        ({"ts": [0.0, float("inf")]}, r"ts\[1\]"),
    ],
)
def test_refusals(options, match):
    t1 = options.pop("t1", 1.0)
    with pytest.raises(ValueError, match=match):
        ode.solve_ivp(decay, jnp.asarray(Y0), 0.0, t1, 1.0, **options)


@pytest.mark.parametrize("solver", ["dopri5", "kvaerno3"])
def test_traced_nonsense_is_nan(solver):
    @jax.jit
    def run(t1, rtol, ts):
        alone = ode.solve_ivp(decay, jnp.asarray(Y0), 0.0, t1, 1.0, solver=solver, rtol=rtol)
        saved = ode.solve_ivp(decay, jnp.asarray(Y0), 0.0, t1, 1.0, solver=solver, ts=ts)
        return (alone.ys, alone.converged), (saved.ys, saved.converged)

    inside = jnp.array([0.2, 1.0])
    for t1, rtol, ts, expected in (
        (1.0, 1e-6, inside, (True, True)),
        (jnp.nan, 1e-6, inside, (False, False)),
        (1.0, -1e-6, inside[::-1], (False, False)),
        (1.0, jnp.nan, jnp.array([0.5, 1.5]), (False, False)),
    ):
        for (ys, converged), good in zip(run(t1, rtol, ts), expected, strict=True):
            assert bool(converged) is good
            assert np.isfinite(ys).all() if good else np.isnan(ys).all()


def test_no_time_at_all():
    """At t1 = t0 the state is y0, and the derivatives in the ends are the slope, up to their sign."""

    def end(y, t0, t1):
        found = ode.solve_ivp(decay, y, t0, t1, 0.7)
        return found.y1, found.converged

    y = jnp.asarray(Y0)
    value, converged = end(y, 0.5, 0.5)
    np.testing.assert_array_equal(value, y)
    assert converged
    in_y, in_t0, in_t1 = jax.jacrev(lambda *a: end(*a)[0], argnums=(0, 1, 2))(y, 0.5, 0.5)
    np.testing.assert_allclose(in_y, np.eye(2), atol=1e-7)
    np.testing.assert_allclose(in_t1, -0.7 * 1.5 * Y0, rtol=1e-6)
    np.testing.assert_allclose(in_t0, 0.7 * 1.5 * Y0, rtol=1e-6)


def test_traced_theta_outside():
    found = jax.jit(lambda theta: ode.theta_step(theta, decay, 0.0, 0.1, jnp.asarray(Y0), 1.0))(2.0)
    assert np.isnan(found.y).all()
    assert not found.converged


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_coefficients_are_numbers(value):
    with pytest.raises(ValueError, match="alpha has entries"):
        ode.LMM([value, 1.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="Tableau: a has entries"):
        ode.Tableau([[0.0, 0.0], [value, 0.0]], [0.0, 1.0], [0.0, 0.5])


@pytest.mark.parametrize("solve", [ode.odeint_replay, ode.odeint_interpolated, ode.odeint_backsolve])
def test_ends_are_finite(solve):
    with pytest.raises(ValueError, match="t1 is nan"):
        solve(decay, jnp.asarray(Y0), 0.0, float("nan"), 1.0)
