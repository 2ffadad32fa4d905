"""Normal laws, kernel estimates, contrastive losses and classifiers against quadrature and enumeration."""

import itertools

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from scipy import integrate, linalg, special, stats

from depthjax import distributions as d
from depthjax import divergences as dv

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
TOL = 64 * EPS
VALUES = pytest.mark.skipif(not X64, reason="float64 values")
RNG = np.random.default_rng(0)


def logs(*p):
    with np.errstate(divide="ignore"):
        return jnp.asarray(np.log(np.array(p)), DTYPE)


def test_entropies():
    p, q = logs(0.5, 0.25, 0.25, 0.0), logs(0.25, 0.25, 0.25, 0.25)
    np.testing.assert_allclose(dv.entropy_discrete(p), 1.5 * np.log(2), rtol=TOL)
    np.testing.assert_allclose(dv.cross_entropy_discrete(p, q), np.log(4), rtol=TOL)
    assert dv.cross_entropy_discrete(q, p) == np.inf
    np.testing.assert_allclose(dv.kl_discrete(p, q), np.log(4) - 1.5 * np.log(2), rtol=TOL)
    measure = jnp.asarray(np.log([2.0, 3.0]), DTYPE), jnp.asarray(np.log([1.0, 5.0]), DTYPE)
    expected = 2 * np.log(2) + 3 * np.log(3 / 5) + 6 - 5
    np.testing.assert_allclose(dv.generalised_kl_discrete(*measure), expected, rtol=TOL)
    joint = np.array([[0.3, 0.1], [0.0, 0.6]])
    with np.errstate(divide="ignore"):
        pmi = np.log(joint / np.outer(joint.sum(1), joint.sum(0)))
        found = dv.pmi(jnp.asarray(np.log(joint), DTYPE))
    np.testing.assert_allclose(found, pmi, rtol=TOL)
    mutual = np.sum(joint[joint > 0] * pmi[joint > 0])
    np.testing.assert_allclose(dv.mutual_information_discrete(logs(*joint)), mutual, rtol=TOL)


@VALUES
def test_normal_laws_on_the_line():
    m1, s1, m2, s2 = 0.4, 0.9, -0.7, 1.6
    p, q = stats.norm(m1, s1), stats.norm(m2, s2)
    affinity = integrate.quad(lambda x: np.sqrt(p.pdf(x) * q.pdf(x)), -30, 30)[0]
    one = [np.array([m]) for m in (m1, m2)], [np.array([[s]]) for s in (s1, s2)]
    args = one[0][0], one[1][0], one[0][1], one[1][1]
    np.testing.assert_allclose(dv.hellinger_squared_mvn(*args), 1 - affinity, rtol=1e-10)
    np.testing.assert_allclose(dv.bhattacharyya_mvn(*args), -np.log(affinity), rtol=1e-10)
    np.testing.assert_allclose(dv.kl_mvn(*args), dv.kl_gaussian(m1, s1, m2, s2), rtol=1e-12)
    crossing = 0.5 * (m1 + m2)
    total = stats.norm(m1, s2).cdf(crossing) - stats.norm(m2, s2).cdf(crossing)
    np.testing.assert_allclose(dv.tv_gaussian_equal_scale(m1, m2, s2), abs(total), rtol=1e-12)


@VALUES
def test_fisher_rao_distance_is_the_length_of_geodesics():
    """Along one mean it is sqrt 2 |log s_p/s_q|; elsewhere the hyperbolic distance of (m/sqrt 2, s) times sqrt 2."""
    np.testing.assert_allclose(dv.fisher_rao_gaussian(0.3, 0.5, 0.3, 2.0), np.sqrt(2) * np.log(4), rtol=1e-12)
    m1, s1, m2, s2 = 0.4, 0.9, -0.7, 1.6
    a, b = (m1 + 1j * np.sqrt(2) * s1) / np.sqrt(2), (m2 + 1j * np.sqrt(2) * s2) / np.sqrt(2)
    hyperbolic = np.arccosh(1 + abs(a - b) ** 2 / (2 * a.imag * b.imag))
    np.testing.assert_allclose(dv.fisher_rao_gaussian(m1, s1, m2, s2), np.sqrt(2) * hyperbolic, rtol=1e-12)
    gradient = jax.grad(dv.fisher_rao_gaussian, argnums=(0, 1, 2, 3))(0.3, 0.5, 0.3, 0.5)
    np.testing.assert_array_equal(gradient, np.zeros(4))


@VALUES
def test_divergence_of_vectors_by_matrix_algebra():
    m1, m2 = RNG.normal(size=(2, 3))
    t1, t2 = (np.tril(RNG.normal(size=(3, 3)), -1) + np.diag(RNG.uniform(0.5, 2, 3)) for _ in range(2))
    a, b = t1 @ t1.T, t2 @ t2.T
    dm = m1 - m2
    kl = 0.5 * (np.trace(linalg.solve(b, a)) - 3 + dm @ linalg.solve(b, dm) + np.log(linalg.det(b) / linalg.det(a)))
    np.testing.assert_allclose(dv.kl_mvn(m1, t1, m2, t2), kl, rtol=1e-11)
    mean = 0.5 * (a + b)
    distance = dm @ linalg.solve(mean, dm) / 8 + 0.5 * np.log(linalg.det(mean) / np.sqrt(linalg.det(a) * linalg.det(b)))
    np.testing.assert_allclose(dv.bhattacharyya_mvn(m1, t1, m2, t2), distance, rtol=1e-11)
    np.testing.assert_allclose(dv.hellinger_squared_mvn(m1, t1, m2, t2), 1 - np.exp(-distance), rtol=1e-11)
    assert dv.hellinger_squared_mvn(m1, t1, m1, t1) == 0


@pytest.mark.parametrize(("a", "b"), [(3e5, 3.1e5), (1e6, 1e6 + 1000.0), (40.0, 17.0), (0.3, 2.5), (20.0, 3.0)])
def test_divergence_of_gamma_laws_at_large_concentrations(a, b):
    with mpmath.workdps(40):
        a_, b_ = (mpmath.mpf(float(DTYPE(v))) for v in (a, b))
        exact = float(mpmath.loggamma(b_) - mpmath.loggamma(a_) - (b_ - a_) * mpmath.digamma(a_))
    found = dv.kl(d.Gamma(DTYPE(a), DTYPE(1)), d.Gamma(DTYPE(b), DTYPE(1)))
    np.testing.assert_allclose(found, exact, rtol=1e3 * EPS)


@VALUES
def test_population_mmd_of_normal_laws():
    m1, v1, m2, v2, h = 0.3, 0.8, -0.5, 1.7, 0.9
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / weights.sum()
    x, y = m1 + np.sqrt(v1) * nodes, m2 + np.sqrt(v2) * nodes
    kernel = lambda u, w: np.exp(-((u[:, None] - w[None]) ** 2) / (2 * h * h))  # noqa: E731
    mean = lambda u, w: weights @ kernel(u, w) @ weights  # noqa: E731
    expected = mean(x, x) + mean(y, y) - 2 * mean(x, y)
    found = dv.mmd_squared_gaussian(np.array([m1]), np.array([[v1]]), np.array([m2]), np.array([[v2]]), bandwidth=h)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    cov = np.array([[1.0, 0.3], [0.3, 0.5]])
    same = dv.mmd_squared_gaussian(np.zeros(2), cov, np.zeros(2), cov, bandwidth=1.0)
    np.testing.assert_allclose(same, 0.0, atol=1e-15)


def test_linear_and_block_estimates_of_mmd():
    x, y = RNG.normal(size=(8, 2)).astype(DTYPE), (RNG.normal(size=(8, 2)) + 0.5).astype(DTYPE)
    kernel = lambda u, w: np.exp(-np.sum((u - w) ** 2) / 2)  # noqa: E731

    def h(i, j):
        return kernel(x[i], x[j]) + kernel(y[i], y[j]) - kernel(x[i], y[j]) - kernel(x[j], y[i])

    linear = np.mean([h(i, i + 1) for i in range(0, 8, 2)])
    np.testing.assert_allclose(dv.mmd_squared(x, y, bandwidth=1.0, estimator="linear"), linear, rtol=TOL, atol=TOL)
    block = np.mean([np.mean([h(i, j) for i, j in itertools.permutations(range(k, k + 4), 2)]) for k in (0, 4)])
    found = dv.mmd_squared(x, y, bandwidth=1.0, estimator="block", block_size=4)
    np.testing.assert_allclose(found, block, rtol=TOL, atol=TOL)
    unbiased = np.mean([h(i, j) for i, j in itertools.permutations(range(8), 2)])
    both = dv.mmd_squared(x, y, bandwidth=1.0)
    cross = 2 * np.mean([[kernel(u, w) for w in y] for u in x]) - 2 * np.mean(
        [kernel(x[i], y[j]) for i, j in itertools.permutations(range(8), 2)]
    )
    np.testing.assert_allclose(both, unbiased - cross, rtol=256 * EPS, atol=256 * EPS)
    distances = [np.linalg.norm(u - w) for u, w in itertools.combinations(np.concatenate([x, y]), 2)]
    np.testing.assert_allclose(dv.median_bandwidth(x, y), np.median(distances), rtol=TOL)


def test_contrastive_losses():
    scores = RNG.normal(size=(5, 5)).astype(DTYPE)
    loss = np.mean(special.logsumexp(scores, axis=1) - np.diag(scores))
    np.testing.assert_allclose(dv.infonce_loss(scores), loss, rtol=TOL)
    np.testing.assert_allclose(dv.infonce_bound(scores), np.log(5) - loss, rtol=TOL, atol=TOL)
    c = DTYPE(0.7)
    np.testing.assert_allclose(dv.infonce_loss(c * jnp.eye(2, dtype=DTYPE)), np.log1p(np.exp(-c)), rtol=TOL)
    positive, negative = RNG.normal(size=4).astype(DTYPE), RNG.normal(size=(4, 3)).astype(DTYPE)
    expected = np.mean(np.log1p(np.exp(-positive)) + np.log1p(np.exp(negative)).sum(1))
    np.testing.assert_allclose(dv.negative_sampling_loss(positive, negative), expected, rtol=TOL)


@VALUES
def test_negative_sampling_is_best_at_the_shifted_mutual_information():
    """Over all pairs of a joint law and k noise draws from the product of its marginals."""
    joint, k = np.array([[0.3, 0.1], [0.2, 0.4]]), 3
    noise = np.outer(joint.sum(1), joint.sum(0))

    def loss(score):
        terms = jax.vmap(lambda p, n: dv.negative_sampling_loss(p, n[None]))(score.ravel(), score.ravel())
        kept = jax.vmap(lambda p: dv.negative_sampling_loss(p, jnp.full((1,), -jnp.inf)))(score.ravel())
        return jnp.sum(joint.ravel() * kept) + k * jnp.sum(noise.ravel() * (terms - kept))

    best = dv.pmi(jnp.asarray(np.log(joint))) - np.log(k)
    np.testing.assert_allclose(jax.grad(loss)(best), np.zeros((2, 2)), atol=1e-14)


def test_classifier_identities_and_tests():
    np.testing.assert_allclose(
        dv.log_ratio_from_logits(DTYPE(0.3), log_prior_odds=np.log(2)), 0.3 - np.log(2), rtol=TOL
    )
    n = 400
    good = jnp.asarray(RNG.normal(size=n) + 0.1, DTYPE), jnp.asarray(RNG.normal(size=n) - 0.1, DTYPE)
    found = dv.c2st(*good)
    right = (np.asarray(good[0]) > 0).sum() + (np.asarray(good[1]) <= 0).sum()
    np.testing.assert_allclose(found.accuracy, right / (2 * n), rtol=TOL)
    z = (right / (2 * n) - 0.5) / np.sqrt(0.25 / (2 * n))
    np.testing.assert_allclose(found.z_score, z, rtol=1e-5)
    np.testing.assert_allclose(found.p_value, stats.norm.sf(z), rtol=1e-3 if X64 else 1e-2)
    assert found.js_lower_bound <= np.log(2)
    null = jnp.asarray(RNG.normal(size=(2, n)), DTYPE)
    assert dv.c2st(*null).p_value > 1e-3


def test_gradient_of_mmd_between_thousands_of_points():
    """In several tiles with a ragged last one, far from the origin; this size once crashed in the reverse pass."""
    rng = np.random.default_rng(5)
    n, size, h = 2000, 16, 4.0
    x, y = (rng.normal(size=(n, size)).astype(DTYPE) + np.asarray(10.0, DTYPE) for _ in range(2))
    value, gradient = jax.jit(jax.value_and_grad(lambda v: dv.mmd_squared(v, y, bandwidth=h)))(x)

    def kernel(a, b):
        a, b = a.astype(np.float64), b.astype(np.float64)
        r2 = np.sum(a * a, 1)[:, None] + np.sum(b * b, 1)[None] - 2 * a @ b.T
        return np.exp(-0.5 * r2 / h**2)

    xx, xy, yy = kernel(x, x), kernel(x, y), kernel(y, y)
    want = (xx.sum() + yy.sum() - 2 * n) / (n * (n - 1)) - 2 * xy.mean()
    np.testing.assert_allclose(value, want, atol=40 * EPS)
    slope = 2 / h**2 * ((xx @ x - xx.sum(1)[:, None] * x) / (n * (n - 1)) - (xy @ y - xy.sum(1)[:, None] * x) / n**2)
    np.testing.assert_allclose(gradient, slope, atol=100 * EPS * np.abs(slope).max())
