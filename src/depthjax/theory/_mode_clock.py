"""The clock of a mode of three layers and more: y = log(u/s) obeys dy/dc = -y k(y) for c = rate N s^(2 - 2/N) t.

Here k(y) = exp((1 - 2/N) y) expm1(y)/y > 0, so that y keeps its sign and y = y_0 exp(-a) with da/dc = k(y). In
r = exp(-|y|), the smaller of u/s and s/u, c is an integral of r^(p-1)/(1 - r), with p = 2/N - 1 from below and
p = 2 - 2/N from above: an incomplete beta function whose logarithm at r = 1 is taken out and kept in a.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.polynomial import polynomial

from depthjax.numerics import find_root

_TERMS = 60
_HALF = float(np.log(2.0))
# log(expm1(y)/y) = y/2 + y^2/24 - y^4/2880 + y^6/181440 - y^8/9676800 + ...
_LOG_GROWTH = (0.0, 1 / 2, 1 / 24, 0.0, -1 / 2880, 0.0, 1 / 181440, 0.0, -1 / 9676800)


@functools.cache
def _series(power: float) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients in r of r^-p times the integral, and in 1 - r of the integral plus log(1 - r)."""
    far = 1.0 / (np.arange(_TERMS) + power)
    index = np.arange(1, _TERMS)
    near = np.concatenate([[0.0], -np.cumprod((index - power) / index) / index])
    near[0] = 0.5**power * polynomial.polyval(0.5, far) + np.log(0.5) - polynomial.polyval(0.5, near)
    return far, near


def _polynomial(coefficients, x):
    """By products with all powers at once: a loop of Horner's rule is slow to compile."""
    coefficients = jnp.asarray(coefficients, x.dtype)
    powers = jnp.cumprod(jnp.broadcast_to(x[..., None], (*x.shape, coefficients.size - 1)), axis=-1)
    return coefficients[0] + powers @ coefficients[1:]


def _regular(size, power):
    """The integral plus log|y| less its term r^p/p, at |y| = size; regular at 0."""
    far, near = _series(power)
    close = size < _HALF
    small, large = jnp.where(close, size, 0.0), jnp.where(close, 1.0, size)
    left = -jnp.expm1(-small)
    ratio = jnp.where(small > 0.0, left / jnp.where(small > 0.0, small, 1.0), 1.0)
    at_near = _polynomial(near, left) - jnp.log(ratio) - jnp.exp(-power * small) / power
    at_far = jnp.exp(-(power + 1.0) * large) * _polynomial(far[1:], jnp.exp(-large)) + jnp.log(large)
    return jnp.where(close, at_near, at_far)


def _between(size0, size1, change, power):
    """Difference of the integrals plus log|y|, change = size1 - size0; the term r^p/p can be large, so by expm1."""
    lead = jnp.exp(-power * size0) * jnp.expm1(-power * change) / power
    return lead + _regular(size1, power) - _regular(size0, power)


def elapsed(a, y0, y1, move, depth: int):
    """The clock's reading between y0 and y1 = y0 exp(-a) = y0 + move."""
    size0, size1 = jnp.abs(y0), jnp.abs(y1)
    below = _between(size0, size1, -move, 2.0 / depth - 1.0)
    above = _between(jnp.maximum(y0, 0.0), jnp.maximum(y1, 0.0), jnp.maximum(move, -size0), 2.0 - 2.0 / depth)
    return a + jnp.where(y0 < 0.0, below, above)


def _log_speed(y, depth):
    """Logarithm of k(y)."""
    close = jnp.abs(y) < 0.25
    far = jnp.where(close, 1.0, y)
    growth = jnp.where(far > 0.0, far, 0.0) + jnp.log(-jnp.expm1(-jnp.abs(far)) / jnp.abs(far))
    return (1.0 - 2.0 / depth) * y + jnp.where(close, _polynomial(_LOG_GROWTH, jnp.where(close, y, 0.0)), growth)


def _slope(y0, y1, a, depth):
    """da/dy0 = (1 - k(y1)/k(y0))/y0, without the cancellation about 0."""
    close = jnp.abs(y0) < 0.25
    near, far = jnp.where(close, y0, 0.0), jnp.where(close, 1.0, y0)
    rates = list(_LOG_GROWTH)
    rates[1] += 1.0 - 2.0 / depth
    change = sum(rates[j] * jnp.expm1(-j * a) * near ** (j - 1) for j in range(1, len(rates)))
    step = near * change
    flat = step == 0.0
    growth = jnp.where(flat, 1.0 + 0.5 * step, jnp.expm1(step) / jnp.where(flat, 1.0, step))
    ratio = _log_speed(jnp.where(close, 1.0, y1), depth) - _log_speed(far, depth)
    return jnp.where(close, -change * growth, -jnp.expm1(ratio) / far)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def _shed(clock, y0, depth):
    """a, and y = y0 exp(-a)."""
    clock, y0 = lax.stop_gradient((clock, y0))
    first = jnp.exp(_log_speed(y0, depth))
    slack = 16.0 * jnp.finfo(clock.dtype).eps * (1.0 + clock)
    found = find_root(
        lambda a, clock, y0: elapsed(a, y0, y0 * jnp.exp(-a), y0 * jnp.expm1(-a), depth) - clock,
        (clock - slack) * jnp.minimum(first, 1.0), (clock + slack) * jnp.maximum(first, 1.0), clock, y0,
    )  # fmt: skip
    a = jnp.where(found.converged, found.value, jnp.nan)
    return a, y0 * jnp.exp(-a)


@_shed.defjvp
def _shed_jvp(depth, primals, tangents):
    (clock, y0), (dclock, dy0) = primals, tangents
    a, y1 = _shed(clock, y0, depth)
    speed, before = _log_speed(y1, depth), _log_speed(y0, depth)
    da = jnp.exp(speed) * dclock + _slope(y0, y1, a, depth) * dy0
    dy = -y1 * jnp.exp(speed) * dclock + jnp.exp(speed - before - a) * dy0
    return (a, y1), (da, dy)


def log_ratio(clock, y0, depth: int):
    """Value of log(u/s) at a clock reading c, from y0 = log(u_0/s)."""
    return _shed(clock, y0, depth)[1]
