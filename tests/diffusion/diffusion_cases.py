"""Schedules and tolerances of the tests of diffusion models."""

import jax
import numpy as np

from depthjax import diffusion

X64 = jax.config.jax_enable_x64
DTYPE = np.float64 if X64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
BETAS = np.array([0.1, 0.2, 0.3, 0.4])
SHORT = diffusion.DiscreteSchedule(BETAS.astype(DTYPE))
CONTINUOUS = {"vp": diffusion.vp_linear(), "cosine": diffusion.cosine_log_snr(), "edm": diffusion.edm_schedule()}


def close(got, want, ulps=16, scale=1.0):
    """Equal within `ulps` rounding errors of `scale` and of the values."""
    np.testing.assert_allclose(np.asarray(got), np.asarray(want), rtol=ulps * EPS, atol=ulps * EPS * scale)


def printed(got, want, digits=10):
    """Equal to a printed decimal; in float32 to a few rounding errors."""
    tol = 0.6 * 10.0**-digits if X64 else 64 * EPS
    np.testing.assert_allclose(np.asarray(got), want, atol=tol, rtol=0 if X64 else tol)


def normal(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(DTYPE)
