"""Every kernel against its definition: directions, Stein kernels, tiles, precision, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from stein_cases import DIM, DTYPE, EPS, KERNELS, POINTS, PRECISION, SCALAR, SCORES, direction_by_definition
from stein_cases import stein_kernel_by_definition as by_definition

import depthjax as dj
from depthjax import stein

pytestmark = pytest.mark.filterwarnings("error")


def close(got, want, tol=256):
    got, want = np.asarray(got, np.float64), np.asarray(want, np.float64)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, want, rtol=tol * EPS, atol=tol * EPS * np.abs(want).max())


@pytest.mark.parametrize("name", KERNELS)
def test_sums_are_those_of_the_definition(name):
    """Directions, Stein kernels and their products, whole and in tiles that leave a rest."""
    kernel = KERNELS[name]

    @jax.jit
    def everything(kernel, x, scores):
        direction = [stein.svgd_direction(x, scores, kernel, block_size=size) for size in (None, 5)]
        rows = [stein.stein_gram_row_sums(x, scores, kernel, block_size=size) for size in (None, 4)]
        gram = stein.stein_gram(x, scores, kernel)
        return direction, rows, gram, stein.stein_gram_matvec(x, scores, kernel, x, block_size=7)

    direction, rows, gram, product = everything(kernel, POINTS, SCORES)
    want = jax.jit(
        lambda kernel: (direction_by_definition(kernel, POINTS, SCORES), by_definition(kernel, POINTS, SCORES))
    )
    want_direction, want_gram = want(kernel)
    condition = np.linalg.cond(PRECISION) if name.startswith(("preconditioned", "mixture")) else 1.0
    for part in direction:
        close(part, want_direction, 256 * condition)
    close(gram, want_gram, 256 * condition)
    for part in rows:
        close(part, np.sum(want_gram, axis=1), 512 * condition)
    close(product, np.asarray(want_gram, np.float64) @ POINTS, 512 * condition)
    assert np.linalg.eigvalsh(np.asarray(gram, np.float64)).min() > -1e3 * EPS * np.abs(gram).max()


@pytest.mark.parametrize("name", SCALAR)
def test_a_kernel_is_symmetric_and_positive(name):
    kernel = KERNELS[name]
    gram = np.asarray(jax.vmap(jax.vmap(kernel, (None, 0)), (0, None))(POINTS, POINTS), np.float64)
    close(gram, gram.T, 8)
    assert np.linalg.eigvalsh(gram).min() > -64 * EPS * np.abs(gram).max()


def test_one_trace_for_all_values_of_the_parameters():
    traces = []

    @jax.jit
    def direction(kernel, x):
        traces.append(1)
        return stein.svgd_direction(x, -x, kernel)

    for h in (0.5, 1.0, 2.0):
        direction(stein.RBF(h), POINTS)
    assert len(traces) == 1


def test_profiles_are_derivatives_in_the_squared_distance():
    r2 = jnp.asarray(np.linspace(0.1, 9, 7), DTYPE)
    for kernel in (stein.RBF(1.3), stein.IMQ(1.2), stein.IMQ(0.7, -0.2)):
        value, slope, bend = kernel.profile(r2)

        def at(r, kernel=kernel):
            return kernel.profile(r)[0]

        close(slope, jax.vmap(jax.grad(at))(r2), 32)
        close(bend, jax.vmap(jax.grad(jax.grad(at)))(r2), 64)
        close(value[0], kernel(jnp.zeros(1, DTYPE), jnp.sqrt(r2[:1])), 8)


def test_random_features_tend_to_the_gaussian_kernel():
    """The error of the mean of 20,000 cosines is below 5 of its standard deviations, 0.7/sqrt(20,000)."""
    kernel, want = stein.RandomFeatures(jax.random.key(1), DIM, 20_000, 1.5), stein.RBF(1.5)
    for x, y in zip(POINTS[:6], POINTS[6:12], strict=True):
        assert abs(float(kernel(x, y)) - float(want(x, y))) < 5 * 0.71 / np.sqrt(20_000)


def test_half_precision_in_and_out_with_sums_in_float32():
    x = jnp.asarray(POINTS, jnp.bfloat16)
    s = jnp.asarray(SCORES, jnp.bfloat16)
    kernel = stein.RBF(1.3)
    got = stein.svgd_direction(x, s, kernel)
    want = stein.svgd_direction(x.astype(jnp.float32), s.astype(jnp.float32), kernel)
    assert got.dtype == jnp.bfloat16
    np.testing.assert_array_equal(got, want.astype(jnp.bfloat16))
    assert stein.ksd(x, s, kernel).dtype == jnp.bfloat16


def test_points_far_from_the_origin_lose_nothing():
    far = (POINTS + DTYPE(1e4)).astype(DTYPE)
    moved = (far - DTYPE(1e4)).astype(DTYPE)
    close(stein.svgd_direction(far, SCORES, stein.RBF(1.3)), stein.svgd_direction(moved, SCORES, stein.RBF(1.3)), 4096)


def test_coincident_and_single_particles():
    same = np.broadcast_to(POINTS[:1], (4, DIM))
    scores = np.broadcast_to(SCORES[:1], (4, DIM))
    for kernel in (stein.RBF(1.0), stein.IMQ(1.0)):
        close(stein.svgd_direction(same, scores, kernel), scores, 8)
        close(stein.svgd_direction(POINTS[:1], SCORES[:1], kernel), SCORES[:1], 8)
        slope = jax.grad(lambda x, k=kernel: jnp.sum(stein.svgd_direction(x, x, k)))(jnp.asarray(same))
        assert np.isfinite(np.asarray(slope)).all()


def test_an_invalid_length_scale_gives_nan_and_validate_names_it():
    for kernel in (stein.RBF(-1.0), stein.IMQ(0.0)):
        assert np.isnan(np.asarray(stein.svgd_direction(POINTS, SCORES, kernel))).all()
        with pytest.raises(ValueError, match="length_scale"):
            dj.validate(kernel)
    for kernel in (stein.Linear(-1.0), stein.Polynomial(2, -0.5), stein.ScaledKernel(stein.RBF(1.0), -1.0)):
        assert np.isnan(np.asarray(stein.ksd(POINTS, SCORES, kernel)))


def test_a_traced_graph_without_its_diagonal_gives_nan():
    run = jax.jit(lambda graph: stein.svgd_direction(POINTS, SCORES, stein.Graphical(stein.RBF(1.0), graph)))
    graph = np.eye(DIM, dtype=bool)
    assert np.isfinite(np.asarray(run(graph))).all()
    graph[2, 2] = False
    assert np.isnan(np.asarray(run(graph))).all()


def test_bad_input():
    x = POINTS
    with pytest.raises(ValueError, match=r"exponent is 0.5, expected a number in \(-1, 0\)"):
        stein.IMQ(1.0, 0.5)
    with pytest.raises(ValueError, match="degree is 0"):
        stein.Polynomial(0)
    with pytest.raises(ValueError, match="got no kernels"):
        stein.SumKernel([])
    with pytest.raises(ValueError, match=r"RBF: length_scale has shape \(5,\), expected \(\)"):
        stein.RBF(x[0])
    stack = jax.vmap(stein.RBF)(jnp.ones(DIM, DTYPE))
    for call in (lambda: stein.svgd_direction(x, x, stack), lambda: stein.ksd(x, x, stack), lambda: stack(x[0], x[1])):
        with pytest.raises(ValueError, match="This is a stack of records"):
            call()
    many = jax.vmap(lambda kernel: stein.ksd(x, x, kernel))(stack)
    close(many, np.broadcast_to(stein.ksd(x, x, stein.RBF(1.0)), (DIM,)), 64)
    matrix_valued = KERNELS["preconditioned"]
    with pytest.raises(ValueError, match="RBF, Preconditioned are partly scalar and partly matrix-valued"):
        stein.SumKernel(stein.RBF(1.0), matrix_valued)
    for make in (
        lambda base: stein.Preconditioned(base, PRECISION),
        lambda base: stein.MatrixMixture(base, x[:1], PRECISION[None]),
        lambda base: stein.Graphical(base, np.ones((DIM, DIM), bool)),
    ):
        with pytest.raises(TypeError, match="base Preconditioned is matrix-valued, expected a scalar kernel"):
            make(matrix_valued)
    with pytest.raises(ValueError, match=r"Preconditioned: matrix has shape \(5,\)"):
        stein.Preconditioned(stein.RBF(1.0), PRECISION[0])
    with pytest.raises(ValueError, match=r"adjacency has shape \(2, 3\)"):
        stein.Graphical(stein.RBF(1.0), np.ones((2, 3)))
    with pytest.raises(ValueError, match="false on its diagonal"):
        stein.Graphical(stein.RBF(1.0), np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"\(m, d\) and \(m, d, d\)"):
        stein.MatrixMixture(stein.RBF(1.0), np.zeros((2, 3)), np.zeros((2, 2, 2)))
    with pytest.raises(ValueError, match="num_features is 0"):
        stein.RandomFeatures(jax.random.key(0), 2, 0)
    with pytest.raises(ValueError, match=r"expected one point \(d,\)"):
        stein.RBF(1.0)(x, x)
    with pytest.raises(ValueError, match="points have dimension 2, expected 5"):
        stein.svgd_direction(x[:, :2], x[:, :2], KERNELS["preconditioned"])
    with pytest.raises(ValueError, match="points have dimension 2, expected 5"):
        stein.svgd_direction(x[:, :2], x[:, :2], KERNELS["features"])
    with pytest.raises(ValueError, match=r"particles has shape \(5,\).*particles\[:, None\]"):
        stein.svgd_direction(x[0], x[0], stein.RBF(1.0))
    with pytest.raises(ValueError, match=r"scores have shape \(3, 5\), expected the shape \(23, 5\)"):
        stein.svgd_direction(x, x[:3], stein.RBF(1.0))
    with pytest.raises(ValueError, match="block_size is 0"):
        stein.svgd_direction(x, x, stein.RBF(1.0), block_size=0)
    with pytest.raises(TypeError, match="kernel is function, expected a kernel"):
        stein.svgd_direction(x, x, lambda a, b: a @ b)
    with pytest.raises(ValueError, match="one of y and scores_y"):
        stein.stein_gram(x, x, stein.RBF(1.0), y=x)
    with pytest.raises(ValueError, match=r"v has shape \(3,\)"):
        stein.stein_gram_matvec(x, x, stein.RBF(1.0), x[:3, 0])
