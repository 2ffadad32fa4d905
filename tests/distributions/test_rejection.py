"""Rejection sampling of many draws."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from depthjax.distributions._rejection import accepted_draws


def test_more_refusals_than_there_is_room_for():
    """Half of all proposals are refused, eight times the room: x in (0, b) from uniforms on (0, 2 b)."""

    def propose(key, b):
        x = 2.0 * b * jax.random.uniform(key, b.shape, b.dtype)
        return x, x < b

    b = jnp.repeat(jnp.asarray([1.0, 3.0], jnp.float32), 4096)
    x = np.asarray(jax.jit(lambda key: accepted_draws(key, (b,), propose))(jax.random.key(0))) / np.asarray(b)
    assert stats.kstest(x[:4096], "uniform").pvalue > 1e-4
    assert stats.kstest(x[4096:], "uniform").pvalue > 1e-4
