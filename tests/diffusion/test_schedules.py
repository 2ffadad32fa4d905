"""Noise schedules: printed tables, float64 tables on the host, differential equations, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffusion_cases import BETAS, CONTINUOUS, DTYPE, EPS, SHORT, X64, close, normal, printed

from depthjax import diffusion


def test_printed_table():
    printed(SHORT.alpha_bar, [1, 0.9, 0.72, 0.504, 0.3024])
    terms = [SHORT.posterior_terms(t, t - 1) for t in (1, 2, 3, 4)]
    printed([v[2] for v in terms], [0, 0.0714285714, 0.1693548387, 0.2844036697])
    printed([v[0] for v in terms], [0, 0.3194382825, 0.4723080795, 0.5507453382])
    printed([v[1] for v in terms], [1, 0.6776309272, 0.5132226638, 0.4070697098])
    assert float(terms[0][2]) == 0.0


def test_posterior_is_that_of_the_precision_sum():
    """q(z_s | z_t, x) is q(z_s | x) times q(z_t | z_s): precisions add, for every pair of steps."""
    ab = np.concatenate([[1.0], np.cumprod(1 - BETAS)])
    x, z = normal(3), normal(3, 1)
    for t in range(1, 5):
        for s in range(1, t):
            r = ab[t] / ab[s]
            precision = 1 / (1 - ab[s]) + r / (1 - r)
            mean = (np.sqrt(ab[s]) * x / (1 - ab[s]) + np.sqrt(r) * z / (1 - r)) / precision
            got, variance = SHORT.posterior(x, z, t, s)
            close(got, mean, 64)
            close(variance, 1 / precision, 64)


def test_steps_compose():
    """The chain t -> s -> r has the posterior t -> r, at the mean and in variance."""
    x, z = normal(3), normal(3, 1)
    mid, mid_variance = SHORT.posterior(x, z, 4, 2)
    low, low_variance = SHORT.posterior(x, mid, 2, 1)
    factor = SHORT.posterior_terms(2, 1)[0]
    close(low, SHORT.posterior(x, z, 4, 1)[0], 64)
    close(low_variance + factor**2 * mid_variance, SHORT.posterior(x, z, 4, 1)[1], 64)


def test_one_step_for_each_event():
    x, z, t = normal((3, 2)), normal((3, 2), 1), jnp.array([1, 3, 4])
    mean, variance = jax.jit(lambda s: s.posterior(x, z, t, t - 1))(SHORT)
    for i in range(3):
        one = SHORT.posterior(x[i], z[i], int(t[i]), int(t[i]) - 1)
        close(mean[i], one[0])
        close(variance[i], one[1])


def test_the_signal_of_long_schedules_keeps_its_digits():
    """In float32 too: the product of 1 - beta loses 1 - ab at t = 1."""
    schedule = diffusion.linear_schedule(1000)
    betas = np.linspace(1e-4, 0.02, 1000)
    exact = np.concatenate([[0.0], np.cumsum(np.log1p(-betas))])
    close(schedule.log_alpha_bar, exact, 4)
    close(np.exp(np.asarray(schedule.log_noise[1:], np.float64)), -np.expm1(exact[1:]), 16, scale=0.0)
    np.testing.assert_allclose(schedule.alpha_bar[-1], 4.0358e-5, rtol=1e-4)
    assert np.isposinf(np.asarray(schedule.log_snr(0)))
    assert (np.diff(np.asarray(schedule.log_snr(np.arange(1, 1001)))) < 0).all()


def test_cosine_schedule():
    schedule = diffusion.cosine_schedule(50)
    f = np.cos((np.arange(51) / 50 + 0.008) / 1.008 * np.pi / 2) ** 2
    np.testing.assert_allclose(schedule.alpha_bar[:-1], (f / f[0])[:-1], rtol=64 * EPS)
    np.testing.assert_allclose(schedule.betas[-1], 0.999, rtol=EPS)
    fine = diffusion.cosine_schedule(10**5)
    first = (
        1 - np.longdouble(1) * np.cos((1e-5 + 0.008) / 1.008 * np.pi / 2) ** 2 / np.cos(0.008 / 1.008 * np.pi / 2) ** 2
    )
    np.testing.assert_allclose(float(fine.betas[0]), float(first), rtol=1e-8 if X64 else 1e-6)


def test_zero_terminal_signal():
    schedule = diffusion.zero_terminal_snr(diffusion.linear_schedule(20, 0.01, 0.3))
    assert float(schedule.alpha_bar[-1]) == 0.0
    assert float(schedule.betas[-1]) == 1.0
    close(schedule.alpha_bar[1], 0.99)
    old = np.sqrt(np.asarray(diffusion.linear_schedule(20, 0.01, 0.3).alpha_bar, np.float64))
    new = np.sqrt(np.asarray(schedule.alpha_bar, np.float64))
    np.testing.assert_allclose(new[1:], (old[1:] - old[-1]) * old[1] / (old[1] - old[-1]), rtol=1e3 * EPS, atol=EPS)
    x, z = normal(3), normal(3, 1)
    mean, variance = schedule.posterior(x, z, 20, 19)
    close(mean, schedule.alpha(19) * x)
    close(variance, 1 - schedule.alpha_bar[19])
    velocity = diffusion.convert_prediction(-x, z, 20, schedule, source="velocity", target="data")
    close(velocity, x)


def test_respaced_steps_keep_their_signal():
    schedule = diffusion.linear_schedule(20, 0.01, 0.3)
    short = diffusion.respace(schedule, [20, 11, 4])
    close(short.alpha_bar, np.asarray(schedule.alpha_bar)[[0, 4, 11, 20]])
    close(short.posterior_terms(2, 1), schedule.posterior_terms(11, 4), 64)
    close(1 - short.betas[1], np.asarray(schedule.alpha_bar)[11] / np.asarray(schedule.alpha_bar)[4])
    same = diffusion.respace(schedule, np.arange(20, 0, -1))
    close(same.betas, schedule.betas, 64)


def test_traced_betas_and_gradients():
    betas = jnp.asarray(BETAS, DTYPE)
    close(jax.jit(lambda b: diffusion.DiscreteSchedule(b).alpha_bar)(betas), SHORT.alpha_bar)
    x, z = normal(2), normal(2, 1)
    slope = jax.jit(jax.grad(lambda b: jnp.sum(diffusion.DiscreteSchedule(b).posterior(x, z, 1, 0)[0])))(betas)
    assert np.isfinite(np.asarray(slope)).all()


def test_a_first_step_without_noise():
    schedule = diffusion.DiscreteSchedule(np.array([0.0, 0.5], DTYPE))
    x = normal(3)
    mean, variance = schedule.posterior(x, x, 1, 0)
    close(mean, x)
    assert float(variance) == 0.0


def test_traced_steps_that_do_not_go_back_are_nan():
    schedule, x = diffusion.linear_schedule(5), np.ones((2, 3))
    both = jax.jit(lambda t, s: schedule.posterior(x.astype(schedule.betas.dtype), x, t, s))
    for s in (2, 3):
        mean, variance = both(2, s)
        assert np.isnan(np.asarray(mean)).all()
        assert np.isnan(variance)
    assert np.isfinite(np.asarray(both(2, 1)[0])).all()


def test_traced_steps_beyond_the_ends_are_nan():
    assert np.isnan(np.asarray(jax.jit(SHORT.alpha)(jnp.array([5, -1])))).all()


@pytest.mark.parametrize("name", list(CONTINUOUS))
def test_continuous_schedules_solve_their_equation(name):
    """f = d log alpha/dt and g^2 = d sigma^2/dt - 2 f sigma^2."""
    schedule, t = CONTINUOUS[name], jnp.asarray([0.05, 0.3, 0.7, 0.99], DTYPE)
    slope = lambda fn: jax.vmap(jax.grad(fn))(t)  # noqa: E731
    drift, squared = schedule.drift(t), schedule.diffusion_squared(t)
    close(drift, slope(lambda v: jnp.log(schedule.alpha(v))), 1e3)
    want = slope(lambda v: schedule.sigma(v) ** 2) - 2 * drift * schedule.sigma(t) ** 2
    np.testing.assert_allclose(squared, want, rtol=1e4 * EPS)
    close(schedule.log_snr(t), 2 * np.log(np.asarray(schedule.alpha(t)) / np.asarray(schedule.sigma(t))), 64, scale=4)
    if name != "edm":
        close(schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2, np.ones(4))
    assert schedule.alpha(np.float32(0.5)).dtype == np.float32


def test_continuous_values():
    np.testing.assert_allclose(CONTINUOUS["vp"].alpha(1.0) ** 2, np.exp(-10.05), rtol=1e3 * EPS)
    np.testing.assert_allclose(CONTINUOUS["vp"].sigma(1e-6) ** 2, 1.0000995e-7, rtol=1e-5)
    np.testing.assert_allclose(CONTINUOUS["cosine"].log_snr(np.array([0.0, 0.5, 1.0])), [15, 0, -15], atol=1e4 * EPS)
    close(CONTINUOUS["edm"].diffusion_squared(3.0), 6.0)


def test_noise_levels():
    sigmas = np.asarray(diffusion.edm_sigmas(18))
    root = 80 ** (1 / 7) + np.arange(18) / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))
    np.testing.assert_allclose(sigmas[:-1], root**7, rtol=64 * EPS)
    assert sigmas[-1] == 0
    close(diffusion.edm_sigmas(1), [80.0, 0.0])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: diffusion.DiscreteSchedule([0.1, 1.0]),
            ValueError,
            r"betas has an entry 1, expected entries in \[0, 1\)",
        ),
        (lambda: diffusion.DiscreteSchedule([-0.1]), ValueError, "betas has an entry -0.1"),
        (lambda: diffusion.DiscreteSchedule(0.1), ValueError, "betas"),
        (lambda: diffusion.DiscreteSchedule([0.1], [0.0, -0.1]), ValueError, "together"),
        (lambda: SHORT.posterior(np.ones(2), np.ones(2), 2, 2), ValueError, "expected s < t"),
        (lambda: SHORT.posterior(np.ones(2), np.ones(2), 5, 2), ValueError, "t is 5, expected from 1 to 4"),
        (lambda: SHORT.posterior(np.ones(2), np.ones(3), 2, 1), ValueError, "z_t has shape"),
        (lambda: SHORT.alpha(1.0), TypeError, "expected integer steps"),
        (lambda: diffusion.respace(SHORT, [1, 2]), ValueError, "strictly decreasing"),
        (lambda: diffusion.respace(SHORT, [5, 2]), ValueError, "at most 4"),
        (lambda: diffusion.linear_schedule(0), ValueError, "num_steps is 0"),
        (lambda: diffusion.linear_schedule(3, 0.1, 1.0), ValueError, "beta_max is 1.0"),
        (lambda: diffusion.cosine_schedule(3, beta_clip=1.0), ValueError, "beta_clip is 1.0"),
        (lambda: diffusion.cosine_schedule(3, offset=-1.0), ValueError, "offset is -1.0"),
        (lambda: diffusion.zero_terminal_snr(diffusion.linear_schedule(1)), ValueError, "at least 2"),
        (lambda: diffusion.vp_linear(2.0, 1.0), ValueError, "beta_min"),
        (lambda: diffusion.cosine_log_snr(1.0, 0.0), ValueError, "max > min"),
        (lambda: diffusion.edm_schedule(0.0), ValueError, "sigma_min"),
        (lambda: diffusion.edm_sigmas(3, rho=0.0), ValueError, "rho is 0.0"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call()
