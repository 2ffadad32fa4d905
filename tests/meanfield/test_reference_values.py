"""Fixed points and Jacobian spectra against numbers from 25-digit arithmetic, and against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from depthjax import meanfield as mf
from depthjax.meanfield._activation import slope_at
from depthjax.meanfield._slope_law import slope_laws

pytestmark = pytest.mark.skipif(not jax.config.jax_enable_x64, reason="float64 values")
ACT = mf.activations
TANH_Q, HARD_Q, ERF_Q, ERF_W = 0.5055402961460154, 0.4365245681608435, 0.7263592293849606, 1.245840220627686
solve = jax.jit(mf.jacobian_density_solve, static_argnames="ensemble")


@pytest.mark.parametrize(
    ("activation", "sigma_w", "sigma_b", "q", "chi"),
    [
        (ACT.tanh, 1.3, 0.2, 0.5055402961460154, 0.9977159227810399),
        (ACT.erf, 1.8, 0.4, 2.099134636424478, 1.345771042036932),
        (ACT.sin, 1.4, 0.25, 0.8707466929956007, None),
        (ACT.hard_tanh, 1.1, 0.15, 0.4365245681608435, 1.052529390431769),
    ],
)
def test_fixed_points(activation, sigma_w, sigma_b, q, chi):
    found = mf.q_star(sigma_w, sigma_b, activation)
    assert found.converged
    np.testing.assert_allclose(found.value, q, rtol=1e-12)
    if chi is not None:
        np.testing.assert_allclose(mf.chi_1(found.value, sigma_w, activation), chi, rtol=1e-12)


def test_length_dies_exactly_and_grows_without_bound():
    assert float(mf.q_star(1.0, 0.0, ACT.tanh).value) == 0.0
    lost = mf.q_star(1.6, 0.1, ACT.relu)
    assert np.isnan(lost.value)
    assert not lost.converged
    cubic = mf.q_star_all(1.0, 0.0, mf.Activation(lambda x: x**3))
    np.testing.assert_allclose(cubic.value[:2], [0.0, 15**-0.5], rtol=1e-12)


@pytest.mark.parametrize(
    ("activation", "q", "sigma_w", "depth", "ensemble", "lam", "rho", "cdf", "top"),
    [
        (ACT.tanh, TANH_Q, 1.3, 3, "gaussian", 0.5, 0.216212118596637, 0.682998838688332, 11.79937530157),
        (ACT.tanh, TANH_Q, 1.3, 3, "orthogonal", 0.5, 0.39287903853748, 0.433673980905755, 3.385680613051),
        (ACT.tanh, TANH_Q, 1.3, 8, "gaussian", 0.5, 0.1093236151269, 0.815823360273452, 29.06275217332),
        (ACT.tanh, TANH_Q, 1.3, 8, "orthogonal", 0.5, 0.270696853294876, 0.609457422153753, 7.426811524652),
        (ACT.erf, ERF_Q, ERF_W, 10, "orthogonal", 1.0, 0.0891593985277529, 0.784547218796263, 14.11702779455),
        (ACT.hard_tanh, HARD_Q, 1.1, 5, "orthogonal", 0.1, 0.472622509901065, 0.284123909828252, 2.35910076816036),
    ],
)
def test_spectra(activation, q, sigma_w, depth, ensemble, lam, rho, cdf, top):
    found = solve(jnp.log(jnp.array([lam])), activation, q, sigma_w, float(depth), ensemble=ensemble)
    assert found.converged.all()
    np.testing.assert_allclose(np.exp(found.log_density[0]), rho, rtol=1e-11)
    np.testing.assert_allclose(found.cdf[0], cdf, rtol=1e-12)
    edges = mf.jacobian_edges(activation, q, sigma_w, float(depth), ensemble=ensemble)
    np.testing.assert_allclose(np.exp(np.nanmax(np.asarray(edges))), top, rtol=1e-11)


def test_an_unresolved_expectation_is_flagged():
    """Where the density lies below the error of the rule for E, no number is given, though the equation is solved.

    Of a derivative that is not known off the real line, the rule is on the line.
    """
    unknown = mf.Activation(jnp.tanh)
    found = solve(jnp.array([-3.0]), unknown, 0.05, 1.0, 1.6, ensemble="orthogonal")
    assert found.residual[0] < 1e-12  # the equation itself is solved
    assert not found.converged[0]
    assert np.isnan(found.log_density[0])
    assert np.isnan(found.cdf[0])


def test_one_orthogonal_layer_is_the_law_of_squared_slopes():
    """2 pdf(h)/|d lambda/dh| with lambda = sigma_w^2 sech^4(sqrt(q) h), h > 0."""
    q, sigma_w, h = 0.8, 1.2, np.array([1e-3, 0.02, 0.2, 0.9, 1.3, 2.0, 2.6, 5.0])
    x = np.sqrt(q) * h
    lam = sigma_w**2 / np.cosh(x) ** 4
    found = solve(jnp.log(lam), ACT.tanh, q, sigma_w, 1.0, ensemble="orthogonal")
    assert found.converged.all()
    rho = 2 * stats.norm.pdf(h) / (4 * lam * np.tanh(x) * np.sqrt(q))
    np.testing.assert_allclose(np.exp(found.log_density), rho, rtol=1e-9)
    np.testing.assert_allclose(found.cdf, 2 * stats.norm.sf(h), rtol=1e-9)


def test_shallow_orthogonal_spectra_against_quadrature_on_the_line():
    """The point w that was found solves the equation whose expectations are integrals over the real line."""
    q, sigma_w, depth = 0.5, 1.0, 1.6
    log_lam = np.array([-2.0, -1.0, -0.3])
    found = solve(jnp.asarray(log_lam), ACT.tanh, q, sigma_w, depth, ensemble="orthogonal")
    assert found.converged.all()
    for level, w, log_rho in zip(log_lam, np.asarray(found.omega), np.asarray(found.log_density), strict=True):

        def mean(fn, w=w):
            near = np.arccosh(min(abs(w), 0.999) ** -0.25) / np.sqrt(q)
            ends = sorted({0.0, 12.0, *np.clip(near + np.array([-0.3, -0.03, 0.0, 0.03, 0.3]), 0.0, 12.0)})
            pieces = zip(ends, ends[1:], strict=False)
            value = lambda h: 2 * stats.norm.pdf(h) * fn(1 / np.cosh(np.sqrt(q) * h) ** 4, w)  # noqa: E731
            quad = lambda a, b: integrate.quad(value, a, b, complex_func=True, epsabs=1e-13, limit=200)[0]  # noqa: E731
            return sum(quad(a, b) for a, b in pieces)

        m, g = mean(lambda d, w: d / (w - d)), mean(lambda d, w: 1 / (w - d))
        log_z = np.log(w) + (depth - 1) * np.log(m / g) + 2 * depth * np.log(sigma_w)
        np.testing.assert_allclose(log_z, level, atol=1e-9)
        np.testing.assert_allclose(np.exp(log_rho), -m.imag / np.pi / np.exp(level), rtol=1e-7)


@pytest.mark.parametrize("name", ["tanh", "erf", "sin", "gelu", "silu", "softplus", "elu", "selu"])
def test_paths_in_the_complex_plane_give_the_moments(name):
    """E phi'^2 and E phi'^4 on the path and by half its nodes, against Gauss's rule on the line."""
    activation = getattr(ACT, name)
    laws = jax.jit(lambda q: slope_laws(activation, q))
    h, w = np.polynomial.legendre.leggauss(2000)
    h, w = 12 * np.concatenate([h - 1, h + 1]) / 2, 6 * np.concatenate([w, w])
    for q in (0.01, 0.5, 3.0):
        d = np.asarray(slope_at(activation, jnp.asarray(np.sqrt(q) * h))) ** 2
        exact = [np.sum(w * stats.norm.pdf(h) * d**k) for k in (1, 2)]
        for law, tol in zip(laws(jnp.asarray(q)), (1e-10, 1e-4, 1e-1), strict=True):
            path, mean = jax.tree.map(np.asarray, law.path), np.asarray(law.mean)
            weights = path.weights + 1j * path.weights_im
            np.testing.assert_allclose(mean, exact[0], rtol=tol)
            line = np.asarray(law.weights) @ np.asarray(law.points) ** 2
            np.testing.assert_allclose(line * mean**2, exact[1], rtol=tol)
            for nodes in (path.points + 1j * path.excess_im, 1.0 + path.excess + 1j * path.excess_im):
                np.testing.assert_allclose(np.sum(weights * nodes**2) * mean**2, exact[1], rtol=tol)


def test_atoms_of_hard_tanh():
    locations, masses = mf.jacobian_atoms(ACT.hard_tanh, HARD_Q, 1.1, 5.0, ensemble="orthogonal")
    top = np.argmax(np.where(np.asarray(masses) > 0, np.asarray(locations), -np.inf))
    np.testing.assert_allclose(masses[top], 0.349295001784169, rtol=1e-12)
    np.testing.assert_allclose(np.exp(locations[top]), 1.1**10, rtol=1e-12)
    np.testing.assert_allclose(masses[0], 1 - 0.8698590003568338, rtol=1e-12)
    edges = mf.jacobian_edges(ACT.hard_tanh, HARD_Q, 1.1, 40.0, ensemble="orthogonal")
    np.testing.assert_allclose(np.exp(np.nanmax(np.asarray(edges))), 124.512950961342, rtol=1e-11)


def test_moments():
    args = (ACT.tanh, TANH_Q, 1.3, 3.0)
    np.testing.assert_allclose(mf.jacobian_variance(*args, ensemble="gaussian"), 3.854810513663613, rtol=1e-12)
    np.testing.assert_allclose(mf.jacobian_variance(*args, ensemble="orthogonal"), 0.8956898519508907, rtol=1e-12)
    m = np.asarray(mf.jacobian_moments(4, *args, ensemble="gaussian"))
    np.testing.assert_allclose(m[1] - m[0] ** 2, 3.854810513663613, rtol=1e-12)
    fuss = mf.jacobian_moments(4, ACT.linear, 0.5, 1.0, 3.0, ensemble="gaussian")
    np.testing.assert_allclose(fuss, [1, 4, 22, 140], rtol=1e-12)


def test_wrong_options_are_named():
    with pytest.raises(ValueError, match="ensemble"):
        mf.jacobian_log_density(0.0, ACT.tanh, 0.5, 1.0, 3.0, ensemble="uniform")
    with pytest.raises(ValueError, match="sigma_w"):
        mf.q_star(-1.0, 0.1, ACT.tanh)
    with pytest.raises(ValueError, match="slopes"):
        mf.Activation(jnp.tanh, breaks=(0.0,), slopes=(1.0,))
    with pytest.raises(TypeError, match="activation"):
        mf.q_star(1.0, 0.1, jnp.tanh)


def test_one_orthogonal_layer_of_linear_pieces_has_atoms_only():
    q, sigma_w = 0.4365245681608435, 1.1
    log_lam = np.array([-6.0, -1.0, 0.1, 0.3])
    found = mf.jacobian_density_solve(log_lam, mf.activations.hard_tanh, q, sigma_w, 1.0, ensemble="orthogonal")
    assert np.isneginf(found.log_density).all()
    p = 0.8698590003568338
    np.testing.assert_allclose(found.cdf, [1 - p, 1 - p, 1 - p, 1], rtol=1e-12)
    assert found.converged.all()
    edges = mf.jacobian_edges(mf.activations.hard_tanh, q, sigma_w, 1.0, ensemble="orthogonal")
    assert np.isnan(edges).all()
