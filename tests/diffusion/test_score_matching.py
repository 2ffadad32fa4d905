"""Losses of scores: printed values, minimisers and unbiasedness."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from diffusion_cases import DTYPE, EPS, X64, close, normal, printed

from depthjax import diffusion
from depthjax.distributions import MultivariateNormal, Normal

POINTS = np.array([[0.0], [1.0], [3.0]], DTYPE)
MATRIX = np.array([[1.0, 0.3, 0.0], [-0.2, 0.5, 1.1], [0.4, 0.0, -0.7]], DTYPE)


def gaussian_score(mean, variance):
    return lambda x: -(x - mean) / variance


def nonlinear(x):
    return jnp.tanh(jnp.asarray(MATRIX) @ x) + x * x


def test_score_of_a_distribution():
    law = MultivariateNormal(np.zeros(2, DTYPE), np.array([[1.0, 0], [0.5, 2.0]], DTYPE))
    x = normal(2)
    close(diffusion.score_of(law.log_prob)(x), -np.linalg.solve(np.asarray(law.covariance()), x), 64)
    close(diffusion.score_of(Normal(0.5, 2.0).log_prob)(jnp.asarray(1.0)), -0.125)


def test_printed_values_of_normal_scores():
    loss = jax.jit(lambda m, v: diffusion.score_matching_loss(gaussian_score(m, v), POINTS))
    printed(loss(1.0, 2.0), -0.2916666667)
    mean, variance = POINTS.mean(), POINTS.var()
    printed(loss(mean, variance), -0.3214285714)
    for step in ((0.1, 0), (-0.1, 0), (0, 0.2), (0, -0.2)):
        assert loss(mean + step[0], variance + step[1]) > loss(mean, variance)


def test_the_loss_is_half_the_fisher_divergence_but_for_a_constant():
    """On data x = Gauss-Hermite-like pairs the constant is E|s_data|^2/2; compare two scores."""
    x = normal((4000, 1))
    x = ((x - x.mean()) / x.std()).astype(DTYPE)  # moments of N(0, 1) exactly
    pairs = [(0.3, 1.5), (-0.2, 0.8)]
    losses = [diffusion.score_matching_loss(gaussian_score(*p), x) for p in pairs]
    fisher = [(1 / v - 1) ** 2 + (m / v) ** 2 for m, v in pairs]
    close(losses[0] - losses[1], 0.5 * (fisher[0] - fisher[1]), 1e3)


def test_fisher_divergence_of_normal_laws():
    m1, v1, m2, v2 = 0.2, 1.3, -0.5, 0.7
    x = (m1 + np.sqrt(v1) * normal((20000, 1))).astype(DTYPE)
    got = jax.jit(lambda x: diffusion.fisher_divergence(gaussian_score(m1, v1), gaussian_score(m2, v2), x))(x)
    exact = (1 / v2 - 1 / v1) ** 2 * v1 + ((m1 - m2) / v2) ** 2
    assert abs(float(got.value) - exact) < 4 * float(got.standard_error)
    assert 0 < float(got.standard_error) < 0.1
    same = diffusion.fisher_divergence(gaussian_score(m1, v1), gaussian_score(m1, v1), x[:5])
    close(same.value, 0.0)


def test_trace_and_square_of_a_nonlinear_score():
    x = normal((4, 3))
    want = np.mean([np.trace(jax.jacobian(nonlinear)(v)) + 0.5 * np.sum(np.asarray(nonlinear(v)) ** 2) for v in x])
    close(diffusion.score_matching_loss(nonlinear, x), want, 64)


def test_sliced_loss_is_exact_for_signs_and_a_diagonal_jacobian():
    x = normal((4, 3))
    score = lambda v: v * v - 2 * v  # noqa: E731
    got = diffusion.sliced_score_matching_loss(jax.random.key(0), score, x)
    close(got, diffusion.score_matching_loss(score, x), 64, scale=4.0)


@pytest.mark.parametrize("law", ["rademacher", "gaussian", "sphere"])
@pytest.mark.parametrize("reduced", [True, False])
def test_sliced_loss_is_unbiased(law, reduced):
    x = normal((2, 3))
    one = lambda k: diffusion.sliced_score_matching_loss(k, nonlinear, x, law=law, variance_reduced=reduced)  # noqa: E731
    values = np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(1), 4000)), np.float64)
    exact = float(diffusion.score_matching_loss(nonlinear, x))
    assert abs(values.mean() - exact) < 4 * values.std() / np.sqrt(4000)
    assert values.std() > 0.1


def test_denoising_loss_at_its_minimum():
    """v/(s2 (v + s2)) a dimension, at the score of the convolved law and nowhere below."""
    v, s2, n = 2.0, 0.5, 40000
    x = (np.sqrt(v) * normal((n, 1))).astype(DTYPE)
    loss = jax.jit(
        lambda k, w: diffusion.denoising_score_matching_loss(k, gaussian_score(0.0, w), x, sigma=np.sqrt(s2))
    )
    best = float(loss(jax.random.key(0), v + s2))
    assert abs(best - 1.6) < 4 * 1.6 * np.sqrt(2 / n)
    assert loss(jax.random.key(0), 0.8 * (v + s2)) > best
    assert loss(jax.random.key(0), 1.25 * (v + s2)) > best


@pytest.mark.skipif(not X64, reason="finite differences")
def test_gradients():
    x = normal((3, 3))
    for loss in (
        lambda a: diffusion.score_matching_loss(lambda v: jnp.tanh(a * v), x),
        lambda a: diffusion.sliced_score_matching_loss(jax.random.key(0), lambda v: jnp.tanh(a * v), x),
        lambda a: diffusion.denoising_score_matching_loss(jax.random.key(0), lambda v: jnp.tanh(a * v), x, sigma=0.3),
    ):
        slope, step = jax.grad(loss)(0.7), 1e-6
        np.testing.assert_allclose(slope, (loss(0.7 + step) - loss(0.7 - step)) / (2 * step), rtol=1e-7)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda s, x: diffusion.score_matching_loss(s, x[0]), ValueError, r"expected \(n, d\)"),
        (lambda s, x: diffusion.score_matching_loss(jnp.sum, x), ValueError, "score returns shape"),
        (lambda s, x: diffusion.score_matching_loss(s, x.astype(int)), TypeError, "dequantise"),
        (lambda s, x: diffusion.fisher_divergence(s, s, x[:1]), ValueError, "expected at least 2"),
        (
            lambda s, x: diffusion.sliced_score_matching_loss(jax.random.key(0), s, x, law="uniform"),
            ValueError,
            "law is 'uniform', expected one of gaussian, rademacher, sphere",
        ),
        (
            lambda s, x: diffusion.sliced_score_matching_loss(jax.random.key(0), s, x, num_samples=0),
            ValueError,
            "num_samples is 0",
        ),
        (
            lambda s, x: diffusion.denoising_score_matching_loss(jax.random.key(0), s, x, sigma=0.0),
            ValueError,
            "sigma is 0.0",
        ),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(lambda v: -v, normal((3, 2)))


def test_dtype_follows_the_data():
    x = normal((3, 2)).astype(np.float32)
    assert diffusion.score_matching_loss(lambda v: -v, x).dtype == np.float32
    assert diffusion.sliced_score_matching_loss(jax.random.key(0), lambda v: -v, x).dtype == np.float32
    assert diffusion.denoising_score_matching_loss(jax.random.key(0), lambda v: -v, x, sigma=0.1).dtype == np.float32
    assert EPS > 0
