"""Rows of docs/errata.md on diffusion models: the right form holds numerically, and the printed form does not."""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax import diffusion
from depthjax.divergences import kl_gaussian

DTYPE = np.float64 if jax.config.jax_enable_x64 else np.float32
EPS = float(np.finfo(DTYPE).eps)
BETAS = np.array([0.1, 0.2, 0.3, 0.4])
ALPHA = np.concatenate([[1.0], np.cumprod(1 - BETAS)])
SCHEDULE = diffusion.DiscreteSchedule(BETAS.astype(DTYPE))
X, Z = DTYPE(0.7), DTYPE(-1.3)


def test_product_of_normal_densities_halves_both_squares():
    """The exponent of the product of N(x; a, A) and N(x; b, B) is that of one normal density, up to a constant."""
    a, var_a, b, var_b = 0.3, 0.5, -1.0, 2.0
    x = np.linspace(-2, 2, 5)
    precision = 1 / var_a + 1 / var_b
    centre = (a / var_a + b / var_b) / precision
    both = -0.5 * ((x - a) ** 2 / var_a + (x - b) ** 2 / var_b)
    rest = both + 0.5 * precision * (x - centre) ** 2
    np.testing.assert_allclose(rest, rest[0], rtol=1e-12)
    printed = -0.5 * (x - a) ** 2 / var_a - (x - b) ** 2 / var_b + 0.5 * precision * (x - centre) ** 2
    assert np.ptp(printed) > 0.5
    # and this is the posterior of a diffusion model, as a product of q(z_t | z_s) and q(z_s | x)
    mean, variance = SCHEDULE.posterior(X, Z, 3, 2)
    near, wide = (Z / np.sqrt(0.7), 0.3 / 0.7), (np.sqrt(ALPHA[2]) * X, 1 - ALPHA[2])
    precision = 1 / near[1] + 1 / wide[1]
    np.testing.assert_allclose(variance, 1 / precision, rtol=64 * EPS)
    np.testing.assert_allclose(mean, (near[0] / near[1] + wide[0] / wide[1]) / precision, rtol=64 * EPS)


def test_the_root_is_over_the_rate_alone():
    """The mean is linear in z_t with factor (1 - alpha_{t-1})/(1 - alpha_t) sqrt(1 - beta_t)."""
    factor = (1 - ALPHA[2]) / (1 - ALPHA[3]) * np.sqrt(1 - BETAS[2])
    slope = jax.grad(lambda z: SCHEDULE.posterior(X, z, 3, 2)[0])(Z)
    np.testing.assert_allclose(slope, factor, rtol=64 * EPS)
    shift = np.sqrt(ALPHA[2]) * BETAS[2] / (1 - ALPHA[3]) * X
    np.testing.assert_allclose(SCHEDULE.posterior(X, Z, 3, 2)[0], factor * Z + shift, rtol=64 * EPS)
    inside = (1 - ALPHA[2]) / (1 - ALPHA[3]) * np.sqrt(1 - BETAS[2] * Z + shift)
    assert abs(inside - (factor * Z + shift)) > 0.5


def test_the_posterior_is_given_both_the_next_state_and_the_data():
    """KL(q(z_{t-1} | z_t, x) | p) enters the bound; without x in the condition q has another variance."""
    data = 0.2
    mean, variance = SCHEDULE.posterior(X, Z, 3, 2)
    other, _ = SCHEDULE.posterior(DTYPE(data), Z, 3, 2)
    model = lambda z, t: jnp.full_like(z, data)  # noqa: E731
    terms = diffusion.vlb(jax.random.key(0), SCHEDULE, model, X[None], num_samples=2, prediction="data")
    scale = np.sqrt(variance)
    np.testing.assert_allclose(terms.diffusion[2], kl_gaussian(mean, scale, other, scale), rtol=256 * EPS)
    # marginal q(z_2 | z_3) of normal data of variance v
    v = 1.0
    marginal = 1 / (0.7 / 0.3 + 1 / (ALPHA[2] * v + 1 - ALPHA[2]))
    assert abs(float(variance) - marginal) > 0.05


def test_signal_ratio_has_the_step_before_in_its_denominator():
    """alpha_t/alpha_{t-1} = 1 - beta_t; alpha_t/alpha_t would be 1."""
    ratio = np.exp(np.diff(np.asarray(SCHEDULE.log_alpha_bar, np.float64)))
    np.testing.assert_allclose(ratio, 1 - BETAS, rtol=64 * EPS)
    assert np.abs(ratio - 1).min() > 0.05


def test_the_first_step_divides_by_both_roots():
    """x = z_1/sqrt(1 - beta_1) - beta_1/(sqrt(1 - alpha_1) sqrt(1 - beta_1)) noise."""
    noise = DTYPE(0.6)
    z = diffusion.add_noise(SCHEDULE, X, 1, noise)
    data = diffusion.convert_prediction(noise, z, 1, SCHEDULE, source="noise", target="data")
    np.testing.assert_allclose(data, X, rtol=64 * EPS)
    beta, alpha = BETAS[0], ALPHA[1]
    right = z / np.sqrt(1 - beta) - beta / (np.sqrt(1 - alpha) * np.sqrt(1 - beta)) * noise
    printed = z / np.sqrt(1 - beta) - beta / np.sqrt(1 - alpha) * np.sqrt(1 - beta) * noise
    np.testing.assert_allclose(right, data, rtol=64 * EPS)
    assert abs(printed - right) > 0.01


def test_score_matching_has_plus_half_the_square():
    """With minus the loss of normal scores -(x - m)/v has no minimum in v; with plus it is at the variance."""
    x = np.random.default_rng(0).normal(size=(50, 1)).astype(DTYPE)
    mean, variance = x.mean(), x.var()

    def loss(v):
        return float(diffusion.score_matching_loss(lambda u: -(u - mean) / DTYPE(v), x))

    def printed(v):
        return -1 / v - variance / (2 * v**2)

    scales = np.array([1e-3, 1e-2, 0.1])
    assert all(loss(variance) < loss(variance * f) for f in (0.01, 0.5, 0.9, 1.1, 2.0))
    np.testing.assert_allclose(loss(variance), -0.5 / variance, rtol=64 * EPS)
    assert (np.diff([printed(v) for v in scales]) > 0).all()
    assert printed(1e-3) < -1e5
