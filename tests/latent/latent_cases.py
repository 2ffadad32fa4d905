"""Data and tolerances of the tests of latent-variable models."""

import jax
import numpy as np

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)


def correlated(n=40, d=4, seed=0):
    """(n, d) normal data with unequal scales, off the origin."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(d, d)) * np.linspace(2.0, 0.5, d)[:, None]
    return (rng.normal(size=(n, d)) @ mixing.T + np.arange(d)).astype(DTYPE)


def clusters(n=90, d=2, k=3, seed=0):
    """(n, d) points in k groups, apart but not very far."""
    rng = np.random.default_rng(seed)
    centres = 4.0 * rng.normal(size=(k, d))
    return (centres[np.arange(n) % k] + rng.normal(size=(n, d))).astype(DTYPE)


def close(got, want, ulps=16, scale=1.0):
    """Equal within `ulps` rounding errors of `scale` and of the values."""
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=ulps * EPS, atol=ulps * EPS * scale)
