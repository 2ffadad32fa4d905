"""Flow matching against the exact field between normal laws, and pairings against scipy."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffusion_cases import DTYPE, EPS, X64, close, normal
from scipy import optimize

from depthjax import diffusion
from depthjax.diffusion._coupling import assignment

KEY = jax.random.key(0)
LOC0, LOC1 = np.array([0.0, 1.0], DTYPE), np.array([2.0, -1.0], DTYPE)
COV0 = np.array([[1.0, 0.3], [0.3, 0.5]], DTYPE)
COV1 = np.array([[0.2, -0.1], [-0.1, 2.0]], DTYPE)


@pytest.mark.parametrize("path", ["linear", "vp"])
def test_pairs_lie_on_their_paths(path):
    x0, x1 = normal((50, 2, 3)), normal((50, 2, 3), 1)
    pair = diffusion.flow_matching_pair(KEY, x0, x1, path=path)

    def along(t, a, b):
        angle = 0.5 * np.pi * t
        return (1 - t) * a + t * b if path == "linear" else jnp.cos(angle) * a + jnp.sin(angle) * b

    point, velocity = jax.vmap(lambda t, a, b: jax.jvp(lambda s: along(s, a, b), (t,), (jnp.ones_like(t),)))(
        pair.t, jnp.asarray(x0), jnp.asarray(x1)
    )
    close(pair.x_t, point, 32)
    close(pair.target, velocity, 32)
    assert ((np.asarray(pair.t) >= 0) & (np.asarray(pair.t) < 1)).all()
    assert len(np.unique(pair.t)) == 50


def test_noise_around_the_path():
    x0, x1 = normal((4000, 1)), normal((4000, 1), 1)
    rest = diffusion.flow_matching_pair(KEY, x0, x1, sigma=0.3).x_t - diffusion.flow_matching_pair(KEY, x0, x1).x_t
    assert abs(np.std(rest) / 0.3 - 1) < 4 / np.sqrt(8000)


def test_the_exact_field_is_the_conditional_mean():
    """By its definition: E[x1 - x0 | x_t] from the joint normal law."""
    field, x = diffusion.gaussian_flow_field(LOC0, COV0, LOC1, COV1), normal((4, 2))
    for t in (0.0, 0.3, 1.0):
        mean, cov = (1 - t) * LOC0 + t * LOC1, (1 - t) ** 2 * COV0 + t**2 * COV1
        want = LOC1 - LOC0 + (x - mean) @ np.linalg.solve(cov, t * COV1 - (1 - t) * COV0)
        close(field(t, x), want, 64, scale=8.0)
    times = np.array([0.0, 0.3, 1.0, 0.7], DTYPE)
    rows = np.stack([np.asarray(field(t, v)) for t, v in zip(times, x, strict=True)])
    close(jax.jit(field)(times, x), rows, 64, scale=8.0)


def test_continuity_equation():
    """dp/dt + div(p v) = 0 in logarithms: d log p/dt + div v + v.grad log p = 0."""
    field = diffusion.gaussian_flow_field(LOC0, COV0, LOC1, COV1)

    def log_density(t, x):
        mean, cov = (1 - t) * LOC0 + t * LOC1, (1 - t) ** 2 * COV0 + t**2 * COV1
        return jax.scipy.stats.multivariate_normal.logpdf(x, mean, cov)

    @jax.jit
    def residual(t, x):
        change, score = jax.grad(log_density, argnums=(0, 1))(t, x)
        return change + jnp.trace(jax.jacobian(field, argnums=1)(t, x)) + field(t, x) @ score

    for t, x in zip((0.1, 0.5, 0.9), normal((3, 2)), strict=True):
        assert abs(float(residual(jnp.asarray(t, DTYPE), x))) < 1e3 * EPS


def test_the_loss_has_its_floor_at_the_exact_field():
    """s0^2 s1^2/C_t in one dimension, averaged over t: int_0^1 = s0 s1 pi/2."""
    s0, s1, n = 1.0, 0.6, 40000
    x0, x1 = s0 * normal(n), s1 * normal(n, 1) + 0.5
    pair = diffusion.flow_matching_pair(KEY, x0.astype(DTYPE), x1.astype(DTYPE))
    field = diffusion.gaussian_flow_field(DTYPE(0.0), DTYPE(s0**2), DTYPE(0.5), DTYPE(s1**2))
    loss = float(diffusion.flow_matching_loss(field, *pair))
    floor = s0 * s1 * np.pi / 2
    assert abs(loss - floor) < 4 * 2 * floor / np.sqrt(n)
    for shift in (0.2, -0.2):
        assert float(diffusion.flow_matching_loss(lambda t, x, d=shift: field(t, x) + d, *pair)) > loss
        assert float(diffusion.flow_matching_loss(lambda t, x, d=shift: (1 + d) * field(t, x), *pair)) > loss


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2), ("rk4", 4)])
def test_order_of_the_samplers(method, order):
    """On dx/dt = -(1 + t) x^2, whose solution is x/(1 + x (t + t^2/2))."""
    x0, counts = np.array([0.3, 1.0, 1.5], DTYPE), (4, 8) if order == 4 else (16, 32)
    errors = []
    for count in counts:
        got = diffusion.sample_flow(lambda t, x: -(1 + t) * x * x, x0, num_steps=count, method=method)
        errors.append(np.abs(np.asarray(got) - x0 / (1 + 1.5 * x0)).max())
    if X64 or order == 1:
        assert 0.7 * 2**order < errors[0] / errors[1] < 1.6 * 2**order
    assert errors[1] < 5.0 * (2.0 / counts[1]) ** order


def test_map_between_normal_laws():
    """In one dimension it is m1 + (s1/s0)(x - m0)."""
    field = diffusion.gaussian_flow_field(DTYPE(0.0), DTYPE(1.0), DTYPE(0.5), DTYPE(0.36))
    x0 = np.array([-1.5, 0.3, 2.0], DTYPE)
    got = diffusion.sample_flow(field, x0, num_steps=100, method="rk4")
    np.testing.assert_allclose(got, 0.5 + 0.6 * x0, rtol=1e-8 if X64 else 1e-5)


def test_one_euler_step_is_exact_on_straight_paths():
    """All mass goes to a point: x moves in a line to it."""
    field = diffusion.gaussian_flow_field(LOC0, COV0, LOC1, np.zeros((2, 2), DTYPE))
    x0 = normal((5, 2))
    close(diffusion.sample_flow(field, x0, num_steps=1, method="euler"), np.broadcast_to(LOC1, (5, 2)), 64, scale=4.0)
    close(diffusion.sample_flow(field, x0, num_steps=3, method="euler"), np.broadcast_to(LOC1, (5, 2)), 64, scale=4.0)


def test_samples_have_the_law_of_the_data():
    field = diffusion.gaussian_flow_field(LOC0, COV0, LOC1, COV1)
    x0 = (LOC0 + normal((4000, 2)) @ np.linalg.cholesky(COV0).T).astype(DTYPE)
    x1 = np.asarray(jax.jit(lambda x: diffusion.sample_flow(field, x, num_steps=20, method="rk4"))(x0), np.float64)
    white = np.linalg.solve(np.linalg.cholesky(COV1.astype(np.float64)), (x1 - LOC1).T)
    assert np.abs(white.mean(1)).max() < 4 / np.sqrt(4000)
    assert np.abs(np.cov(white) - np.eye(2)).max() < 4 * np.sqrt(2 / 4000)


def test_gradient_through_the_sampler():
    x0 = normal((3, 1))
    got = jax.grad(lambda a: jnp.sum(diffusion.sample_flow(lambda t, x: a * x, x0, num_steps=4, method="heun")))(0.5)
    step = lambda a: (1 + a / 4 + a * a / 32) ** 4  # noqa: E731
    np.testing.assert_allclose(got, x0.sum() * jax.grad(step)(0.5), rtol=256 * EPS)


def paired(x0, x1, method, key=KEY):
    kept, partner = jax.jit(lambda a, b: diffusion.minibatch_coupling(key, a, b, method=method))(x0, x1)
    np.testing.assert_array_equal(kept, x0)
    rows = lambda v: np.asarray(v).reshape(len(x1), -1)  # noqa: E731
    np.testing.assert_array_equal(np.sort(rows(partner), axis=0), np.sort(rows(x1), axis=0))
    return np.asarray(partner)


def test_pairing_by_rank_is_optimal():
    x0, x1 = normal((7, 1)), normal((7, 1), 1)
    partner = paired(x0, x1, "sorted")
    np.testing.assert_array_equal(np.argsort(x0[:, 0]), np.argsort(partner[:, 0]))
    np.testing.assert_array_equal(partner, paired(x0, x1, "exact"))


def test_independent_pairs_are_a_permutation():
    x0, x1 = normal((6, 2)), np.arange(12.0).reshape(6, 2).astype(DTYPE)
    orders = {tuple(paired(x0, x1, "independent", jax.random.key(i))[:, 0]) for i in range(5)}
    assert len(orders) > 1


def test_exact_pairing_against_enumeration():
    x0, x1 = normal((5, 2, 2)), normal((5, 2, 2), 3)
    partner = paired(x0, x1, "exact")
    cost = lambda order: np.sum((x0 - x1[list(order)]) ** 2)  # noqa: E731
    best = min(map(cost, itertools.permutations(range(5))))
    np.testing.assert_allclose(np.sum((x0 - partner) ** 2), best, rtol=64 * EPS)


def test_assignment_against_scipy():
    """Random, tied, negative and constant costs."""
    solve = jax.jit(jax.vmap(assignment))
    rng = np.random.default_rng(0)
    costs = [rng.normal(size=(9, 9)) for _ in range(40)] + [rng.integers(0, 3, (9, 9)) for _ in range(40)]
    costs = np.stack([*costs, np.ones((9, 9)), np.zeros((9, 9))]).astype(DTYPE)
    for cost, columns in zip(costs, np.asarray(solve(costs)), strict=True):
        assert sorted(columns) == list(range(9))
        rows, best = optimize.linear_sum_assignment(cost)
        np.testing.assert_allclose(
            cost[np.arange(9), columns].sum(), cost[rows, best].sum(), rtol=64 * EPS, atol=64 * EPS
        )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_assignment_ends_on_costs_that_are_no_numbers(value):
    cost = normal((4, 4))
    cost[1:3, 1:] = value
    assert np.asarray(jax.jit(assignment)(cost)).shape == (4,)
    assert np.asarray(jax.jit(assignment)(np.full((4, 4), value, DTYPE))).shape == (4,)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: diffusion.flow_matching_pair(KEY, x, x, path="cubic"), ValueError, "path is 'cubic'"),
        (lambda x: diffusion.flow_matching_pair(KEY, x, x, sigma=-1.0), ValueError, "sigma is -1.0"),
        (lambda x: diffusion.flow_matching_pair(KEY, x, x[:2]), ValueError, "x1 has shape"),
        (lambda x: diffusion.flow_matching_pair(KEY, x, x.astype(int)), TypeError, "x1 has dtype"),
        (lambda x: diffusion.flow_matching_loss(lambda t, v: v, x[:, 0], x, x[:2]), ValueError, "target has shape"),
        (lambda x: diffusion.flow_matching_loss(lambda t, v: v, x[:2, 0], x, x), ValueError, "t has shape"),
        (lambda x: diffusion.flow_matching_loss(lambda t, v: v[:1], x[:, 0], x, x), ValueError, "result of field"),
        (lambda x: diffusion.gaussian_flow_field(x[0], x[:2], x[0], x[0]), ValueError, "cov1 has shape"),
        (lambda x: diffusion.gaussian_flow_field(x, x, x, x), ValueError, "loc0 has shape"),
        (lambda x: diffusion.gaussian_flow_field(x[0], x[:2], x[0], x[:2])(0.5, x[:, :1]), ValueError, "the field got"),
        (lambda x: diffusion.sample_flow(lambda t, v: v, x, num_steps=0), ValueError, "num_steps is 0"),
        (lambda x: diffusion.sample_flow(lambda t, v: v, x, num_steps=1, method="rk9"), ValueError, "method is 'rk9'"),
        (lambda x: diffusion.sample_flow(lambda t, v: v[0], x, num_steps=1), ValueError, "result of field"),
        (lambda x: diffusion.minibatch_coupling(KEY, x, x, method="greedy"), ValueError, "method is 'greedy'"),
        (lambda x: diffusion.minibatch_coupling(KEY, x, x, method="sorted"), ValueError, "one coordinate to sort"),
        (lambda x: diffusion.minibatch_coupling(KEY, x, x[:2]), ValueError, "x1 has shape"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(normal((3, 2)))
