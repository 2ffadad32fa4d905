"""Samplers on normal data: every one is an affine map whose mean and variance follow by recursion."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffusion_cases import BETAS, CONTINUOUS, DTYPE, EPS, SHORT, close
from scipy import stats

from depthjax import diffusion

MEAN, VARIANCE = 0.4, 1.7
ALPHA_BAR = np.concatenate([[1.0], np.cumprod(1 - BETAS)])
SHAPE = (4000, 1)
KEY = jax.random.key(0)


def gain_at(ab):
    return np.sqrt(ab) * VARIANCE / (ab * VARIANCE + 1 - ab)


def model(z, t, schedule=SHORT):
    """E[noise | z] for data N(MEAN, VARIANCE)."""
    alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
    data = MEAN + alpha * VARIANCE / (alpha**2 * VARIANCE + sigma**2) * (z - alpha * MEAN)
    return (z - alpha * data) / sigma


def denoiser(x, sigma):
    return MEAN + VARIANCE / (VARIANCE + sigma[:, None] ** 2) * (x - MEAN)


def affine(step_terms):
    """Mean, variance and slope of the chain z -> slope z + shift + noise."""
    centre, spread, total = 0.0, 1.0, 1.0
    for slope, shift, noise in step_terms:
        centre, spread, total = slope * centre + shift, slope**2 * spread + noise, slope * total
    return centre, spread, total


def ddpm_terms(variance, times=(4, 3, 2, 1)):
    for t, s in zip(times, (*times[1:], 0), strict=True):
        ab, before = ALPHA_BAR[t], ALPHA_BAR[s]
        r, gain = ab / before, gain_at(ab)
        of_z, of_x = np.sqrt(r) * (1 - before) / (1 - ab), np.sqrt(before) * (1 - r) / (1 - ab)
        noise = {"posterior": (1 - r) * (1 - before) / (1 - ab), "beta": (1 - r) * (s > 0)}[variance]
        yield of_z + of_x * gain, of_x * MEAN * (1 - gain * np.sqrt(ab)), noise


def ddim_terms(eta, times=(4, 3, 2, 1)):
    for t, s in zip(times, (*times[1:], 0), strict=True):
        ab, before = ALPHA_BAR[t], ALPHA_BAR[s]
        v = eta**2 * (1 - ab / before) * (1 - before) / (1 - ab)
        gain, offset = gain_at(ab), MEAN * (1 - gain_at(ab) * np.sqrt(ab))
        rest = np.sqrt(1 - before - v) / np.sqrt(1 - ab)
        slope = np.sqrt(before) * gain + rest * (1 - np.sqrt(ab) * gain)
        yield slope, np.sqrt(before) * offset - rest * np.sqrt(ab) * offset, v


def has_law(x, centre, spread):
    assert stats.kstest(np.asarray(x, np.float64).ravel(), stats.norm(centre, np.sqrt(spread)).cdf).pvalue > 1e-3
    n = np.size(x)
    assert abs(np.mean(x) - centre) < 4 * np.sqrt(spread / n)
    assert abs(np.var(x) / spread - 1) < 4 * np.sqrt(2 / n)


@pytest.mark.parametrize("variance", ["posterior", "beta"])
def test_ancestral_sampling_has_the_law_of_its_recursion(variance):
    out = jax.jit(lambda k: diffusion.sample_ddpm(k, SHORT, model, SHAPE, variance=variance))(KEY)
    has_law(out.x, *affine(ddpm_terms(variance))[:2])
    assert out.trajectory is None


def test_ancestral_sampling_through_some_steps():
    out = jax.jit(lambda k: diffusion.sample_ddpm(k, SHORT, model, SHAPE, timesteps=[4, 2]))(KEY)
    has_law(out.x, *affine(ddpm_terms("posterior", (4, 2)))[:2])


@pytest.mark.parametrize("times", [(4, 3, 2, 1), (4, 2), (3,)])
def test_implicit_sampling_is_the_exact_affine_map(times):
    draw = jax.jit(lambda k: diffusion.sample_ddim(k, SHORT, model, (5, 1), timesteps=times, keep_trajectory=True))
    out = draw(KEY)
    centre, _, slope = affine(ddim_terms(0.0, times))
    assert out.trajectory.shape == (len(times) + 1, 5, 1)
    close(out.x, slope * np.asarray(out.trajectory[0], np.float64) + centre, 128)
    close(out.trajectory[-1], out.x)


def test_implicit_sampling_with_noise():
    out = jax.jit(lambda k, e: diffusion.sample_ddim(k, SHORT, model, SHAPE, eta=e))(KEY, 0.6)
    has_law(out.x, *affine(ddim_terms(0.6))[:2])


def test_implicit_sampling_with_full_noise_is_ancestral_sampling():
    one = jax.jit(lambda k: diffusion.sample_ddim(k, SHORT, model, (6, 1), eta=1.0).x)(KEY)
    two = jax.jit(lambda k: diffusion.sample_ddpm(k, SHORT, model, (6, 1)).x)(KEY)
    close(one, two, 128, scale=4.0)


def test_a_long_chain_gives_the_data():
    schedule = diffusion.linear_schedule(200, 1e-4, 0.1)
    draw = jax.jit(lambda k: diffusion.sample_ddpm(k, schedule, lambda z, t: model(z, t, schedule), SHAPE).x)
    has_law(draw(KEY), MEAN, VARIANCE)


@pytest.mark.parametrize("kind", ["data", "velocity", "score"])
def test_predictions_are_interchangeable(kind):
    def other(z, t):
        return diffusion.convert_prediction(model(z, t), z, t, SHORT, source="noise", target=kind)

    for sampler in (diffusion.sample_ddpm, diffusion.sample_ddim):
        close(
            sampler(KEY, SHORT, other, (3, 1), prediction=kind).x, sampler(KEY, SHORT, model, (3, 1)).x, 256, scale=4.0
        )


def test_zero_terminal_signal_with_velocity():
    """From pure noise the first prediction is the mean of the data."""
    schedule = diffusion.zero_terminal_snr(diffusion.linear_schedule(50, 1e-3, 0.2))

    def velocity(z, t):
        alpha, sigma = schedule.alpha(t)[:, None], schedule.sigma(t)[:, None]
        data = MEAN + alpha * VARIANCE / (alpha**2 * VARIANCE + sigma**2) * (z - alpha * MEAN)
        return (alpha * z - data) / sigma

    draw = jax.jit(lambda k: diffusion.sample_ddpm(k, schedule, velocity, SHAPE, prediction="velocity").x)
    x = draw(KEY)
    assert np.isfinite(np.asarray(x)).all()
    assert abs(np.mean(x) - MEAN) < 4 * np.sqrt(VARIANCE / SHAPE[0])


def test_the_scan_is_a_loop_over_the_posterior():
    key_first, key_later = jax.random.split(KEY)
    z, keys = jax.random.normal(key_first, (3, 1), DTYPE), jax.random.split(key_later, 4)
    for k, t in zip(keys, (4, 3, 2, 1), strict=True):
        noise = model(z, np.full(3, t))
        data = (z - SHORT.sigma(t) * noise) / SHORT.alpha(t)
        mean, variance = SHORT.posterior(data, z, t, t - 1)
        z = mean + jnp.sqrt(variance) * jax.random.normal(k, (3, 1), DTYPE)
    close(diffusion.sample_ddpm(KEY, SHORT, model, (3, 1)).x, z, 256)


def heun_slope(sigmas):
    """Slope of the deterministic map of x - MEAN."""
    slope = 1.0
    for s, after in zip(sigmas[:-1], sigmas[1:], strict=True):
        rate = lambda level: level / (VARIANCE + level**2)  # noqa: E731
        euler = 1 + (after - s) * rate(s)
        slope *= euler if after == 0 else 1 + (after - s) * 0.5 * (rate(s) + rate(after) * euler)
    return slope


def test_heun_is_the_exact_affine_map():
    sigmas = np.asarray(diffusion.edm_sigmas(6, sigma_max=5.0), DTYPE)
    draw = jax.jit(lambda k: diffusion.sample_heun(k, denoiser, sigmas, (5, 1), keep_trajectory=True))
    out = draw(KEY)
    want = MEAN + heun_slope(sigmas.astype(np.float64)) * (np.asarray(out.trajectory[0], np.float64) - MEAN)
    close(out.x, want, 256)
    assert out.trajectory.shape == (7, 5, 1)


def test_heun_is_of_second_order():
    """The exact flow to 0 scales x - MEAN by sqrt(v/(v + sigma^2))."""
    exact = np.sqrt(VARIANCE / (VARIANCE + 25.0))
    errors = []
    for count in (20, 40, 80):
        sigmas = np.append(np.linspace(5.0, 0.0, count + 1)[:-1], 0.0)
        errors.append(abs(heun_slope(sigmas) - exact))
    assert 3.0 < errors[0] / errors[1] < 5.0
    assert 3.0 < errors[1] / errors[2] < 5.0


def test_heun_calls_and_single_step():
    calls = []

    def counted(x, sigma):
        jax.debug.callback(lambda: calls.append(1))
        return denoiser(x, sigma)

    out = diffusion.sample_heun(KEY, counted, np.asarray(diffusion.edm_sigmas(5), DTYPE), (2, 1))
    jax.block_until_ready(out.x)
    jax.effects_barrier()
    assert len(calls) == 9
    one = diffusion.sample_heun(KEY, denoiser, np.array([5.0, 0.0], DTYPE), (4, 1), keep_trajectory=True)
    close(one.x, denoiser(one.trajectory[0], np.full(4, 5.0, DTYPE)))


def test_churn_keeps_the_law():
    """With the exact denoiser fresh noise changes paths, not the law; the last jump to 0 loses sigma_min^2 only."""
    sigmas = np.asarray(diffusion.edm_sigmas(40, sigma_min=0.02, sigma_max=30.0), DTYPE)
    draw = jax.jit(lambda k, c: diffusion.sample_heun(k, denoiser, sigmas, SHAPE, churn=c).x, static_argnums=1)
    has_law(draw(KEY, 10.0), MEAN, VARIANCE)
    assert np.abs(np.asarray(draw(KEY, 10.0) - draw(KEY, 0.0))).max() > 0.1
    off = jax.jit(lambda k: diffusion.sample_heun(k, denoiser, sigmas, SHAPE, churn=10.0, churn_range=(50.0, 60.0)).x)
    close(off(KEY), draw(KEY, 0.0), 1e3)


def test_gradient_through_a_sampler():
    def mean(shift):
        return jnp.mean(diffusion.sample_ddim(KEY, SHORT, lambda z, t: model(z, t) + shift, (3, 1)).x)

    slope = jax.jit(jax.grad(mean))(0.0)
    rest = [np.sqrt(1 - b) / np.sqrt(1 - a) for a, b in zip(ALPHA_BAR[1:], ALPHA_BAR[:-1], strict=True)]
    terms = list(ddim_terms(0.0))
    want = 0.0
    for (multiplier, _, _), t in zip(terms, (4, 3, 2, 1), strict=True):
        ab, before = ALPHA_BAR[t], ALPHA_BAR[t - 1]
        want = multiplier * want + rest[t - 1] * np.sqrt(1 - ab) / 1.0 - np.sqrt(before / ab) * np.sqrt(1 - ab)
    np.testing.assert_allclose(slope, want, rtol=1e3 * EPS)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_gradients_in_eta_and_in_the_schedule(eta):
    loss = lambda e, s: jnp.sum(diffusion.sample_ddim(KEY, s, model, (3, 1), eta=e).x)  # noqa: E731
    slope = jax.jit(jax.grad(loss, argnums=(0, 1)))(eta, SHORT)
    for leaf in jax.tree.leaves(slope):
        assert np.isfinite(np.asarray(leaf)).all()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: diffusion.sample_ddpm(KEY, SHORT, model, (3, 1), variance="learned"),
            ValueError,
            "variance is 'learned'",
        ),
        (lambda: diffusion.sample_ddpm(KEY, SHORT, model, (3, 1), prediction="eps"), ValueError, "prediction is 'eps'"),
        (lambda: diffusion.sample_ddpm(KEY, SHORT, model, (3, 1), timesteps=[1, 2]), ValueError, "strictly decreasing"),
        (lambda: diffusion.sample_ddpm(KEY, SHORT, model, (3, 1), timesteps=[4, 0]), ValueError, "down to at least 1"),
        (lambda: diffusion.sample_ddpm(KEY, SHORT, model, (3, 1), timesteps=[1.5]), ValueError, "sequence of integers"),
        (lambda: diffusion.sample_ddpm(KEY, SHORT, model, ()), ValueError, "shape is"),
        (lambda: diffusion.sample_ddpm(KEY, SHORT, lambda z, t: z[:, 0], (3, 1)), ValueError, "result of model"),
        (lambda: diffusion.sample_ddim(KEY, CONTINUOUS["vp"], model, (3, 1)), TypeError, "expected DiscreteSchedule"),
        (lambda: diffusion.sample_ddim(KEY, SHORT, model, (3, 1), eta=1.5), ValueError, "eta is 1.5"),
        (lambda: diffusion.sample_heun(KEY, denoiser, [2.0, 1.0], (3, 1)), ValueError, "strictly decreasing to 0"),
        (lambda: diffusion.sample_heun(KEY, denoiser, [1.0, 1.0, 0.0], (3, 1)), ValueError, "strictly decreasing"),
        (lambda: diffusion.sample_heun(KEY, denoiser, [1.0], (3, 1)), ValueError, "sigmas has shape"),
        (lambda: diffusion.sample_heun(KEY, denoiser, [1.0, 0.0], (3, 1), churn=-1.0), ValueError, "churn is -1.0"),
        (lambda: diffusion.sample_heun(KEY, denoiser, [1.0, 0.0], ()), ValueError, "shape is"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
