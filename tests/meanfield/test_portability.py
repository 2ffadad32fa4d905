"""Spectra by one trace for all depths, in half the precision, and for other platforms."""

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import freeprob
from depthjax import meanfield as mf

X64 = jax.config.jax_enable_x64
A = mf.activations
HOT = {
    "jacobian_density_solve": lambda x, q: mf.jacobian_density_solve(x, A.tanh, q, 1.3, 8.0, ensemble="gaussian"),
    "jacobian_orthogonal": lambda x, q: mf.jacobian_density_solve(x, A.hard_tanh, q, 1.3, 8.0, ensemble="orthogonal"),
    "jacobian_edges": lambda x, q: mf.jacobian_edges(A.erf, q, 1.3, 8.0, ensemble="orthogonal"),
    "jacobian_moments": lambda x, q: mf.jacobian_moments(4, A.tanh, q, 1.3, 8.0, ensemble="gaussian"),
    "phase_diagram": lambda x, q: mf.phase_diagram(1.0 + q, 0.2, A.tanh),
    "semicircle": lambda x, q: freeprob.Semicircle(0.0, q).log_density(x),
    "free_sum": lambda x, q: freeprob.free_additive_convolution(
        freeprob.Atomic(jnp.stack([-q, q]), jnp.full((2,), 0.5, q.dtype)), freeprob.Semicircle(0.0, q)
    ).density(x),
    "deform_semicircle": lambda x, q: freeprob.deform_semicircle(
        freeprob.Atomic(jnp.stack([-q, q]), jnp.full((2,), 0.5, q.dtype)), q
    ).density(x),
}
FORBIDDEN = ("complex128", "c128", "f64", "float64", " eig[", " eigh[", "schur[", "callback[")


@pytest.mark.slow
@pytest.mark.skipif(X64, reason="exported in float32")
@pytest.mark.parametrize("name", list(HOT))
def test_export(name):
    args = jnp.linspace(-0.5, 0.4, 5), jnp.asarray(0.5)
    text = str(jax.make_jaxpr(HOT[name])(*args))
    assert not [word for word in FORBIDDEN if word in text]
    exported = jax.export.export(jax.jit(HOT[name]), platforms=("cpu", "cuda", "tpu"))(*args)
    assert exported.platforms == ("cpu", "cuda", "tpu")


DEPTHS = np.array([1.0, 1.5, 2.0, 64.0, 1000.0, 1e4])


@pytest.mark.slow
@pytest.mark.skipif(not X64, reason="float64 values")
@pytest.mark.parametrize("name", ["tanh", "erf", "softplus", "gelu", "silu", "elu", "selu", "hard_tanh", "relu"])
def test_one_trace_solves_all_depths(name):
    """From 5% of the spectrum of Gaussian layers, or a hundredth of its top, to 95%; q from 1e-3 to 10.

    Beyond, the density can lie below rounding: at small q the values of d above its mean have no mass to speak of. And
    one layer of erf, gelu, silu and sin is flagged in part below about two thousandths of the top.
    """
    activation, traces = getattr(A, name), []

    @jax.jit
    def solved(share, q, sigma_w, depth):
        traces.append(None)
        edges = mf.jacobian_edges(activation, q, sigma_w, depth, ensemble="gaussian")
        top = jnp.max(jnp.where(jnp.isfinite(edges), edges, -jnp.inf))
        return mf.jacobian_density_solve(top + share, activation, q, sigma_w, depth, ensemble="gaussian")

    share = np.linspace(np.log(1e-2), np.log(0.98), 40)
    for q in (1e-3, 0.5, 4.0):
        sigma_w = float(mf.chi_1(q, 1.0, activation)) ** -0.5
        for depth in DEPTHS:
            found = solved(share, q, sigma_w, depth)
            known, cdf = np.asarray(found.converged), np.asarray(found.cdf)
            first, last = np.flatnonzero(known)[[0, -1]]
            assert known[first : last + 1].all(), (q, depth)
            assert first == 0 or cdf[first] < 0.05, (q, depth)
            assert cdf[last] > 0.95, (q, depth)
            assert np.asarray(found.residual)[known].max() <= 1e-11
    assert len(traces) == 1


@pytest.mark.slow
@pytest.mark.skipif(not X64, reason="both precisions in one process")
@pytest.mark.parametrize("ensemble", ["gaussian", "orthogonal"])
@pytest.mark.parametrize("name", ["tanh", "hard_tanh"])
def test_single_precision_follows(name, ensemble):
    """To 1e-4 in the bulk for moderate depth; at L layers rounding of log chi_1 alone moves log lambda by L eps."""
    solve = jax.jit(mf.jacobian_density_solve, static_argnames="ensemble")
    activation = getattr(A, name)
    single = [np.float32(v) for v in (0.7, 1.1)]
    double = [np.float64(v) for v in single]
    for depth in (1.0, 4.0) if name == "tanh" or ensemble == "gaussian" else (4.0,):
        edges = np.asarray(mf.jacobian_edges(activation, *double, depth, ensemble=ensemble))
        top = np.max(edges[np.isfinite(edges)])
        low = edges[0, 0] if np.isfinite(edges[0, 0]) else top - 5.0
        t = np.linspace(low + 0.02, top - 0.1 if depth == 1.0 else top - 0.02, 64).astype(np.float32)
        exact = np.asarray(solve(t.astype(np.float64), activation, *double, depth, ensemble=ensemble).log_density)
        found = solve(t, activation, *single, np.float32(depth), ensemble=ensemble)
        assert found.log_density.dtype == np.float32
        assert found.omega.dtype == np.complex64
        bulk = exact > exact.max() + np.log(1e-3)
        assert np.asarray(found.converged)[bulk].all()
        np.testing.assert_allclose(np.asarray(found.log_density)[bulk], exact[bulk], rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(not X64, reason="both precisions in one process")
@pytest.mark.parametrize("ensemble", ["gaussian", "orthogonal"])
def test_single_precision_is_right_or_flagged(ensemble):
    """Also for phi'^2 within 1e-3 of one, and at 10,000 layers, where w lies within 1e-3 of the negative axis."""
    solve = jax.jit(mf.jacobian_density_solve, static_argnames="ensemble")
    for q in (np.float32(1e-3), np.float32(0.7), np.float32(5.0)):
        sigma_w = np.float32(mf.chi_1(np.float64(q), 1.0, A.tanh) ** -0.5)
        for depth in (4.0, 64.0, 1e4):
            args = (np.float64(q), np.float64(sigma_w), depth)
            edges = np.asarray(mf.jacobian_edges(A.tanh, *args, ensemble=ensemble))
            low, high = np.nanmin(edges), np.nanmax(edges)
            reach = high - low if np.isfinite(low) else 40.0 + 2.0 * depth
            t = (high - np.geomspace(1e-2, 0.99 * reach, 200)).astype(np.float32)
            exact = solve(t.astype(np.float64), A.tanh, *args, ensemble=ensemble)
            found = solve(t, A.tanh, q, sigma_w, np.float32(depth), ensemble=ensemble)
            level = np.asarray(exact.cdf)
            bulk = np.asarray(exact.converged) & (level > 0.02) & (level < 0.98) & (t - low > 1e-2)
            known = bulk & np.asarray(found.converged)
            assert known.sum() > 0.3 * bulk.sum(), (q, depth)
            np.testing.assert_allclose(np.asarray(found.cdf)[known], level[known], rtol=0, atol=1e-4)
            if depth < 1e3:
                log_rho = np.asarray(exact.log_density)[known]
                np.testing.assert_allclose(np.asarray(found.log_density)[known], log_rho, rtol=0, atol=1e-4)
