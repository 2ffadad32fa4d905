"""Logarithms of sums, differences, hyperbolic and logistic functions, none of which overflows or cancels."""

import math

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.numerics._elementwise import elementwise, promote, with_partials

LOG_2 = math.log(2.0)
# The library's float64 log1p loses two digits between -0.42 and -0.34, so Maechler's bound -log 2 is moved out.
_NEAR = -1.1


@with_partials(lambda x: logistic(x) * logistic(-x))
def logistic(x):
    """Sigmoid whose second derivative keeps its digits in both tails."""
    return lax.logistic(x)


@with_partials(lambda x: jnp.exp(-2.0 * _log_cosh(x)))
def _tanh(x):
    return jnp.tanh(x)


@with_partials(jnp.exp)
def _expm1(x):
    """The derivative of the library's own function is `1 + expm1(x)`, which cancels far to the left."""
    return jnp.expm1(x)


@with_partials(lambda x: jnp.exp(x) / _expm1(x))
def _log1mexp(x):
    return jnp.where(x > _NEAR, jnp.log(-jnp.expm1(x)), jnp.log1p(-jnp.exp(x)))


@with_partials(lambda y: -1.0 / _expm1(-y))
def _log_expm1(y):
    return jnp.where(y < 1.0, jnp.log(jnp.expm1(y)), y + jnp.log1p(-jnp.exp(-y)))


@with_partials(lambda x: -(1.0 + jnp.exp(-2.0 * x)) / _expm1(-2.0 * x))
def _log_sinh(x):
    small = jnp.minimum(x, 1.0)
    return jnp.where(x < 1.0, jnp.log(jnp.sinh(small)), x - LOG_2 + jnp.log1p(-jnp.exp(-2.0 * x)))


@with_partials(_tanh)
def _log_cosh(x):
    magnitude = jnp.abs(x)
    small = magnitude < 1.0
    excess = jnp.where(small, _cosh_minus_one(jnp.where(small, x, 0.0)), jnp.exp(-2.0 * magnitude))
    return jnp.log1p(excess) + jnp.where(small, 0.0, magnitude - LOG_2)


def _cosh_minus_one(x):
    """The Taylor series for |x| <= 1, faster than sinh(x/2)."""
    square, total = x * x, jnp.ones_like(x)
    for k in range(9 if x.dtype == jnp.float64 else 5, 1, -1):
        total = 1.0 + square * total / (2 * k * (2 * k - 1))
    return 0.5 * square * total


@elementwise
def log1mexp(x: ArrayLike) -> jax.Array:
    """Logarithm of `1 - exp(x)` for negative `x`.

    Args:
        x: any shape, `x <= 0`; a log-probability, say.

    Returns:
        Same shape; -inf at zero, NaN for positive `x`.

    Numerics: `log(-expm1(x))` above -1.1 and `log1p(-exp(x))` below.

    Source: Maechler, "Accurately computing log(1 - exp(-|a|))", 2012, eq. 7.
    """
    return _log1mexp(x)


@elementwise
def log_expm1(x: ArrayLike) -> jax.Array:
    """Logarithm of `exp(x) - 1` for positive `x`.

    Args:
        x: any shape, `x >= 0`.

    Returns:
        Same shape; -inf at zero, NaN for negative `x`.

    Numerics: `x + log1p(-exp(-x))` from one on, so that nothing overflows.

    Source: Maechler, "Accurately computing log(1 - exp(-|a|))", 2012.
    """
    return _log_expm1(x)


@elementwise
def softplus_inverse(y: ArrayLike) -> jax.Array:
    """Inverse of `softplus(x) = log(1 + exp(x))`, which is `log(exp(y) - 1)`.

    Args:
        y: any shape, `y >= 0`.

    Returns:
        Same shape; -inf at zero, NaN for negative `y`.
    """
    return _log_expm1(y)


@elementwise
def log_sinh(x: ArrayLike) -> jax.Array:
    """Logarithm of `sinh(x)` for positive `x`.

    Args:
        x: any shape, `x >= 0`.

    Returns:
        Same shape; -inf at zero, NaN for negative `x`.

    Numerics: `log(sinh(x))` below one, `x - log 2 + log1p(-exp(-2x))` above.
    """
    return _log_sinh(x)


@elementwise
def log_cosh(x: ArrayLike) -> jax.Array:
    """Logarithm of `cosh(x)`.

    Args:
        x: any shape, real.

    Returns:
        Same shape, never negative.

    Numerics: `log1p(cosh(x) - 1)` below one, by the series, where the value behaves like x^2/2 and keeps its digits.
    """
    return _log_cosh(x)


@elementwise
def log_sech2(x: ArrayLike) -> jax.Array:
    """Logarithm of `sech(x)^2`, the log-slope of tanh: `-2 log cosh(x)`.

    Args:
        x: any shape, real.

    Returns:
        Same shape, never positive.

    Numerics: `1 - tanh(x)^2` is zero in float32 from 9.1 on; this form never is.
    """
    return -2.0 * _log_cosh(x)


@with_partials(lambda x: -logistic(x) * logistic(-x))
def _logistic_of_minus(x):
    """By the exponential that `_log_sigmoid` takes, so that the compiler computes one for the value and the slope."""
    small = jnp.exp(-jnp.abs(x))
    return jnp.where(x >= 0.0, small, 1.0) / (1.0 + small)


@with_partials(_logistic_of_minus)
def _log_sigmoid(x):
    return jnp.minimum(x, 0.0) - jnp.log1p(jnp.exp(-jnp.abs(x)))


@elementwise
def log_sigmoid(x: ArrayLike) -> jax.Array:
    """Logarithm of the logistic function, `-log(1 + exp(-x))`.

    Args:
        x: any shape, logits.

    Returns:
        Same shape, never positive.
    """
    return _log_sigmoid(x)


@elementwise
def logit_from_logs(log_p: ArrayLike, log_1mp: ArrayLike) -> jax.Array:
    """Logit `log p - log(1 - p)` from the two logarithms.

    Args:
        log_p: log-probability, any shape.
        log_1mp: log of the complement, any shape that broadcasts.

    Returns:
        Broadcast shape; -inf or inf where one of them is -inf.
    """
    return jnp.subtract(log_p, log_1mp)


def _log_factor(x, y, *, log, shift):
    corner = (x == 0.0) & (y == -shift)
    return jnp.where(corner, 0.0, log(jnp.where(corner, 1.0, y)))


def _slope_factor(x, y, *, shift):
    corner = (x == 0.0) & (y == -shift)
    return jnp.where(corner, 0.0, x / (jnp.where(corner, 1.0, y) + shift))


def _times_log(*, log, shift):
    @with_partials(lambda x, y: _log_factor(x, y, log=log, shift=shift), lambda x, y: _slope_factor(x, y, shift=shift))
    def product(x, y):
        zero = (x == 0.0) & ~jnp.isnan(y)
        return jnp.where(zero, 0.0, x * log(jnp.where(zero, 1.0, y)))

    return product


_xlogy = _times_log(log=jnp.log, shift=0.0)
_xlog1py = _times_log(log=jnp.log1p, shift=1.0)


@elementwise
def xlogy(x: ArrayLike, y: ArrayLike) -> jax.Array:
    """Product `x log(y)`, zero at `x = 0`.

    Args:
        x: factor, any shape.
        y: argument of the logarithm, any shape that broadcasts.

    Returns:
        Broadcast shape.

    Numerics: at `x = y = 0` both partial derivatives are taken as zero; elsewhere they are `log y` and `x / y`.
    """
    return _xlogy(x, y)


@elementwise
def xlog1py(x: ArrayLike, y: ArrayLike) -> jax.Array:
    """Product `x log(1 + y)`, zero at `x = 0`.

    Args:
        x: factor, any shape.
        y: argument, any shape that broadcasts, `y >= -1`.

    Returns:
        Broadcast shape.

    Numerics: at `x = 0, y = -1` both partial derivatives are taken as zero.
    """
    return _xlog1py(x, y)


def _gap(a, b):
    """Return `a - b`, with zero where both are the same infinity."""
    same = (a == b) & jnp.isinf(a)
    return jnp.where(same, 0.0, jnp.where(same, 0.0, a) - jnp.where(same, 0.0, b))


@with_partials(lambda a, b: logistic(_gap(a, b)), lambda a, b: logistic(_gap(b, a)))
def _log_add(a, b):
    return jnp.maximum(a, b) + jnp.log1p(jnp.exp(-jnp.abs(_gap(a, b))))


@elementwise
def log_add(a: ArrayLike, b: ArrayLike) -> jax.Array:
    """Logarithm of a sum, `log(exp(a) + exp(b))`.

    Args:
        a: logarithm, any shape.
        b: logarithm, any shape that broadcasts.

    Returns:
        Broadcast shape; -inf with finite gradient where both are -inf.
    """
    return _log_add(a, b)


@elementwise
def log_sub(a: ArrayLike, b: ArrayLike) -> jax.Array:
    """Logarithm of a difference, `log(exp(a) - exp(b))`.

    Args:
        a: logarithm of the larger number, any shape.
        b: logarithm of the smaller one, any shape that broadcasts.

    Returns:
        Broadcast shape; -inf where they are equal, NaN where `a < b`.

    Numerics: `a + log1mexp(b - a)`; as exact as the difference `b - a` is.
    """
    empty = (a == b) & jnp.isinf(a)
    gap = jnp.where(empty, -1.0, jnp.where(empty, 0.0, b) - jnp.where(empty, 1.0, a))
    return jnp.where(empty, -jnp.inf, a + _log1mexp(gap))


def signed_logsumexp(
    log_abs: ArrayLike, sign: ArrayLike, axis: int | tuple[int, ...] | None = None
) -> tuple[jax.Array, jax.Array]:
    """Logarithm and sign of a signed sum, `s = sum_i sign_i exp(log_abs_i)`.

    Args:
        log_abs: logarithms of magnitudes, any shape.
        sign: signs or signed weights, a shape that broadcasts.
        axis: axes summed over; all of them by default.

    Returns:
        `(log|s|, sign(s))`, the axes removed. An exact zero gives `(-inf, 0)` with zero gradient.

    Numerics: scaled by the largest term; digits are lost only where the terms themselves cancel.
    """
    log_abs, sign = promote(log_abs, sign)
    largest = jnp.max(lax.stop_gradient(log_abs), axis=axis, keepdims=True)
    largest = jnp.where(jnp.isfinite(largest), largest, 0.0)
    total = jnp.sum(sign * jnp.exp(log_abs - largest), axis=axis)
    zero = total == 0.0
    magnitude = jnp.log(jnp.abs(jnp.where(zero, 1.0, total))) + largest.reshape(total.shape)
    return jnp.where(zero, -jnp.inf, magnitude), jnp.sign(total)
