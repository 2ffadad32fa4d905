"""Parameters from mean parameters where the gradient of the log-normaliser has no closed inverse."""

import jax
import jax.numpy as jnp

from depthjax.numerics import bessel_ratio, find_root, implicit_root

_DIGAMMA = jax.scipy.special.digamma


def gamma_concentration(gap: jax.Array) -> jax.Array:
    """The a with log a - digamma(a) = gap, for gap > 0.

    Numerics:
        The left side lies between 1/(2a) and 1/a, which brackets the root; solved in log a.

    Source:
        Minka, Estimating a Gamma distribution (2002).
    """

    def excess(log_a, target):
        a = jnp.exp(log_a)
        return jnp.log(_gap(a)) - jnp.log(target)

    lower, upper = -jnp.log(2.0 * gap) - 0.01, -jnp.log(gap) + 0.01
    return jnp.exp(find_root(excess, lower, upper, gap).value)


def _gap(a):
    """Log a - digamma(a), by its asymptotic series where the two cancel."""
    large = a > 32.0
    w = 1.0 / jnp.where(large, a, 32.0)
    series = w * (0.5 + w * (1 / 12 - w * w * (1 / 120 - w * w / 252)))
    small = jnp.where(large, 1.0, a)
    return jnp.where(large, series, jnp.log(small) - _DIGAMMA(small))


def dirichlet_concentration(mean_log: jax.Array, *, num_steps: int = 64) -> jax.Array:
    """The concentration vector (K,) with digamma(a_k) - digamma(sum a) = mean_log_k.

    Newton's method in the sum s: a_k(s) = digamma^-1(mean_log_k + digamma(s)) and sum_k a_k(s) = s.

    Source:
        Minka, Estimating a Dirichlet distribution (2000), eq. 9 and appendix C.
    """

    def excess(log_s, target):
        total = jnp.exp(log_s)
        parts = inverse_digamma(target + _DIGAMMA(total))
        return jnp.log(jnp.sum(parts)) - log_s

    dtype = mean_log.dtype
    result = find_root(excess, jnp.asarray(-20.0, dtype), jnp.asarray(20.0, dtype), mean_log, num_steps=num_steps)
    return inverse_digamma(mean_log + _DIGAMMA(jnp.exp(result.value)))


def inverse_digamma(y: jax.Array) -> jax.Array:
    """The positive x with digamma(x) = y, by Newton steps from Minka's start.

    Source:
        Minka (2000), appendix C.
    """
    low = y < -2.22
    x = jnp.where(low, -1.0 / (jnp.where(low, y, -3.0) - _DIGAMMA(jnp.ones_like(y))), jnp.exp(y) + 0.5)
    for _ in range(5):
        x = x - (_DIGAMMA(x) - y) / jax.scipy.special.polygamma(1, x)
    return implicit_root(lambda point, target: _DIGAMMA(point) - target, x, y)


def von_mises_concentration(length: jax.Array) -> jax.Array:
    """The k with I_1(k)/I_0(k) = length, for a mean resultant length in [0, 1).

    Numerics:
        Bracketed by the bounds k/(1 + k) < ... of Amos (1974): r/(1 - r^2) < k < 2 r/(1 - r^2).
    """
    spread = (1.0 - length) * (1.0 + length)
    upper = 2.0 * length / spread
    result = find_root(lambda k, target: bessel_ratio(1.0, k) - target, 0.49 * upper, 1.01 * upper + 1e-30, length)
    return result.value
