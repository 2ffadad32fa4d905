"""Trace and divergence estimators: exact enumeration, closed variances, low rank, unbiasedness."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import numerics as nm

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(6, 6)).astype(DTYPE)


def product(matrix):
    return lambda v: jnp.asarray(matrix) @ v


def field(x):
    return jnp.sin(jnp.asarray(MATRIX) @ x) * x[::-1]


def test_exact_traces():
    np.testing.assert_allclose(nm.trace_exact(product(MATRIX), (6,), dtype=DTYPE), np.trace(MATRIX), rtol=32 * EPS)
    x = RNG.normal(size=6).astype(DTYPE)
    jacobian = np.asarray(jax.jacfwd(field)(x))
    value, divergence = jax.jit(lambda x: nm.divergence_exact(field, x))(x)
    np.testing.assert_allclose(value, field(x), rtol=32 * EPS)
    np.testing.assert_allclose(divergence, np.trace(jacobian), rtol=64 * EPS)
    np.testing.assert_allclose(nm.jacobian_frobenius_squared(field, x), np.sum(jacobian**2), rtol=64 * EPS)
    image = RNG.normal(size=(2, 3)).astype(DTYPE)
    _, of_image = nm.divergence_exact(lambda z: field(z.ravel()).reshape(2, 3), image)
    np.testing.assert_allclose(of_image, np.trace(np.asarray(jax.jacfwd(field)(image.ravel()))), rtol=64 * EPS)


def test_all_rademacher_probes():
    """Every one of the 64 vectors: the mean is the trace, the variance the closed form."""
    x = RNG.normal(size=6).astype(DTYPE)
    probes = np.array(list(itertools.product((-1, 1), repeat=6)), DTYPE)
    jacobian = np.asarray(jax.jacfwd(field)(x), np.float64)
    _, terms = nm.divergence_with_probes(field, x, probes)
    scale = np.abs(jacobian).sum()
    np.testing.assert_allclose(np.mean(terms), np.trace(jacobian), atol=8 * EPS * scale)
    variance = nm.hutchinson_variance(jacobian.astype(DTYPE), law="rademacher")
    np.testing.assert_allclose(np.var(np.asarray(terms, np.float64)), variance, rtol=64 * EPS)
    rows = nm.jacobian_frobenius_squared_with_probes(field, x, probes)
    np.testing.assert_allclose(np.mean(rows), np.sum(jacobian**2), rtol=64 * EPS)


@pytest.mark.parametrize("law", ["rademacher", "gaussian", "sphere"])
def test_moments_of_one_probe(law):
    count = 200_000
    probes = np.asarray(nm.sample_probes(KEY, (count, 6), law=law, dtype=DTYPE), np.float64)
    second = probes.T @ probes / count
    assert np.abs(second - np.eye(6)).max() < 5 * np.sqrt(3 / count)
    terms = np.sum(probes * (probes @ MATRIX.T.astype(np.float64)), axis=1)
    variance = float(nm.hutchinson_variance(MATRIX, law=law))
    spread = np.std((terms - np.trace(MATRIX)) ** 2) / np.sqrt(count)
    assert abs(np.mean(terms) - np.trace(MATRIX)) < 4 * np.sqrt(variance / count)
    assert abs(np.var(terms) - variance) < 5 * spread
    if law == "sphere":
        np.testing.assert_allclose(np.sum(probes**2, axis=1), np.full(count, 6.0), rtol=16 * EPS)


@pytest.mark.parametrize("law", ["rademacher", "gaussian", "sphere"])
def test_an_antisymmetric_matrix_has_no_variance(law):
    skew = MATRIX - MATRIX.T
    assert nm.hutchinson_variance(skew, law=law) == 0
    found = nm.trace_hutchinson(KEY, product(skew), (6,), law=law, num_samples=5, dtype=DTYPE)
    np.testing.assert_allclose(found.value, 0.0, atol=64 * EPS)


@pytest.mark.parametrize("name", ["trace_hutchpp", "trace_xtrace"])
def test_low_rank_is_exact(name):
    left, right = RNG.normal(size=(2, 64, 6)).astype(DTYPE)
    low = left @ right.T
    found = getattr(nm, name)(KEY, product(low), (64,), num_matvecs=24, dtype=DTYPE)
    np.testing.assert_allclose(found.value, np.trace(low), atol=512 * EPS * np.linalg.norm(low))
    assert found.standard_error < 512 * EPS * np.linalg.norm(low)
    zero = getattr(nm, name)(KEY, product(np.zeros((64, 64), DTYPE)), (64,), num_matvecs=24, dtype=DTYPE)
    assert zero.value == 0


@pytest.mark.parametrize(("name", "num_matvecs"), [("trace_hutchpp", 6), ("trace_xtrace", 6), ("trace_xtrace", 2)])
def test_unbiased_and_honest_about_its_error(name, num_matvecs):
    count = 100_000
    keys = jax.random.split(KEY, count)
    run = jax.jit(jax.vmap(lambda k: getattr(nm, name)(k, product(MATRIX), (6,), num_matvecs=num_matvecs, dtype=DTYPE)))
    found = run(keys)
    values = np.asarray(found.value, np.float64)
    error = np.std(values) / np.sqrt(count)
    assert abs(values.mean() - np.trace(MATRIX)) < 4 * error
    if num_matvecs == 2:
        assert np.isnan(np.asarray(found.standard_error)).all()


def test_more_products_than_dimensions_are_exact():
    for name in ("trace_hutchpp", "trace_xtrace"):
        found = getattr(nm, name)(KEY, product(MATRIX), (6,), num_matvecs=40, dtype=DTYPE)
        np.testing.assert_allclose(found.value, np.trace(MATRIX), atol=256 * EPS)


def test_falling_spectrum():
    """Root mean squared errors of 24 products on eigenvalues 1/i^2: each refinement gains a digit."""
    orthogonal = np.linalg.qr(RNG.normal(size=(64, 64)))[0]
    matrix = ((orthogonal / np.arange(1, 65) ** 2) @ orthogonal.T).astype(DTYPE)
    keys = jax.random.split(KEY, 500)
    errors = [
        np.sqrt(np.mean((np.asarray(jax.jit(jax.vmap(fn))(keys)) - np.trace(matrix)) ** 2))
        for fn in (
            lambda k: nm.trace_hutchinson(k, product(matrix), (64,), num_samples=24, dtype=DTYPE).value,
            lambda k: nm.trace_hutchpp(k, product(matrix), (64,), num_matvecs=24, dtype=DTYPE).value,
            lambda k: nm.trace_xtrace(k, product(matrix), (64,), num_matvecs=24, dtype=DTYPE).value,
        )
    ]
    assert errors[1] < 0.15 * errors[0]
    assert errors[2] < 0.75 * errors[1]


@pytest.mark.parametrize("name", ["trace_hutchpp", "trace_xtrace"])
def test_derivatives_are_unbiased(name):
    """d trace(t A)/dt = trace A, also at t = 0, where the bases mean nothing."""
    keys = jax.random.split(KEY, 20_000)

    def estimate(t, key):
        return getattr(nm, name)(key, lambda v: t * (jnp.asarray(MATRIX) @ v), (6,), num_matvecs=6, dtype=DTYPE).value

    slopes = np.asarray(jax.jit(jax.vmap(jax.grad(estimate), (None, 0)))(DTYPE(0.7), keys), np.float64)
    assert abs(slopes.mean() - np.trace(MATRIX)) < 4 * slopes.std() / np.sqrt(slopes.size)
    assert np.isfinite(np.asarray(jax.grad(estimate)(DTYPE(0.0), KEY)))


def test_hollow_field():
    x = RNG.normal(size=5).astype(DTYPE)
    conditioner = lambda z: jnp.sum(z) - z  # noqa: E731
    transform = lambda z, h: jnp.tanh(z * h) + z**2  # noqa: E731
    value, divergence = nm.divergence_hollow(transform, conditioner, x)
    exact = nm.divergence_exact(lambda z: transform(z, conditioner(z)), x)
    np.testing.assert_allclose(value, exact[0], rtol=32 * EPS)
    np.testing.assert_allclose(divergence, exact[1], rtol=64 * EPS)


def test_estimates_of_a_divergence_agree_with_their_traces():
    x = RNG.normal(size=6).astype(DTYPE)
    jacobian = np.asarray(jax.jacfwd(field)(x))
    for method in ("hutchpp", "xtrace"):
        found = nm.divergence_estimate(KEY, field, x, method=method, num_matvecs=6)
        expected = getattr(nm, f"trace_{method}")(KEY, product(jacobian), (6,), num_matvecs=6, dtype=DTYPE)
        np.testing.assert_allclose(found.value, expected.value, rtol=1e3 * EPS)
    found = nm.divergence_estimate(KEY, field, x, num_samples=7)
    expected = nm.trace_hutchinson(KEY, product(jacobian), (6,), num_samples=7, dtype=DTYPE)
    np.testing.assert_allclose(
        (found.value, found.standard_error), (expected.value, expected.standard_error), rtol=1e3 * EPS
    )


def test_bad_input():
    x = jnp.ones(3, DTYPE)
    with pytest.raises(ValueError, match=r"matvec maps shape \(6,\) to \(2,\), expected the same shape"):
        nm.trace_exact(lambda v: v[:2], (6,))
    with pytest.raises(ValueError, match="num_matvecs is 2, expected at least 3"):
        nm.trace_hutchpp(KEY, product(MATRIX), (6,), num_matvecs=2)
    with pytest.raises(ValueError, match="expected at least 2"):
        nm.trace_xtrace(KEY, product(MATRIX), (6,), num_matvecs=1)
    with pytest.raises(ValueError, match="law is 'normal'"):
        nm.sample_probes(KEY, (3,), law="normal")
    with pytest.raises(ValueError, match="probes have shape"):
        nm.divergence_with_probes(jnp.sin, x, jnp.ones((2, 4), DTYPE))
    with pytest.raises(ValueError, match="expected the same shape"):
        nm.divergence_exact(jnp.sum, x)
    with pytest.raises(ValueError, match="method is 'exact'"):
        nm.divergence_estimate(KEY, jnp.sin, x, method="exact")
    with pytest.raises(ValueError, match="num_matvecs is None"):
        nm.divergence_estimate(KEY, jnp.sin, x, method="xtrace")
