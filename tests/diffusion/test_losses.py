"""Losses of diffusion models and the evidence bound, on normal data where the best network is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffusion_cases import BETAS, CONTINUOUS, DTYPE, EPS, SHORT, close, normal, printed
from scipy import stats

from depthjax import diffusion

MEAN, VARIANCE = 0.4, 1.7
ALPHA_BAR = np.concatenate([[1.0], np.cumprod(1 - BETAS)])
KINDS = ("noise", "data", "velocity", "score")


def best_data(schedule, mean=MEAN, variance=VARIANCE):
    """E[x | z] for data N(mean, variance) in every coordinate."""

    def predict(z, t):
        column = (slice(None),) + (None,) * (z.ndim - 1)
        alpha, sigma = (v.astype(z.dtype)[column] for v in (schedule.alpha(t), schedule.sigma(t)))
        gain = alpha * variance / (alpha**2 * variance + sigma**2)
        return mean + gain * (z - alpha * mean)

    return predict


def predicting(kind, schedule, mean=MEAN):
    data = best_data(schedule, mean)
    return lambda z, t: diffusion.convert_prediction(data(z, t), z, t, schedule, source="data", target=kind)


@pytest.mark.parametrize("weighting", ["elbo", "min_snr", "edm"])
@pytest.mark.parametrize("schedule", [SHORT, CONTINUOUS["cosine"], CONTINUOUS["edm"]])
def test_weights_do_not_depend_on_what_is_predicted(schedule, weighting):
    """Away from the optimum: the data prediction is off by a constant."""
    x = normal((6, 2))
    loss = lambda kind: diffusion.diffusion_loss(  # noqa: E731
        jax.random.key(3), schedule, predicting(kind, schedule, mean=1.0), x, prediction=kind, weighting=weighting
    )
    values = np.array([loss(kind) for kind in KINDS])
    np.testing.assert_allclose(values, values[1], rtol=1e4 * EPS)
    assert values[1] > 0


def test_uniform_loss_is_the_mean_square():
    x = normal((500, 4))
    zero = lambda z, t: jnp.zeros_like(z)  # noqa: E731
    for schedule in (SHORT, CONTINUOUS["vp"]):
        value = float(diffusion.diffusion_loss(jax.random.key(0), schedule, zero, x))
        assert abs(value - 1) < 4 * np.sqrt(2 / 2000)
    close(
        diffusion.diffusion_loss(jax.random.key(0), SHORT, zero, x, prediction="data"),
        np.mean(x.astype(float) ** 2),
        64,
    )


def test_weights_against_their_definitions():
    """One event and one step: the weight is the ratio of two losses."""
    schedule, x = diffusion.DiscreteSchedule(np.array([0.3], DTYPE)), normal((1, 1))
    model = lambda z, t: 0.3 * z  # noqa: E731
    value = lambda w: float(  # noqa: E731
        diffusion.diffusion_loss(jax.random.key(0), schedule, model, x, prediction="data", weighting=w)
    )
    snr = 0.7 / 0.3
    np.testing.assert_allclose(value("min_snr") / value("uniform"), min(snr, 5.0), rtol=64 * EPS)
    np.testing.assert_allclose(value("edm") / value("uniform"), snr + 4.0, rtol=64 * EPS)
    np.testing.assert_allclose(value("elbo") / value("uniform"), 0.5 / 0.3, rtol=64 * EPS)


def test_evidence_weight():
    t, beta = np.arange(1, 5), BETAS
    for variance, sigma2 in (("beta", beta), ("posterior", beta * (1 - ALPHA_BAR[:-1]) / (1 - ALPHA_BAR[1:]))):
        with np.errstate(divide="ignore"):
            want = beta**2 / (2 * sigma2 * (1 - beta) * (1 - ALPHA_BAR[1:]))
        np.testing.assert_allclose(diffusion.elbo_weight(SHORT, t, variance), want, rtol=64 * EPS)
    assert np.isposinf(np.asarray(diffusion.elbo_weight(SHORT, 1, "posterior")))


def test_density_of_the_noise_levels():
    sigma, log_density = CONTINUOUS["edm"].draw_times(jax.random.key(0), 2000, DTYPE)
    law = stats.lognorm(1.2, scale=np.exp(-1.2))
    np.testing.assert_allclose(log_density, law.logpdf(sigma), rtol=256 * EPS, atol=256 * EPS)
    assert stats.kstest(np.asarray(sigma), law.cdf).pvalue > 1e-3


def test_continuous_evidence_is_an_integral_over_the_signal():
    """(1/2) int mmse dSNR = (1/2) log((1 + v SNR_max)/(1 + v SNR_min)) for normal data."""
    schedule, n = diffusion.cosine_log_snr(-4.0, 4.0), 20000
    x = (MEAN + np.sqrt(VARIANCE) * normal((n, 1))).astype(DTYPE)
    model = best_data(schedule)
    one = lambda k, part: diffusion.diffusion_loss(  # noqa: E731
        k, schedule, model, part, prediction="data", weighting="elbo"
    )
    parts = x.reshape(100, -1, 1)
    values = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 100), parts), np.float64)
    exact = 0.5 * np.log((1 + VARIANCE * np.exp(4)) / (1 + VARIANCE * np.exp(-4)))
    assert abs(values.mean() - exact) < 4 * values.std() / 10


def chain_law(mean=MEAN):
    """Mean and variance of x under the reverse chain with the best predictions, by the affine recursion."""
    centre, spread = 0.0, 1.0
    for t in range(4, 0, -1):
        ab, before = ALPHA_BAR[t], ALPHA_BAR[t - 1]
        gain = np.sqrt(ab) * VARIANCE / (ab * VARIANCE + 1 - ab)
        shift = mean - gain * np.sqrt(ab) * mean
        r = ab / before
        of_z, of_x = np.sqrt(r) * (1 - before) / (1 - ab), np.sqrt(before) * (1 - r) / (1 - ab)
        noise = (1 - r) * (1 - before) / (1 - ab) if t > 1 else BETAS[0]
        slope = of_z + of_x * gain
        centre, spread = slope * centre + of_x * shift, slope**2 * spread + noise
    return centre, spread


def exact_errors(x):
    """E |x - x_hat(z_t)|^2 for t = 1..4, and mean over x."""
    ab = ALPHA_BAR[1:]
    gain = np.sqrt(ab) * VARIANCE / (ab * VARIANCE + 1 - ab)
    bias = (x[:, None] - MEAN) * (gain * np.sqrt(ab) - 1)
    return np.mean(bias**2 + gain**2 * (1 - ab), axis=0)


@pytest.mark.parametrize("kind", ["noise", "velocity"])
def test_terms_of_the_bound(kind):
    x = (MEAN + np.sqrt(VARIANCE) * normal(40)).astype(DTYPE)
    bound = jax.jit(lambda k: diffusion.vlb(k, SHORT, predicting(kind, SHORT), x, num_samples=200, prediction=kind))
    terms = bound(jax.random.key(0))
    errors, snr = exact_errors(x.astype(np.float64)), ALPHA_BAR / np.maximum(1 - ALPHA_BAR, 1e-300)
    diffusion_terms = np.concatenate([[0.0], 0.5 * (snr[1:-1] - snr[2:]) * errors[1:]])
    np.testing.assert_allclose(terms.diffusion, diffusion_terms, rtol=0.1)
    assert float(terms.diffusion[0]) == 0.0
    reconstruction = -0.5 * errors[0] / BETAS[0] - 0.5 * np.log(2 * np.pi * BETAS[0])
    prior = 0.5 * np.mean(ALPHA_BAR[-1] * (x.astype(np.float64) ** 2 - 1) - np.log(1 - ALPHA_BAR[-1]))
    close(terms.prior, prior, 64)
    exact = reconstruction - diffusion_terms.sum() - prior
    assert abs(float(terms.total) - exact) < 4 * float(terms.standard_error)
    np.testing.assert_allclose(terms.total, terms.reconstruction - np.sum(terms.diffusion) - terms.prior, rtol=64 * EPS)
    log_density = stats.norm(chain_law()[0], np.sqrt(chain_law()[1])).logpdf(x).mean()
    assert exact < log_density


def test_elbo_loss_estimates_the_bound():
    """Its mean is -total but for the prior and the constants of the decoder."""
    x = (MEAN + np.sqrt(VARIANCE) * normal((40, 1))).astype(DTYPE)
    model = predicting("noise", SHORT)
    one = lambda k: diffusion.diffusion_loss(k, SHORT, model, x, weighting="elbo")  # noqa: E731
    values = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(0), 1000)), np.float64)
    errors, snr = exact_errors(x[:, 0].astype(np.float64)), ALPHA_BAR[1:] / (1 - ALPHA_BAR[1:])
    exact = 0.5 * np.sum((snr[:-1] - snr[1:]) * errors[1:]) + 0.5 * errors[0] / BETAS[0]
    assert abs(values.mean() - exact) < 4 * values.std() / np.sqrt(1000)


def test_zero_terminal_signal_has_finite_losses_and_gradients():
    schedule = diffusion.zero_terminal_snr(diffusion.linear_schedule(3, 0.1, 0.5))
    x = normal((64, 2))
    for weighting in ("uniform", "elbo", "min_snr", "edm"):
        for kind in ("data", "velocity"):
            loss = lambda a, w=weighting, k=kind: diffusion.diffusion_loss(  # noqa: E731
                jax.random.key(0), schedule, lambda z, t: a * z, x, prediction=k, weighting=w
            )
            for value in jax.value_and_grad(loss)(jnp.asarray(0.3, DTYPE)):
                assert np.isfinite(np.asarray(value)), (weighting, kind)


def test_events_of_any_shape_and_dtype():
    x = normal((5, 2, 3)).astype(np.float32)
    model = lambda z, t: 0.1 * z  # noqa: E731
    for schedule in (SHORT, CONTINUOUS["edm"]):
        for weighting in ("uniform", "elbo"):
            value = diffusion.diffusion_loss(jax.random.key(0), schedule, model, x, weighting=weighting)
            assert value.dtype == np.float32
    terms = diffusion.vlb(jax.random.key(0), SHORT, model, x, num_samples=2)
    assert terms.total.dtype == np.float32
    assert terms.diffusion.shape == (4,)


def test_long_schedule_in_single_precision():
    """With the tables in logarithms the bound of a fine schedule agrees with that of the continuum."""
    schedule, x = diffusion.linear_schedule(200, 1e-4, 0.1), normal((2, 2))
    terms = diffusion.vlb(jax.random.key(0), schedule, predicting("noise", schedule), x, num_samples=8)
    assert np.isfinite(np.asarray(terms.diffusion)).all()
    printed(terms.diffusion[0], 0.0)
    assert (np.asarray(terms.diffusion[1:]) > 0).all()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda k, x, m: diffusion.diffusion_loss(k, SHORT, m, x, prediction="eps"), ValueError, "prediction is 'eps'"),
        (lambda k, x, m: diffusion.diffusion_loss(k, SHORT, m, x, weighting="snr"), ValueError, "weighting is 'snr'"),
        (lambda k, x, m: diffusion.diffusion_loss(k, SHORT, m, x.astype(int)), TypeError, "dequantise"),
        (lambda k, x, m: diffusion.diffusion_loss(k, SHORT, lambda z, t: z[:, 0], x), ValueError, "result of model"),
        (lambda k, x, m: diffusion.vlb(k, SHORT, m, x, num_samples=1), ValueError, "num_samples is 1"),
        (
            lambda k, x, m: diffusion.vlb(k, CONTINUOUS["vp"], m, x, num_samples=2),
            TypeError,
            "expected DiscreteSchedule",
        ),
        (lambda k, x, m: diffusion.elbo_weight(SHORT, 1, "learned"), ValueError, "variance is 'learned'"),
        (lambda k, x, m: diffusion.elbo_weight(SHORT, 0, "beta"), ValueError, "t is 0, expected from 1 to 4"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(jax.random.key(0), normal((3, 2)), lambda z, t: z)
