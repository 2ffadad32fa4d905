"""Stein discrepancies: closed forms, unbiasedness by enumeration, tests, thinning."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from stein_cases import DTYPE, EPS, POINTS, SCORES

from depthjax import numerics, stein


def gauss_hermite(num_points, loc, scale):
    nodes, weights = numerics.gauss_hermite_rule(num_points)
    return loc + scale * np.asarray(nodes, np.float64), np.asarray(weights, np.float64)


def population(kernel, nodes, weights, scores):
    """E u_p(X, X') over a quadrature rule (n, d)."""
    gram = np.asarray(stein.stein_gram(nodes.astype(DTYPE), scores.astype(DTYPE), kernel), np.float64)
    return weights @ gram @ weights


def test_population_values_of_shifted_and_scaled_normal_laws():
    """N(mu, I) against N(0, I): |mu|^2 (h^2/(h^2+2))^(d/2); N(0, v): (1 - 1/v)^2 (v/2)(c - c^3)."""
    h, mu = 1.4, 0.6
    x, w = gauss_hermite(60, mu, 1.0)
    got = population(stein.RBF(h), x[:, None], w, -x[:, None])
    np.testing.assert_allclose(got, mu**2 * h / np.sqrt(h**2 + 2), rtol=1e3 * EPS)
    mean = np.array([0.5, -0.3, 0.7])
    rules = [gauss_hermite(12, m, 1.0) for m in mean]
    grid = np.stack(np.meshgrid(*(r[0] for r in rules), indexing="ij"), axis=-1).reshape(-1, 3)
    weights = np.einsum("i,j,k->ijk", *(r[1] for r in rules)).ravel()
    np.testing.assert_allclose(population(stein.RBF(h), grid, weights, -grid), 0.28901436, rtol=1e-6)
    v = 1.7
    x, w = gauss_hermite(80, 0.0, np.sqrt(v))
    c = (1 + 2 * v / h**2) ** -0.5
    got = population(stein.RBF(h), x[:, None], w, -x[:, None])
    np.testing.assert_allclose(got, (1 - 1 / v) ** 2 * (v / 2) * (c - c**3), rtol=1e4 * EPS)


def test_statistics_are_means_over_pairs():
    kernel = stein.IMQ(1.2)
    gram = np.asarray(stein.stein_gram(POINTS, SCORES, kernel), np.float64)
    n = len(POINTS)
    u = (gram.sum() - np.trace(gram)) / (n * (n - 1))
    tol = 64 * EPS * np.abs(gram).mean()
    for size in (None, 6):
        np.testing.assert_allclose(stein.ksd(POINTS, SCORES, kernel, block_size=size), u, atol=tol)
        np.testing.assert_allclose(
            stein.ksd(POINTS, SCORES, kernel, statistic="v", block_size=size), gram.mean(), atol=tol
        )
    np.testing.assert_allclose(gram.mean(), (n - 1) / n * u + np.trace(gram) / n**2, rtol=1e3 * EPS)
    default = stein.ksd(POINTS, SCORES)
    h = stein.median_bandwidth(POINTS, convention="median")
    np.testing.assert_allclose(default, stein.ksd(POINTS, SCORES, stein.IMQ(h)), rtol=1e3 * EPS)
    np.testing.assert_allclose(
        stein.stein_kernel(POINTS[0], POINTS[1], SCORES[0], SCORES[1], kernel), gram[0, 1], rtol=1e2 * EPS
    )


def test_the_u_statistic_is_unbiased_by_enumeration():
    """Over all 3^4 samples of a three-point law its mean is the population value; the v-statistic's is above it."""
    support = np.array([[-1.0], [0.4], [2.0]], DTYPE)
    probs = np.array([0.2, 0.5, 0.3])
    scores = (-(support**3)).astype(DTYPE)
    kernel = stein.RBF(0.9)
    gram = np.asarray(stein.stein_gram(support, scores, kernel), np.float64)
    exact = probs @ gram @ probs
    draws = np.array(list(itertools.product(range(3), repeat=4)))
    weights = np.prod(probs[draws], axis=1)
    both = jax.jit(jax.vmap(lambda x: [stein.ksd(x, -(x**3), kernel, statistic=kind) for kind in ("u", "v")]))
    u, v = (np.asarray(value, np.float64) for value in both(jnp.asarray(support[draws])))
    np.testing.assert_allclose(weights @ u, exact, rtol=1e2 * EPS, atol=1e2 * EPS)
    np.testing.assert_allclose(weights @ v, 0.75 * exact + 0.25 * probs @ np.diag(gram), rtol=1e2 * EPS)


def test_gradients_are_those_of_the_matrix_and_finite_where_points_coincide():
    kernel = stein.IMQ(1.1)

    def whole(x):
        gram = stein.stein_gram(x, -x, kernel)
        return jnp.mean(gram)

    def tiled(x):
        return stein.ksd(x, -x, kernel, statistic="v", block_size=5)

    x = jnp.asarray(POINTS)
    want = np.asarray(jax.grad(whole)(x))
    np.testing.assert_allclose(jax.jit(jax.grad(tiled))(x), want, rtol=1e3 * EPS, atol=1e2 * EPS * np.abs(want).max())
    assert np.isfinite(np.asarray(jax.grad(tiled)(jnp.zeros((6, 3), DTYPE)))).all()


def test_the_bootstrap_is_what_it_says():
    """Signs enter both sides of the matrix; p = (1 + #{bootstrap >= statistic})/(1 + B); shifts are found."""
    kernel = stein.IMQ(1.0)
    x = np.random.default_rng(2).normal(size=(80, 2)).astype(DTYPE)
    fit = jax.jit(lambda key, x: stein.ksd_test(key, x, -x, kernel, num_bootstrap=200, block_size=32))
    null, shifted = fit(jax.random.key(0), x), fit(jax.random.key(0), x + DTYPE(1.0))
    assert null.p_value > 0.05
    np.testing.assert_allclose(shifted.p_value, 1 / 201, rtol=1e-6)
    np.testing.assert_allclose(null.statistic, stein.ksd(x, -x, kernel), atol=1e3 * EPS)
    larger = int((np.asarray(null.bootstrap) >= float(null.statistic)).sum())
    np.testing.assert_allclose(null.p_value, (1 + larger) / 201, rtol=1e-6)
    # The mean of the bootstrap over signs is zero; five standard errors.
    values = np.asarray(null.bootstrap, np.float64)
    assert abs(values.mean()) < 5 * values.std() / np.sqrt(200)
    v = stein.ksd_test(jax.random.key(0), x, -x, kernel, num_bootstrap=5, statistic="v")
    assert (np.asarray(v.bootstrap) >= 0).all()


def test_dependent_signs_have_the_autocorrelation_asked_for():
    from depthjax.stein._ksd import _signs

    for probability in (0.5, 0.1):
        signs = np.asarray(_signs(jax.random.key(3), 50, 4000, probability, DTYPE))
        for lag in (1, 2, 5):
            correlation = (signs[lag:] * signs[:-lag]).mean(axis=0)
            want = (1 - 2 * probability) ** lag
            assert abs(correlation.mean() - want) < 5 * correlation.std() / np.sqrt(4000)


@pytest.mark.slow
def test_level_and_power():
    """300 repeats under the null reject between 2% and 8% at level 5%; a shift of 0.4 is found nearly always."""
    kernel, n = stein.IMQ(2**0.5), 150

    def rejects(shift):
        def one(key):
            key_x, key_test = jax.random.split(key)
            x = jax.random.normal(key_x, (n, 2), DTYPE) + jnp.asarray([[shift, 0.0]], DTYPE)
            return stein.ksd_test(key_test, x, -x, kernel, num_bootstrap=500).p_value <= 0.05

        return np.asarray(jax.jit(lambda keys: jax.lax.map(one, keys))(jax.random.split(jax.random.key(7), 300))).mean()

    assert 0.02 <= rejects(0.0) <= 0.08
    assert rejects(0.4) > 0.95


def test_the_finite_set_discrepancy():
    """Its mean over a quadrature rule is the witness -mu h/sqrt(h^2+1) exp(-(v-mu)^2/(2(h^2+1))) squared."""
    h, mu = 1.3, 0.7
    x, w = gauss_hermite(50, mu, 1.0)
    locations = np.array([[0.2], [1.5]], DTYPE)
    from depthjax.stein._fssd import features

    tau = np.asarray(features("test", x[:, None].astype(DTYPE), -x[:, None].astype(DTYPE), locations, stein.RBF(h)))
    witness = -mu * h / np.sqrt(h**2 + 1) * np.exp(-((locations[:, 0] - mu) ** 2) / (2 * (h**2 + 1)))
    np.testing.assert_allclose(w @ tau * np.sqrt(2), witness, rtol=1e3 * EPS)
    draws = POINTS[:, :2]
    tau = np.asarray(features("test", draws, -draws, POINTS[:3, 2:4], stein.RBF(h)), np.float64)
    pairs = tau @ tau.T
    n = len(draws)
    want = (pairs.sum() - np.trace(pairs)) / (n * (n - 1))
    got = stein.fssd(draws, -draws, POINTS[:3, 2:4], stein.RBF(h))
    np.testing.assert_allclose(got, want, atol=1e2 * EPS * np.abs(pairs).mean())


def test_the_finite_set_test_keeps_its_level_and_finds_a_shift():
    kernel, locations = stein.RBF(1.0), np.array([[0.3, -0.5], [1.0, 1.0]], DTYPE)

    @jax.jit
    def p_values(keys, shift):
        def one(key):
            key_x, key_test = jax.random.split(key)
            x = jax.random.normal(key_x, (200, 2), DTYPE) + shift
            return stein.fssd_test(key_test, x, -x, locations, kernel, num_null=400).p_value

        return jax.lax.map(one, keys)

    keys = jax.random.split(jax.random.key(1), 200)
    rejected = (np.asarray(p_values(keys, DTYPE(0.0))) <= 0.05).mean()
    assert abs(rejected - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 200)
    assert (np.asarray(p_values(keys[:20], DTYPE(0.5))) <= 0.05).all()


def test_fitted_locations_raise_the_power():
    x = np.random.default_rng(4).normal(size=(300, 2)).astype(DTYPE)
    x[:, 1] *= DTYPE(0.7)
    start = np.array([[2.5, 2.5]], DTYPE)
    fit = stein.fssd_optimise(x, -x, start, stein.RBF(1.0), optimizer=optax.adam(0.05), num_steps=60)
    trace = np.asarray(fit.power_trace)
    assert trace.shape == (60,)
    assert trace.max() > 2 * abs(trace[0])
    assert float(fit.kernel.length_scale) > 0
    assert stein.fssd(x, -x, fit.locations, fit.kernel) > stein.fssd(x, -x, start, stein.RBF(1.0))


def test_thinning_is_the_greedy_minimum():
    kernel = stein.IMQ(1.0)
    got = np.asarray(jax.jit(lambda x: stein.stein_thinning(x, -x, kernel, num_points=6))(POINTS))
    gram = np.asarray(stein.stein_gram(POINTS, -POINTS, kernel), np.float64)
    total, want = 0.5 * np.diag(gram), []
    for _ in range(6):
        want.append(int(np.argmin(total)))
        total = total + gram[:, want[-1]]
    assert got.tolist() == want
    assert got.dtype == np.int32


def test_bad_input():
    x, one = POINTS, POINTS[:1]
    cases = [
        (lambda: stein.ksd(one, one), "number of points n of a u-statistic is 1, expected at least 2"),
        (lambda: stein.ksd(x, x, statistic="w"), "statistic is 'w', expected one of u, v"),
        (lambda: stein.ksd(x, x[:, :2]), "scores have shape"),
        (lambda: stein.ksd_test(jax.random.key(0), x, x, num_bootstrap=0), "num_bootstrap is 0"),
        (lambda: stein.ksd_test(jax.random.key(0), x, x, flip_probability=0.7), "flip_probability is 0.7"),
        (lambda: stein.fssd(x, x, x[:, :2], stein.RBF(1.0)), r"expected \(J, 5\)"),
        (lambda: stein.fssd_test(jax.random.key(0), x, x, x, stein.RBF(1.0), num_null=0), "num_null is 0"),
        (lambda: stein.stein_thinning(x, x, stein.RBF(1.0), num_points=0), "num_points is 0"),
        (lambda: stein.stein_thinning(x, x * np.float32("nan"), stein.RBF(1.0), num_points=2), "scores has NaN in"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()


def test_discrepancies_lower_for_every_platform():
    x = jax.ShapeDtypeStruct((40, 6), np.float32)
    fn = jax.jit(
        lambda x: (stein.ksd(x, -x, stein.IMQ(1.0), block_size=16), stein.svgd_direction(x, -x, stein.RBF(1.0)))
    )
    exported = jax.export.export(fn, platforms=("cpu", "cuda", "tpu"))(x)
    assert set(exported.platforms) == {"cpu", "cuda", "tpu"}
