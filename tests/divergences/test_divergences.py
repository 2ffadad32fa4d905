"""Closed forms, laws and traps of divergences; oracles are enumeration, quadrature and scipy."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, special, stats

from depthjax import distributions as d
from depthjax import divergences as dv

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
TOL = 1e-10 if X64 else 64 * EPS
VALUES = pytest.mark.skipif(not X64, reason="float64 values")


def logs(*p):
    with np.errstate(divide="ignore"):
        return jnp.asarray(np.log(np.array(p)), DTYPE)


def test_printed_values():
    p, q, r = logs(0.5, 0.5), logs(0.75, 0.25), logs(1.0, 0.0)
    np.testing.assert_allclose(dv.kl_discrete(p, q), 0.5 * np.log(4 / 3), rtol=TOL)
    np.testing.assert_allclose(dv.js_discrete(p, q), 0.0338220756, atol=1e-10 if X64 else 1e-7)
    np.testing.assert_allclose(dv.tv_discrete(p, q), 0.25, rtol=TOL)
    np.testing.assert_allclose(dv.chi2_discrete(p, q), 1 / 12 + 1 / 4, rtol=TOL)
    np.testing.assert_allclose(dv.js_discrete(r, r[::-1]), np.log(2), rtol=TOL)
    assert dv.kl_discrete(p, r) == np.inf
    assert dv.renyi_discrete(r, r[::-1], order=0.5) == np.inf
    np.testing.assert_allclose(dv.kl_gaussian(DTYPE(0.5), 1.5, -1.0, 0.7), 3.3296966826, rtol=1e-10 if X64 else 1e-6)
    x, y = np.array([[0.0], [1]], DTYPE), np.array([[0.5], [2], [3]], DTYPE)
    close = {"atol": 1e-10 if X64 else 1e-6}
    np.testing.assert_allclose(dv.mmd_squared(x, y, bandwidth=1.0, estimator="biased"), 0.4688573340, **close)
    np.testing.assert_allclose(dv.mmd_squared(x, y, bandwidth=1.0), 0.0471360040, **close)
    np.testing.assert_allclose(dv.energy_distance_squared(x, y), 1.3888888889, **close)


@pytest.mark.parametrize("name", ["kl", "js", "tv", "hellinger_squared", "chi2", "le_cam"])
def test_gradient_at_zeros_and_coincidence(name):
    fn = getattr(dv, f"{name}_discrete")
    p, q = logs(0.5, 0.5, 0.0, 0.0), logs(0.5, 0.25, 0.25, 0.0)
    for args in ((p, q), (p, p)):
        grads = jax.jit(jax.grad(fn, argnums=(0, 1)))(*args)
        assert all(np.isfinite(np.asarray(g)).all() for g in grads)


@VALUES
@pytest.mark.parametrize("seed", range(3))
def test_generators_agree_with_the_discrete_divergences(seed):
    rng = np.random.default_rng(seed)
    p, q = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(5))
    lp, lq, u = np.log(p), np.log(q), np.log(p / q)
    exact = {
        "kl": dv.kl_discrete(lp, lq), "reverse_kl": dv.kl_discrete(lq, lp), "js": dv.js_discrete(lp, lq),
        "gan": 2 * dv.js_discrete(lp, lq), "pearson": dv.chi2_discrete(lp, lq), "neyman": dv.chi2_discrete(lq, lp),
        "hellinger": dv.hellinger_squared_discrete(lp, lq), "tv": dv.tv_discrete(lp, lq),
        "le_cam": dv.le_cam_discrete(lp, lq), "jeffreys": dv.kl_discrete(lp, lq) + dv.kl_discrete(lq, lp),
    }  # fmt: skip
    for name, value in exact.items():
        f = dv.f_generator(name)
        critic = np.asarray(f.optimal_critic(u))
        np.testing.assert_allclose(q @ np.asarray(f.value(u)), value, rtol=1e-10, atol=1e-13, err_msg=name)
        dual = p @ critic - q @ np.asarray(f.conjugate(critic))
        np.testing.assert_allclose(dual, value, rtol=1e-9, atol=1e-13, err_msg=name)
        v = np.linspace(-3.0, 3.0, 13)
        composite = f.form().composite(jnp.asarray(v))
        np.testing.assert_allclose(f.conjugate(f.activation(v)), composite, rtol=1e-9, atol=1e-12, err_msg=name)
        assert (np.diff(np.asarray(f.activation(v))) > 0).all()
        above = jnp.asarray(np.abs(v) + 0.1)
        np.testing.assert_allclose(f.form().perspective(above), np.exp(-above) * f.value(above), rtol=1e-11, atol=1e-14)
    for a in (-0.7, 0.3, 2.5):
        f = dv.f_generator("alpha", order=a)
        value = dv.alpha_discrete(lp, lq, order=a)
        np.testing.assert_allclose(value, ((p**a * q ** (1 - a)).sum() - 1) / (a * (a - 1)), rtol=1e-9)
        critic = np.asarray(f.optimal_critic(u))
        np.testing.assert_allclose(p @ critic - q @ np.asarray(f.conjugate(critic)), value, rtol=1e-9)
    np.testing.assert_allclose(dv.js_discrete(lp, lq), dv.js_discrete(lq, lp), rtol=1e-12)
    tv, js = float(dv.tv_discrete(lp, lq)), float(dv.js_discrete(lp, lq))
    assert js <= np.log(2)
    assert tv <= np.sqrt(exact["kl"] / 2)
    assert tv**2 <= 2 * float(exact["hellinger"])


@pytest.mark.parametrize("name", ["js", "gan", "tv", "le_cam", "reverse_kl"])
def test_log_ratios_of_ten_thousand(name):
    u = jnp.asarray([-1e4, -89.0, -80.0, 0.0, 80.0, 89.0, 1e4], np.float32)
    f = dv.f_generator(name)
    value, slope = f.value(u), jax.vmap(jax.grad(f.value))(u)
    assert np.isfinite(np.asarray(value)).all()
    assert np.isfinite(np.asarray(slope)).all()
    if name == "js":
        np.testing.assert_allclose(value[-1], np.log(2) - 5000 - 0.5, rtol=1e-6)
        np.testing.assert_allclose(slope[-3:], -0.5, rtol=1e-6)
    for other in ("kl", "hellinger", "jeffreys"):
        two = jax.grad(lambda v, other=other: dv.f_divergence(-jnp.abs(v), jnp.abs(v), name=other).value)(u)
        assert np.isfinite(np.asarray(two)).all(), other


SCALARS = {
    "Normal": (d.Normal(0.3, 1.2), d.Normal(-0.5, 0.8)),
    "Gamma": (d.Gamma(2.5, 1.2), d.Gamma(1.5, 0.7)),
    "LogNormal": (d.LogNormal(0.3, 0.5), d.LogNormal(0.1, 0.8)),
    "Laplace": (d.Laplace(0.3, 0.7), d.Laplace(-0.5, 1.3)),
    "InverseGamma": (d.InverseGamma(3.0, 2.0), d.InverseGamma(4.0, 1.5)),
    "Beta": (d.Beta(2.0, 3.0), d.Beta(1.5, 1.2)),
    "Gumbel": (d.Gumbel(0.3, 0.7), d.Gumbel(-0.2, 0.9)),
    "Weibull": (d.Weibull(1.5, 0.8), d.Weibull(2.0, 1.1)),
    "Cauchy": (d.Cauchy(0.3, 0.7), d.Cauchy(-0.2, 1.1)),
    "Pareto": (d.Pareto(1.5, 3.0), d.Pareto(1.0, 2.0)),
    "VonMises": (d.VonMises(0.3, 2.0), d.VonMises(-0.4, 1.0)),
    "HalfNormal": (d.HalfNormal(0.7), d.HalfNormal(1.2)),
    "ChiSquared": (d.ChiSquared(5.0), d.ChiSquared(3.5)),
    "Uniform": (d.Uniform(0.1, 0.9), d.Uniform(0.0, 2.0)),
    "Exponential": (d.Exponential(1.3), d.Exponential(0.6)),
    "LogitNormal": (d.LogitNormal(0.3, 0.7), d.LogitNormal(-0.2, 1.1)),
    "Normal-Laplace": (d.Normal(0.3, 1.2), d.Laplace(-0.5, 0.8)),
    "Laplace-Normal": (d.Laplace(0.3, 1.2), d.Normal(-0.5, 0.8)),
    "Beta-Uniform": (d.Beta(2.0, 3.0), d.Uniform(-1.0, 1.5)),
    "Gumbel-Normal": (d.Gumbel(0.3, 0.7), d.Normal(0.1, 1.1)),
    "Uniform-Normal": (d.Uniform(-1.0, 0.5), d.Normal(0.1, 1.1)),
    "Exponential-Gamma": (d.Exponential(1.3), d.Gamma(2.5, 0.7)),
    "Gamma-Exponential": (d.Gamma(2.5, 0.7), d.Exponential(1.3)),
}


def panels(name, p, q):
    """Nodes and probabilities: Gauss-Legendre between kinks on the line, the circle, or tanh-sinh in the quantile."""
    if name == "VonMises":
        x = np.linspace(-np.pi, np.pi, 401)[:-1]
        return x, np.exp(np.asarray(p.log_prob(x))) * (2 * np.pi / 400)
    if "Laplace" in name:
        z, w = np.polynomial.legendre.leggauss(100)
        ends = np.array([-40.0, -10.0, *sorted([float(p.loc), float(q.loc)]), 10.0, 40.0])
        half, middle = np.diff(ends)[:, None] / 2, (ends[1:] + ends[:-1])[:, None] / 2
        x = (middle + half * z).ravel()
        return x, np.exp(np.asarray(p.log_prob(x))) * (half * w).ravel()
    t, h = np.linspace(-5.2, 5.2, 2001, retstep=True)
    low, high = -np.logaddexp(0.0, -np.pi * np.sinh(t)), -np.logaddexp(0.0, np.pi * np.sinh(t))
    from_low = p.quantile_from_log(np.minimum(low, -0.1))
    from_high = p.quantile_from_log_survival(np.minimum(high, -0.1))
    return np.where(low < np.log(0.5), from_low, from_high), np.exp(low + high) * np.pi * np.cosh(t) * h


HEAVY = {"Beta", "Beta-Uniform", "InverseGamma", "Exponential-Gamma", "Gamma-Exponential", "LogitNormal"}


@VALUES
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in HEAVY else []) for name in SCALARS]
)
def test_kl_by_quadrature(name):
    p, q = SCALARS[name]
    x, w = panels(name, p, q)
    u = np.asarray(jax.jit(lambda a, b, v: a.log_prob(v) - b.log_prob(v))(p, q, x))
    value, (grad_p, grad_q) = jax.jit(jax.value_and_grad(dv.kl, argnums=(0, 1)))(p, q)
    np.testing.assert_allclose(value, w @ np.where(w > 1e-30, u, 0.0), rtol=2e-8)
    if type(p) is type(q):
        np.testing.assert_allclose(dv.kl(p, p), 0.0, atol=1e-14)
    assert all(np.isfinite(np.asarray(g)).all() for g in jax.tree.leaves((grad_p, grad_q)))


COUNTS = {
    "Bernoulli": (d.Bernoulli(0.3), d.Bernoulli(-0.7)), "Poisson": (d.Poisson(0.7), d.Poisson(0.2)),
    "Geometric": (d.Geometric(0.3), d.Geometric(-0.7)), "Binomial": (d.Binomial(7.0, 0.3), d.Binomial(7.0, -0.7)),
    "NegativeBinomial": (d.NegativeBinomial(2.5, -0.3), d.NegativeBinomial(2.5, -0.9)),
    "Categorical": (d.Categorical(logs(0.2, 0.8, 0.0)), d.Categorical(logs(0.3, 0.3, 0.4))),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTS)
def test_kl_by_summation(name):
    p, q = COUNTS[name]
    last = {"Bernoulli": 2, "Categorical": 3, "Binomial": 8}.get(name, 120)
    x = jnp.arange(last).astype(DTYPE)
    a, b = np.asarray(p.log_prob(x), np.float64), np.asarray(q.log_prob(x), np.float64)
    value = (np.exp(a) * np.where(np.isneginf(a), 0.0, a - b)).sum() if name != "Categorical" else (
        np.exp(a[:2]) @ (a[:2] - b[:2]))  # fmt: skip
    np.testing.assert_allclose(dv.kl(p, q), value, rtol=1e-9 if X64 else 2e-5)


def test_kl_vectors_and_combinators():
    rng = np.random.default_rng(0)
    a, b = (np.linalg.cholesky(m @ m.T + np.eye(3)).astype(DTYPE) for m in rng.normal(size=(2, 3, 3)))
    m, n = rng.normal(size=(2, 3)).astype(DTYPE)
    p, q = d.MultivariateNormal(m, a), d.MultivariateNormal(n, b)
    cov, other, gap = a @ a.T, b @ b.T, (m - n)
    inverse = np.linalg.inv(other.astype(np.float64))
    value = 0.5 * (np.trace(inverse @ cov) - 3 + gap @ inverse @ gap) + np.log(np.diag(b) / np.diag(a)).sum()
    close = {"rtol": 1e-10 if X64 else 2e-5}
    np.testing.assert_allclose(dv.kl(p, q), value, **close)
    np.testing.assert_allclose(dv.bhattacharyya_mvn(m, a, n, b), dv.bhattacharyya_mvn(n, b, m, a), **close)
    near = dv.renyi_mvn(m, a, n, b, order=1 - 1e-5) if X64 else value
    np.testing.assert_allclose(near, value, rtol=1e-3)
    assert dv.renyi_mvn(m, 3 * b, n, b, order=2.0) == np.inf
    diagonal = d.MultivariateNormalDiag(m, np.diag(a))
    dense = d.MultivariateNormal(m, np.diag(np.diag(a)))
    np.testing.assert_allclose(dv.kl(diagonal, q), dv.kl(dense, q), **close)
    one, two = d.Normal(DTYPE(0.3), DTYPE(1.2)), d.Normal(DTYPE(-0.5), DTYPE(0.8))
    np.testing.assert_allclose(dv.kl(d.Repeated(one, (2, 3)), d.Repeated(two, (2, 3))), 6 * dv.kl(one, two), **close)
    joint = dv.kl(d.Product((one, p)), d.Product((two, q)))
    np.testing.assert_allclose(joint, dv.kl(one, two) + dv.kl(p, q), **close)
    assert dv.kl(one, d.Uniform(DTYPE(0), DTYPE(1))) == np.inf
    with pytest.raises(NotImplementedError, match=r"Logistic.*register_kl.*kl_monte_carlo"):
        dv.kl(d.Logistic(DTYPE(0), DTYPE(1)), one)
    assert not dv.has_kl(d.Product((d.Logistic(0.0, 1.0),)), d.Product((one,)))


@pytest.mark.slow
def test_kl_of_matrices_and_directions():
    rng = np.random.default_rng(0)
    a, b = (np.linalg.cholesky(m @ m.T + np.eye(3)).astype(DTYPE) for m in rng.normal(size=(2, 3, 3)))
    east = np.array([1.0, 0, 0], DTYPE)
    for r, s in (
        (d.Dirichlet(np.array([1.0, 2, 3], DTYPE)), d.Dirichlet(np.array([2.0, 1, 1], DTYPE))),
        (d.Wishart(DTYPE(5.0), a), d.Wishart(DTYPE(6.0), b)),
        (d.VonMisesFisher(east, DTYPE(3.0)), d.VonMisesFisher(east[::-1], DTYPE(1.0))),
    ):
        guess = dv.kl_monte_carlo(jax.random.key(1), r, s, num_samples=4000)
        assert abs(float(guess.value - dv.kl(r, s))) < 4 * float(guess.standard_error)


def test_export_for_every_platform():
    log_p = jax.ShapeDtypeStruct((4,), jnp.float32)
    points = jax.ShapeDtypeStruct((6, 2), jnp.float32)
    for fn, shape in (
        (lambda v: jax.grad(dv.js_discrete)(v, jnp.zeros_like(v)), log_p),
        (lambda v: dv.f_divergence(v, v, name="jeffreys"), log_p),
        (lambda v: jax.grad(lambda w: dv.mmd_squared(w, v))(v), points),
        (lambda v: dv.energy_distance(v, v + 1), points),
    ):
        exported = jax.export.export(jax.jit(fn), platforms=("cpu", "cuda", "tpu"))(shape)
        assert exported.platforms == ("cpu", "cuda", "tpu")


@VALUES
def test_js_monte_carlo_and_bregman():
    p, q = d.Normal(0.0, 1.0), d.Normal(1.0, 1.5)

    def integrand(x):
        a, b = stats.norm.pdf(x), stats.norm.pdf(x, 1.0, 1.5)
        return 0.5 * (special.rel_entr(a, (a + b) / 2) + special.rel_entr(b, (a + b) / 2))

    exact = integrate.quad(integrand, -12, 14, epsabs=1e-12)[0]
    got = dv.js_monte_carlo(jax.random.key(0), p, q, num_samples=20_000)
    assert abs(float(got.value) - exact) < 4 * float(got.standard_error)
    got = dv.kl_monte_carlo(jax.random.key(0), p, q, num_samples=20_000, estimator="bregman")
    assert abs(float(got.value - dv.kl(p, q))) < 4 * float(got.standard_error)


def test_kernels_tiles_and_gradients(monkeypatch):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 2)).astype(DTYPE), rng.normal(size=(5, 2)).astype(DTYPE)
    whole = jax.value_and_grad(lambda v: dv.mmd_squared(v, y, bandwidth=1.3))(x)
    monkeypatch.setattr("depthjax.divergences._mmd._TILE", 10)
    tiled = jax.value_and_grad(lambda v: dv.mmd_squared(v, y, bandwidth=1.3))(x)
    for a, b in zip(whole, tiled, strict=True):
        np.testing.assert_allclose(a, b, rtol=64 * EPS, atol=16 * EPS)
    custom = dv.mmd_squared(x, y, kernel=lambda u, v: jnp.exp(-0.5 * jnp.sum((u - v) ** 2) / 1.3**2))
    np.testing.assert_allclose(custom, whole[0], rtol=64 * EPS, atol=16 * EPS)
    same = jax.grad(lambda v: dv.energy_distance(v, jnp.asarray(y)))(jnp.asarray(y))
    assert np.isfinite(np.asarray(same)).all()
    block = dv.mmd_squared(x[:5], y, estimator="block", block_size=5, bandwidth=1.0)
    g = lambda u, v: np.exp(-0.5 * ((u[:, None] - v[None]) ** 2).sum(-1))  # noqa: E731
    h = g(x[:5], x[:5]) + g(y, y) - g(x[:5], y) - g(x[:5], y).T
    np.testing.assert_allclose(block, (h.sum() - np.trace(h)) / 20, rtol=1e-9 if X64 else 1e-4)


@pytest.mark.slow
def test_classifiers_and_ratios():
    p, q = np.array([0.5, 0.5]), np.array([0.75, 0.25])
    u = np.log(p / q)
    at_p, at_q = np.repeat(u, [2, 2]).astype(DTYPE), np.repeat(u, [3, 1]).astype(DTYPE)
    np.testing.assert_allclose(dv.js_from_logits(at_p, at_q), 0.0338220756, atol=1e-10 if X64 else 1e-6)
    zero = np.zeros(4, DTYPE)
    loss = dv.nce_loss(at_p, zero, at_q, zero, noise_ratio=1.0)
    np.testing.assert_allclose(loss, 1.3186502100, rtol=1e-10 if X64 else 1e-6)
    bound = dv.variational_bound(1 + at_p, 1 + at_q, name="kl")
    np.testing.assert_allclose(bound.value, 0.5 * np.log(4 / 3), rtol=1e-10 if X64 else 1e-5)
    np.testing.assert_allclose(dv.infonce_loss(2 * np.eye(2, dtype=DTYPE)), np.log1p(np.exp(-2)), rtol=TOL)
    eye_p, eye_q = np.eye(2, dtype=DTYPE)[[0, 0, 1, 1]], np.eye(2, dtype=DTYPE)[[0, 0, 0, 1]]
    np.testing.assert_allclose(dv.ulsif(eye_p, eye_q, ridge=0.0), p / q, rtol=TOL)
    fit = dv.kliep(eye_p, eye_q, num_steps=5, step_size=1.0)
    np.testing.assert_allclose(fit.weights, p / q, rtol=TOL)
    assert fit.converged
    joint = logs([0.3, 0.2], [0.0, 0.5])
    value = 0.3 * np.log(0.3 / 0.15) + 0.2 * np.log(0.2 / 0.35) + 0.5 * np.log(0.5 / 0.35)
    np.testing.assert_allclose(dv.mutual_information_discrete(joint), value, rtol=1e-9 if X64 else 1e-5)
    ten = dv.js_mixture_discrete(logs(*np.eye(3)), logs(0.2, 0.3, 0.5))
    np.testing.assert_allclose(ten, -(np.array([0.2, 0.3, 0.5]) @ np.log([0.2, 0.3, 0.5])), rtol=1e-9 if X64 else 1e-5)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 2)).astype(DTYPE), rng.normal(2.0, 1.0, (20, 2)).astype(DTYPE)
    assert dv.c2st_knn(x, y, num_neighbours=3).p_value < 1e-3
    found = dv.permutation_test(jax.random.key(0), x, y, dv.energy_distance_squared, num_permutations=99)
    np.testing.assert_allclose(found.p_value, 0.01, rtol=1e-6)


def test_bad_input():
    ones = np.ones((3, 2), DTYPE)
    for match, call in {
        r"pass jnp.log": lambda: dv.kl_discrete(np.array([0.5, 0.5]), np.array([0.5, 0.5])),
        r"use kl_discrete": lambda: dv.renyi_discrete(logs(0.5, 0.5), logs(0.5, 0.5), order=1.0),
        r"order is missing": lambda: dv.renyi_discrete(logs(0.5, 0.5), logs(0.5, 0.5)),
        r"expected one of .*jeffreys": lambda: dv.f_generator("chi"),
        r"normalise": lambda: dv.mmd_squared(ones, ones, x_weights=np.ones(3), bandwidth=1.0),
        r"negative": lambda: dv.mmd_squared(ones, ones, x_weights=np.array([-1.0, 1, 1]), bandwidth=1.0),
        r"at least 2": lambda: dv.mmd_squared(ones[:1], ones, bandwidth=1.0),
        r"positives on the diagonal": lambda: dv.infonce_loss(ones),
        r"expected \(2,\) as in x": lambda: dv.energy_distance(ones, np.ones((3, 1), DTYPE)),
        r"q has event shape": lambda: dv.kl(d.Normal(0.0, 1.0), d.Normal(np.zeros(2), 1.0)),
    }.items():
        with pytest.raises(ValueError, match=match):
            call()
