"""Published or worked-out values of maps, to ten digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import bijectors as bij
from depthjax.distributions import Transformed, Uniform
from depthjax.numerics import gauss_hermite_rule

X64 = jax.config.jax_enable_x64
FLOAT = np.float64 if X64 else np.float32
TOL = 1e-9 if X64 else 2e-6


def close(got, want, factor=1):
    np.testing.assert_allclose(np.asarray(got), want, rtol=factor * TOL, atol=factor * TOL, equal_nan=False)


def array(values):
    return jnp.asarray(values, FLOAT)


def test_sinh_arcsinh():
    y, log_slope = bij.SinhArcsinh(0.5, 1.5).forward_and_log_det(0.7)
    close(y, 2.080344397)
    close(log_slope, 1.042549325)


def test_square_root_bins():
    h = array([0.1, 0.25, 0.6, 1.0])
    spline = bij.SqrtBin(array([0.4, 0.3, 0.2, 0.1]))
    y, log_slope = jax.vmap(spline.forward_and_log_det)(h)
    close(y, [0.4, 0.632455532, 1.463020802, 1.943619451])
    close(log_slope[array([0, 2, 3]).astype(int)], [0.6931471806, 0.3465735903, -0.4581453659], factor=8)
    close(jax.vmap(spline.inverse)(y), h)
    normalised = bij.SqrtBin(array([0.4, 0.3, 0.2, 0.1]), normalize=True)
    close(normalised.forward(1.0), 1.0)
    close(normalised.forward(0.6), 1.463020802 / 1.943619451)


def test_mixture_of_logistic_functions():
    weights, scales, shifts = np.array([0.2, 0.5, 0.3]), np.array([0.5, 1.0, 3.0]), np.array([1.0, 0.0, -2.0])
    mixture = bij.MixtureLogistic(np.log(weights).astype(FLOAT), array(scales), array(shifts))
    z = array([-2.0, 0.0, 0.7, 5.0, 40.0, -40.0])
    y, log_slope = jax.jit(mixture.forward_and_log_det)(z)
    close(y, [-1.66044652, -0.2738075279, 0.6208575859, 4.678262102, 22.6094379, -20.60943792], factor=8)
    close(log_slope[:4], [-0.5451889898, -0.02566289981, 0.436014329, -0.3910686909], factor=8)
    close(log_slope[4:], [np.log(0.5)] * 2, factor=8)


def test_sylvester():
    root = 0.5**0.5
    flow = bij.Sylvester.from_matrices(
        array([[root, 0.0], [root, 0.0], [0.0, 1.0]]),
        array([[0.5, -0.3], [0.0, 1.2]]),
        array([[-0.8, 0.4], [0.0, 0.6]]),
        array([0.1, -0.2]),
    )
    y, log_det = flow.forward_and_log_det(array([0.3, -0.5, 1.0]))
    close(y, [0.4125580444, -0.3874419556, 1.455938755])
    close(log_det, 0.1506411849, factor=4)
    close(flow.inverse(y), [0.3, -0.5, 1.0], factor=4)


def test_sylvester_matrices_come_back():
    random = np.random.default_rng(0)
    q = np.linalg.qr(random.normal(size=(5, 3)))[0]
    r, r_tilde = (np.triu(random.normal(size=(3, 3))) for _ in range(2))
    r[0, 0], r_tilde[1, 1] = 0.0, 1e-12
    r[2, 2] = 0.9 * abs(r[2, 2]) * np.sign(r_tilde[2, 2])
    got = bij.Sylvester.from_matrices(*(array(m) for m in (q, r, r_tilde, np.zeros(3)))).matrices()
    for matrix, want in zip(got, (q, r, r_tilde), strict=True):
        close(matrix, want, factor=8)
    beyond = bij.Sylvester.from_matrices(array(q[:, :1]), array([[2.0]]), array([[-1.0]]), array([0.0]))
    assert np.isnan(np.asarray(beyond.raw_r)).all()


def test_householder_reflection():
    q = jax.vmap(bij.Householder(array([[1.0, 2.0, -2.0]])).forward)(jnp.eye(3, dtype=FLOAT))
    close(jnp.diagonal(q), np.array([7.0, 1.0, 1.0]) / 9)
    close(jnp.linalg.det(q), -1.0)


def test_triangular_and_diagonal_determinants():
    close(bij.Affine(0.0, array([2.0, -5.0, 1.0, 2.0])).forward_log_det(jnp.zeros(4, FLOAT)), np.log(20))
    lower = jnp.eye(4, dtype=FLOAT) + jnp.tril(jnp.full((4, 4), 0.3, FLOAT), -1)
    mixing = bij.LUAffine(jnp.zeros(4, FLOAT), lower, jnp.diag(array([1.0, 4.0, 2.0, 1.0])))
    close(mixing.forward_log_det(jnp.zeros(4, FLOAT)), np.log(8))


def test_square_of_a_uniform_variable():
    law = Transformed(Uniform(0.0, 1.0), bij.Power(2.0))
    x = array([0.01, 0.25, 0.81])
    close(law.log_prob(x), -np.log(2 * np.sqrt(np.asarray(x))))


def test_logit_normal_moments():
    nodes, weights = gauss_hermite_rule(60)
    y = np.asarray(bij.Sigmoid().forward(array(nodes)), np.float64)
    close(weights @ y, 0.5)
    close(weights @ (y - 0.5) ** 2, 0.04337903586, factor=4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("LinearSplineTransformer", {}),
        ("LinearSplineTransformer", {"boundary": "linear", "num_bins": 1}),
        ("QuadraticSplineTransformer", {}),
        ("QuadraticSplineTransformer", {"num_bins": 1}),
        ("QuadraticSplineTransformer", {"boundary": "linear", "interval": (-1.0, 3.0)}),
        ("MixtureLogisticTransformer", {"num_components": 3}),
        ("RationalQuadraticTransformer", {"boundary": "linear"}),
    ],
)
def test_zero_is_the_identity(name, options):
    family = getattr(bij, name)(**options)
    x = array([-7.0, -0.9, 0.0, 0.3, 2.5, 9.0])
    y, log_slopes = jax.jit(family.forward_many)(x, jnp.zeros((6, family.num_params), FLOAT))
    close(y, x, factor=4)
    close(log_slopes, np.zeros(6), factor=4)


def test_square_root_bins_are_never_the_identity():
    family = bij.SqrtBinTransformer(num_bins=4, normalize=True)
    y = family.forward_many(array([0.125]), jnp.zeros((1, 4), FLOAT))[0]
    close(y, [np.sqrt(0.5) / 4])


@pytest.mark.parametrize("name", ["LinearSplineTransformer", "QuadraticSplineTransformer"])
@pytest.mark.parametrize("boundary", ["identity", "linear"])
def test_splines_map_their_interval_onto_itself(name, boundary):
    family = getattr(bij, name)(num_bins=4, interval=(-1.0, 3.0), boundary=boundary)
    raw = 3 * np.random.default_rng(1).normal(size=(2, family.num_params))
    ends = array([-1.0, 3.0])
    close(family.forward_many(ends, array(np.tile(raw[:1], (2, 1))))[0], ends, factor=8)
    outside = array([-2.0, 4.0])
    y = np.asarray(family.forward_many(outside, array(np.tile(raw[1:], (2, 1))))[0])
    if boundary == "identity":
        close(y, outside, factor=8)
    else:
        assert np.abs(y - outside).min() > 1e-3


def test_orthogonal_for_any_raw_matrix():
    random = np.random.default_rng(2)
    eps = np.finfo(FLOAT).eps
    for method in ("householder", "cayley", "expm"):
        raws = array(np.stack([scale * random.normal(size=(5, 5)) for scale in (0.0, 1.0, 1e3, 1e18)]))
        q = np.asarray(jax.jit(jax.vmap(lambda raw, m=method: bij.Orthogonal(raw, method=m).matrix()))(raws))
        assert np.abs(np.swapaxes(q, 1, 2) @ q - np.eye(5)).max() <= 8 * eps, method
        np.testing.assert_array_equal(q[0], np.eye(5))
    skew = np.array([[0.0, -0.7], [0.7, 0.0]])
    cosine, sine = np.cos(0.7), np.sin(0.7)
    close(bij.Orthogonal(array(skew), method="expm").matrix(), [[cosine, -sine], [sine, cosine]])
    close(bij.Orthogonal(array(skew), method="cayley").matrix(), np.linalg.solve(np.eye(2) + skew, np.eye(2) - skew))


def test_low_rank_log_det_is_that_of_the_matrix():
    random = np.random.default_rng(3)
    u, v = random.normal(size=(2, 5, 2))
    scale = np.array([1.0, -2.0, 0.5, 3.0, 1.5])
    flow = bij.DiagonalPlusLowRank(0.0, array(scale), array(u), array(v))
    close(flow.forward_log_det(jnp.zeros(5, FLOAT)), np.linalg.slogdet(np.diag(scale) + u @ v.T)[1], factor=16)


@pytest.mark.parametrize(
    "family",
    [
        bij.LinearSplineTransformer(),
        bij.QuadraticSplineTransformer(),
        bij.QuadraticSplineTransformer(boundary="linear"),
        bij.MixtureLogisticTransformer(4),
    ],
    ids=lambda family: f"{type(family).__name__}-{getattr(family, 'boundary', '')}",
)
def test_steep_maps_invert_in_float32(family):
    random = np.random.default_rng(4)
    for scale, bound in ((1.0, 16 * 2.0**-23), (10.0, 1e-5)):
        raw = jnp.asarray(scale * random.normal(size=(1000, family.num_params)), jnp.float32)
        x = jnp.asarray(3 * random.normal(size=1000), jnp.float32)

        def run(x, raw):
            y, log_slopes = family.forward_many(x, raw)
            back, inverse_log_slopes = family.inverse_many(y, raw)
            slopes = jax.grad(lambda v, r: sum(map(jnp.sum, family.inverse_many(v, r))), argnums=(0, 1))(y, raw)
            return y, family.forward_many(back, raw)[0], log_slopes, inverse_log_slopes, slopes

        y, again, *rest = jax.jit(run)(x, raw)
        assert np.max(np.abs(again - y) / np.maximum(1, np.abs(y))) <= bound
        for value in jax.tree.leaves(rest):
            assert np.isfinite(np.asarray(value)).all()


def test_splines_whose_knots_do_not_increase_are_nan():
    ends, knots = array([-1.0, 0.2, 1.0]), array([-1.0, 0.2, 0.1])
    slopes, bad = array([1.0, 0.4, 1.0]), array([1.0, -0.4, 1.0])
    splines = [
        bij.RationalQuadraticSpline(knots, ends, slopes),
        bij.RationalQuadraticSpline(ends, knots, slopes),
        bij.RationalQuadraticSpline(ends, ends, bad),
        bij.LinearSpline(knots, ends),
        bij.LinearSpline(ends, knots),
        bij.QuadraticSpline(knots, slopes, 0.0),
        bij.QuadraticSpline(ends, bad, 0.0),
    ]
    points = array([-2.0, -0.5, 0.05, 0.15, 0.5, 2.0])
    for spline in splines:
        for part in (*spline.forward_and_log_det(points), *spline.inverse_and_log_det(points)):
            assert np.isnan(np.asarray(part)).all(), spline
