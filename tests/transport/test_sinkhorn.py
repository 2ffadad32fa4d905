"""Entropic transport against closed forms, linear programs and unrolled iterations."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from scipy import optimize, special

from depthjax import transport as ot

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
TIGHT = 1e-13 if X64 else 1e-6
close = functools.partial(np.testing.assert_allclose, rtol=1e-10 if X64 else 2e-5)
VALUES = pytest.mark.skipif(not X64, reason="float64 values")


def problem(seed=0, n=6, m=5):
    rng = np.random.default_rng(seed)
    cost = np.sum((rng.normal(size=(n, 1, 2)) - rng.normal(size=(1, m, 2))) ** 2, -1).astype(DTYPE)
    return cost, rng.dirichlet(np.ones(n)).astype(DTYPE), rng.dirichlet(np.ones(m)).astype(DTYPE)


def linear_program(cost, a, b):
    constraints = ot.transport_constraint_matrix(*cost.shape)
    total = np.concatenate([np.asarray(a, np.float64), np.asarray(b, np.float64)])
    return optimize.linprog(
        np.asarray(cost, np.float64).ravel(order="F"), A_eq=constraints, b_eq=total, method="highs"
    ).fun


@pytest.mark.parametrize(("epsilon", "value"), [(1.0, 0.3798854930), (0.1, 0.0693101782)])
def test_two_points_in_closed_form(epsilon, value):
    found = ot.sinkhorn(np.array([[0.0, 1.0], [1.0, 0.0]], DTYPE), epsilon=epsilon, num_steps=50)
    exact = -epsilon * np.log((1 + np.exp(-1 / epsilon)) / 2)
    np.testing.assert_allclose(exact, value, atol=1e-10)
    close(found.dual_value, exact)
    close(found.regularised_cost, exact)
    close(found.cost, 1 / (1 + np.exp(1 / epsilon)))
    assert found.converged


@VALUES
def test_never_below_the_optimum():
    """The specification's five points against six, where a plan of marginal error 1e-3 undercuts the optimum."""
    x = np.array([(2.04, -2.56), (0.42, -0.57), (-0.45, -0.22), (-2.02, -0.23), (-0.87, 3.32)])
    y = np.array([(1.03, 0.05), (0.52, -0.27), (-0.26, 0.01), (1.28, 0.16), (1.76, 0.2), (0.82, 1.95)])
    b = np.array([0.1, 0.1, 0.2, 0.2, 0.2, 0.2])
    cost = np.sum((x[:, None] - y[None]) ** 2, -1)
    optimum = linear_program(cost, np.full(5, 0.2), b)
    np.testing.assert_allclose(optimum, 3.692010, atol=1e-6)
    for tol in (1e-1, 1e-3, 1e-5):
        found = ot.sinkhorn(cost, None, b, epsilon=0.01, tol=tol, max_steps=20_000)
        assert found.converged
        assert found.marginal_error <= tol
        assert found.cost >= optimum - 1e-12
        assert found.gap >= -1e-12
    assert found.cost - optimum < 5e-3
    stopped = ot.sinkhorn(cost, None, b, epsilon=0.05, tol=1e-12, max_steps=10)
    assert not stopped.converged
    assert np.isnan(np.asarray(stopped.cost))


def test_plans_have_their_marginals():
    cost, a, b = problem()
    found = ot.sinkhorn(cost, a, b, epsilon=0.5, num_steps=100)
    plan = ot.sinkhorn_plan(found, cost, a, b, epsilon=0.5)
    close(plan.sum(0), b)
    close(plan.sum(1), a, atol=8 * EPS)
    rough = ot.round_to_feasible(plan * (1 + 0.1 * np.sin(np.arange(30.0)).reshape(6, 5)).astype(DTYPE), a, b)
    close(rough.sum(0), b, atol=8 * EPS)
    close(rough.sum(1), a, atol=8 * EPS)
    assert (np.asarray(rough) >= 0).all()


@VALUES
@VALUES
def test_scalings_are_updates_in_the_log_domain():
    rng = np.random.default_rng(4)
    cost = rng.uniform(size=(7, 5)) * np.logspace(-3, 3, 7)[:, None]
    cost[2, 3] = np.inf
    a, b = rng.dirichlet(np.ones(7)), rng.dirichlet(np.ones(5))
    a[0], b[1], b[2] = 0.0, 0.0, 1e-12
    a, b = a / a.sum(), b / b.sum()
    fit = jax.jit(lambda epsilon: ot.sinkhorn(cost, a, b, epsilon=epsilon, num_steps=64)[:2])
    with np.errstate(divide="ignore"):
        log_a, log_b = np.log(a), np.log(b)
    for epsilon in (1e3, 1.0, 1e-2, 1e-4):
        g = np.zeros(5)
        for _ in range(64):
            f = -epsilon * special.logsumexp((g[None] - cost) / epsilon + log_b[None], axis=1)
            g = -epsilon * special.logsumexp((f[:, None] - cost) / epsilon + log_a[:, None], axis=0)
        for ours, theirs in zip(fit(epsilon), (f, g), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12 * max(epsilon, 1.0))


def test_zero_masses_and_forbidden_pairs():
    cost, a, b = problem(1)
    a[2], b[0] = 0.0, 0.0
    a, b = a / a.sum(), b / b.sum()
    small = ot.sinkhorn(
        np.delete(np.delete(cost, 2, 0), 0, 1), np.delete(a, 2), np.delete(b, 0), epsilon=0.3, num_steps=200
    )
    run = jax.jit(
        jax.value_and_grad(
            lambda c: (lambda r: r.cost + r.dual_value)(ot.sinkhorn(c, a, b, epsilon=0.3, num_steps=200))
        )
    )
    value, gradient = run(cost)
    close(value, small.cost + small.dual_value)
    assert np.isfinite(np.asarray(gradient)).all()
    np.testing.assert_array_equal(gradient[2], np.zeros(5))
    blocked = cost.copy()
    blocked[0, 1] = np.inf
    found = ot.sinkhorn(blocked, epsilon=0.3, num_steps=300)
    assert np.isfinite(np.asarray(found.cost))
    assert ot.sinkhorn_plan(found, blocked, epsilon=0.3)[0, 1] == 0


def unrolled(cost, a, b, epsilon, steps=3000):
    """Autodiff through the iteration itself."""

    def step(state, _):
        _, g = state
        f = -epsilon * jax.nn.logsumexp((g[None] - cost) / epsilon + jnp.log(b)[None], axis=1)
        return (f, -epsilon * jax.nn.logsumexp((f[:, None] - cost) / epsilon + jnp.log(a)[:, None], axis=0)), None

    (f, g), _ = jax.lax.scan(step, (jnp.zeros_like(a), jnp.zeros_like(b)), length=steps)
    plan = jnp.exp((f[:, None] + g[None] - cost) / epsilon) * a[:, None] * b[None]
    return jnp.sum(plan * cost), a @ f + b @ g


@VALUES
def test_implicit_derivatives_equal_unrolled_ones():
    cost, a, b = problem(2)
    args = (cost, a, b, 0.4)

    def implicit(*args):
        found = ot.sinkhorn(args[0], args[1], args[2], epsilon=args[3], num_steps=400)
        return found.cost, found.dual_value

    ours = jax.jit(jax.jacrev(implicit, argnums=(0, 3)))(*args)
    theirs = jax.jit(jax.jacrev(unrolled, argnums=(0, 3)))(*args)
    jax.tree.map(lambda o, t: np.testing.assert_allclose(o, t, atol=1e-8), ours, theirs)
    tangent = np.array([1.0, -2, 0.5, 0.5, 1, -1])  # along the simplex
    along = jax.jit(lambda fn_a: jax.jvp(lambda m: implicit(cost, m, b, 0.4), (fn_a,), (tangent,))[1])(a)
    expected = jax.jvp(lambda m: unrolled(cost, m, b, 0.4), (a,), (tangent,))[1]
    np.testing.assert_allclose(along, expected, atol=1e-8)
    few = jax.grad(lambda c: ot.sinkhorn(c, a, b, epsilon=0.4, tol=1e-12).dual_value)(cost)
    np.testing.assert_allclose(few, ours[1][0], atol=1e-9)


@pytest.mark.slow
@VALUES
def test_second_derivatives():
    cost, a, b = problem(3, 4, 3)
    move = np.sin(np.arange(12.0)).reshape(4, 3)

    def along(t):
        found = ot.sinkhorn(cost + t * move, a, b, epsilon=0.6, num_steps=300)
        return jnp.stack([found.cost, found.dual_value])

    check_grads(along, (0.2,), order=2, modes=["fwd", "rev"], rtol=1e-5, atol=1e-6)


@VALUES
def test_small_epsilon_gradient_is_the_optimal_plan():
    cost, a, b = problem(4, 5, 5)
    gradient = jax.grad(lambda c: ot.sinkhorn(c, a, b, epsilon=2e-3, tol=1e-10, max_steps=50_000).regularised_cost)(
        cost
    )
    h = 1e-4
    for i, j in ((0, 0), (2, 3), (4, 1)):
        moved = np.zeros_like(cost)
        moved[i, j] = h
        numeric = (linear_program(cost + moved, a, b) - linear_program(cost - moved, a, b)) / (2 * h)
        np.testing.assert_allclose(gradient[i, j], numeric, atol=1e-3)


def test_gaussian_closed_forms():
    one, zero = np.eye(1, dtype=DTYPE), np.zeros(1, DTYPE)
    found = ot.entropic_ot_gaussian(zero, one, zero + DTYPE(0.5), DTYPE(0.64) * one, epsilon=2.0)
    close(found, 1.3702039081)
    same = 3 - np.sqrt(5) - np.log(2) + np.log(1 + np.sqrt(5))
    close(ot.entropic_ot_gaussian(zero, one, zero, one, epsilon=2.0), same)
    np.testing.assert_allclose(ot.sinkhorn_divergence_gaussian(zero, one, zero, one, epsilon=2.0), 0.0, atol=8 * EPS)
    a, b = np.diag([1.0, 2.0, 0.0]).astype(DTYPE), np.diag([0.5, 1.0, 3.0]).astype(DTYPE)
    o = np.zeros(3, DTYPE)
    small = ot.entropic_ot_gaussian(o, a, o, b, epsilon=1e-3)
    np.testing.assert_allclose(small, ot.bures_squared(a, b), atol=2e-2)
    large = ot.sinkhorn_divergence_gaussian(o + 1, a, o, b, epsilon=1e5)
    np.testing.assert_allclose(large, 3.0, rtol=1e-3)  # tends to the squared distance of the means
    gradient = jax.grad(lambda a: ot.entropic_ot_gaussian(o, a, o, b, epsilon=0.5))(jnp.asarray(a))
    assert np.isfinite(np.asarray(gradient)).all()


@VALUES
def test_entropic_gaussian_against_a_grid():
    grid = np.linspace(-7, 7, 300)
    a, b = (np.exp(-0.5 * ((grid - m) / s) ** 2) for m, s in ((0.0, 1.0), (0.5, 0.8)))
    cost = (grid[:, None] - grid[None, :]) ** 2
    found = ot.sinkhorn(cost, a / a.sum(), b / b.sum(), epsilon=2.0, num_steps=100)
    np.testing.assert_allclose(found.dual_value, 1.3702039081, rtol=1e-9)


def test_debiased_divergence():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(12, 2)).astype(DTYPE), (rng.normal(size=(9, 2)) + 1).astype(DTYPE)
    run = jax.jit(lambda x, y: ot.sinkhorn_divergence(x, y, epsilon=3.0, num_steps=1000))
    found, back = run(x, y), run(y, x)
    close(found.value, back.value)
    assert found.converged
    assert found.value > 0
    parts = [
        ot.sinkhorn(np.sum((p[:, None] - q[None]) ** 2, -1), epsilon=3.0, num_steps=1000).dual_value
        for p, q in ((x, y), (x, x), (y, y))
    ]
    close(found.value, parts[0] - 0.5 * (parts[1] + parts[2]), rtol=1e-9 if X64 else 1e-4)
    value, gradient = jax.value_and_grad(lambda x: run(x, jnp.asarray(x[::1])).value)(jnp.asarray(x))
    same = jax.grad(lambda p, q: run(p, q).value, argnums=(0, 1))(jnp.asarray(x), jnp.asarray(x))
    np.testing.assert_allclose(same, np.zeros((2, 12, 2)), atol=4 * EPS)
    np.testing.assert_allclose(value, 0.0, atol=16 * EPS)
    np.testing.assert_allclose(gradient, np.zeros((12, 2)), atol=8 * EPS)
    metric = ot.sinkhorn_divergence(x, y, epsilon=0.5, num_steps=50, cost=lambda p, q: jnp.sum(jnp.abs(p - q)))
    assert metric.value > 0
    if X64:
        failed = ot.sinkhorn_divergence(x, y, epsilon=1e-3, tol=1e-12, max_steps=10)
        assert not failed.converged
        assert np.isnan(np.asarray(failed.value))
        far = jax.grad(lambda t: ot.sinkhorn_divergence(x + t, y, epsilon=0.5, tol=1e-10).value)
        value = lambda t: ot.sinkhorn_divergence(x + t, y, epsilon=0.5, tol=1e-13).value  # noqa: E731
        np.testing.assert_allclose(far(0.1), (value(0.1 + 1e-4) - value(0.1 - 1e-4)) / 2e-4, rtol=1e-6)


def test_bad_input():
    cost = jnp.ones((3, 2), DTYPE)
    with pytest.raises(ValueError, match="neither of num_steps and tol"):
        ot.sinkhorn(cost, epsilon=1.0)
    with pytest.raises(ValueError, match="both of num_steps and tol"):
        ot.sinkhorn(cost, epsilon=1.0, num_steps=3, tol=1e-3)
    with pytest.raises(ValueError, match="epsilon is 0.0"):
        ot.sinkhorn(cost, epsilon=0.0, num_steps=3)
    with pytest.raises(ValueError, match="b sums to 0.9"):
        ot.sinkhorn(cost, b=np.array([0.4, 0.5]), epsilon=1.0, num_steps=3)
    with pytest.raises(ValueError, match="cost has shape"):
        ot.sinkhorn(cost[0], epsilon=1.0, num_steps=3)
    with pytest.raises(ValueError, match="init\\[1\\] has shape"):
        ot.sinkhorn(cost, epsilon=1.0, num_steps=3, init=(jnp.zeros(3), jnp.zeros(3)))
    with pytest.raises(ValueError, match="y has events of shape"):
        ot.sinkhorn_divergence(jnp.ones((3, 2)), jnp.ones((3, 1)), epsilon=1.0, num_steps=3)


def test_an_epsilon_below_the_rounding_of_potentials_is_not_converged():
    cost, a, b = problem()
    found = ot.sinkhorn(cost, a, b, epsilon=1e-3 * EPS, tol=1e-3, max_steps=100)
    assert not found.converged
    assert np.isnan(np.asarray(found.cost))
    assert not ot.sinkhorn(cost, a, b, epsilon=1e-3 * EPS, num_steps=5).converged
