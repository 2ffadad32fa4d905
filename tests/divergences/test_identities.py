"""Inequalities and invariances of divergences over random laws, coverage of standard errors, bias by enumeration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import depthjax as dj
from depthjax import distributions as d
from depthjax import divergences as dv

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
TOL = 256 * EPS
SIZE = 6
SEEDS = st.integers(0, 2**32 - 1)
NAMES = ("kl", "js", "tv", "hellinger_squared", "chi2", "le_cam")


def law(rng):
    """A law on six points whose masses range over many orders of magnitude; now and then one is zero."""
    p = rng.dirichlet(np.full(SIZE, rng.choice([0.05, 0.5, 5.0]))) + 1e-12
    p[rng.integers(SIZE)] *= rng.integers(2)
    return p / p.sum()


def logs(p):
    with np.errstate(divide="ignore"):
        return jnp.asarray(np.log(p), DTYPE)


@jax.jit
def all_of(log_p, log_q):
    return {name: getattr(dv, f"{name}_discrete")(log_p, log_q) for name in NAMES}


def found(p, q):
    return {name: float(value) for name, value in all_of(logs(p), logs(q)).items()}


@given(SEEDS)
def test_bounds_between_divergences(seed):
    rng = np.random.default_rng(seed)
    p, q = law(rng), law(rng)
    here, back, same = found(p, q), found(q, p), found(p, p)
    for name in ("js", "tv", "hellinger_squared", "le_cam"):
        np.testing.assert_allclose(here[name], back[name], rtol=TOL, atol=TOL)
    for name in NAMES:
        assert here[name] >= -TOL
        assert abs(same[name]) <= TOL
    tv, h2 = here["tv"], here["hellinger_squared"]
    assert here["js"] <= np.log(2) + TOL
    assert tv <= np.sqrt(here["kl"] / 2) + TOL  # Pinsker
    assert h2 - TOL <= tv
    assert tv**2 <= 2 * h2 + TOL
    assert here["kl"] <= np.log1p(here["chi2"]) * (1 + TOL) + TOL
    assert here["le_cam"] / 2 - TOL <= h2 <= here["le_cam"] + TOL


@given(SEEDS)
def test_merging_outcomes_lowers_every_divergence(seed):
    rng = np.random.default_rng(seed)
    p, q = law(rng), law(rng)
    cells = rng.integers(0, 3, SIZE)
    merged = [np.bincount(cells, v, SIZE) for v in (p, q)]  # as many outcomes as before, some of no mass
    fine, coarse = found(p, q), found(*merged)
    for name in NAMES:
        assert coarse[name] <= fine[name] * (1 + TOL) + TOL, name


@given(SEEDS)
def test_a_bijection_changes_no_divergence_of_densities(seed):
    """KL and Renyi divergences of normal vectors under an affine map of both; kl of records under exp."""
    rng = np.random.default_rng(seed)
    m, n, shift = rng.normal(size=(3, 2))
    a, b = (np.tril(rng.normal(size=(2, 2)), -1) + np.diag(rng.uniform(0.5, 2.0, 2)) for _ in range(2))
    c = np.tril(rng.normal(size=(2, 2)), -1) + np.diag(rng.uniform(0.5, 2.0, 2))
    for fn in (_mvn, _mvn_renyi):
        before = fn(*(v.astype(DTYPE) for v in (m, a, n, b)))
        after = fn(*(v.astype(DTYPE) for v in (c @ m + shift, c @ a, c @ n + shift, c @ b)))
        np.testing.assert_allclose(after, before, rtol=1e4 * EPS, atol=1e4 * EPS)
    p, q = (d.Normal(*(DTYPE(v) for v in pair)) for pair in ((m[0], a[0, 0]), (n[0], b[0, 0])))
    mapped = [d.LogNormal(r.loc, r.scale) for r in (p, q)]
    np.testing.assert_allclose(dv.kl(*mapped), dv.kl(p, q), rtol=TOL)


_mvn = jax.jit(dv.kl_mvn)
_mvn_renyi = jax.jit(lambda *args: dv.renyi_mvn(*args, order=0.6))


def test_unbiased_mmd_and_energy_distance_by_enumeration_of_all_samples():
    """Over all samples of sizes three and two from three- and two-point laws; the biased statistics lie above."""
    left, right = np.array([[0.0], [0.7], [2.0]], DTYPE), np.array([[0.3], [1.1]], DTYPE)
    p, q, h = np.array([0.2, 0.5, 0.3]), np.array([0.6, 0.4]), DTYPE(0.9)

    def population(kernel):
        values = [kernel(u[:, None, 0], v[None, :, 0]) for u, v in ((left, left), (right, right), (left, right))]
        return p @ values[0] @ p + q @ values[1] @ q - 2 * p @ values[2] @ q

    cases = {
        "mmd": (lambda u, v: np.exp(-0.5 * ((u - v) / h) ** 2), 1, lambda x, y: dv.mmd_squared(x, y, bandwidth=h)),
        "biased": (None, 1, lambda x, y: dv.mmd_squared(x, y, bandwidth=h, estimator="biased")),
        "energy": (lambda u, v: np.abs(u - v), -1, lambda x, y: dv.energy_distance_squared(x, y, unbiased=True)),
    }
    i = np.array(list(itertools.product(range(3), repeat=3)))
    j = np.array(list(itertools.product(range(2), repeat=2)))
    weights = np.outer(p[i].prod(1), q[j].prod(1))
    mean = {}
    for name, (_, _, fn) in cases.items():
        over = jax.jit(jax.vmap(jax.vmap(fn, (None, 0)), (0, None)))
        mean[name] = np.sum(weights * np.asarray(over(left[i], right[j]), np.float64))
    for name, (kernel, sign, _) in cases.items():
        if kernel is not None:
            np.testing.assert_allclose(mean[name], sign * population(kernel), rtol=TOL, atol=TOL)
    assert mean["biased"] > mean["mmd"] + 0.1


def test_permutations_of_equal_laws_give_uniform_p_values():
    """Over 200 pairs of samples of one law p is at most 0.1 about 20 times, and at most 0.5 about 100 times."""
    x = np.random.default_rng(0).normal(size=(200, 8, 1)).astype(DTYPE)
    run = jax.jit(
        jax.vmap(lambda key, v: dv.permutation_test(key, v[:4], v[4:], dv.energy_distance_squared, num_permutations=39))
    )
    p = np.asarray(run(jax.random.split(jax.random.key(1), 200), x).p_value)
    assert 0 < p.min()
    assert p.max() <= 1
    assert stats.binom.sf((p <= 0.1).sum() - 1, 200, 0.1) > 1e-4
    assert stats.binom.cdf((p <= 0.5).sum(), 200, 0.5) > 1e-4


@pytest.mark.parametrize("name", ["kl", "bregman", "js", "f"])
def test_standard_errors_cover(name):
    """Of 400 estimates about 95% lie within 1.96 standard errors of the truth; ratios q/p are bounded."""
    loc, scale = 0.3, 0.8
    p, q = d.Normal(DTYPE(0.0), DTYPE(1.0)), d.Normal(DTYPE(loc), DTYPE(scale))
    count = 300

    def estimate(key):
        if name in ("kl", "bregman"):
            kind = "plain" if name == "kl" else "bregman"
            return dv.kl_monte_carlo(key, p, q, num_samples=count, estimator=kind)
        if name == "js":
            return dv.js_monte_carlo(key, p, q, num_samples=count)
        keys = jax.random.split(key)
        x, y = q.sample(keys[0], (count,)), p.sample(keys[1], (count,))
        ratio = lambda v: p.log_prob(v) - q.log_prob(v)  # noqa: E731
        return dv.f_divergence(ratio(x), ratio(y), name="hellinger")

    nodes, weights = np.polynomial.hermite_e.hermegauss(120)
    weights = weights / weights.sum()
    u = stats.norm.logpdf(nodes) - stats.norm.logpdf(nodes, loc, scale)
    affinity = np.sqrt(2 * scale / (1 + scale**2)) * np.exp(-0.25 * loc**2 / (1 + scale**2))
    z = loc + scale * nodes
    back = stats.norm.logpdf(z) - stats.norm.logpdf(z, loc, scale)
    js = np.log(2) - 0.5 * weights @ (np.logaddexp(0, -u) + np.logaddexp(0, back))
    truth = {"kl": weights @ u, "bregman": weights @ u, "js": js, "f": 1 - affinity}[name]
    got = jax.jit(jax.vmap(estimate))(jax.random.split(jax.random.key(3), 400))
    score = (np.asarray(got.value, np.float64) - truth) / np.asarray(got.standard_error, np.float64)
    assert abs(score.mean()) < 4 / np.sqrt(400)
    inside = (np.abs(score) < 1.96).sum()
    assert stats.binom.cdf(inside, 400, 0.95) > 1e-4
    assert stats.binom.sf(inside - 1, 400, 0.95) > 1e-4


def test_table_of_three_outcomes():
    """The laws P, Q, R, S of the seed's table: divergences where Q has zeros, transport that stays finite."""
    p, q, r = np.array([0.5, 0.5]), np.array([0.75, 0.25]), np.array([0.25, 0.75])
    kl = lambda a, b: float(dv.kl_discrete(logs(a), logs(b)))  # noqa: E731
    w1 = lambda a, b: float(dj.transport.wasserstein_discrete(logs(a), logs(b)))  # noqa: E731
    close = {"rtol": TOL, "atol": TOL}
    np.testing.assert_allclose(kl(p, q), 0.5 * np.log(4 / 3), **close)
    np.testing.assert_allclose(kl(q, p), 0.75 * np.log(1.5) - 0.25 * np.log(2), **close)
    np.testing.assert_allclose(kl(p, r), 0.5 * np.log(4 / 3), **close)
    np.testing.assert_allclose(kl(q, r), 0.5 * np.log(3), **close)
    assert kl(p, p) == 0
    np.testing.assert_allclose([w1(p, q), w1(p, r), w1(q, p), w1(p, p), w1(q, r)], [0.25, 0.25, 0.25, 0, 0.5], **close)
    thirds, lifted = np.full(3, 1 / 3), np.array([0.0, 0.5, 0.5])
    left, right = np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(kl(lifted, thirds), np.log(1.5), **close)
    assert kl(thirds, lifted) == kl(left, right) == np.inf
    np.testing.assert_allclose(w1(thirds, lifted), 0.5, **close)
    np.testing.assert_allclose(w1(left, right), 2.0, **close)


def test_points_of_mass_one():
    """Two single points: half the squared energy distance is their distance; the biased squared MMD is 2 - 2 k."""
    x, y = np.array([[0.3, -1.2]], DTYPE), np.array([[1.1, 0.4]], DTYPE)
    gap = np.linalg.norm(x - y)
    np.testing.assert_allclose(dv.energy_distance_squared(x, y) / 2, gap, rtol=TOL)
    biased = dv.mmd_squared(x, y, bandwidth=0.7, estimator="biased")
    np.testing.assert_allclose(biased, 2 - 2 * np.exp(-0.5 * (gap / 0.7) ** 2), rtol=TOL)
    for p in (1.0, 2.5):
        np.testing.assert_allclose(dj.transport.wasserstein_1d(x[0, :1], y[0, :1], p=p), 0.8, rtol=TOL)


def test_traced_arguments_that_are_wrong_give_nan():
    half, x = np.full(2, 0.5, DTYPE), np.arange(6, dtype=DTYPE).reshape(3, 2)
    y = x + DTYPE(0.3)
    for fn in (dv.kl_discrete, dv.js_discrete, dv.tv_discrete, dv.chi2_discrete, dv.hellinger_squared_discrete):
        assert np.isnan(jax.jit(fn)(half, np.log(half)))  # probabilities in place of their logarithms
    distance = jax.jit(lambda w: dv.mmd_squared(x, y, bandwidth=1.0, estimator="biased", x_weights=w))
    assert np.isfinite(distance(np.full(3, 1 / 3, DTYPE)))
    for wrong in ((1.0, 1.0, 1.0), (-1.0, 1.0, 1.0), (np.nan, 0.5, 0.5)):
        assert np.isnan(distance(np.array(wrong, DTYPE)))
    assert np.isnan(jax.jit(lambda h: dv.mmd_squared(x, y, bandwidth=h))(DTYPE(-1.0)))
    assert np.isnan(dv.median_bandwidth(x * np.nan, y))
    assert np.isnan(dv.tv_gaussian_equal_scale(DTYPE(0), DTYPE(1), DTYPE(-1)))


def test_bad_input():
    x = np.ones((3, 2), DTYPE)
    one = np.zeros(1, DTYPE)
    for match, call in {
        "bandwidth is -1.0, expected a positive": lambda: dv.mmd_squared(x, x, bandwidth=-1.0),
        r"kernel gives .*expected a scalar": lambda: dv.mmd_squared(x, x, kernel=lambda a, b: a * b),
        "mmd_squared_gaussian: bandwidth is 0.0": lambda: dv.mmd_squared_gaussian(0.0, 1.0, 0.0, 1.0, bandwidth=0.0),
        "noise_ratio is -1.0": lambda: dv.nce_loss(one, one, one, one, noise_ratio=-1.0),
        "ridge is -1.0": lambda: dv.ulsif(x, x, ridge=-1.0),
    }.items():
        with pytest.raises(ValueError, match=match):
            call()
    with pytest.raises(TypeError, match="q is float, expected a distribution"):
        dv.kl(d.Normal(0.0, 1.0), 1.0)
