"""Times, levels and rates that are none: raised where they are known, NaN where they are traced."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import diffusion

SCHEDULES = {
    "vp": diffusion.vp_linear(),
    "cosine": diffusion.cosine_log_snr(),
    "edm": diffusion.edm_schedule(),
}
X = jnp.ones((3, 2))


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("method", ["alpha", "sigma", "log_snr", "drift", "diffusion_squared"])
def test_times_outside(name, method):
    at = getattr(SCHEDULES[name], method)
    outside = [-0.1, float("nan")] if name == "edm" else [-0.1, 1.1, float("nan")]
    if name == "edm" and method in ("alpha", "drift"):
        return  # constant in time
    for t in outside:
        with pytest.raises(ValueError, match="expected times from 0"):
            at(t)
        with pytest.raises(ValueError, match="expected times from 0"):
            at(np.array([0.5, t]))
    found = jax.jit(at)(jnp.array([0.5, 1.0, *outside]))
    assert np.isfinite(found[:2]).all()
    assert np.isnan(found[2:]).all()
    one_more = np.nextafter(np.float32(1.0), np.float32(2.0))
    assert np.isfinite(at(one_more))


def test_traced_noise_level():
    def loss(sigma):
        return diffusion.denoising_score_matching_loss(jax.random.key(0), lambda x: -x, X, sigma=sigma)

    assert np.isfinite(jax.jit(loss)(0.5))
    assert np.isnan(jax.jit(loss)(-0.5))


def test_levels_of_a_sampler():
    for levels in (np.array([np.nan, 0.0]), np.array([2.0, np.nan, 0.0]), np.array([np.inf, 0.0])):
        with pytest.raises(ValueError, match="strictly decreasing"):
            diffusion.sample_heun(jax.random.key(0), lambda x, s: x, levels, (3, 2))
    with pytest.raises(ValueError, match="noise_scale"):
        diffusion.sample_heun(jax.random.key(0), lambda x, s: x, diffusion.edm_sigmas(3), (3, 2), noise_scale=-1.0)


def test_likelihood_that_is_none():
    """A solve out of steps, and traced times that run backwards, have neither value nor error."""

    def run(start, stop, max_steps=64):
        return diffusion.probability_flow_log_prob(
            SCHEDULES["vp"], lambda z, t: -z, X, prediction="score", start=start, stop=stop, max_steps=max_steps
        )

    for found in (run(0.0, 1.0, max_steps=1), jax.jit(run)(0.9, 0.2)):
        assert np.isnan(found.value).all()
        assert np.isnan(found.standard_error).all()
        assert not found.converged.any()
    good = jax.jit(run)(0.2, 0.9)
    assert np.isfinite(good.value).all()
    assert (good.standard_error == 0).all()
