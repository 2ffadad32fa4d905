"""Conversions between predictions, guidance and preconditioning."""

import itertools

import jax
import numpy as np
import pytest
from diffusion_cases import CONTINUOUS, DTYPE, SHORT, close, normal, printed

from depthjax import diffusion

KINDS = ("noise", "data", "velocity", "score")


@pytest.mark.parametrize(("schedule", "t"), [(SHORT, np.array([1, 2, 4])), *((s, None) for s in CONTINUOUS.values())])
def test_every_conversion(schedule, t):
    t = np.array([0.1, 0.5, 0.9], DTYPE) if t is None else t
    x, noise = normal((3, 2)), normal((3, 2), 1)
    z = diffusion.add_noise(schedule, x, t, noise)
    alpha, sigma = (np.asarray(v)[:, None] for v in (schedule.alpha(t), schedule.sigma(t)))
    close(z, alpha * x + sigma * noise)
    values = {"noise": noise, "data": x, "velocity": alpha * noise - sigma * x, "score": -noise / sigma}
    for source, target in itertools.product(KINDS, KINDS):
        got = diffusion.convert_prediction(values[source], z, t, schedule, source=source, target=target)
        np.testing.assert_allclose(got, values[target], rtol=2e4 * np.finfo(DTYPE).eps, atol=2e4 * np.finfo(DTYPE).eps)


def test_score_prediction_is_the_gradient_of_the_density():
    """Of N(z; alpha x, sigma^2) in z."""
    x, noise = normal(2), normal(2, 1)
    z = diffusion.add_noise(SHORT, x, 3, noise)
    score = jax.grad(lambda v: jax.scipy.stats.norm.logpdf(v, SHORT.alpha(3) * x, SHORT.sigma(3)).sum())(z)
    close(diffusion.convert_prediction(noise, z, 3, SHORT, source="noise", target="score"), score, 64)


def test_guidance_tilts_normal_scores():
    """Scores of N(0, 1) and N(m, v): guidance w gives that of precision (1 - w) + w/v."""
    z, mean, variance, w = normal(5), 0.7, 0.5, 1.8
    got = diffusion.classifier_free_guidance(-z, -(z - mean) / variance, guidance=w)
    precision = (1 - w) + w / variance
    close(got, -precision * (z - w * mean / variance / precision), 64, scale=4.0)
    close(diffusion.classifier_free_guidance(z, 2 * z, guidance=0), z)
    close(diffusion.classifier_free_guidance(z, 2 * z, guidance=1), 2 * z)


def test_printed_preconditioning():
    got = diffusion.edm_preconditioning(DTYPE(2.0))
    printed(got.c_skip, 0.0588235294)
    printed(got.c_out, 0.4850712501)
    printed(got.c_in, 0.4850712501)
    close(got.c_noise, np.log(2.0) / 4)
    close(got.weight, 4.25)
    close(diffusion.edm_preconditioning(DTYPE(0.5)).c_skip, 0.5)
    close(diffusion.edm_preconditioning(DTYPE(0.3)).weight, diffusion.edm_preconditioning(DTYPE(0.3)).c_out ** -2.0)


def test_preconditioning_of_levels_that_are_not_positive():
    with pytest.raises(ValueError, match="sigma is -1.0, expected a positive number"):
        diffusion.edm_preconditioning(-1.0)
    traced = jax.jit(diffusion.edm_preconditioning)(np.array([-1.0, 0.0, 1.0], DTYPE))
    np.testing.assert_array_equal(np.isnan(np.stack(traced)), [[True, True, False]] * 5)


def test_preconditioning_has_unit_variances():
    sigma, d = np.array([0.01, 0.5, 30.0], DTYPE), 0.5
    c = diffusion.edm_preconditioning(sigma, data_scale=d)
    close(c.c_in**2 * (sigma**2 + d**2), np.ones(3))
    target = (1 - c.c_skip) ** 2 * d**2 + c.c_skip**2 * sigma**2
    np.testing.assert_allclose(target / c.c_out**2, np.ones(3), rtol=1e4 * np.finfo(DTYPE).eps)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda x: diffusion.convert_prediction(x, x, 1, SHORT, source="eps", target="data"),
            ValueError,
            "source is 'eps', expected one of data, noise, score, velocity",
        ),
        (lambda x: diffusion.convert_prediction(x[0], x, 1, SHORT, source="noise", target="data"), ValueError, "value"),
        (lambda x: diffusion.add_noise(SHORT, x, 1, x[0]), ValueError, "noise has shape"),
        (lambda x: diffusion.add_noise(SHORT, x, np.array([1, 2]), x), ValueError, "leading axes"),
        (lambda x: diffusion.add_noise(SHORT, x, 5, x), ValueError, "t is 5"),
        (lambda x: diffusion.classifier_free_guidance(x, x[0], guidance=1.0), ValueError, "conditional has shape"),
        (lambda x: diffusion.edm_preconditioning(1.0, data_scale=0.0), ValueError, "data_scale is 0.0"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(normal((3, 2)))
