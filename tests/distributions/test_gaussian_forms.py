"""Canonical, low-rank and matrix forms of the normal, their conversions, and the multivariate Student t."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special, stats

import depthjax as dj
from depthjax import distributions as dd

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
TOL = 1e-9 if DTYPE is np.float64 else 3e-4
RNG = np.random.default_rng(0)
LOC = RNG.normal(size=4)
FACTOR = RNG.normal(size=(4, 2))
SCALE = np.array([0.5, 0.3, 1.2, 0.8])
COVARIANCE = FACTOR @ FACTOR.T + np.diag(SCALE**2)
FORMS = ["tril", "precision", "canonical", "low_rank"]


def cast(*arrays):
    return tuple(np.asarray(a, DTYPE) for a in arrays)


def close(got, want, factor=1.0):
    np.testing.assert_allclose(np.asarray(got), want, rtol=factor * TOL, atol=factor * TOL, equal_nan=False)


LOW_RANK = dd.MultivariateNormalLowRank(*cast(LOC, FACTOR, SCALE))


@pytest.mark.parametrize("form", FORMS)
def test_convert_keeps_the_law_and_its_algebra(form):
    dist = dd.mvn_convert(LOW_RANK, form)
    reference, x = stats.multivariate_normal(LOC, COVARIANCE), RNG.normal(size=(5, 4))
    close(dist.log_prob(x.astype(DTYPE)), reference.logpdf(x), 10)
    close(dist.covariance(), COVARIANCE, 10)
    close(dist.entropy(), reference.entropy(), 10)
    z = np.asarray(dist.whiten(x.astype(DTYPE)))
    close(np.sum(z**2, -1), np.einsum("ni,ni->n", x - LOC, np.linalg.solve(COVARIANCE, (x - LOC).T).T), 50)
    kept, seen, values = [0, 2], [3, 1], np.array([0.3, -0.2])
    gain = COVARIANCE[np.ix_(kept, seen)] @ np.linalg.inv(COVARIANCE[np.ix_(seen, seen)])
    part = dist.condition(seen, values.astype(DTYPE))
    assert type(part) is type(dist)
    close(part.mean(), LOC[kept] + gain @ (values - LOC[seen]), 30)
    close(part.covariance(), COVARIANCE[np.ix_(kept, kept)] - gain @ COVARIANCE[np.ix_(seen, kept)], 30)
    marginal = dist.marginal((2, 0))
    assert type(marginal) is type(dist)
    close(marginal.mean(), LOC[[2, 0]], 30)
    close(marginal.covariance(), COVARIANCE[np.ix_([2, 0], [2, 0])], 30)
    matrix = RNG.normal(size=(2, 4))
    image = dist.linear_map(*cast(matrix, [1, 2]))
    close(image.mean(), matrix @ LOC + [1, 2], 30)
    close(image.covariance(), matrix @ COVARIANCE @ matrix.T, 30)
    for other in FORMS:
        close(dd.mvn_convert(dist, other).covariance(), COVARIANCE, 30)


def test_convert_of_a_diagonal_and_refusals():
    diag = dd.MultivariateNormalDiag(*cast(LOC, SCALE))
    for form in FORMS:
        close(dd.mvn_convert(diag, form).covariance(), np.diag(SCALE**2), 10)
    assert dd.mvn_convert(diag, "diag") is diag
    with pytest.raises(ValueError, match="correlations"):
        dd.mvn_convert(LOW_RANK, "diag")
    with pytest.raises(ValueError, match="expected one of tril"):
        dd.mvn_convert(diag, "covariance")
    with pytest.raises(TypeError, match="Normal"):
        dd.mvn_convert(dd.Normal(0.0, 1.0), "tril")


def test_low_rank_condition_and_marginal_below_its_rank():
    close(LOW_RANK.marginal(1).covariance(), COVARIANCE[1:2, 1:2], 10)
    part = LOW_RANK.condition([0, 1, 2], np.zeros(3, DTYPE))
    want = COVARIANCE[3, 3] - COVARIANCE[3, :3] @ np.linalg.solve(COVARIANCE[:3, :3], COVARIANCE[:3, 3])
    close(part.variance(), [want], 30)


def test_low_rank_density_does_not_cancel():
    """Along the factor the textbook form subtracts two numbers of size 1e10 to leave one of size 1."""
    size = 50
    factor = np.linspace(1.0, 2.0, size)[:, None]
    for dtype in (np.float32, DTYPE):
        dist = dd.MultivariateNormalLowRank(
            *(np.asarray(a, dtype) for a in (np.zeros(size), factor, np.full(size, 1e-3)))
        )
        x = np.asarray(factor[:, 0] * 0.7, dtype)
        exact = [np.asarray(a, np.float64) for a in (x, dist.factor, dist.scale)]
        weights = exact[1][:, 0] / exact[2]
        y = exact[0] / exact[2]
        b = weights @ y / (1 + weights @ weights)
        want = -0.5 * (np.sum((y - weights * b) ** 2) + b * b + np.log1p(weights @ weights) + size * np.log(2 * np.pi))
        want -= np.sum(np.log(exact[2]))
        # Rounding x by half a unit moves y by eps |y|, and that is all that is lost.
        slack = 8 * np.finfo(dtype).eps * (abs(want) + np.sum(np.abs(y - weights * b) * np.abs(y)) + abs(b))
        assert abs(float(dist.log_prob(x)) - want) <= slack


def test_low_rank_makes_no_square_matrix():
    size, rank = 300, 3
    args = cast(np.zeros(size), np.ones((size, rank)) + np.eye(size, rank), np.ones(size))
    dist = dd.MultivariateNormalLowRank(*args)
    jaxpr = str(jax.make_jaxpr(lambda d, x: (d.log_prob(x), d.sample(jax.random.key(0))))(dist, args[0]))
    assert f"[{size},{size}]" not in jaxpr
    assert f"[{size + rank},{size + rank}]" not in jaxpr


def test_canonical_product_of_densities_is_a_sum_of_parameters():
    one = dd.MultivariateNormalCanonical(*cast([0.3, -1.0], [[2.0, 0.5], [0.5, 1.0]]))
    two = dd.MultivariateNormalCanonical(*cast([1.0, 0.2], [[1.0, -0.3], [-0.3, 3.0]]))
    both = jax.tree.map(lambda a, b: a + b, one, two)
    x = RNG.normal(size=(4, 2)).astype(DTYPE)
    gap = np.asarray(one.log_prob(x) + two.log_prob(x) - both.log_prob(x))
    close(gap, gap[0], 10)


def test_matrix_normal_is_a_normal_vector():
    loc, rows, columns = RNG.normal(size=(3, 2)), np.tril(RNG.normal(size=(3, 3))), np.tril(RNG.normal(size=(2, 2)))
    rows[np.diag_indices(3)], columns[np.diag_indices(2)] = [1.0, 0.5, 2.0], [0.7, 1.1]
    dist = dd.MatrixNormal(*cast(loc, rows, columns))
    gram, x = rows @ rows.T, RNG.normal(size=(4, 3, 2))
    reference = stats.matrix_normal(loc, gram, columns @ columns.T)
    close(dist.log_prob(x.astype(DTYPE)), reference.logpdf(x), 10)
    close(dist.marginal([2, 0]).covariance(), np.kron(gram[np.ix_([2, 0], [2, 0])], columns @ columns.T), 10)
    part = dist.condition(1, cast(x[0, 1])[0])
    gain = gram[[0, 2], 1] / gram[1, 1]
    close(part.mean(), loc[[0, 2]] + gain[:, None] * (x[0, 1] - loc[1]), 30)
    schur = gram[np.ix_([0, 2], [0, 2])] - np.outer(gain, gram[1, [0, 2]])
    close(part.covariance(), np.kron(schur, columns @ columns.T), 30)
    image = dist.linear_map(np.ones((1, 3), DTYPE), np.ones((1, 2), DTYPE))
    close(image.mean(), loc.sum(0, keepdims=True) + 1, 10)
    close(image.covariance(), gram.sum() * columns @ columns.T, 10)
    z = dist.whiten(x.astype(DTYPE))
    assert z.shape == (4, 3, 2)
    close(rows @ np.asarray(z) @ columns.T + loc, x, 30)
    again = dd.MatrixNormal.from_natural(dist.natural_parameters())
    close(again.covariance(), np.kron(gram, columns @ columns.T), 100)


def test_student_t_limits_and_far_tail():
    tril = np.array([[1.5, 0.0], [0.3, 0.8]])
    x = np.array([0.3, -0.4])
    wide = dd.MultivariateStudentT(*cast(1e8, [0.0, 0.0], tril))
    normal = dd.MultivariateNormal(*cast([0.0, 0.0], tril))
    np.testing.assert_allclose(wide.log_prob(x.astype(DTYPE)), normal.log_prob(x.astype(DTYPE)), rtol=1e-6)
    slope = jax.grad(lambda df: dd.MultivariateStudentT(df, *cast([0.0, 0.0], tril)).log_prob(x.astype(DTYPE)))
    assert 0 < abs(float(slope(DTYPE(1e6)))) < 1e-11
    far = dd.MultivariateStudentT(*cast(3.0, [0.0, 0.0], np.eye(2)))
    value, score = jax.value_and_grad(far.log_prob)(jnp.asarray([1e25, 1e25], DTYPE))
    peak = stats.multivariate_t([0, 0], np.eye(2), df=3).logpdf([0, 0])
    want = peak - 2.5 * (np.log(2e50) - np.log(3))
    np.testing.assert_allclose(value, want, rtol=1e-6)
    np.testing.assert_allclose(score, -2.5e-25, rtol=1e-5)
    np.testing.assert_array_equal(jax.grad(far.log_prob)(jnp.zeros(2, DTYPE)), 0.0)


def test_student_t_pathwise_derivative_of_a_moment():
    """log |z|^2 = log chi2(2) - log(chi2(df)/df), so its mean has derivative 1/df - trigamma(df/2)/2."""

    def moment(df):
        draws = dd.MultivariateStudentT(df, jnp.zeros(2, DTYPE), jnp.eye(2, dtype=DTYPE)).sample(
            jax.random.key(0), 40000
        )
        return jnp.mean(jnp.log(jnp.sum(draws**2, -1)))

    got = jax.jit(jax.grad(moment))(DTYPE(5.0))
    np.testing.assert_allclose(got, 1 / 5.0 - 0.5 * special.polygamma(1, 2.5), rtol=0.03)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dd.MultivariateNormalLowRank(np.zeros(2), np.ones((2, 3)), 1.0), "1 <= k <= d"),
        (lambda: dd.MultivariateNormalLowRank(np.zeros(3), np.ones((2, 1)), 1.0), r"loc has shape \(3,\)"),
        (lambda: dd.MultivariateNormalCanonical(np.zeros(3), np.eye(2)), r"shift has shape \(3,\)"),
        (lambda: dd.MatrixNormal(np.zeros((2, 2)), np.eye(3), np.eye(2)), r"expected \(3, 2\)"),
        (lambda: dd.MatrixNormal(0.0, np.ones((2, 3)), np.eye(2)), "row_tril"),
        (lambda: dd.MatrixNormal(0.0, np.eye(2), np.eye(2)).condition(0, np.zeros(3)), r"expected \(1, 2\)"),
        (lambda: dd.MultivariateStudentT(np.ones(2), np.zeros(2), np.eye(2)), "scalar"),
    ],
)
def test_bad_shapes_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_positive_definite_raw_map_reaches_no_singular_matrix():
    raw = np.asarray([[30, -30, -30], [-30, 30, -30], [5, 5, -30], [0, 0, 0]], np.float32)
    matrix = dj.constraints.positive_definite.from_raw(raw)
    assert np.isfinite(np.linalg.cholesky(np.asarray(matrix))).all()
    wild = np.random.default_rng(0).uniform(-30, 30, (200, 10)).astype(np.float32)
    assert np.isfinite(np.asarray(jnp.linalg.cholesky(dj.constraints.positive_definite.from_raw(wild)))).all()
    wild = np.random.default_rng(0).uniform(-30, 30, (200, 6)).astype(np.float32)
    assert np.isfinite(np.asarray(jnp.linalg.cholesky(dj.constraints.correlation.from_raw(wild)))).all()
