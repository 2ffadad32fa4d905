"""Losses and samplers under transformations, in half the precision, and for other platforms."""

import jax
import jax.export
import numpy as np
import pytest
from diffusion_cases import X64

from depthjax import diffusion

BETAS = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
SEED = np.zeros((), np.uint32)


def schedule():
    return diffusion.DiscreteSchedule(BETAS)


def model(z, t):
    return 0.1 * z * (1.0 + t.astype(z.dtype))[:, None]


HOT = {
    "diffusion_loss": lambda x, k: diffusion.diffusion_loss(k, schedule(), model, x, weighting="elbo"),
    "continuous_loss": lambda x, k: diffusion.diffusion_loss(k, diffusion.vp_linear(), model, x, weighting="min_snr"),
    "edm_loss": lambda x, k: diffusion.diffusion_loss(
        k, diffusion.edm_schedule(), model, x, prediction="data", weighting="edm"
    ),
    "vlb": lambda x, k: diffusion.vlb(k, schedule(), model, x, num_samples=2),
    "score_matching": lambda x, k: diffusion.score_matching_loss(lambda v: -v, x),
    "sliced": lambda x, k: diffusion.sliced_score_matching_loss(k, lambda v: -v, x),
    "denoising": lambda x, k: diffusion.denoising_score_matching_loss(k, lambda v: -v, x, sigma=0.5),
    "ddpm": lambda x, k: diffusion.sample_ddpm(k, schedule(), model, x.shape).x,
    "ddim": lambda x, k: diffusion.sample_ddim(k, schedule(), model, x.shape, eta=0.5).x,
    "heun": lambda x, k: (
        diffusion.sample_heun(
            k, lambda z, s: z / (1 + s)[:, None], np.array([3.0, 1.0, 0.1, 0.0], np.float32), x.shape, churn=1.0
        ).x
    ),
    "flow_pair": lambda x, k: diffusion.flow_matching_pair(k, x, -x, path="vp"),
    "flow": lambda x, k: diffusion.sample_flow(lambda t, v: -v * t[:, None], x, num_steps=3, method="rk4"),
    "exact pairs": lambda x, k: diffusion.minibatch_coupling(k, x, 2 * x[::-1], method="exact"),
}


@pytest.mark.parametrize("name", list(HOT))
def test_single_precision_stays_and_maps_over_keys(name):
    x = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    keys = jax.random.split(jax.random.key(0), 2)
    out = jax.jit(jax.vmap(HOT[name], (None, 0)))(x, keys)
    with jax.checking_leaks():
        one = jax.jit(HOT[name])(x, keys[1])
    for a, b in zip(jax.tree.leaves(out), jax.tree.leaves(one), strict=True):
        assert a.dtype == b.dtype == np.float32
        assert np.isfinite(np.asarray(a)).all()
        np.testing.assert_allclose(np.asarray(a)[1], b, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(X64, reason="exported in float32")
@pytest.mark.parametrize("name", list(HOT))
def test_export(name):
    x = np.ones((4, 2), np.float32)
    fn = jax.jit(lambda x, s: HOT[name](x, jax.random.key(s)))
    assert jax.export.export(fn, platforms=("cpu", "cuda", "tpu"))(x, SEED).platforms == ("cpu", "cuda", "tpu")


def test_schedules_do_not_retrace_and_steps_do_not_grow_the_program():
    traces = []

    @jax.jit
    def draw(schedule, key):
        traces.append(None)
        return diffusion.sample_ddpm(key, schedule, model, (2, 1)).x

    for scale in (0.5, 1.0):
        draw(diffusion.DiscreteSchedule(BETAS * np.float32(scale)), jax.random.key(0))
    assert len(traces) == 1
    sizes = []
    for count in (10, 200):
        chain = diffusion.linear_schedule(count)
        program = jax.jit(lambda k, c=chain: diffusion.sample_ddpm(k, c, model, (2, 1)).x).lower(jax.random.key(0))
        sizes.append(program.as_text().count("\n"))
    assert sizes[1] == sizes[0]
