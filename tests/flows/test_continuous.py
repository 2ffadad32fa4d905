"""Continuous flows against closed forms: linear fields, the logistic equation, all probes of a cube."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import bijectors, distributions, flows, numerics
from depthjax.flows import continuous as cf

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
TIGHT = {"rtol": 1e-12, "atol": 1e-12} if X64 else {"rtol": 1e-6, "atol": 1e-6}
CLOSE = 1e-10 if X64 else 2e-5
RNG = np.random.default_rng(0)
A, B = (0.7 * RNG.normal(size=(3, 3))).astype(DTYPE), RNG.normal(size=3).astype(DTYPE)
X = RNG.normal(size=(5, 3)).astype(DTYPE)
NORMAL = distributions.Normal(np.zeros(3, DTYPE), np.ones(3, DTYPE))


@jax.tree_util.register_pytree_node_class
class Bent:
    """f(t, z) = tanh(w z) + t z."""

    def __init__(self, w):
        self.w = w

    def __call__(self, t, z):
        return jnp.tanh(self.w @ z) + t * z

    def tree_flatten(self):
        return (self.w,), None

    @classmethod
    def tree_unflatten(cls, _, leaves):
        return cls(*leaves)


@pytest.mark.parametrize("options", [{**TIGHT}, {"num_steps": 64, "solver": "dopri5"}], ids=["adaptive", "fixed"])
def test_linear_field_is_the_affine_oracle(options):
    flow = cf.ContinuousFlow(cf.linear_field(A, B), t1=0.8, **options)
    density = distributions.Transformed(NORMAL, flow)
    exact = jax.vmap(lambda x: cf.affine_flow_log_prob(A, B, 0.8, x))(X)
    np.testing.assert_allclose(jax.jit(lambda d, x: d.log_prob(x))(density, X), exact, rtol=CLOSE, atol=CLOSE)
    y, log_det = flow.forward_and_log_det(X)
    np.testing.assert_allclose(log_det, np.full(5, 0.8 * np.trace(A)), atol=CLOSE)
    np.testing.assert_allclose(flow.inverse(y), X, atol=CLOSE)


@pytest.mark.skipif(not X64, reason="float64 values")
def test_oracle_with_a_singular_matrix():
    a = np.array([[0.0, 1.0], [0.0, 0.0]])
    b, x, t = np.array([0.3, -0.2]), np.array([0.5, 1.5]), 1.3
    push = np.array([[1.0, t], [0.0, 1.0]])
    mean = np.array([0.3 * t - 0.1 * t * t, -0.2 * t])
    expected = distributions.MultivariateNormal(mean, np.linalg.cholesky(push @ push.T)).log_prob(x)
    np.testing.assert_allclose(cf.affine_flow_log_prob(a, b, t, x), expected, rtol=1e-13)
    slope = jax.grad(lambda a: cf.affine_flow_log_prob(a, 0 * b, t, 0 * x))(a)
    np.testing.assert_allclose(slope, -t * np.eye(2), atol=1e-12)


def test_log_det_is_that_of_the_jacobian():
    flow = cf.ContinuousFlow(Bent(A), **TIGHT)
    x = X[0]
    jacobian = jax.jacrev(flow.forward)(x)
    expected = np.linalg.slogdet(np.asarray(jacobian, np.float64))[1]
    np.testing.assert_allclose(flow.forward_log_det(x), expected, atol=1e-9 if X64 else 1e-4)
    y = flow.forward(x)
    np.testing.assert_allclose(flow.inverse_log_det(y), -expected, atol=1e-9 if X64 else 1e-4)
    again = flow.forward(flow.inverse(y))
    assert np.abs(again - y).max() <= 50 * TIGHT["rtol"] * max(1.0, np.abs(y).max())


@pytest.mark.skipif(not X64, reason="float64 values")
def test_logistic_equation_shifts_the_logit():
    class Logistic(Bent):
        def __call__(self, t, z):
            return self.w * z * (1 - z)

    jax.tree_util.register_pytree_node(Logistic, Logistic.tree_flatten, lambda _, leaves: Logistic(*leaves))
    flow = cf.ContinuousFlow(Logistic(jnp.ones(1)), t1=1.7, dim=1, rtol=1e-12, atol=1e-12)
    z = np.array([0.2])
    y, log_det = flow.forward_and_log_det(z)
    np.testing.assert_allclose(np.log(y / (1 - y)), np.log(z / (1 - z)) + 1.7, rtol=1e-10)
    np.testing.assert_allclose(log_det, np.log(y * (1 - y) / (z * (1 - z)))[0], rtol=1e-10)


def test_all_probes_average_to_the_exact_trace():
    probes = np.array(list(itertools.product((-1, 1), repeat=3)), DTYPE)
    exact = cf.ContinuousFlow(Bent(A), num_steps=8, solver="rk4")
    every = exact.with_probes(probes)
    np.testing.assert_allclose(every.forward_log_det(X), exact.forward_log_det(X), atol=64 * EPS)
    one = exact.with_probes(probes[:1])
    assert np.abs(one.forward_log_det(X) - exact.forward_log_det(X)).max() > 1e-3
    y, log_det = one.forward_and_log_det(X)
    np.testing.assert_allclose(one.inverse_log_det(y), -log_det, atol=2e-3)  # on a coarse grid, of its accuracy
    gradient = jax.grad(lambda f: jnp.sum(f.forward_log_det(X)))(one)
    np.testing.assert_array_equal(gradient.probes, np.zeros_like(probes[:1]))


def test_estimate_of_the_log_density():
    flow = cf.ContinuousFlow(Bent(A), num_steps=16, solver="rk4")
    exact = distributions.Transformed(NORMAL, flow).log_prob(X[0])
    run = jax.jit(lambda k: cf.continuous_log_prob(k, flow, NORMAL, X[0], num_samples=2000))
    found = run(jax.random.key(0))
    assert abs(found.value - exact) < 4 * found.standard_error
    assert np.isnan(np.asarray(cf.continuous_log_prob(jax.random.key(0), flow, NORMAL, X[0]).standard_error))


def test_integrals_along_the_path():
    speed = np.array([1.0, -2.0, 0.5], DTYPE)
    steady = cf.ContinuousFlow(cf.linear_field(np.zeros((3, 3), DTYPE), speed), t1=0.6, **TIGHT)
    for reverse in (False, True):
        found = cf.solve_flow(steady, X, reverse=reverse)
        np.testing.assert_allclose(found.kinetic, np.full(5, 0.6 * speed @ speed), rtol=CLOSE)
        np.testing.assert_allclose(found.jacobian_frobenius, np.zeros(5), atol=CLOSE)
        np.testing.assert_allclose(found.curvature, np.zeros(5), atol=CLOSE)
    linear = cf.ContinuousFlow(cf.linear_field(A, B), t1=0.6, **TIGHT)
    found = cf.solve_flow(linear, X)
    np.testing.assert_allclose(found.jacobian_frobenius, np.full(5, 0.6 * np.sum(A**2)), rtol=CLOSE)
    np.testing.assert_allclose(found.y, linear.forward(X), atol=CLOSE)
    np.testing.assert_allclose(found.log_det, linear.forward_log_det(X), atol=CLOSE)
    t, h = np.linspace(0, 0.6, 2001, retstep=True)
    path = np.asarray(jax.vmap(lambda s: jax.scipy.linalg.expm(s * A) @ X[0])(t.astype(DTYPE)), np.float64)
    pure = cf.solve_flow(cf.ContinuousFlow(cf.linear_field(A, 0 * B), t1=0.6, **TIGHT), X[0])
    bend = np.sum((path @ A.T @ A.T) ** 2, axis=1)
    np.testing.assert_allclose(pure.curvature, np.trapezoid(bend, dx=h), rtol=1e-6 if X64 else 1e-4)
    penalty = cf.rnode_penalty(found, kinetic_weight=0.5, frobenius_weight=0.1)
    np.testing.assert_allclose(penalty, np.mean(0.5 * found.kinetic + 0.1 * found.jacobian_frobenius), rtol=16 * EPS)
    assert found.solution.converged.shape == (5,)


def test_composition_training_and_failure():
    recipe = flows.continuous_flow(jax.random.key(0), 3, hidden=(8,), num_steps=4, solver="rk4")
    x = X
    np.testing.assert_allclose(recipe.log_prob(x), recipe.base.log_prob(x), rtol=1e-5)  # at first the identity
    chain = bijectors.Chain(cf.ContinuousFlow(Bent(A), num_steps=16, solver="rk4"), bijectors.Affine(B, np.exp(B)))
    y, log_det = chain.forward_and_log_det(X)
    back, inverse_log_det = chain.inverse_and_log_det(y)
    np.testing.assert_allclose(back, X, atol=1e-4)
    np.testing.assert_allclose(inverse_log_det, -log_det, atol=1e-4)
    gradient = jax.grad(lambda d: -jnp.mean(d.log_prob(x)))(recipe)
    assert all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(gradient))
    stuck = cf.ContinuousFlow(Bent(A), max_steps=2, **TIGHT)
    assert np.isnan(np.asarray(stuck.forward(X[0]))).all()
    assert np.isnan(np.asarray(stuck.forward_log_det(X[0])))


@pytest.mark.skipif(not X64, reason="float64 values")
@pytest.mark.parametrize("adjoint", ["replay", "interpolated", "backsolve"])
def test_derivative_in_the_end_is_the_field(adjoint):
    def end(t1):
        return cf.ContinuousFlow(Bent(A), t1=t1, adjoint=adjoint, **TIGHT).forward(X[0])[0]

    y = cf.ContinuousFlow(Bent(A), t1=0.5, **TIGHT).forward(X[0])
    np.testing.assert_allclose(jax.jit(jax.grad(end))(0.5), Bent(A)(0.5, y)[0], rtol=1e-6)


def test_bad_input():
    with pytest.raises(ValueError, match="exact trace costs d JVPs; pass probes or exact=True"):
        cf.ContinuousFlow(cf.linear_field(np.eye(33), np.zeros(33)))
    with pytest.raises(ValueError, match=r"probes have shape \(2, 4\), expected \(m, 3\)"):
        cf.ContinuousFlow(cf.linear_field(A, B), probes=np.ones((2, 4)))
    with pytest.raises(ValueError, match="solver is 'rk4'"):
        cf.ContinuousFlow(cf.linear_field(A, B), solver="rk4")
    with pytest.raises(ValueError, match="adjoint is 'direct'"):
        cf.ContinuousFlow(cf.linear_field(A, B), adjoint="direct")
    with pytest.raises(TypeError, match="no pytree of parameters"):
        cf.ContinuousFlow(lambda t, z: z)
    with pytest.raises(ValueError, match="give dim"):
        cf.ContinuousFlow(Bent(jnp.ones(())))
    with pytest.raises(ValueError, match="does not map"):
        cf.ContinuousFlow(Bent(A), dim=2)
    with pytest.raises(ValueError, match="a has shape"):
        cf.linear_field(A[:2], B)
    with pytest.raises(ValueError, match="x has shape"):
        cf.solve_flow(cf.ContinuousFlow(Bent(A), num_steps=2), X[:, :2])
    assert cf.ContinuousFlow(Bent(np.eye(40)), probes=numerics.sample_probes(jax.random.key(0), (1, 40))).dim == 40


def test_field_from_a_plain_function():
    """`Apply` is a field too; a field that fails says how."""
    field = flows.Apply(jnp.asarray(DTYPE(0.7)), lambda rate, t, z: -rate * z)
    flow = cf.ContinuousFlow(field, dim=2)
    y, log_det = flow.forward_and_log_det(jnp.ones(2, DTYPE))
    np.testing.assert_allclose(y, np.exp(-0.7) * np.ones(2), rtol=1e-4)
    np.testing.assert_allclose(log_det, -1.4, rtol=1e-4)
    with pytest.raises(ValueError, match=r"of shape \(2,\): .*size|of shape \(2,\): .*shape"):
        cf.ContinuousFlow(flows.Apply(jnp.ones(3, DTYPE), lambda w, t, z: w @ z), dim=2)


@pytest.mark.parametrize(
    ("options", "match"), [({"rtol": -1.0}, "rtol"), ({"atol": float("nan")}, "atol"), ({"max_steps": 0}, "max_steps")]
)
def test_options_out_of_range(options, match):
    with pytest.raises(ValueError, match=f"ContinuousFlow: {match}"):
        cf.ContinuousFlow(Bent(jnp.asarray(A)), **options)


def test_wrong_probes_later_and_times_that_are_none():
    field = flows.Apply(jnp.asarray(DTYPE(0.7)), lambda rate, t, z: -rate * z)
    for probes in (jnp.ones(2), jnp.ones((1, 3)), jnp.ones((0, 2))):
        with pytest.raises(ValueError, match="with_probes: probes have shape"):
            cf.ContinuousFlow(field, dim=2).with_probes(probes)
    with pytest.raises(ValueError, match="a width in hidden is 0"):
        flows.continuous_flow(jax.random.key(0), 2, hidden=(4, 0))
    for num_steps in (None, 4):
        flow = cf.ContinuousFlow(field, t1=jnp.asarray(jnp.nan, DTYPE), dim=2, num_steps=num_steps)
        assert np.isnan(flow.forward(jnp.ones(2, DTYPE))).all()
        assert not cf.solve_flow(flow, jnp.ones(2, DTYPE)).solution.converged
        still = cf.ContinuousFlow(field, t0=0.5, t1=0.5, dim=2, num_steps=num_steps)
        y, log_det = still.forward_and_log_det(jnp.ones(2, DTYPE))
        np.testing.assert_array_equal(y, np.ones(2))
        assert log_det == 0
        assert cf.solve_flow(still, jnp.ones(2, DTYPE)).solution.ts == 0.5
