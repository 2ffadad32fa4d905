"""Coordinate ascent: exact fixed points, bounds that never fall, models with a known evidence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from depthjax import distributions, vi

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)


def rising(result):
    """The bound of every sweep, checked to be non-decreasing."""
    trace = np.asarray(result.elbo_trace, np.float64)[: int(result.num_steps)]
    assert np.isnan(np.asarray(result.elbo_trace)[int(result.num_steps) :]).all()
    assert np.isfinite(trace).all()
    assert (np.diff(trace) >= -(1e-9 if X64 else 64 * EPS) * np.abs(trace[1:])).all(), np.diff(trace).min()
    return trace


def test_flat_prior_of_a_normal():
    x = np.random.default_rng(0).normal(3.0, 2.0, 40).astype(DTYPE)
    result = jax.jit(lambda v: vi.normal_gamma_cavi(v, precision0=0.0, shape0=0.0, rate0=0.0))(x)
    factors = result.params
    assert result.converged
    np.testing.assert_allclose(factors.rate / factors.shape, x.var(), rtol=max(1e-8, 64 * EPS))
    np.testing.assert_allclose(factors.loc, x.mean(), rtol=8 * EPS)
    rising(result)


def test_normal_gamma_bound_is_below_the_evidence():
    x = np.random.default_rng(1).normal(1.0, 0.7, 25).astype(DTYPE)
    result = vi.normal_gamma_cavi(x, loc0=0.5, precision0=2.0, shape0=3.0, rate0=2.0, tol=0.0)
    bound = rising(result)[-1]
    n, mean, squares = len(x), x.mean(dtype=np.float64), ((x - x.mean()) ** 2).sum(dtype=np.float64)
    rate = 2.0 + 0.5 * squares + 0.5 * 2.0 * n / (2.0 + n) * (mean - 0.5) ** 2  # of the exact posterior
    evidence = (
        special.gammaln(3.0 + n / 2) - special.gammaln(3.0) + 3.0 * np.log(2.0) - (3.0 + n / 2) * np.log(rate)
        + 0.5 * np.log(2.0 / (2.0 + n)) - n / 2 * np.log(2 * np.pi)
    )  # fmt: skip
    assert evidence - 0.05 < bound < evidence
    factors = result.params
    again = vi.normal_gamma_cavi(x, loc0=0.5, precision0=2.0, shape0=3.0, rate0=2.0, max_steps=3)
    # The fixed point of a sweep: the bound is flat there, and stands still once half the digits are right.
    close = {"rtol": 4 * (EPS * abs(bound)) ** 0.5}
    np.testing.assert_allclose(factors.precision, (2.0 + n) * (3.0 + n / 2) / rate, **close)
    np.testing.assert_allclose(factors.rate, rate * (3.0 + (n + 1) / 2) / (3.0 + n / 2), **close)
    assert again.elbo_trace.shape == (3,)


def test_data_without_spread():
    """The prior alone tells the precision, by the fixed point of two numbers; without a prior there is no answer."""
    loc0, precision0, shape0, rate0, n = 1.5, 0.7, 1.2, 0.8, 5
    found = jax.jit(lambda x: vi.normal_gamma_cavi(x, loc0=loc0, precision0=precision0, shape0=shape0, rate0=rate0))(
        np.ones(n, DTYPE)
    )
    assert found.converged
    shape, loc = shape0 + (n + 1) / 2, (precision0 * loc0 + n) / (precision0 + n)
    squares = n * (1 - loc) ** 2 + precision0 * (loc - loc0) ** 2
    rate = rate0
    for _ in range(200):  # (precision0 + n) of variance 1 / ((precision0 + n) E tau) is 1 / E tau
        rate = rate0 + 0.5 * (squares + rate / shape)
    tol = 2e-5 if X64 else 1e-3  # the bound stands still to the square of that
    np.testing.assert_allclose([found.params.rate, found.params.loc], [rate, loc], rtol=tol)
    np.testing.assert_allclose(found.params.precision, (precision0 + n) * shape / rate, rtol=tol)
    flat = vi.normal_gamma_cavi(np.ones(n, DTYPE), precision0=0.0, shape0=0.0, rate0=0.0)
    assert not flat.converged


def test_a_bound_that_is_not_finite_does_not_stand():
    for bound in (jnp.inf, -jnp.inf, jnp.nan):
        found = vi.cavi(DTYPE(0), lambda x: x + 1, lambda x, bound=bound: jnp.where(x > 1, bound, x))
        assert not found.converged
        assert int(found.num_steps) == 2


def test_correlated_normal_contracts_by_the_square_of_the_correlation():
    rho = 0.6

    def sweep(m):
        first = rho * m[1]
        return jnp.stack([first, rho * first])

    def elbo(m):
        precision = jnp.asarray([[1, -rho], [-rho, 1]], DTYPE) / (1 - rho**2)
        return -0.5 * m @ precision @ m

    start = jnp.ones(2, DTYPE)
    one, two = sweep(start), sweep(sweep(start))
    np.testing.assert_allclose(two, rho**2 * one, rtol=16 * EPS)
    result = vi.cavi(start, sweep, elbo, max_steps=100, tol=1e-12)
    assert result.converged
    assert (np.abs(np.asarray(result.params)) < 1e-3).all()
    rising(result)
    short = vi.cavi(start, sweep, elbo, max_steps=2, tol=0.0)
    assert not short.converged
    assert int(short.num_steps) == 2
    broken = vi.cavi(start, lambda m: m * jnp.nan, elbo, max_steps=20)
    assert not broken.converged
    assert int(broken.num_steps) == 1


def test_unit_variance_mixture_with_one_component_has_the_exact_evidence():
    x = np.random.default_rng(2).normal(0.5, 1.0, 12).astype(DTYPE)
    run = jax.jit(vi.unit_variance_mixture_cavi, static_argnames="num_components")
    result = run(jax.random.key(0), x, num_components=1, prior_variance=4.0)
    covariance = np.eye(12) + 4.0
    want = -0.5 * (12 * np.log(2 * np.pi) + np.linalg.slogdet(covariance)[1] + x @ np.linalg.solve(covariance, x))
    np.testing.assert_allclose(rising(result)[-1], want, rtol=64 * EPS)


def test_unit_variance_mixture_finds_its_components():
    random = np.random.default_rng(3)
    x = np.concatenate([random.normal(-4, 1, 60), random.normal(5, 1, 40)]).astype(DTYPE)
    result = jax.jit(vi.unit_variance_mixture_cavi, static_argnames="num_components")(
        jax.random.key(1), x, num_components=2, prior_variance=25.0
    )
    rising(result)
    found = np.sort(np.asarray(result.params.means))
    counts = np.asarray(result.params.responsibilities).sum(0)
    np.testing.assert_allclose(found, [x[:60].mean(), x[60:].mean()], atol=0.1)
    np.testing.assert_allclose(np.sort(counts), [40, 60], atol=0.5)


def gaussian_mixture(x, num_components, **options):
    run = jax.jit(vi.gaussian_mixture_cavi, static_argnames=("num_components", "max_steps"))
    return run(jax.random.key(0), x, num_components=num_components, **options)


def test_gaussian_mixture_with_one_component_has_the_exact_evidence():
    random = np.random.default_rng(4)
    x = (random.normal(size=(30, 3)) @ random.normal(size=(3, 3)) + 1.0).astype(DTYPE)
    loc0, beta0, nu0 = np.array([0.5, -1.0, 0.0], DTYPE), 1.5, 5.0
    inverse0 = np.array([[2.0, 0.3, 0.0], [0.3, 1.0, 0.2], [0.0, 0.2, 3.0]], DTYPE)
    result = gaussian_mixture(
        x, 1, mean_precision0=beta0, loc0=loc0, dof0=nu0, scale0=np.linalg.inv(inverse0).astype(DTYPE)
    )
    n, d = x.shape
    mean = x.mean(0, dtype=np.float64)
    inverse = inverse0 + (x - mean).T @ (x - mean) + beta0 * n / (beta0 + n) * np.outer(mean - loc0, mean - loc0)
    want = (
        -n * d / 2 * np.log(np.pi) + special.multigammaln((nu0 + n) / 2, d) - special.multigammaln(nu0 / 2, d)
        + nu0 / 2 * np.linalg.slogdet(inverse0)[1] - (nu0 + n) / 2 * np.linalg.slogdet(inverse)[1]
        + d / 2 * np.log(beta0 / (beta0 + n))
    )  # fmt: skip
    np.testing.assert_allclose(rising(result)[-1], want, rtol=1e-9 if X64 else 2e-5)
    np.testing.assert_allclose(
        result.params.inverse_scale_tril[0] @ result.params.inverse_scale_tril[0].T, inverse, rtol=1e-8 if X64 else 1e-3
    )


@pytest.mark.slow
def test_gaussian_mixture_leaves_components_empty():
    random = np.random.default_rng(5)
    centres = np.array([[-4.0, 0.0], [4.0, 1.0], [0.0, 6.0]])
    x = np.concatenate([random.normal(c, 0.7, (80, 2)) for c in centres]).astype(DTYPE)
    result = gaussian_mixture(x, 6, concentration0=1e-3, max_steps=500)
    rising(result)
    counts = np.asarray(result.params.concentration) - 1e-3
    assert (counts > 60).sum() == 3
    assert np.isfinite(np.asarray(result.params.loc)).all()
    for centre in centres:
        assert np.abs(np.asarray(result.params.loc)[counts > 60] - centre).sum(1).min() < 0.5
    near = np.exp(np.asarray(result.params.log_responsibilities(x[:5])))
    np.testing.assert_allclose(near.sum(1), 1, rtol=1e-5)


def test_refusals():
    x = np.zeros(4, DTYPE)
    with pytest.raises(ValueError, match=r"x is \(n,\) with n >= 1, got shape \(2, 2\)"):
        vi.normal_gamma_cavi(np.zeros((2, 2), DTYPE), precision0=1.0, shape0=1.0, rate0=1.0)
    with pytest.raises(ValueError, match=r"num_components in 1\.\.n"):
        vi.unit_variance_mixture_cavi(jax.random.key(0), x, num_components=5, prior_variance=1.0)
    with pytest.raises(ValueError, match=r"x is \(n, d\)"):
        vi.gaussian_mixture_cavi(jax.random.key(0), x, num_components=2)
    with pytest.raises(ValueError, match="max_steps must be at least 1"):
        vi.cavi(x, lambda v: v, jnp.sum, max_steps=0)


def test_maximiser_of_the_expected_joint_is_not_the_maximum_likelihood_estimate():
    """With x | z ~ N(z + t, 1), z ~ N(0, 1) and q the posterior at t0, the maximiser is (x + t0)/2, not x."""
    x, t0 = 1.4, 0.2
    posterior = distributions.Normal(DTYPE((x - t0) / 2), DTYPE(np.sqrt(0.5)))

    def expected(t):
        return -0.5 * ((x - t - posterior.mean()) ** 2 + posterior.variance())

    t = (x + t0) / 2
    np.testing.assert_allclose(jax.grad(expected)(DTYPE(t)), 0, atol=16 * EPS)
    assert abs(float(jax.grad(expected)(DTYPE(x)))) > 0.1
