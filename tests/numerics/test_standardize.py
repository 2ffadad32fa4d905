"""The standard score and its written derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

import depthjax as dj
from depthjax.numerics import standardize

X64 = jax.config.jax_enable_x64


def points(dtype):
    rng = np.random.default_rng(0)
    return [jnp.asarray(v, dtype) for v in (rng.normal(size=7), rng.normal(size=7), rng.uniform(0.1, 3.0, size=7))]


def test_derivatives_are_those_of_the_quotient():
    dtype = np.float64 if X64 else np.float32
    args, tol = points(dtype), 16 * np.finfo(dtype).eps
    for argnums in ((0,), (1,), (2,), (0, 1, 2)):
        got = jax.grad(lambda *a: jnp.sum(jnp.sin(standardize(*a))), argnums)(*args)
        want = jax.grad(lambda x, loc, scale: jnp.sum(jnp.sin((x - loc) / scale)), argnums)(*args)
        for g, w in zip(got, want, strict=True):
            np.testing.assert_allclose(g, w, rtol=tol, atol=tol * np.max(np.abs(w)))


@pytest.mark.skipif(not X64, reason="second differences need float64")
def test_second_derivatives():
    check_grads(standardize, points(np.float64), order=2)


def test_invalid_parameters_give_nan_with_nan_derivatives():
    def score(loc, scale, x):
        return dj.distributions.Normal(loc, scale).log_prob(x)

    for loc, scale, wrong in ((0.0, -1.0, 1), (0.0, 0.0, 1), (np.inf, 1.0, 0), (np.nan, 1.0, 0)):
        value, slopes = jax.value_and_grad(score, (0, 1))(loc, scale, 0.3)
        assert np.isnan(value)
        assert np.isnan(slopes[wrong])
    value, slopes = jax.value_and_grad(score, (0, 1))(0.0, 1.0, 0.3)
    np.testing.assert_allclose([value, *slopes], [-0.9639385, 0.3, 0.09 - 1.0], rtol=1e-5)
