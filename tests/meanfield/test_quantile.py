"""Quantiles of Jacobian spectra invert the cdf, atoms included."""

import jax
import numpy as np
import pytest

from depthjax import meanfield as mf

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not jax.config.jax_enable_x64, reason="float64 values")]
A = mf.activations


def test_quantile_inverts_the_cdf():
    q, w = 0.5055402961460154, 1.3
    u = np.array([0.02, 0.3, 0.682998838688332, 0.99])
    run = jax.jit(lambda u, w: mf.jacobian_quantile(u, A.tanh, q, w, 3, ensemble="gaussian"))
    found = run(u, w)
    np.testing.assert_allclose(mf.jacobian_cdf(found, A.tanh, q, w, 3, ensemble="gaussian"), u, rtol=1e-9)
    np.testing.assert_allclose(np.exp(found[2]), 0.5, rtol=1e-9)
    slope = jax.jit(jax.jacfwd(run, argnums=1))(u, w)
    np.testing.assert_allclose(slope, (run(u, w + 1e-5) - run(u, w - 1e-5)) / 2e-5, rtol=1e-6)


def test_atoms_hold_their_share():
    """hard_tanh, orthogonal, five layers: mass 0.13 at zero and 0.349 at the top."""
    q, w = 0.4365245681608435, 1.1
    found = mf.jacobian_quantile(np.array([0.05, 0.4, 0.9]), A.hard_tanh, q, w, 5, ensemble="orthogonal")
    assert found[0] == -np.inf
    assert np.isfinite(found[1])
    np.testing.assert_allclose(found[2], 10 * np.log(1.1), atol=1e-9)


def test_bad_input():
    with pytest.raises(ValueError, match="u must be in"):
        mf.jacobian_quantile(1.0, A.tanh, 0.5, 1.3, 3, ensemble="gaussian")
