"""Rejection sampling of many draws."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from depthjax.distributions._gamma_sampling import sample_log_gamma
from depthjax.distributions._rejection import accepted_draws
from depthjax.distributions._von_mises_sampling import sample_centred


def test_more_refusals_than_there_is_room_for():
    """Half of all proposals are refused, eight times the room: x in (0, b) from uniforms on (0, 2 b)."""

    def propose(key, b):
        x = 2.0 * b * jax.random.uniform(key, b.shape, b.dtype)
        return x, x < b

    b = jnp.repeat(jnp.asarray([1.0, 3.0], jnp.float32), 4096)
    x = np.asarray(jax.jit(lambda key: accepted_draws(key, (b,), propose))(jax.random.key(0))) / np.asarray(b)
    assert stats.kstest(x[:4096], "uniform").pvalue > 1e-4
    assert stats.kstest(x[4096:], "uniform").pvalue > 1e-4


def test_extreme_parameters_neither_wait_nor_draw_wrongly():
    """Each of them is accepted at once or has no law: a bounded number of rounds over all of them together."""
    k = jnp.asarray([0.0, 1.0, 1e30, 3e38, jnp.inf, jnp.nan, -1e30], jnp.float32)
    angles = np.asarray(jax.jit(sample_centred)(jax.random.key(0), jnp.repeat(k, 512))).reshape(-1, 512)
    assert np.all(np.isfinite(angles[:5]))
    assert np.all(np.isnan(angles[5:]))
    assert stats.kstest(angles[0], "uniform", (-np.pi, 2.0 * np.pi)).pvalue > 1e-4
    assert stats.kstest(angles[1], stats.vonmises(1.0).cdf).pvalue > 1e-4
    np.testing.assert_allclose(angles[2].std(), 1e-15, rtol=0.15)
    np.testing.assert_array_equal(angles[3:5], 0.0)
    a = jnp.asarray([1e-3, 3e38, jnp.inf, -1.0, jnp.nan], jnp.float32)
    log_z = np.asarray(jax.jit(sample_log_gamma, static_argnums=2)(jax.random.key(1), jnp.repeat(a, 512), ()))
    log_z = log_z.reshape(-1, 512)
    assert stats.kstest(-1e-3 * log_z[0], "expon").pvalue > 1e-4  # F(z) = z^a/Gamma(a + 1) near zero
    np.testing.assert_allclose(log_z[1], np.log(3e38), rtol=1e-6)
    np.testing.assert_array_equal(log_z[2], np.inf)
    assert np.all(np.isnan(log_z[3:]))
