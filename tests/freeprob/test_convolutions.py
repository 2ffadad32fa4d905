"""Free convolutions against closed forms, published numbers, one another, integration, and simulated matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from depthjax import freeprob as fp
from depthjax.freeprob._fixed_point import settle

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
TOL = 1e-12 if X64 else 2e-4
SIGNS = fp.Atomic([-1.0, 1.0], [0.5, 0.5])
LIFTED = fp.Atomic([1.0, 3.0], [0.6, 0.4])


@jax.jit
def look(law, x):
    """Density, cdf, residual and convergence at many points."""
    boundary = law.boundary_stieltjes(x)
    return -jnp.imag(boundary.value) / np.pi, law.cdf(x), boundary.residual, boundary.converged


def inspect(law, x):
    density, cdf, residual, converged = (np.asarray(part) for part in look(law, np.asarray(x, DTYPE)))
    assert converged.all()
    assert residual.max() <= (1e-12 if X64 else 1e-4)
    return density, cdf


def agree(law, other, x, *, tol=TOL, weight=1.0, atom=0.0):
    density, cdf = inspect(law, x)
    x = np.asarray(x, DTYPE)
    np.testing.assert_allclose(density, weight * np.asarray(other.density(x)), rtol=tol, atol=1e-14 if X64 else 1e-6)
    np.testing.assert_allclose(cdf, atom + weight * np.asarray(other.cdf(x)), rtol=tol, atol=tol)


@pytest.mark.slow
def test_two_signs_make_an_arcsine_law():
    law = fp.free_additive_convolution(SIGNS, SIGNS)
    agree(law, fp.Arcsine(-2.0, 2.0), np.linspace(-1.9, 1.9, 20))
    np.testing.assert_allclose(np.asarray(law.edges())[0], [-2.0, 2.0], rtol=1e-8 if X64 else 1e-3)
    np.testing.assert_allclose(np.asarray(look(law, DTYPE(0.3))[0]), 0.16097622868, rtol=1e-10 if X64 else 1e-5)
    np.testing.assert_allclose(np.asarray(law.moments(6)), [0, 2, 0, 6, 0, 20], atol=TOL)


@pytest.mark.slow
@pytest.mark.parametrize("degree", [1.5, 3.5])
def test_powers_of_two_signs_are_kesten_mckay_laws(degree):
    law, other = fp.free_additive_power(SIGNS, degree), fp.KestenMcKay(degree)
    agree(law, other, 2.0 * np.sqrt(degree - 1) * np.linspace(-0.95, 0.95, 20))
    edges = np.asarray(law.edges())
    np.testing.assert_allclose(edges[0], np.asarray(other.edges())[0], rtol=1e-11 if X64 else 1e-3)
    assert np.isnan(edges[1:]).all()
    np.testing.assert_allclose(np.asarray(law.atoms()[1]), np.asarray(other.atoms()[1]), atol=TOL)
    np.testing.assert_allclose(np.asarray(law.moments(6)), np.asarray(other.moments(6)), atol=10 * TOL)


def test_two_projections():
    law = fp.free_multiplicative_convolution(fp.bernoulli(0.5), fp.bernoulli(0.5))
    agree(law, fp.Arcsine(0.0, 1.0), np.linspace(0.02, 0.98, 20), weight=0.5, atom=0.5)
    np.testing.assert_allclose(np.asarray(law.density(0.5)), 0.3183098861837907, rtol=TOL)
    assert float(np.sum(np.asarray(law.atoms()[1]))) == 0.5
    np.testing.assert_allclose(np.asarray(law.cdf(0.0)), 0.5, atol=1e-6 if X64 else 1e-3)


@pytest.mark.slow
def test_product_with_atoms():
    law = fp.free_multiplicative_convolution(LIFTED, fp.Atomic([0.5, 2.0], [0.5, 0.5]))
    places, masses = (np.asarray(part) for part in law.atoms())
    kept = masses > 1e-6
    np.testing.assert_allclose(sorted(places[kept]), [0.5, 2.0], rtol=TOL)
    np.testing.assert_allclose(masses[kept], [0.1, 0.1], rtol=1e-5)
    density, _ = inspect(law, [0.7])
    np.testing.assert_allclose(density, 0.5325507573119643, rtol=TOL)
    np.testing.assert_allclose(np.asarray(law.cdf(np.asarray([0.499, 0.5, 2.02], DTYPE))), [0.0, 0.1, 0.6], atol=1e-5)


def test_sum_without_atoms():
    law = fp.free_additive_convolution(fp.Atomic([0.0, 1.0, 3.0], [0.5, 0.3, 0.2]), SIGNS)
    density, _ = inspect(law, [1.7, -0.5])
    np.testing.assert_allclose(density, [0.2959789650401253, 0.2771909626195581], rtol=TOL)
    assert np.asarray(law.atoms()[1]).max() == 0.0


def test_compressed_semicircle():
    law = fp.free_compression(fp.Semicircle(0.0, 1.3), 0.4)
    agree(law, fp.Semicircle(0.0, 1.3 * 0.4**0.5), np.linspace(-1.5, 1.5, 20))


@pytest.mark.slow
def test_explicit_paths_are_the_general_ones():
    agree(
        fp.deform_semicircle(SIGNS, 0.25),
        fp.free_additive_convolution(SIGNS, fp.Semicircle(0.0, 0.5)),
        np.linspace(-2.1, 2.1, 21),
    )
    for ratio in (0.3, 2.0):
        agree(
            fp.multiply_marchenko_pastur(LIFTED, ratio, 1.2),
            fp.free_multiplicative_convolution(LIFTED, fp.MarchenkoPastur(ratio, 1.2)),
            np.linspace(0.1, 9.0, 20),
            tol=10 * TOL,
        )
    moments = fp.multiply_marchenko_pastur(LIFTED, 0.3, 1.2).moments(5)
    other = fp.free_multiplicative_convolution(LIFTED, fp.MarchenkoPastur(0.3, 1.2)).moments(5)
    np.testing.assert_allclose(np.asarray(moments), np.asarray(other), rtol=10 * TOL)


@pytest.mark.slow
def test_powers_of_whole_order_are_repeated_convolutions():
    agree(
        fp.free_multiplicative_power(LIFTED, 2.0),
        fp.free_multiplicative_convolution(LIFTED, LIFTED),
        np.linspace(1.1, 8.7, 15),
        tol=100 * TOL,
    )
    law = fp.free_multiplicative_power(fp.bernoulli(0.9), 4.0)
    places, masses = (np.asarray(part) for part in law.atoms())
    np.testing.assert_allclose(places, [0.0, 1.0])
    np.testing.assert_allclose(masses, [0.1, 0.6], rtol=1e-5)
    np.testing.assert_allclose(np.nanmax(np.asarray(law.edges())), 0.6912, rtol=1e-11 if X64 else 1e-3)


@pytest.mark.slow
def test_rectangular():
    pair = fp.Atomic([1.0, 4.0], [0.5, 0.5])
    law = fp.rectangular_free_convolution(pair, fp.MarchenkoPastur(0.5, 1.0), 0.5)
    moments = np.asarray(law.moments(4))
    np.testing.assert_allclose(moments[:2], [3.5, 17.5], rtol=TOL)
    found = integral(law, lambda x: np.stack([x**k for k in range(5)]))
    np.testing.assert_allclose(found, [1.0, *moments], rtol=1e-6 if X64 else 1e-2)
    square = fp.rectangular_free_convolution(pair, fp.Atomic([1.0], [1.0]), 1.0)
    even = fp.free_additive_convolution(fp.Symmetrised(pair), SIGNS)
    agree(fp.Symmetrised(square), even, np.linspace(0.2, 2.9, 9), tol=10 * TOL)


@pytest.mark.slow
def test_rectangular_against_simulation():
    rows, cols = 300, 600
    left, middle, right = jax.random.split(jax.random.key(3), 3)
    values = np.where(np.arange(rows) < rows // 2, 1.0, 2.0)
    noise = np.asarray(jax.random.normal(middle, (rows, cols))) / cols**0.5
    u, v = fp.sample_haar_orthogonal(left, rows), fp.sample_haar_orthogonal(right, cols)
    matrix = (np.asarray(u) * values) @ np.asarray(v)[:rows] + noise
    law = fp.rectangular_free_convolution(fp.Atomic([1.0, 4.0], [0.5, 0.5]), fp.MarchenkoPastur(0.5, 1.0), 0.5)
    assert distance(law, np.linalg.svd(matrix, compute_uv=False) ** 2) < 0.02


def distance(law, spectrum):
    """Kolmogorov distance of a law from a sample without ties."""
    spectrum = np.sort(np.asarray(spectrum))
    levels = np.asarray(jax.jit(lambda law, x: law.cdf(x))(law, spectrum.astype(DTYPE)))
    return np.abs(levels - (np.arange(len(spectrum)) + 0.5) / len(spectrum)).max()


@pytest.mark.slow
def test_sums_and_products_of_matrices():
    dim = 400
    keys = jax.random.split(jax.random.key(1), 3)
    a = np.linspace(0.5, 2.0, dim)
    b = np.asarray(fp.MarchenkoPastur(0.5, 1.0).quantile((np.arange(dim) + 0.5) / dim)).astype(np.float64)
    q = np.asarray(fp.sample_haar_orthogonal(keys[0], dim), np.float64)
    turned = (q * b) @ q.T
    law_a, law_b = fp.empirical(a.astype(DTYPE)), fp.empirical(b.astype(DTYPE))
    total = np.linalg.eigvalsh(np.diag(a) + turned)
    assert distance(fp.free_additive_convolution(law_a, law_b), total) < 0.01
    product = np.linalg.eigvalsh(np.sqrt(a)[:, None] * turned * np.sqrt(a)[None, :])
    assert distance(fp.free_multiplicative_convolution(law_a, law_b), product) < 0.01
    corner = np.linalg.eigvalsh(turned[:200, :200])
    assert distance(fp.free_compression(law_b, 0.5), corner) < 0.01


def integral(law, fn):
    """Integral of fn under the continuous part, by a Chebyshev rule on every interval."""
    total = np.zeros(())
    for low, high in np.asarray(law.edges(), np.float64):
        if not np.isnan(low):
            angle = np.pi * (np.arange(400) + 0.5) / 400
            x = 0.5 * (low + high) + 0.5 * (high - low) * np.cos(angle)
            rho = np.asarray(look(law, x.astype(DTYPE))[0], np.float64)
            total = total + np.sum(rho * fn(x) * np.sin(angle), axis=-1) * (high - low) / 2 * np.pi / 400
    return total


@pytest.mark.slow
def test_results_nest_commute_and_have_the_moments_of_their_cumulants():
    inner = fp.free_additive_convolution(SIGNS, fp.Semicircle(0.1, 0.6))
    law = fp.free_additive_convolution(inner, fp.MarchenkoPastur(0.5, 0.5))
    other = fp.free_additive_convolution(fp.MarchenkoPastur(0.5, 0.5), inner)
    agree(law, other, np.linspace(-1.5, 3.0, 16), tol=10 * TOL)
    found = integral(law, lambda x: np.stack([x**k for k in range(6)]))
    expected = np.asarray(law.moments(5))
    np.testing.assert_allclose(found[1:], expected, rtol=1e-8 if X64 else 1e-2)
    np.testing.assert_allclose(found[0], 1.0, rtol=1e-8 if X64 else 1e-2)
    np.testing.assert_allclose(
        np.asarray(law.free_cumulants(3)), [0.1 + 0.5, 1.36 + 0.125, 0.0625 * 0.5], rtol=10 * TOL
    )


points = st.lists(st.floats(-3, 3), min_size=4, max_size=4, unique_by=lambda x: round(x, 1))
masses = st.lists(st.floats(0.05, 1.0), min_size=4, max_size=4)


@settings(max_examples=200 if X64 else 20)
@given(points, masses, points, masses)
@example(
    [2.8125, -0.48828125, 0.0, -0.2109375],
    [0.4604096957220068, 0.5, 0.2890625, 0.74609375],
    [2.8125, -0.48828125, -0.09375, -0.212890625],
    [0.4462727974708423, 0.5, 0.5625, 0.75],
)
def test_random_atomic_laws(xs, ps, ys, qs):
    """Residual and commutation at 50 points, and a cdf that never falls, for arbitrary laws of four atoms."""
    a, b = (
        fp.Atomic(np.asarray(x, DTYPE), (np.asarray(p, np.float64) / np.sum(p)).astype(DTYPE))
        for x, p in ((xs, ps), (ys, qs))
    )
    law, other = fp.free_additive_convolution(a, b), fp.free_additive_convolution(b, a)
    low, high = (float(end) for end in law._bounds())
    x = np.linspace(low, high, 52)[1:-1].astype(DTYPE)
    first, second = ([np.asarray(part) for part in look(side, x)] for side in (law, other))
    bulk = (first[0] > 1e-3) & (first[0] < 1e2)
    assert first[3][bulk].all()
    assert second[3][bulk].all()
    assert first[2][bulk].max(initial=0.0) <= (1e-12 if X64 else 1e-4)
    np.testing.assert_allclose(first[0][bulk], second[0][bulk], rtol=1e-8 if X64 else 1e-2)
    assert (np.diff(first[1]) >= -(1e-9 if X64 else 1e-3)).all()


@pytest.mark.slow
def test_gradients_of_density_cdf_and_edges():
    """Against central differences, through the fixed point and through a nested one."""
    x = jnp.asarray(0.4, DTYPE)

    def build(p):
        inner = fp.free_additive_convolution(SIGNS, fp.Semicircle(p[0], p[1]))
        return fp.deform_semicircle(fp.Affine(inner, 0.0, p[2]), 0.3)

    def values(p):
        law = build(p)
        return jnp.stack([law.log_density(x), law.cdf(x)])

    p = jnp.asarray([0.1, 0.7, 1.2], DTYPE)
    values = jax.jit(values)
    forward = np.asarray(jax.jit(jax.jacfwd(values))(p))
    reverse = np.asarray(jax.jit(jax.jacrev(values))(p))
    np.testing.assert_allclose(forward, reverse, rtol=1e-10 if X64 else 1e-3, atol=1e-12 if X64 else 1e-4)
    step = 1e-5 if X64 else 1e-2
    numeric = np.stack([(values(p + step * e) - values(p - step * e)) / (2 * step) for e in np.eye(3, dtype=DTYPE)], 1)
    np.testing.assert_allclose(forward, numeric, rtol=1e-7 if X64 else 2e-2, atol=1e-8 if X64 else 1e-2)

    def top(v):
        return fp.deform_semicircle(fp.Atomic([0.0], [1.0]), v).edges()[0, 1]

    np.testing.assert_allclose(np.asarray(jax.grad(top)(jnp.asarray(0.49, DTYPE))), 1 / 0.7, rtol=1e-8 if X64 else 1e-2)


def test_a_forced_failure_is_not_a_number():
    law = fp.free_additive_convolution(SIGNS, SIGNS)
    z = jnp.asarray(1.99999 + 0j, np.complex128 if X64 else np.complex64)
    start, floor, ceiling, scale = law._start(z)
    found = settle(lambda w: law._map(w, z), start[None], floor, ceiling, scale, num_phases=0)
    assert np.isnan(np.asarray(found.value)).all()
    assert not found.converged
    assert float(found.residual) > 0.0


@pytest.mark.slow
@pytest.mark.skipif(not X64, reason="float64 values")
def test_edge_of_a_rectangular_sum_moves_with_its_parameters():
    """Gaussian matrices of variances v and 1 make one of variance v + 1, whose upper edge is (v + 1)(1 + 2^-1/2)^2."""

    def top(v):
        law = fp.rectangular_free_convolution(fp.MarchenkoPastur(0.5, v), fp.MarchenkoPastur(0.5, 1.0), 0.5)
        return law._edge(jnp.asarray(4.8), jnp.asarray(5.1), jnp.asarray(True), is_start=False)

    value, slope = jax.jit(lambda v: jax.jvp(top, (v,), (jnp.ones_like(v),)))(0.7)
    np.testing.assert_allclose([value / 1.7, slope], (1 + 0.5**0.5) ** 2, rtol=1e-11)
