"""Universal limits of Jacobian spectra: the equations that define them, integrals, and networks of finite depth."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate

from depthjax import meanfield as mf

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
VALUES = pytest.mark.skipif(not X64, reason="float64 values")


def _law(kind, v):
    return mf.residual_jacobian(0.5 * v, log_scale=-0.5 * v) if kind == "residual" else (
        mf.universal_jacobian(v, universality=kind)
    )  # fmt: skip


@VALUES
def test_residual_reference_values():
    law = mf.residual_jacobian(0.5)
    np.testing.assert_allclose(law.density(1.0), 0.3056376111707567, rtol=1e-13)
    np.testing.assert_allclose(law.edges(), [[1 / 8.00813290872724, 8.00813290872724]], rtol=1e-13)
    r = np.sqrt(1 + 2 / 0.5)
    np.testing.assert_allclose(np.log(law.edges()[0, 1]), np.log((r + 1) / (r - 1)) + 0.5 * r, rtol=1e-13)
    first, second = law.moments(2)
    np.testing.assert_allclose((first, second / first**2 - 1), (np.exp(0.5), 1.0), rtol=1e-13)


@pytest.mark.parametrize(
    ("kind", "v"),
    [("smooth", 0.4), ("bernoulli", 0.4), ("bernoulli", 1.7), pytest.param("residual", 1.2, marks=pytest.mark.slow)],
)
def test_density_cdf_and_transform_are_of_one_law(kind, v):
    """The equation at complex points, mass and moments by integration over log lambda, the atom of the gap."""
    law = _law(kind, v)
    low, high = np.asarray(law.edges()[0], np.float64)
    low = max(low, 1e-30)
    places, masses = (np.asarray(part, np.float64) for part in law.atoms())
    nodes, weights = np.polynomial.legendre.leggauss(400)
    turn = np.pi * (nodes + 1) / 2  # the square roots at the edges become smooth
    t = np.log(low) + np.log(high / low) * (1 - np.cos(turn)) / 2
    share = weights * np.pi / 2 * np.log(high / low) * np.sin(turn) / 2
    points = jax.jit(law.density), jax.jit(law.cdf), jax.jit(law.stieltjes)
    density = np.asarray(points[0](np.exp(t).astype(DTYPE)), np.float64)
    total = [np.sum(share * density * np.exp((k + 1) * t)) + np.sum(masses * places**k) for k in (1, 2, 3)]
    np.testing.assert_allclose(total, law.moments(3), rtol=1e-6 if X64 else 1e-4)
    z = np.array([0.7 + 0.3j, -0.4 + 1e-3j, high + 0.1j, 0.3 - 0.2j]).astype(np.complex128 if X64 else np.complex64)
    found = np.asarray(points[2](z))
    m = z * found - 1
    pull = m / (1 + m) if kind == "bernoulli" else m
    np.testing.assert_allclose((1 + m) / m * np.exp(v * pull), z, rtol=1e4 * EPS)
    assert (np.imag(found) * np.imag(z) < 0).all()
    real = np.asarray(points[2](np.array([-1.0, 4 * high + 4], DTYPE)))
    assert np.isfinite(real).all()
    inner = np.exp(np.linspace(t[50], t[-50], 7)).astype(DTYPE)
    levels = np.asarray(points[1](inner), np.float64)
    if X64:
        steps = [integrate.quad(lambda s: float(np.exp(s) * points[0](np.exp(s))), *np.log(pair), epsabs=1e-11)[0]
                 for pair in zip(inner, inner[1:], strict=False)]  # fmt: skip
        np.testing.assert_allclose(np.diff(levels), steps, atol=1e-9)
    np.testing.assert_allclose(points[1](law.quantile(levels.astype(DTYPE))), levels, atol=64 * EPS, rtol=0)
    np.testing.assert_allclose(points[1](DTYPE(100.0)), 1.0, rtol=4 * EPS)
    if kind == "bernoulli":
        np.testing.assert_allclose(points[1](DTYPE(1.001 * high)), min(1.0, v), rtol=64 * EPS)


@VALUES
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "activation"), [("smooth", "erf"), ("bernoulli", "hard_tanh")])
def test_deep_orthogonal_networks_tend_to_them(kind, activation):
    """At q such that the variance is 0.4: the third cumulant leaves O(L^-1/2) for smooth phi, O(1/L) for hard_tanh."""
    phi, distance = getattr(mf.activations, activation), []
    target = mf.universal_jacobian(0.4, universality=kind)
    x = np.array([0.5, 0.9, 1.0])
    for depth in (200, 800):
        low, high = 1e-8, 1.0
        for _ in range(60):
            q = np.sqrt(low * high)
            gain = mf.chi_1(q, 1.0, phi)
            spread = float(mf.jacobian_variance(phi, q, 1.0 / np.sqrt(gain), depth, ensemble="orthogonal"))
            low, high = (q, high) if spread < 0.4 else (low, q)
        found = mf.jacobian_cdf(np.log(x), phi, q, 1.0 / np.sqrt(gain), depth, ensemble="orthogonal")
        distance.append(np.abs(np.asarray(found) - np.asarray(target.cdf(x))).max())
    assert distance[0] < 0.02
    np.testing.assert_allclose(distance[1] / distance[0], 0.5 if kind == "smooth" else 0.25, rtol=0.1)


@VALUES
def test_derivatives():
    for kind in ("smooth", "bernoulli", "residual"):
        for name in ("log_density", "cdf"):
            value = jax.jit(lambda v, x, kind=kind, name=name: getattr(_law(kind, v), name)(x))
            for x in (0.3, 1.0):
                slopes = jax.jit(jax.grad(value, (0, 1)))(0.6, x)
                h = 1e-5
                expected = [
                    (value(0.6 + h, x) - value(0.6 - h, x)) / (2 * h),
                    (value(0.6, x + h) - value(0.6, x - h)) / (2 * h),
                ]
                np.testing.assert_allclose(slopes, expected, rtol=1e-7, atol=1e-8)
    centre = jax.grad(lambda c: mf.residual_jacobian(c).log_density(1.0))(0.5)
    assert np.isfinite(centre)


def test_bad_input():
    with pytest.raises(ValueError, match="universality is 'rough'"):
        mf.universal_jacobian(0.4, universality="rough")
    with pytest.raises(ValueError, match="variance is 0.0"):
        mf.universal_jacobian(0.0, universality="smooth")
    with pytest.raises(ValueError, match="effective_variance is -1"):
        mf.residual_jacobian(-1.0)
    bad = jax.jit(lambda v: mf.universal_jacobian(v, universality="smooth").density(jnp.ones((), DTYPE)))(-1.0)
    assert np.isnan(bad)


@VALUES
@pytest.mark.parametrize("ensemble", ["gaussian", "orthogonal"])
def test_residual_variance_of_blocks_with_independent_slopes(ensemble):
    """Products of skip + D W with D of 0 and 1: drawn, with slopes of their own in every block and with the same."""
    rng, width, depth, skip, sigma_w = np.random.default_rng(0), 300, 6, 1.2, 0.9
    found = {}
    for kind in ("own", "same"):
        spreads, means = [], []
        for _ in range(3):
            jacobian, slopes = np.eye(width), rng.random(width) < 0.5
            for _ in range(depth):
                slopes = rng.random(width) < 0.5 if kind == "own" else slopes
                w = rng.standard_normal((width, width)) / np.sqrt(width)
                if ensemble == "orthogonal":
                    w = np.linalg.qr(w)[0] * rng.choice([-1.0, 1.0], width)[None]
                jacobian = skip * jacobian + sigma_w * slopes[:, None] * (w @ jacobian)
            values = np.linalg.eigvalsh(jacobian @ jacobian.T)
            spreads.append(values.var() / values.mean() ** 2)
            means.append(values.mean())
        found[kind] = np.mean(spreads), np.mean(means)
    relu = mf.activations.relu
    mean = (skip**2 + 0.5 * sigma_w**2) ** depth
    variance = mf.residual_jacobian_variance(relu, 1.0, sigma_w, float(depth), skip=skip, ensemble=ensemble) / mean**2
    np.testing.assert_allclose((variance, mean), found["own"], rtol=0.05)
    assert found["same"][0] > 1.1 * variance
