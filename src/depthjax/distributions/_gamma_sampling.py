"""Draws of log-gamma variables with their implicit derivative."""

import jax
import jax.numpy as jnp

from depthjax.numerics import with_partials

_SMALL = -20.0


def sample_log_gamma(key: jax.Array, concentration: jax.Array, sample_shape: tuple[int, ...]) -> jax.Array:
    """Logarithms of independent Gamma(concentration, 1) draws, (*sample_shape, *concentration.shape).

    The derivative in the concentration is implicit, dz/da = -(dF/da)/p(z). It is carried in log space: for
    concentration 0.01 most draws are below the smallest float, yet their logarithms and derivatives are exact.

    Source:
        Marsaglia and Tsang (2000); Figurnov, Mohamed and Mnih, Implicit Reparameterization Gradients (2018), eq. 6.
    """
    shape = (*sample_shape, *concentration.shape)
    wide = jnp.broadcast_to(concentration.reshape((1,) * len(sample_shape) + concentration.shape), shape)
    work = wide if jnp.finfo(wide.dtype).bits >= 32 else wide.astype(jnp.float32)
    log_z = jax.random.loggamma(key, jax.lax.stop_gradient(work), shape, work.dtype)
    return _pathwise(jax.lax.stop_gradient(log_z), work).astype(wide.dtype)


def _slope(log_z, concentration):
    """D log z/d concentration; by the leading term F(z) = z^a/Gamma(a + 1) of the series where z is small."""
    small = log_z < _SMALL
    z = jnp.exp(jnp.where(small, 0.0, log_z))
    regular = jax.lax.random_gamma_grad(concentration, z) / z
    leading = (jax.scipy.special.digamma(concentration + 1.0) - log_z) / concentration
    return jnp.where(small, leading, regular)


@with_partials(None, _slope)
def _pathwise(log_z, concentration):
    return log_z
