"""Probability-flow likelihoods on normal data, where score, flow and density are closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffusion_cases import DTYPE, X64, normal

from depthjax import diffusion, distributions

LOC, SCALE = 0.7, 0.4
TIGHT = {"rtol": 1e-11, "atol": 1e-11} if X64 else {"rtol": 1e-6, "atol": 1e-6}
SCHEDULES = {
    "vp": diffusion.vp_linear(),
    "cosine": diffusion.cosine_log_snr(),
    "edm": diffusion.edm_schedule(0.01, 20.0),
}


def network(schedule, kind):
    """The exact prediction for data N(LOC, SCALE^2) in every coordinate."""

    def model(z, t):
        alpha, sigma = (v(t).reshape(-1, *[1] * (z.ndim - 1)).astype(z.dtype) for v in (schedule.alpha, schedule.sigma))
        score = -(z - alpha * LOC) / (alpha**2 * SCALE**2 + sigma**2)
        return score if kind == "score" else -sigma * score

    return model


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("kind", ["score", "noise"])
def test_exact_likelihood_with_the_exact_prior(name, kind):
    schedule = SCHEDULES[name]
    stop = DTYPE(20.0 if name == "edm" else 1.0)
    start = DTYPE(0.01 if name == "edm" else 1e-3)
    at = lambda t: (schedule.alpha(t) * LOC, jnp.sqrt(schedule.alpha(t) ** 2 * SCALE**2 + schedule.sigma(t) ** 2))  # noqa: E731
    law = [distributions.Normal(jnp.full(2, at(t)[0]), jnp.full(2, at(t)[1])) for t in (start, stop)]
    x = (LOC + SCALE * normal((4, 2))).astype(DTYPE)
    run = jax.jit(lambda x: diffusion.probability_flow_log_prob(
        schedule, network(schedule, kind), x, prior=law[1], prediction=kind, start=start, stop=stop, **TIGHT
    ))  # fmt: skip
    found = run(x)
    np.testing.assert_allclose(found.value, law[0].log_prob(x), rtol=1e-8 if X64 else 1e-4, atol=0 if X64 else 1e-5)
    moved = at(stop)[0] + at(stop)[1] / at(start)[1] * (x - at(start)[0])
    np.testing.assert_allclose(found.z, moved, rtol=1e-7 if X64 else 1e-3, atol=1e-7 if X64 else 1e-4)
    assert np.asarray(found.converged).all()
    np.testing.assert_array_equal(found.standard_error, np.zeros(4))


@pytest.mark.skipif(not X64, reason="float64 values")
def test_the_score_reaches_the_data_themselves():
    schedule = SCHEDULES["vp"]
    alpha, sigma = float(schedule.alpha(1.0)), float(schedule.sigma(1.0))
    end = distributions.Normal(np.full(2, alpha * LOC), np.full(2, np.hypot(alpha * SCALE, sigma)))
    x = LOC + SCALE * normal((3, 2))
    found = diffusion.probability_flow_log_prob(
        schedule, network(schedule, "score"), x, prior=end, prediction="score", rtol=1e-12, atol=1e-12
    )
    exact = distributions.Normal(np.full(2, LOC), np.full(2, SCALE)).log_prob(x)
    np.testing.assert_allclose(found.value, exact, atol=1e-9)
    standard = diffusion.probability_flow_log_prob(schedule, network(schedule, "noise"), x, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(standard.value, exact, atol=1e-2)


def test_probes_images_and_failure():
    schedule = SCHEDULES["cosine"]
    x = (LOC + SCALE * normal((2, 6, 6))).astype(DTYPE)
    loose = {"rtol": 1e-4, "atol": 1e-4}
    found = diffusion.probability_flow_log_prob(schedule, network(schedule, "noise"), x, key=jax.random.key(0), **loose)
    sigma = float(schedule.sigma(0.0))
    exact = distributions.Normal(np.full(36, LOC, DTYPE), np.full(36, np.hypot(SCALE, sigma), DTYPE)).log_prob(
        x.reshape(2, 36)
    )
    np.testing.assert_allclose(found.value, exact, rtol=2e-2)  # a multiple of the identity: every probe is exact
    assert np.isnan(np.asarray(found.standard_error)).all()
    assert found.z.shape == x.shape
    probes = np.ones((3, 36), DTYPE)
    several = diffusion.probability_flow_log_prob(schedule, network(schedule, "noise"), x, probes=probes, **loose)
    np.testing.assert_allclose(several.standard_error, np.zeros(2), atol=1e-3)
    stuck = diffusion.probability_flow_log_prob(
        schedule, network(schedule, "noise"), x[:, 0], max_steps=2, rtol=1e-6, atol=1e-6
    )
    assert not np.asarray(stuck.converged).any()
    assert np.isnan(np.asarray(stuck.value)).all()


def test_bad_input():
    schedule = SCHEDULES["vp"]
    model = network(schedule, "noise")
    with pytest.raises(TypeError, match="expected a continuous one"):
        diffusion.probability_flow_log_prob(diffusion.linear_schedule(5), model, np.zeros((2, 2)))
    with pytest.raises(ValueError, match="pass key or probes"):
        diffusion.probability_flow_log_prob(schedule, model, np.zeros((2, 33)))
    with pytest.raises(ValueError, match="start < stop"):
        diffusion.probability_flow_log_prob(schedule, model, np.zeros((2, 2)), start=1.0, stop=0.0)
    with pytest.raises(TypeError, match="dequantise"):
        diffusion.probability_flow_log_prob(schedule, model, np.zeros((2, 2), np.int32))
    prior = distributions.Normal(np.zeros(3), np.ones(3))
    with pytest.raises(ValueError, match="prior has event shape"):
        diffusion.probability_flow_log_prob(schedule, model, np.zeros((2, 2)), prior=prior)


def test_partners_from_the_entropic_plan():
    x0, x1 = normal((40, 2)), normal((40, 2), 1) + DTYPE(2)
    pair = jax.jit(lambda key, eps: diffusion.minibatch_coupling(key, x0, x1, method="sinkhorn", epsilon=eps))
    keys = jax.random.split(jax.random.key(0), 200)
    cost = lambda eps: np.mean([np.mean(np.sum((x0 - pair(k, eps)[1]) ** 2, -1)) for k in keys[:40]])  # noqa: E731
    exact = np.mean(np.sum((x0 - diffusion.minibatch_coupling(keys[0], x0, x1, method="exact")[1]) ** 2, -1))
    independent = np.mean(np.sum((x0[:, None] - x1[None]) ** 2, -1))
    assert abs(cost(DTYPE(0.2)) - exact) < 0.15 * independent
    np.testing.assert_allclose(cost(DTYPE(1e4)), independent, rtol=0.05)
    with pytest.raises(ValueError, match="expected one exactly for 'sinkhorn'"):
        diffusion.minibatch_coupling(keys[0], x0, x1, method="sinkhorn")
