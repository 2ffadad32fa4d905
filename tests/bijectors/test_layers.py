"""Residual, block autoregressive and image layers beyond the laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from depthjax import bijectors as bij
from depthjax.core import ravel
from depthjax.distributions import Bernoulli
from depthjax.numerics import log_det_series

X64 = jax.config.jax_enable_x64
FLOAT = np.float64 if X64 else np.float32
EPS = np.finfo(FLOAT).eps
HALVES = ("forward_log_det", "inverse_log_det")


def array(values):
    return jnp.asarray(values, FLOAT)


def moved(tree, scale, seed=0):
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: leaf + array(scale * random.normal(size=leaf.shape)), tree)


def residual(dim=3, hidden=16, scale=3.0, bound=0.9):
    return bij.Residual(moved(bij.lipschitz_mlp(jax.random.key(0), (dim, hidden, dim), bound=bound), scale))


def test_lipschitz_bound_is_certified():
    for bound in (0.3, 0.97):
        net = moved(bij.lipschitz_mlp(jax.random.key(1), (4, 32, 32, 4), bound=bound), 2.0)
        norms = [np.linalg.norm(np.asarray(w, np.float64), 2) for w in net.normalized().weights]
        assert np.prod(norms) <= bound
        assert np.prod(norms) >= 0.8 * bound
        x = array(np.random.default_rng(2).normal(size=(64, 4)))
        slopes = jax.jit(jax.vmap(jax.jacfwd(net)))(x)
        assert np.linalg.norm(np.asarray(slopes), 2, axis=(1, 2)).max() <= bound


def test_lipschitz_mlp_starts_at_the_identity():
    flow = bij.Residual(bij.lipschitz_mlp(jax.random.key(0), (3, 8, 3)))
    y, log_det = flow.forward_and_log_det(array([0.3, -1.0, 2.0]))
    np.testing.assert_array_equal(y, array([0.3, -1.0, 2.0]))
    assert float(log_det) == 0.0


def test_residual_inverse_and_its_gradient():
    flow, y = residual(), array([[0.3, -1.0, 2.0], [30.0, -1.0, 0.0]])
    x, log_det, result = jax.jit(lambda f, v: f.inverse_with_info(v))(flow, y)
    assert np.asarray(result.converged).all()
    np.testing.assert_allclose(flow.forward(x), y, rtol=16 * EPS, atol=16 * EPS)
    np.testing.assert_allclose(log_det, -flow.forward_log_det(x), rtol=64 * EPS, atol=64 * EPS)
    jacobian = jax.jit(jax.jacrev(flow.inverse))(y[0])
    want = np.linalg.inv(np.asarray(jax.jacfwd(flow.forward)(x[0]), np.float64))
    np.testing.assert_allclose(jacobian, want, rtol=1e3 * EPS, atol=1e3 * EPS)


def test_an_expanding_net_gives_nan_not_a_number():
    flow = bij.Residual(bij.LipschitzMLP((array([[1.0]]),), (array([0.0]),), 0.97), max_steps=5)
    assert np.isnan(np.asarray(flow.inverse(array([1.0])))).all()


def test_series_error_is_within_its_bound():
    flow, x = residual(bound=0.5), array([0.3, -1.0, 2.0])
    exact = np.asarray(flow.forward_log_det(x))
    for num_terms in (2, 5, 9):
        series = bij.Residual(flow.net, log_det="series", num_terms=num_terms)
        bound = 3 * 0.5 ** (num_terms + 1) / (num_terms + 1) / 0.5
        assert abs(float(series.forward_log_det(x)) - float(exact)) <= bound + 16 * EPS


def test_roulette_is_unbiased_and_so_is_its_gradient():
    flow, x = residual(scale=2.0, bound=0.7), array([0.3, -1.0, 2.0])

    def estimate(key, b):
        return b.forward_and_log_det_estimate(key, x)[1]

    keys = jax.random.split(jax.random.key(3), 4000)
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(estimate, argnums=1), (0, None)))(keys, flow)
    exact, slope = jax.jit(jax.value_and_grad(lambda b: b.forward_log_det(x)))(flow)
    for got, want in zip([values, *jax.tree.leaves(slopes)], [exact, *jax.tree.leaves(slope)], strict=True):
        got = np.asarray(got, np.float64)
        error = got.std(axis=0) / np.sqrt(len(got))
        assert (np.abs(got.mean(axis=0) - np.asarray(want)) <= 4.5 * error + 1e-4).all()
    y, batch = jax.jit(lambda b, k, v: b.forward_and_log_det_estimate(k, v))(flow, keys[0], jnp.stack([x, x]))
    assert y.shape == (2, 3)
    assert float(batch[0]) != float(batch[1])


def test_log_det_series_options_are_checked():
    def product(v):
        return 0.5 * v

    np.testing.assert_allclose(log_det_series(None, product, (2, 2), dtype=FLOAT), 4 * np.log(1.5), rtol=8 * EPS)
    with pytest.raises(ValueError, match="needs a key"):
        log_det_series(None, product, (2,), estimator="roulette")
    with pytest.raises(ValueError, match="estimator is one of"):
        log_det_series(None, product, (2,), estimator="guess")
    with pytest.raises(ValueError, match="num_terms must be at least 1"):
        log_det_series(None, product, (2,), num_terms=0)


@pytest.mark.slow
def test_block_autoregressive_inverts_at_all_scales():
    flow = bij.block_autoregressive(jax.random.key(0), 3, depth=2, block_dim=4)
    x = array(np.random.default_rng(4).normal(size=(4, 3)))
    np.testing.assert_allclose(flow.forward(x), x, atol=1e-2)
    flow = moved(flow, 0.5)
    flow = bij.BlockAutoregressive(flow.weights, flow.log_diagonals, flow.biases, array(0.25))
    jacobian = np.asarray(jax.jit(jax.vmap(jax.jacfwd(flow.forward)))(x))
    np.testing.assert_array_equal(np.triu(jacobian, 1), 0)
    assert (np.diagonal(jacobian, axis1=1, axis2=2) > 0).all()

    @jax.jit
    def back(b, y):
        found = b.inverse(y)
        return b.forward(found), jax.grad(lambda v: jnp.sum(b.inverse(v)))(y)

    for scale in (1e-2, 1.0, 1e2, 1e4):
        y = scale * x
        again, slope = jax.vmap(back, (None, 0))(flow, y)
        assert np.abs((again - y) / np.maximum(1, np.abs(y))).max() <= 1e-5
        assert np.isfinite(np.asarray(slope)).all()


ANY_RAW = {
    "Sylvester": bij.Sylvester(*(np.zeros(shape, FLOAT) for shape in ((2, 3), (2, 2), (2, 2), (2,)))),
    "Orthogonal": bij.Orthogonal(np.zeros((3, 3), FLOAT), method="cayley"),
    "Residual": bij.Residual(bij.lipschitz_mlp(jax.random.key(0), (3, 8, 3), dtype=FLOAT)),
    "BlockAutoregressive": bij.block_autoregressive(jax.random.key(0), 3, block_dim=4, dtype=FLOAT),
    "MixtureLogistic": bij.Block(bij.MixtureLogistic(*np.array([[0.0] * 4, [1.0] * 4, [0.0] * 4], FLOAT)), 3),
}


@pytest.mark.parametrize("name", ANY_RAW)
def test_any_raw_parameters_stay_finite(name):
    vector, unravel = ravel(ANY_RAW[name])
    random = np.random.default_rng(7)
    raw, x = array(random.uniform(-30, 30, size=(40, vector.size))), array(random.normal(size=(40, 3)))

    def run(v, point):
        y, log_det = unravel(v).forward_and_log_det(point)
        back, inverse_log_det = unravel(v).inverse_and_log_det(y)
        slopes = [jax.grad(lambda q, half=half: getattr(unravel(q), half)(point))(v) for half in HALVES]
        return y, back, log_det, inverse_log_det, slopes

    for value in jax.tree.leaves(jax.jit(jax.vmap(run))(raw, x)):
        assert np.isfinite(np.asarray(value)).all()


def test_actnorm_from_data_standardises_channels():
    x = array(np.random.default_rng(5).normal(size=(40, 4, 4, 3)) * [1.0, 9.0, 0.0] + [3.0, -100.0, 2.0])
    layer = bij.actnorm_from_data(x)
    assert layer.event_shape == (4, 4, 3)
    y = np.asarray(layer.forward(x))
    np.testing.assert_allclose(y.mean(axis=(0, 1, 2)), 0, atol=1e3 * EPS)
    np.testing.assert_allclose(y.std(axis=(0, 1, 2)), [1, 1, 0], atol=1e3 * EPS)


def test_one_by_one_log_det_counts_pixels():
    random = np.random.default_rng(6)
    lower, upper = random.normal(size=(2, 3, 3))
    layer = bij.Invertible1x1(
        array(lower), array(upper), array([[1, -1, 1], [0.3, -0.2, 1.0]]), (2, 0, 1), event_shape=(4, 5, 3)
    )
    np.testing.assert_allclose(layer.forward_log_det(jnp.zeros((4, 5, 3), FLOAT)), 20 * 1.1, rtol=8 * EPS)
    matrix = jax.vmap(bij.Invertible1x1(layer.lower, layer.upper, layer.sign_log_diag, (2, 0, 1)).forward)(
        jnp.eye(3, dtype=FLOAT)
    )
    np.testing.assert_allclose(np.linalg.slogdet(matrix)[1], 1.1, rtol=1e2 * EPS)


def test_squeeze_keeps_squares_together():
    image = jnp.arange(16.0, dtype=FLOAT).reshape(4, 4, 1)
    np.testing.assert_array_equal(bij.Squeeze((4, 4, 1)).forward(image)[0, 1], [2, 3, 6, 7])


def test_wrong_sizes_raise():
    zeros = jnp.zeros
    with pytest.raises(ValueError, match="h = 3 is not a multiple of factor 2"):
        bij.Squeeze((3, 4, 1))
    with pytest.raises(ValueError, match="event_shape is"):
        bij.Squeeze(2)
    with pytest.raises(ValueError, match="dim 200 is above max_exact_dim 128"):
        bij.Residual(bij.lipschitz_mlp(jax.random.key(0), (200, 4, 200)))
    with pytest.raises(ValueError, match="odd number of channels"):
        bij.Multiscale(bij.Identity((2, 2, 3)), bij.Identity((2, 2, 1)))
    with pytest.raises(ValueError, match="block 1 takes"):
        bij.Multiscale(bij.Identity((2, 2, 4)), bij.Identity((2, 2, 4)))
    with pytest.raises(ValueError, match="at most d = 2"):
        bij.LowRankAffine(0.0, zeros((2, 3)), zeros((2, 3)))
    with pytest.raises(ValueError, match="method is one of"):
        bij.Orthogonal(zeros((2, 2)), method="qr")
    with pytest.raises(ValueError, match="cannot have 2 units"):
        bij.Sylvester(zeros((0, 3)), zeros((2, 2)), zeros((2, 2)), zeros(2), kind="triangular")
    with pytest.raises(ValueError, match="shape_in"):
        bij.Reshape((2, 3), (5,))
    with pytest.raises(ValueError, match="only axis 0 may differ"):
        bij.Concatenate((bij.Identity((2, 2)), bij.Identity((2, 3))))
    with pytest.raises(ValueError, match="bound must lie in"):
        bij.LeakyTanh(0.0)
    with pytest.raises(TypeError, match="Bernoulli has no quantile"):
        bij.DistributionCDF(Bernoulli(0.0))
    with pytest.raises(ValueError, match="num_bins must be at least 1"):
        bij.LinearSplineTransformer(num_bins=0)


@pytest.mark.skipif(not X64, reason="second differences need float64")
@pytest.mark.parametrize("name", ["Sylvester", "Residual"])
def test_second_derivatives_of_numerical_inverses(name):
    flow = ANY_RAW[name]
    flow = moved(flow, 0.7) if name == "Sylvester" else residual(hidden=4, bound=0.6)
    y = array([0.3, -1.0, 2.0])

    def loss(b, v):
        x, log_det = b.inverse_and_log_det(v)
        return jnp.sum(jnp.sin(x)) + log_det

    check_grads(jax.jit(loss), (flow, y), order=2, modes=("rev",), rtol=1e-4, atol=1e-4, eps=1e-4)


def test_second_derivative_of_the_mixture_inverse():
    mixture = bij.MixtureLogistic(array([0.3, -1.0, 0.5]), array([0.5, 1.0, 3.0]), array([1.0, 0.0, -2.0]))
    second = jax.jit(jax.grad(jax.grad(mixture.inverse)))
    x = 0.7
    slope, bend = (jax.grad(fn)(x) for fn in (mixture.forward, jax.grad(mixture.forward)))
    np.testing.assert_allclose(second(mixture.forward(x)), -bend / slope**3, rtol=1e3 * EPS, atol=1e3 * EPS)
