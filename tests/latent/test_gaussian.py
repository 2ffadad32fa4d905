"""Maximum likelihood and conditioning of a normal vector, and the linear autoencoder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from latent_cases import DTYPE, EPS, close, correlated

from depthjax import latent
from depthjax.distributions import mvn_from_covariance


def test_maximum_likelihood_covariance_divides_by_n_and_ignores_offsets():
    x = correlated()
    loc, cov = latent.gaussian_mle(x)
    close(loc, x.astype(np.float64).mean(0), scale=4.0)
    close(cov, np.cov(x.astype(np.float64).T, bias=True), 64, scale=4.0)
    shifted = (x.astype(np.float64) + 1e3).astype(DTYPE)
    close(latent.gaussian_mle(shifted)[1], np.cov(shifted.astype(np.float64).T, bias=True), 64, scale=4.0)


def test_the_fit_is_a_stationary_point_of_the_likelihood():
    x = correlated()
    slope = jax.jit(jax.grad(lambda p: jnp.mean(mvn_from_covariance(*p).log_prob(x))))
    for part in slope(latent.gaussian_mle(x)):
        assert np.abs(np.asarray(part)).max() < 1e3 * EPS


def test_conditioning_is_the_schur_complement():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(4, 4))
    loc, cov = rng.normal(size=4), root @ root.T + np.eye(4)
    value = np.array([0.3, -1.2])
    got = latent.gaussian_condition(loc.astype(DTYPE), cov.astype(DTYPE), (2, 0), value.astype(DTYPE))
    o, r = [2, 0], [1, 3]
    gain = cov[np.ix_(r, o)] @ np.linalg.inv(cov[np.ix_(o, o)])
    close(got[0], loc[r] + gain @ (value - loc[o]), 64)
    close(got[1], cov[np.ix_(r, r)] - gain @ cov[np.ix_(o, r)], 64, scale=4.0)
    # the precision of the rest is the block of the precision
    close(np.linalg.inv(np.asarray(got[1], np.float64)), np.linalg.inv(cov)[np.ix_(r, r)], 256)


def test_conditioning_agrees_with_the_distribution():
    x = correlated()
    loc, cov = latent.gaussian_mle(x)
    mean, rest = latent.gaussian_condition(loc, cov, 1, 0.5)
    same = mvn_from_covariance(loc, cov).condition(1, 0.5)
    close(mean, same.mean(), 256, scale=4.0)
    close(rest, same.covariance(), 256, scale=4.0)


def test_a_singular_rest_is_allowed():
    cov = np.array([[1.0, 1.0], [1.0, 1.0]], DTYPE)
    mean, rest = latent.gaussian_condition(np.zeros(2, DTYPE), cov, 0, 2.0)
    close(mean, [2.0])
    close(rest, [[0.0]])


@pytest.mark.parametrize("cov", [[[1.0, 2.0], [2.0, 1.0]], [[1.0, 0.5], [0.1, 1.0]]], ids=["indefinite", "asymmetric"])
def test_what_is_no_covariance_gives_nan(cov):
    mean, rest = latent.gaussian_condition(np.zeros(2, DTYPE), np.asarray(cov, DTYPE), 0, 1.0)
    assert np.all(np.isnan(mean))
    assert np.all(np.isnan(rest))


def test_the_autoencoder_discards_the_small_singular_values():
    x = correlated()
    values = np.linalg.svd(x.astype(np.float64) - x.astype(np.float64).mean(0), compute_uv=False)
    fit = jax.jit(latent.linear_autoencoder, static_argnums=1)
    for size in (0, 2, 4):
        model = fit(x, size)
        close(model.reconstruction_error, np.sum(values[size:] ** 2), 64, scale=np.sum(values**2))
        back = np.asarray(model.decode(model.encode(x)), np.float64)
        close(np.sum((back - x) ** 2), model.reconstruction_error, 64, scale=np.sum(values**2))
        close(model.encoder @ model.decoder, np.eye(size))


def test_no_other_linear_map_does_better():
    x = correlated()
    best = float(latent.linear_autoencoder(x, 2).reconstruction_error)
    rest = x - x.mean(0)
    for seed in range(20):
        code = rest @ np.random.default_rng(seed).normal(size=(4, 2))
        fitted = code @ np.linalg.lstsq(code, rest, rcond=None)[0]
        assert np.sum((rest - fitted) ** 2) > best


def test_the_error_has_a_gradient():
    x = correlated(n=12)
    slope = jax.jit(jax.grad(lambda v: latent.linear_autoencoder(v, 2).reconstruction_error))(x)
    model = latent.linear_autoencoder(x, 2)
    close(slope, 2.0 * (x - np.asarray(model.decode(model.encode(x)))), 1024, scale=4.0)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: latent.gaussian_mle(x[0]), ValueError, r"x has shape \(4,\), expected \(n, d\)"),
        (lambda x: latent.gaussian_mle(np.ones((3, 2), int)), TypeError, "dequantise"),
        (lambda x: latent.linear_autoencoder(x, 5), ValueError, "code_size is 5, expected from 0 to"),
        (lambda x: latent.linear_autoencoder(x, -1), ValueError, "code_size is -1"),
        (lambda x: latent.gaussian_condition(x[0], x[:3], 0, 1.0), ValueError, "cov has shape"),
        (lambda x: latent.gaussian_condition(x[0], x[:4], (0, 0), [1.0, 1.0]), ValueError, "repeated"),
        (lambda x: latent.linear_autoencoder(x, 2).encode(x[:, :3]), ValueError, "last axis of x"),
        (lambda x: latent.linear_autoencoder(x, 2).decode(x), ValueError, "last axis of code"),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error, match=words):
        call(correlated())
