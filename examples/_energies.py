"""The four two-dimensional energies of Rezende and Mohamed (2015), table 1, with a wall where they are improper."""

import jax
import jax.numpy as jnp
import numpy as np

LOG_NORMALIZERS = np.array([1.87750, 2.22763, 2.78725, 2.85624])


def _wave(z):
    return jnp.sin(jnp.pi * z[0] / 2.0)


def _bump(z):
    return 3.0 * jnp.exp(-0.5 * ((z[0] - 1.0) / 0.6) ** 2)


def _ramp(z):
    return 3.0 * jax.nn.sigmoid((z[0] - 1.0) / 0.3)


def _wall(z):
    return 0.5 * (jax.nn.relu(jnp.abs(z[0]) - 4.0) / 0.5) ** 2


def _two_lines(a, b, width_a, width_b):
    return -jnp.logaddexp(-0.5 * (a / width_a) ** 2, -0.5 * (b / width_b) ** 2)


def u1(z):
    """Two half moons on a ring."""
    ring = 0.5 * ((jnp.sqrt(jnp.sum(z * z) + 1e-12) - 2.0) / 0.4) ** 2
    return ring + _two_lines(z[0] - 2.0, z[0] + 2.0, 0.6, 0.6)


def u2(z):
    """A wave."""
    return 0.5 * ((z[1] - _wave(z)) / 0.4) ** 2 + _wall(z)


def u3(z):
    """A wave that splits around a bump."""
    return _two_lines(z[1] - _wave(z), z[1] - _wave(z) + _bump(z), 0.35, 0.35) + _wall(z)


def u4(z):
    """A wave that forks."""
    return _two_lines(z[1] - _wave(z), z[1] - _wave(z) + _ramp(z), 0.4, 0.35) + _wall(z)


ENERGIES = (u1, u2, u3, u4)


def energy(which, z):
    """Energy number `which`, 0 to 3, of one point (2,); traced numbers allowed."""
    return jax.lax.switch(which, ENERGIES, z)
