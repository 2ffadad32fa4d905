"""Draws of log-gamma variables with their implicit derivative."""

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.distributions._rejection import accepted_draws
from depthjax.numerics import with_partials
from depthjax.numerics._draws import standard_normal

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
    log_z = _draw(key, lax.stop_gradient(work).reshape(-1)).reshape(shape)
    return _pathwise(log_z, work).astype(wide.dtype)


def _draw(key, a):
    """Log-gamma draws for a vector of concentrations; below one, z(a) = z(a + 1) U^(1/a)."""
    key_large, key_power = jax.random.split(key)
    small = a < 1.0
    large = jnp.where(small, a + 1.0, a)

    def lowered(log_z):
        log_u = jnp.log1p(-jax.random.uniform(key_power, a.shape, a.dtype))
        return jnp.where(small, log_z + log_u / a, log_z)

    log_z = accepted_draws(key_large, (large,), _propose)
    log_z = lax.cond(jnp.any(small), lowered, lambda log_z: log_z, log_z)
    return jnp.where(a > 0.0, jnp.where(jnp.isinf(a), jnp.inf, log_z), jnp.nan)


def _propose(key, a):
    """A proposal of Marsaglia and Tsang for a >= 1, of which at most one in twenty is refused."""
    key_x, key_u = jax.random.split(key)
    x = standard_normal(key_x, a.shape, a.dtype)
    u = jax.random.uniform(key_u, a.shape, a.dtype)
    d = a - 1.0 / 3.0
    w = x / (3.0 * jnp.sqrt(d))
    inside = w > -1.0
    log_v = 3.0 * jnp.log1p(jnp.where(inside, w, 0.0))
    square = x * x
    bound = 0.5 * square + d * (1.0 + log_v - jnp.exp(log_v))
    squeezed = u > 0.0331 * square * square
    accepted = inside & (squeezed | (jnp.log1p(-u) < bound))
    return jnp.log(d) + log_v, accepted | ~((a >= 1.0) & (a < jnp.inf))


def _slope(log_z, concentration):
    """D log z/d concentration; by the leading term F(z) = z^a/Gamma(a + 1) of the series where z is small."""
    small = log_z < _SMALL
    z = jnp.exp(jnp.where(small, 0.0, log_z))
    regular = lax.random_gamma_grad(concentration, z) / z
    leading = (jax.scipy.special.digamma(concentration + 1.0) - log_z) / concentration
    return jnp.where(small, leading, regular)


@with_partials(None, _slope)
def _pathwise(log_z, concentration):
    return log_z
