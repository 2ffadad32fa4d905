"""Posteriors with reference draws: densities at given points, and means of a full-rank normal guide."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from depthjax import diagnostics, distributions, vi

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "posteriordb"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason="the posteriordb files are not beside this checkout"),
    pytest.mark.skipif(not jax.config.jax_enable_x64, reason="reference values are given to 1e-8"),
]


def normal(x, loc, scale):
    return jnp.sum(-0.5 * jnp.log(2 * jnp.pi) - jnp.log(scale) - 0.5 * ((x - loc) / scale) ** 2)


def cauchy(x, scale):
    return -jnp.log(jnp.pi * scale) - jnp.log1p((x / scale) ** 2)


def regression(data):
    x, y = np.asarray(data["X"], float), np.asarray(data["y"], float)
    return lambda v: normal(v[:-1], 0.0, 10.0) + normal(v[-1], 0.0, 10.0) + normal(y, x @ v[:-1], v[-1])


def autoregression(data):
    y, k = np.asarray(data["y"], float), int(data["K"])
    lags = np.stack([y[k - j : len(y) - j] for j in range(1, k + 1)], axis=1)

    def log_density(v):
        prior = normal(v[:-1], 0.0, 10.0) + cauchy(v[-1], 2.5)
        return prior + normal(y[k:], v[0] + lags @ v[1:-1], v[-1])

    return log_density


def interaction(data):
    high_school, iq = (np.asarray(data[name], float) for name in ("mom_hs", "mom_iq"))
    x = np.stack([np.ones_like(iq), high_school, iq, high_school * iq], axis=1)
    y = np.asarray(data["kid_score"], float)
    return lambda v: cauchy(v[-1], 2.5) + normal(y, x @ v[:-1], v[-1])


def schools(data):
    y, scale = np.asarray(data["y"], float), np.asarray(data["sigma"], float)

    def log_density(v):
        return cauchy(v[9], 5.0) + normal(v[8], 0.0, 5.0) + normal(v[:8], v[8], v[9]) + normal(y, v[:8], scale)

    return log_density


MODELS = {
    "sblrc-blr": regression,
    "sblri-blr": regression,
    "arK-arK": autoregression,
    "kidiq-kidscore_interaction": interaction,
    "eight_schools-eight_schools_centered": schools,
    "eight_schools-eight_schools_noncentered": schools,
}


def loaded(name):
    record = json.loads((FOLDER / f"{name}.json").read_text())
    draws = np.load(FOLDER / f"{name}.npz")["draws"]
    return record, draws.reshape(-1, draws.shape[-1]), MODELS[name](record["data"])


@pytest.mark.parametrize("name", sorted(MODELS))
def test_log_density_at_given_points(name):
    record, draws, log_density = loaded(name)
    for check in record["log_density_check"]:
        np.testing.assert_allclose(log_density(draws[check["draw_index"]]), check["value"], rtol=1e-8)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_means_of_a_full_rank_guide(name):
    """Raw or importance-corrected means within 0.05 posterior standard deviations, or a k-hat that warns."""
    _, draws, log_density = loaded(name)
    mean, sd = draws.mean(0), draws.std(0)

    def constrain(raw):
        scale = jnp.exp(raw[-1])
        if "noncentered" in name:
            return jnp.concatenate([raw[8] + scale * raw[:8], raw[8:9], scale[None]])
        return jnp.concatenate([raw[:-1], scale[None]])

    def raw_density(raw):
        jacobian = 9 * raw[-1] if "noncentered" in name else raw[-1]
        return log_density(constrain(raw)) + jacobian

    # The start is the mode where there is one; the centred hierarchy has none, and starts at unit scale.
    if "eight_schools" in name:
        start, precision = jnp.zeros(10), jnp.eye(10)
    else:
        rough = jnp.asarray(np.append(mean[:-1] + 3 * sd[:-1], np.log(2 * mean[-1])))
        found = jax.jit(lambda z: vi.laplace(raw_density, z))(rough)
        assert found.converged
        start, precision = found.mode, jnp.linalg.inv(found.guide.covariance())
    init, update = vi.variational_online_newton(
        raw_density, step_size=vi.robbins_monro(scale=2.0, delay=20.0, forgetting=0.75), num_samples=32
    )
    keys = jax.random.split(jax.random.key(0), 1500)
    state, _ = jax.jit(lambda s, ks: jax.lax.scan(lambda s, k: (update(k, s), None), s, ks))(
        init(start, precision), keys
    )
    guide: distributions.MultivariateNormal = state.guide
    # Many draws: the weights of the noncentred scale are rough, and the error asked for is small.
    z, log_q = guide.sample_and_log_prob(jax.random.key(1), (200_000,))
    values = np.asarray(jax.vmap(constrain)(z))
    smoothed = diagnostics.psis(jax.vmap(raw_density)(z) - log_q)
    errors = [
        np.max(np.abs(estimate - mean) / sd) for estimate in (values.mean(0), np.exp(smoothed.log_weights) @ values)
    ]
    print(f"{name}: raw {errors[0]:.3f}, corrected {errors[1]:.3f}, k-hat {float(smoothed.khat):.2f}")
    assert np.isfinite(errors).all()
    assert min(errors) < 0.05 or float(smoothed.khat) > diagnostics.khat_threshold(200_000)
