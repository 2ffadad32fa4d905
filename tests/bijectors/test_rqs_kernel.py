"""Rational-quadratic spline kernels."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from depthjax.bijectors._rqs_kernel import SplineSpec, rqs_forward, rqs_inverse
from depthjax.bijectors._rqs_knots import knots_from_raw, rqs_from_knots

DTYPES = [np.float32] + ([np.float64] if jax.config.jax_enable_x64 else [])
spline_forward = partial(rqs_from_knots, inverse=False)
spline_inverse = partial(rqs_from_knots, inverse=True)
BOUNDARIES = ("identity", "linear", "circular")
forward = jax.jit(rqs_forward, static_argnums=2)
inverse = jax.jit(rqs_inverse, static_argnums=2)


def _draw(boundary, scale, dtype, count=1000, num_bins=8):
    spec = SplineSpec(num_bins, boundary=boundary)
    rng = np.random.default_rng(0)
    raw = scale * rng.normal(size=(count, spec.num_params))
    z = 2.0 * rng.normal(size=count)
    return spec, jnp.asarray(raw, dtype), jnp.asarray(np.clip(z, -4, 4) if boundary == "circular" else z, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_published_values(dtype):
    x_knots, y_knots, slopes = (jnp.asarray(a, dtype) for a in ((-1, 0.2, 1), (-1, -0.5, 1), (1, 0.4, 1)))
    x = jnp.asarray([-0.4, 0.2, 0.7], dtype)
    y, log_slope = spline_forward(x, x_knots, y_knots, slopes)
    rtol = max(1e-9, 8 * np.finfo(dtype).eps)
    np.testing.assert_allclose(y, [-0.6828358209, -0.5, 0.4358407080], rtol=rtol, equal_nan=False)
    np.testing.assert_allclose(log_slope, [-1.168138351, -0.9162907319, 0.9775739014], rtol=rtol, equal_nan=False)
    back, log_back = spline_inverse(y, x_knots, y_knots, slopes)
    np.testing.assert_allclose(back, x, rtol=rtol, equal_nan=False)
    np.testing.assert_allclose(log_back, -log_slope, rtol=2 * rtol, equal_nan=False)


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_zero_is_the_identity(boundary, dtype):
    spec = SplineSpec(8, boundary=boundary)
    x = jnp.linspace(-4.0, 4.0, 41, dtype=dtype)
    for fn in (forward, inverse):
        y, log_slope = fn(x, jnp.zeros((41, spec.num_params), dtype), spec)
        np.testing.assert_allclose(y, x, atol=8 * np.finfo(dtype).eps, equal_nan=False)
        np.testing.assert_allclose(log_slope, 0.0, atol=8 * np.finfo(dtype).eps, equal_nan=False)


@pytest.mark.parametrize("scale", [1.0, 10.0])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_round_trip(boundary, scale, dtype):
    spec, raw, y = _draw(boundary, scale, dtype)
    x, log_back = inverse(y, raw, spec)
    again, log_slope = forward(x, raw, spec)
    # A rounding of x moves y by slope times eps |x|: no float x does better.
    size = np.maximum(1.0, np.maximum(np.abs(y), np.abs(x) * np.exp(log_slope)))
    error = np.abs(np.asarray(again) - np.asarray(y)) / size
    assert np.all(np.isfinite(error))
    assert np.all(error <= 16 * np.finfo(dtype).eps)
    if scale == 1.0:
        np.testing.assert_allclose(log_back, -log_slope, atol=2e3 * np.finfo(dtype).eps, equal_nan=False)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_fast_path_agrees_with_explicit_knots(boundary):
    dtype = DTYPES[-1]
    spec, raw, x = _draw(boundary, 1.0, dtype, count=200)
    knots = knots_from_raw(raw, **spec._asdict())
    for fast, general in ((forward, spline_forward), (inverse, spline_inverse)):
        for a, b in zip(fast(x, raw, spec), general(x, *knots), strict=True):
            np.testing.assert_allclose(a, b, atol=2e4 * np.finfo(dtype).eps, rtol=1e-3, equal_nan=False)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_knots_are_pinned_and_floored(boundary):
    spec, raw, _ = _draw(boundary, 30.0, np.float32, count=50)
    x_knots, y_knots, slopes = knots_from_raw(raw, **spec._asdict())
    for knots in (x_knots, y_knots):
        assert np.all(np.asarray(knots)[:, 0] == -4)
        assert np.all(np.asarray(knots)[:, -1] == 4)
        assert np.all(np.diff(np.asarray(knots), axis=-1) >= 0.99 * 8e-3)
    assert np.all(np.asarray(slopes) >= 1e-3)
    if boundary == "circular":
        np.testing.assert_array_equal(slopes[:, 0], slopes[:, -1])


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_derivatives_first_and_second_order(boundary):
    dtype = DTYPES[-1]
    spec = SplineSpec(3, boundary=boundary)
    raw = jnp.asarray(np.random.default_rng(2).normal(size=(3, spec.num_params)), dtype)
    z = jnp.asarray([-1.3, 0.4, 2.9] if boundary == "circular" else [-5.0, 0.4, 4.6], dtype)
    if dtype == np.float64:
        for fn in (rqs_forward, rqs_inverse):
            check_grads(lambda z, r, fn=fn: fn(z, r, spec), (z, raw), 2, modes=("fwd", "rev"), atol=1e-6, rtol=1e-6)
    slope = jax.vmap(jax.grad(lambda z, r: rqs_forward(z, r, spec)[0]))(z, raw)
    np.testing.assert_allclose(jnp.log(slope), rqs_forward(z, raw, spec)[1], atol=1e-5, equal_nan=False)


def test_mapped_gradients_equal_a_loop():
    spec, raw, x = _draw("identity", 1.0, np.float32, count=12, num_bins=4)
    x, raw = x.reshape(4, 3), raw.reshape(4, 3, -1)

    def loss(x, raw):
        y, log_slope = rqs_forward(x, raw, spec)
        return jnp.sum(y * y + log_slope)

    outside = jax.grad(lambda x, raw: jnp.sum(jax.vmap(loss)(x, raw)), argnums=(0, 1))(x, raw)
    inside = jax.vmap(jax.grad(loss, argnums=(0, 1)))(x, raw)
    plain = jax.grad(loss, argnums=(0, 1))(x, raw)
    for a, b, c in zip(outside, inside, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4, equal_nan=False)
        np.testing.assert_allclose(a, c, rtol=1e-4, atol=1e-4, equal_nan=False)
    shared = jax.vmap(lambda x: loss(x, raw[0]))(x)
    np.testing.assert_allclose(shared[0], loss(x[0], raw[0]), rtol=1e-5, equal_nan=False)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_gradients_finite_at_knots_and_ends(boundary):
    spec, raw, _ = _draw(boundary, 10.0, np.float32, count=1)
    x_knots, y_knots, _ = knots_from_raw(raw[0], **spec._asdict())
    outside = jnp.asarray([] if boundary == "circular" else [-9.0, 7.0], jnp.float32)
    for fn, knots in ((rqs_forward, x_knots), (rqs_inverse, y_knots)):
        z = jnp.concatenate([knots, outside])
        table = jnp.broadcast_to(raw, (z.size, spec.num_params))
        values = fn(z, table, spec)
        gradients = jax.grad(lambda z, r, fn=fn: sum(jnp.sum(a) for a in fn(z, r, spec)), argnums=(0, 1))(z, table)
        for a in (*values, *gradients):
            assert np.all(np.isfinite(np.asarray(a)))


def test_nan_in_nan_out_and_identity_tails():
    spec, raw, _ = _draw("identity", 1.0, np.float32, count=4)
    z = jnp.asarray([np.nan, np.inf, -np.inf, 17.0], jnp.float32)
    for fn in (forward, inverse):
        out, log = fn(z, raw, spec)
        np.testing.assert_array_equal(out, z)
        np.testing.assert_array_equal(log, [np.nan, 0, 0, 0])
        poisoned = fn(jnp.zeros(4, jnp.float32), raw.at[:, 3].set(jnp.nan), spec)
        assert np.all(np.isnan(np.asarray(poisoned)))
