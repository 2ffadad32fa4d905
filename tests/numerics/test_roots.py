import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads
from numerics_oracle import DTYPES

import depthjax.numerics as nx

X64 = jax.config.jax_enable_x64


def check_derivatives(fn, args, order=2):
    """Check against finite differences in float64, and only that the derivative runs in float32."""
    if X64:
        check_grads(fn, args, order, modes=("fwd", "rev"))
    assert np.all(np.isfinite(jax.jacrev(fn)(*args)))


def cubic(x, values):
    return values["c"] * x**3 + x - values["y"]


def test_find_root():
    for dtype in DTYPES:
        solve = jax.jit(lambda a, dtype=dtype: nx.find_root(lambda x, a: x * x - a, dtype(0.0), dtype(1e8), a))
        for target in (1e-30, 2.0, 1e12):
            result = solve(dtype(target))
            assert result.converged
            assert result.value.dtype == dtype
            np.testing.assert_allclose(result.value, np.sqrt(target), rtol=4 * np.finfo(dtype).eps)
            np.testing.assert_allclose(
                jax.grad(lambda a, solve=solve: solve(a).value)(dtype(target)), 0.5 / np.sqrt(target), 1e-5
            )
        decreasing = nx.find_root(lambda x: 0.3 - x**3, dtype(-2.0), dtype(2.0))
        np.testing.assert_allclose(decreasing.value, np.cbrt(0.3), rtol=1e-6)


def test_find_root_reports_failure():
    result = nx.find_root(lambda x: x * x + 1.0, -1.0, 2.0)
    assert np.isnan(result.value)
    assert not result.converged
    short = nx.find_root(lambda x: jnp.exp(x) - 5.0, -20.0, 20.0, num_steps=2)
    assert np.isnan(short.value)
    assert not short.converged
    assert np.abs(short.residual) > 0.0
    assert not nx.find_root(lambda x: jnp.log(x), -1.0, 2.0).converged


def test_find_root_derivatives_of_pytrees_and_closures():
    def root(c, y):
        return nx.find_root(cubic, -10.0, 10.0, {"c": c, "y": y}).value

    def closed_over(c):
        return nx.find_root(lambda x: x + c * jnp.tanh(x) - 1.7, -10.0, 10.0).value

    check_derivatives(root, (0.7, 1.3), order=3 if X64 else 1)
    check_derivatives(closed_over, (0.4,))
    points = jnp.linspace(0.1, 2.0, 3)
    mapped = jax.vmap(jax.grad(root), (0, None))(points, 1.3)
    np.testing.assert_allclose(mapped, [jax.grad(root)(c, 1.3) for c in points], rtol=1e-5)


def test_implicit_root():
    check_derivatives(lambda a: nx.implicit_root(lambda x, a: x * x - a, jnp.sqrt(a), a), (2.0,))


def test_invert_monotone():
    for dtype in DTYPES:
        y = np.array([1e-20, 0.0, 3.0, -1e30], dtype)
        result = jax.jit(lambda v: nx.invert_monotone(jnp.sinh, v))(y)
        assert np.all(result.converged)
        np.testing.assert_allclose(result.value, np.arcsinh(y), rtol=8 * np.finfo(dtype).eps)
        falling = nx.invert_monotone(lambda x: -(x**3), y)
        np.testing.assert_allclose(falling.value, -np.cbrt(y), rtol=8 * np.finfo(dtype).eps)
        beyond = nx.invert_monotone(jnp.tanh, np.array([2.0, 0.5], dtype))
        np.testing.assert_array_equal(beyond.converged, [False, True])
        assert np.isnan(beyond.value[0])
        inside = nx.invert_monotone(jnp.log, dtype(-20.0), bracket=(0.0, np.inf))
        np.testing.assert_allclose(inside.value, np.exp(-20.0), rtol=20 * np.finfo(dtype).eps)
    check_derivatives(lambda y, a: nx.invert_monotone(lambda x, a: a * x + jnp.sinh(x), y, a).value, (2.0, 0.5))


def test_fixed_point():
    weights = jnp.array([[0.2, 0.5], [-0.3, 0.1]])
    shift = jnp.array([0.3, -1.0])

    def solve(matrix, vector):
        def step(x, matrix):
            return {"u": jnp.tanh(matrix @ x["u"] + vector)}

        return nx.fixed_point(step, {"u": jnp.zeros(2)}, matrix).value["u"]

    value = solve(weights, shift)
    np.testing.assert_allclose(value, np.tanh(weights @ value + shift), atol=1e-6)
    check_derivatives(solve, (weights, shift))
    mapped = jax.vmap(solve, (None, 0))(weights, jnp.stack([shift, 2.0 * shift]))
    np.testing.assert_allclose(mapped[0], value, rtol=1e-5)


def test_fixed_point_reports_failure():
    result = nx.fixed_point(lambda x: 2.0 * x, 1.0, max_steps=5)
    assert np.isnan(result.value)
    assert not result.converged
    assert result.num_steps == 5


def test_nilpotent_map_settles_exactly():
    lower = jnp.tril(jnp.ones((6, 6)), -1) * 3.0
    result = nx.fixed_point(lambda x: lower @ x + 1.0, jnp.zeros(6))
    np.testing.assert_allclose(result.value, np.linalg.solve(np.eye(6) - lower, np.ones(6)), rtol=1e-6)
    assert result.num_steps <= 7


def _chained_roots(c):
    """Two roots, the second of an equation that contains the first, by a scan."""

    def settle(before, target):
        root = nx.find_root(lambda x: x + c * jnp.tanh(x) - target + 0.5 * before, -10.0, 10.0).value
        return root, root

    return jnp.sum(jnp.sin(jax.lax.scan(settle, 0.0 * c, jnp.array([0.7, 0.3]))[1]))


def _chained_fixed_points(c):
    def settle(x, weight):
        return nx.fixed_point(lambda z: x - weight * jnp.tanh(c * z), x).value, None

    return jnp.sin(jax.lax.scan(settle, 0.7 * c, jnp.array([0.5, 0.3]))[0])


def test_second_derivatives_survive_a_scan():
    for fn in (_chained_roots, _chained_fixed_points):
        by_forward = jax.jit(jax.jacfwd(jax.jacfwd(fn)))(1.3)
        for second in (jax.jacfwd(jax.grad(fn)), jax.grad(jax.grad(fn))):
            np.testing.assert_allclose(jax.jit(second)(1.3), by_forward, rtol=1e-10 if X64 else 1e-3)
