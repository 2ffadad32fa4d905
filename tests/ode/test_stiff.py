"""Orders of implicit methods where the problem is stiff, and derivatives that Newton's iteration leaves no trace in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ode_cases import mlp, network

from depthjax import ode

X64 = jax.config.jax_enable_x64
VALUES = pytest.mark.skipif(not X64, reason="errors below the rounding of float32")
STIFF = 1e5


def observed(errors):
    return np.asarray(ode.convergence_orders(np.array([2.0, 1.0]), np.array(errors)))[0]


def prothero_robinson(t, y, rate):
    return -rate * (y - jnp.cos(t)) - jnp.sin(t)


@VALUES
@pytest.mark.parametrize(
    ("method", "steps", "order"),
    [
        (ode.IMPLICIT_EULER, (40, 80), 1),
        (ode.GAUSS4, (40, 80), 2),  # that of the stages
        (ode.GAUSS6, (40, 80), 4),  # one more where R(-inf) = -1: errors alternate
        (ode.bdf(2), (40, 80), 2),
        (ode.bdf(3), (40, 80), 3),
    ],
    ids=("implicit Euler", "Gauss 4", "Gauss 6", "BDF2", "BDF3"),
)
def test_order_on_prothero_and_robinson(method, steps, order):
    """y' = -l (y - cos t) - sin t with h l in the thousands."""
    errors = []
    for n in steps:
        found = ode.solve_fixed(
            prothero_robinson, 1.0, np.linspace(0.0, 2.0, n + 1), STIFF, method=method, starter=ode.RADAU2A5
        )
        assert found.converged
        errors.append(np.abs(np.asarray(found.ys) - np.cos(found.ts)).max())
    assert abs(observed(errors) - order) < 0.35, errors


@VALUES
def test_stiffly_accurate_methods_gain_from_stiffness():
    """Errors of Radau and Lobatto fall with 1/l at a fixed step; those of Gauss do not."""
    for method, gains in ((ode.RADAU2A5, True), (ode.LOBATTO3C4, True), (ode.GAUSS4, False)):
        errors = []
        for rate in (1e4, 1e5):
            found = ode.solve_fixed(prothero_robinson, 1.0, np.linspace(0.0, 2.0, 11), rate, method=method)
            errors.append(np.abs(np.asarray(found.ys) - np.cos(found.ts)).max())
        assert (errors[0] / errors[1] > 5) == gains, (errors, gains)


@VALUES
@pytest.mark.parametrize(
    ("method", "order"),
    [(ode.IMPLICIT_EULER, 1), (ode.RADAU2A3, 3), (ode.RADAU2A5, 5), (ode.LOBATTO3C4, 4), (ode.bdf(4), 4)],
    ids=("implicit Euler", "Radau 3", "Radau 5", "Lobatto 4", "BDF4"),
)
def test_full_order_on_a_linear_stiff_problem(method, order):
    """Eigenvalues -1 and -1e5: from the slow eigenvector the fast one takes nothing."""
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    matrix = turn @ np.diag([-1.0, -STIFF]) @ turn.T
    start, errors = turn[:, 0], []
    for n in (8, 16):
        found = ode.solve_fixed(
            lambda t, y, a: a @ y, start, np.linspace(0.0, 2.0, n + 1), matrix, method=method, starter=ode.RADAU2A5
        )
        errors.append(np.linalg.norm(found.y1 - np.exp(-2.0) * start))
    assert abs(observed(errors) - order) < 0.4, errors


@VALUES
def test_derivatives_do_not_depend_on_the_number_of_newton_steps():
    y, weights = jnp.linspace(-1.0, 1.0, 3), network()

    def slopes(num_newton):
        def loss(y, weights):
            found = ode.solve_fixed(
                mlp, y, np.linspace(0.0, 1.0, 4), weights, method=ode.GAUSS4, num_newton=num_newton, newton_tol=1e-14
            )
            return jnp.sum(found.y1**2)

        return jax.jit(jax.grad(loss, argnums=(0, 1)))(y, weights)

    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13), slopes(10), slopes(20))
