"""Lowering for other platforms, as float32 code."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ode_cases import logistic, mlp, network

import depthjax as dj
from depthjax import ode

Y, W = np.ones(3, np.float32), jax.tree.map(np.float32, network())


@pytest.mark.skipif(jax.config.jax_enable_x64, reason="float32 code with x64 off")
@pytest.mark.parametrize(
    "solve",
    [
        lambda w, y: ode.solve_fixed(mlp, y, np.linspace(0, 1, 5), w, remat="sqrt").y1,
        lambda w, y: ode.solve_fixed(mlp, y, np.linspace(0, 1, 3), w, method=ode.IMPLICIT_MIDPOINT).y1,
        lambda w, y: ode.odeint_replay(mlp, y, 0.0, 1.0, w, max_steps=16).y1,
        lambda w, y: ode.odeint_reversible(mlp, y, np.linspace(0, 1, 5), w).y1,
    ],
    ids=["fixed", "implicit", "replay", "reversible"],
)
def test_gradients_lower_for_every_platform(solve):
    graded = jax.grad(lambda w, y: solve(w, y).sum())
    exported = dj.export_fn(graded, W, jax.ShapeDtypeStruct((3,), np.float32))
    assert exported.platforms == ("cpu", "cuda", "tpu")


def test_a_batch_as_one_state_and_as_a_map():
    ys = np.linspace(0.1, 0.9, 5, dtype=np.float32)
    run = lambda y: ode.odeint_replay(logistic, y, 0.0, 2.0, np.float32(1.3), rtol=1e-5, atol=1e-6).y1  # noqa: E731
    shared, own = jax.jit(lambda ys: (run(ys), jax.vmap(run)(ys)))(ys)
    np.testing.assert_allclose(shared, own, rtol=2e-5)
    np.testing.assert_allclose(own, ys * np.exp(2.6) / (1 + ys * np.expm1(2.6)), rtol=2e-5)
    slopes = jax.jit(jax.grad(lambda ys: jnp.sum(jax.vmap(run)(ys))))(ys)
    np.testing.assert_allclose(slopes, np.exp(2.6) / (1 + ys * np.expm1(2.6)) ** 2, rtol=1e-4)
