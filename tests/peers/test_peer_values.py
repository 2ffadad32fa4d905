"""Values of peer libraries, where they are installed, at moderate arguments where they are accurate."""

import jax
import numpy as np
import pytest

import depthjax.bijectors as bij
import depthjax.distributions as dists

X = np.array([-1.5, -0.2, 0.4, 2.0], np.float32)
POSITIVE = np.array([0.05, 0.4, 1.0, 7.0], np.float32)
UNIT = np.array([0.05, 0.4, 0.6, 0.97], np.float32)
COUNTS = np.array([0, 1, 3, 8])
# class -> arguments, points
CASES = {
    "Normal": ((0.3, 1.7), X),
    "Laplace": ((0.3, 1.7), X),
    "Logistic": ((0.3, 1.7), X),
    "StudentT": ((4.5, 0.3, 1.7), X),
    "Gamma": ((2.5, 1.5), POSITIVE),
    "Beta": ((2.5, 1.5), UNIT),
    "VonMises": ((0.3, 1.7), X),
}


def ours(name):
    """Our log-probabilities."""
    args, x = CASES[name]
    record = getattr(dists, name)(*map(np.float32, args))
    return np.asarray(jax.jit(lambda d, v: d.log_prob(v))(record, x)), args, x


@pytest.mark.parametrize("name", CASES)
def test_numpyro(name):
    numpyro = pytest.importorskip("numpyro.distributions", reason="peer library")
    got, args, x = ours(name)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        np.testing.assert_allclose(got, getattr(numpyro, name)(*args).log_prob(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["Normal", "Laplace", "Logistic", "Gamma", "Beta", "VonMises"])
def test_distrax(name):
    distrax = pytest.importorskip("distrax", reason="peer library")
    got, args, x = ours(name)
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        np.testing.assert_allclose(got, getattr(distrax, name)(*args).log_prob(x), rtol=1e-5, atol=1e-5)


def test_distrax_tanh():
    distrax = pytest.importorskip("distrax", reason="peer library")
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        want = distrax.Tanh().forward_and_log_det(X)
    for got, expected in zip(bij.Tanh().forward_and_log_det(X), want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_flowjax_affine():
    flowjax = pytest.importorskip("flowjax.bijections", reason="peer library")
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        want = flowjax.Affine(np.float32(0.5), np.float32(2.0)).transform_and_log_det(np.float32(0.3))
    got = bij.Affine(np.float32(0.5), np.float32(2.0)).forward_and_log_det(np.float32(0.3))
    np.testing.assert_allclose(got, want, rtol=1e-6)
