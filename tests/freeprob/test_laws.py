"""Laws with closed forms: mass, moments, transform, cdf against quadrature of the density; edges, atoms, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import freeprob as fp

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
TOL = 1e-11 if X64 else 2e-4
HALF = [0.5, 0.5]

LAWS = {
    "semicircle": lambda: fp.Semicircle(0.3, 1.2),
    "marchenko_pastur": lambda: fp.MarchenkoPastur(0.5, 1.3),
    "marchenko_pastur_atom": lambda: fp.MarchenkoPastur(2.0, 0.7),
    "free_poisson": lambda: fp.FreePoisson(0.6, 2.0),
    "wachter": lambda: fp.Wachter(2.0, 3.0),
    "wachter_atoms": lambda: fp.Wachter(0.7, 0.6),
    "kesten_mckay": lambda: fp.KestenMcKay(3.0),
    "kesten_mckay_atoms": lambda: fp.KestenMcKay(1.5),
    "mirrored": lambda: fp.Affine(fp.MarchenkoPastur(2.0, 0.7), 0.4, -1.5),
    "symmetrised": lambda: fp.Symmetrised(fp.MarchenkoPastur(0.5, 1.3)),
    "pushforward": lambda: fp.Pushforward(fp.Semicircle(0.0, 1.0), lambda t: t + 0.2 * t * t),
}


def integral(law, fn, upto=np.inf):
    """Integral of fn under a law with square-root edges, atoms included, by a Chebyshev rule on every interval."""
    total = 0.0
    for low, high in np.asarray(law.edges(), np.float64):
        if not np.isnan(low) and low < upto:
            last = np.pi * (np.arange(2000) + 0.5) / 2000
            first = np.arccos(np.clip((upto - 0.5 * (low + high)) / (0.5 * (high - low)), -1, 1))
            angle = first + (np.pi - first) * last / np.pi
            x = 0.5 * (low + high) + 0.5 * (high - low) * np.cos(angle)
            rho = np.asarray(jax.jit(type(law).density)(law, jnp.asarray(x, DTYPE)), np.float64)
            total = total + np.sum(rho * fn(x) * np.sin(angle)) * (high - low) / 2 * (np.pi - first) / 2000
    places, masses = (np.asarray(part, np.float64) for part in law.atoms())
    return total + np.sum(np.where(places <= upto, masses * fn(places), 0.0)) if places.size else total


@pytest.mark.parametrize("name", LAWS)
def test_density_moments_transform_and_cdf_agree(name):
    law = LAWS[name]()
    np.testing.assert_allclose(integral(law, np.ones_like), 1.0, rtol=TOL)
    found = np.asarray(law.moments(4), np.float64)
    expected = [integral(law, lambda x, k=k: x**k) for k in range(1, 5)]
    np.testing.assert_allclose(found, expected, rtol=TOL, atol=TOL)
    z = 0.3 + 0.8j
    exact = integral(law, lambda x: 1 / (z - x))
    np.testing.assert_allclose(np.asarray(law.stieltjes(z)), exact, rtol=TOL)
    np.testing.assert_allclose(np.asarray(law.stieltjes(np.conj(z))), np.conj(exact), rtol=TOL)
    edges = np.asarray(law.edges())
    x = edges[0, 0] + 0.37 * (edges[0, 1] - edges[0, 0])
    level = np.asarray(law.cdf(x))
    # The last point of the quadrature is no edge, so that it converges by the square of its spacing only.
    np.testing.assert_allclose(level, integral(law, np.ones_like, x), atol=2e-6 if X64 else 2e-4)
    np.testing.assert_allclose(np.asarray(law.quantile(level)), x, rtol=1e-9 if X64 else 1e-3)
    boundary = law.boundary_stieltjes(x)
    assert bool(boundary.converged)
    np.testing.assert_allclose(-np.imag(boundary.value) / np.pi, np.asarray(law.density(x)), rtol=TOL)


@pytest.mark.parametrize("name", LAWS)
def test_nothing_outside_the_support(name):
    law = LAWS[name]()
    low, high = np.nanmin(np.asarray(law.edges())), np.nanmax(np.asarray(law.edges()))
    places, masses = (np.asarray(part) for part in law.atoms())
    ends = [low, high, *places[masses > 0]]
    x = np.asarray([min(ends) - 0.5, max(ends) + 0.5], DTYPE)
    np.testing.assert_array_equal(np.asarray(law.density(x)), np.zeros(2))
    np.testing.assert_array_equal(np.asarray(law.cdf(x)), [0.0, 1.0])
    assert np.isfinite(np.asarray(law.stieltjes(x))).all()
    slope = jax.grad(law.density)(jnp.asarray(x[1]))
    assert float(slope) == 0.0


def test_atoms_are_in_the_cdf_from_the_right():
    for law in (fp.MarchenkoPastur(2.0, 0.7), fp.Wachter(0.7, 0.6), fp.KestenMcKay(1.5), LAWS["mirrored"]()):
        places, masses = (np.asarray(part, DTYPE) for part in law.atoms())
        step = np.asarray(law.cdf(places)) - np.asarray(law.cdf(places - DTYPE(1e-4)))
        np.testing.assert_allclose(step, masses, atol=1e-10 if X64 else 1e-3)


def test_arcsine():
    law = fp.Arcsine(-1.0, 2.0)
    x = np.asarray([-0.9, 0.1, 1.7], DTYPE)
    np.testing.assert_allclose(np.asarray(law.density(x)), 1 / (np.pi * np.sqrt((x + 1) * (2 - x))), rtol=TOL)
    np.testing.assert_allclose(np.asarray(law.cdf(x)), 2 / np.pi * np.arcsin(np.sqrt((x + 1) / 3)), rtol=TOL)
    np.testing.assert_allclose(np.asarray(law.quantile(law.cdf(x))), x, rtol=10 * TOL)
    angle = np.pi * (np.arange(64) + 0.5) / 64
    nodes = 0.5 + 1.5 * np.cos(angle)
    np.testing.assert_allclose(np.asarray(law.moments(5)), [np.mean(nodes**k) for k in range(1, 6)], rtol=TOL)
    np.testing.assert_allclose(np.asarray(law.stieltjes(0.2 + 0.5j)), np.mean(1 / (0.2 + 0.5j - nodes)), rtol=TOL)
    assert float(np.real(law.stieltjes(-3.0))) < 0.0


def test_free_poisson_is_marchenko_pastur():
    law, same = fp.FreePoisson(1.7, 0.6), fp.MarchenkoPastur(1 / 1.7, 1.7 * 0.6)
    x = np.linspace(0.1, 3.0, 7).astype(DTYPE)
    np.testing.assert_allclose(np.asarray(law.density(x)), np.asarray(same.density(x)), rtol=TOL)
    np.testing.assert_allclose(np.asarray(law.free_cumulants(4)), 1.7 * 0.6 ** np.arange(1, 5), rtol=TOL)
    moments = [integral(same, lambda x, k=k: x**k) for k in range(1, 5)]
    np.testing.assert_allclose(np.asarray(law.moments(4)), moments, rtol=TOL)


def test_wachter_values():
    law = fp.Wachter(2.0, 3.0)
    np.testing.assert_allclose(np.asarray(law.edges())[0], [0.0480816411546916, 0.8319183588453087], rtol=TOL)
    m = np.asarray(law.moments(2))
    np.testing.assert_allclose(m[1] - m[0] ** 2, 0.048, rtol=100 * TOL)


@pytest.mark.parametrize("order", [1.0, 2.0, 4.0, 2.5])
def test_fuss_catalan(order):
    """Two ways that share nothing: the explicit curve for the density, subordination for the transform."""
    law = fp.FussCatalan(order)
    high = float(np.asarray(law.edges())[0, 1])
    x = (high * np.array([1e-6, 1e-3, 0.1, 0.5, 0.9])).astype(DTYPE)
    boundary = jax.jit(lambda law, x: law.boundary_stieltjes(x))(law, x)
    assert np.asarray(boundary.converged).all()
    tol = 1e-12 if X64 else 1e-4
    np.testing.assert_allclose(-np.imag(boundary.value) / np.pi, np.asarray(law.density(x)), rtol=tol)
    if order == 2.0:
        np.testing.assert_allclose(np.asarray(law.moments(5)), [1, 3, 12, 55, 273], rtol=TOL)
    g = complex(law.stieltjes(1.0 + 0.5j))
    z = (1.0 + 0.5j) * g
    np.testing.assert_allclose(z ** (order + 1) / (z - 1), 1.0 + 0.5j, rtol=1e-12 if X64 else 1e-4)


@pytest.mark.skipif(not X64, reason="a comparison of digits")
def test_boundary_value_of_fuss_catalan_is_exact_where_smoothing_is_not():
    law = fp.FussCatalan(4.0)
    x = np.array([0.01, 0.1, 1.0, 5.0, 12.0])
    exact = np.asarray(law.density(x))
    smoothed = -np.imag(np.asarray(law.stieltjes(x + 2e-4j))) / np.pi
    np.testing.assert_allclose(np.abs(smoothed / exact - 1), [2.5e-2, 2.8e-3, 3.5e-4, 1.1e-4, 3.2e-4], rtol=0.1)
    found = -np.imag(np.asarray(law.boundary_stieltjes(x).value)) / np.pi
    np.testing.assert_allclose(found, exact, rtol=1e-12)


def test_atomic():
    law = fp.Atomic([1.0, -2.0, 0.5], [0.2, 0.3, 0.5])
    np.testing.assert_allclose(np.asarray(law.cdf(np.asarray([-2.1, -2, 0, 0.5, 1], DTYPE))), [0, 0.3, 0.3, 0.8, 1])
    levels = np.asarray([0.0, 0.3, 0.31, 0.8, 0.9, 1.0], DTYPE)
    np.testing.assert_array_equal(np.asarray(law.quantile(levels)), np.asarray([-2, -2, 0.5, 0.5, 1, 1], DTYPE))
    assert np.asarray(law.log_density(0.5)) == -np.inf
    np.testing.assert_allclose(np.asarray(law.stieltjes(3.0)), 0.2 / 2 + 0.3 / 5 + 0.5 / 2.5, rtol=TOL)
    np.testing.assert_allclose(np.asarray(law.moments(3)), [-0.15, 1.525, 0.2 - 2.4 + 0.0625], rtol=TOL)
    draws = np.asarray(law.sample(jax.random.key(0), 4000))
    np.testing.assert_allclose([np.mean(draws == -2), np.mean(draws == 0.5)], [0.3, 0.5], atol=0.03)
    np.testing.assert_allclose(np.asarray(fp.empirical(np.arange(4.0)).weights), np.full(4, 0.25))


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: fp.MarchenkoPastur(-1.0, 1.0), "ratio"),
        (lambda: fp.Semicircle(0.0, 0.0), "scale"),
        (lambda: fp.Wachter(0.3, 0.4), "a \\+ b"),
        (lambda: fp.KestenMcKay(0.9), "degree"),
        (lambda: fp.FussCatalan(0.5), "order"),
        (lambda: fp.Atomic([1.0], [0.5]), "sums to 0.5"),
        (lambda: fp.Atomic([1.0, 2.0], [1.5, -0.5]), "-0.5"),
        (lambda: fp.Atomic([1.0, 2.0], [1.0]), "expected \\(2,\\)"),
        (lambda: fp.Atomic(np.zeros(0), np.zeros(0)), "n >= 1"),
        (lambda: fp.Affine(fp.Semicircle(0.0, 1.0), 0.0, 0.0), "scale is 0"),
        (lambda: fp.free_additive_power(fp.Semicircle(0.0, 1.0), 0.5), "t is 0.5"),
        (lambda: fp.free_multiplicative_power(fp.bernoulli(0.5), 0.5), "t is 0.5"),
        (lambda: fp.free_compression(fp.Semicircle(0.0, 1.0), 1.5), "fraction is 1.5"),
        (lambda: fp.rectangular_free_convolution(fp.bernoulli(0.5), fp.bernoulli(0.5), 2.0), "ratio is 2.0"),
        (lambda: fp.free_multiplicative_convolution(fp.Semicircle(0.0, 1.0), fp.bernoulli(0.5)), "law_a"),
        (lambda: fp.free_multiplicative_convolution(fp.bernoulli(0.5), fp.Atomic([0.0], [1.0])), "point 0"),
        (lambda: fp.deform_semicircle(fp.bernoulli(0.5), -1.0), "variance"),
        (lambda: fp.multiply_marchenko_pastur(fp.bernoulli(0.5), 0.0), "ratio"),
        (lambda: fp.wigner_surmise_log_density(1.0, beta=3), "1, 2, 4"),
        (lambda: fp.sample_ginibre(jax.random.key(0), 3, field="other"), "complex, real"),
        (lambda: fp.eigenvalue_spacings(np.zeros(1)), "n >= 2"),
        (lambda: fp.sample_jacobi(jax.random.key(0), 5, 2, 2), "dof_a \\+ dof_b"),
    ],
)
def test_bad_input_is_named(build, words):
    with pytest.raises(ValueError, match=words):
        build()


def test_traced_bad_parameters_give_nan():
    found = jax.jit(lambda t: fp.FreePoisson(t, 1.0).density(1.0))(-0.5)
    assert np.isnan(found)
    found = jax.jit(lambda t: fp.free_additive_power(fp.bernoulli(0.5), t).boundary_stieltjes(0.7))(0.5)
    assert np.isnan(found.value)
    assert not found.converged
