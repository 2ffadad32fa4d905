"""The standard normal distribution in its tails: Mills ratio, log-probabilities, quantiles."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy import special
from jax.typing import ArrayLike

from depthjax.numerics._chebyshev import chebyshev
from depthjax.numerics._elementwise import elementwise, with_partials
from depthjax.numerics._tables import MILLS_0, MILLS_1, MILLS_2

HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)
_SQRT_2PI = math.sqrt(2.0 * math.pi)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(14)


def _upper(x, coefficients, power):
    """Evaluate a fitted function of `x >= 0` that decays like `x^-power`."""
    x = jnp.where(x > 0.0, x, jnp.where(jnp.isnan(x), x, 0.0))
    finite = jnp.minimum(x, 0.1 * jnp.finfo(x.dtype).max)
    inverse = 1.0 / (1.0 + x)
    return chebyshev(coefficients, (finite - 5.0) / (finite + 5.0)) * inverse**power


@with_partials(lambda x: _mills_third(x))
def _mills_second(x):
    """Second derivative of the Mills ratio, `(1 + x^2) m - x`."""
    return jnp.where(x >= 0.0, _upper(x, MILLS_2, 3), _mills(x) - x * _mills_first(x))


def _mills_third(x):
    return x * _mills_second(x) - 2.0 * _mills_first(x)


@with_partials(lambda x: -_mills_second(x))
def _mills_first(x):
    """Minus the derivative of the Mills ratio, `1 - x m`."""
    negative = jnp.minimum(x, 0.0)
    return jnp.where(x >= 0.0, _upper(x, MILLS_1, 2), 1.0 - negative * _mills(negative))


@with_partials(lambda x: -_mills_first(x))
def _mills(x):
    value = _upper(jnp.abs(x), MILLS_0, 1)
    negative = jnp.minimum(x, 0.0)
    return jnp.where(x >= 0.0, value, _SQRT_2PI * jnp.exp(0.5 * negative * negative) - value)


@with_partials(lambda x: _hazard_slope(x))
def _hazard(x):
    """Density over upper tail, `1 / m(x)`, without overflow for negative `x`."""
    negative = jnp.minimum(x, 0.0)
    density = jnp.exp(-0.5 * negative * negative) / _SQRT_2PI
    return jnp.where(x >= 0.0, 1.0 / _mills(jnp.maximum(x, 0.0)), density / (1.0 - density * _mills(-negative)))


def _hazard_slope(x):
    positive, negative, hazard = jnp.maximum(x, 0.0), jnp.minimum(x, 0.0), _hazard(x)
    return jnp.where(x >= 0.0, hazard * hazard * _mills_first(positive), hazard * (_hazard(negative) - negative))


@with_partials(lambda x: _hazard(-x))
def _log_ndtr(x):
    below, above = jnp.minimum(x, 0.0), jnp.maximum(x, 0.0)
    left = -0.5 * below * below - HALF_LOG_2PI + jnp.log(_mills(-below))
    tail = jnp.exp(-0.5 * above * above) / _SQRT_2PI * _mills(above)
    return jnp.where(x <= 0.0, left, jnp.log1p(-tail))


@elementwise
def mills_ratio(x: ArrayLike) -> jax.Array:
    """Mills ratio `m(x) = (1 - Phi(x)) / phi(x)` of the standard normal distribution.

    Args:
        x: any shape, real.

    Returns:
        Same shape, positive; about `1/x` on the right, `sqrt(2 pi) exp(x^2/2)` on the left (inf on overflow).

    Numerics: a Chebyshev series in `(x - 5) / (x + 5)` for positive `x`, and further ones for the first two
        derivatives, `m' = x m - 1` and `m'' = m + x m'`, which would cancel.

    Source: Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2) erfc x", 1981, for the form.
    """
    return _mills(x)


@elementwise
def erfcx(x: ArrayLike) -> jax.Array:
    """Scaled complementary error function `exp(x^2) erfc(x)`.

    Args:
        x: any shape, real.

    Returns:
        Same shape, positive.

    Numerics: `sqrt(2/pi) m(sqrt(2) x)` with the Mills ratio m.
    """
    return math.sqrt(2.0 / math.pi) * _mills(math.sqrt(2.0) * x)


@elementwise
def log_ndtr(x: ArrayLike) -> jax.Array:
    """Logarithm of the standard normal cumulative distribution function.

    Args:
        x: any shape, real.

    Returns:
        Same shape, nats; -500007.8267 at -1000.

    Numerics: `-x^2/2 - log(2 pi)/2 + log m(-x)` on the left, `log1p(-tail)` on the right; the slope
        `phi(x) / Phi(x)` is a reciprocal Mills ratio and keeps its digits at any depth.
    """
    return jnp.where(x == -jnp.inf, -jnp.inf, _log_ndtr(jnp.where(x == -jnp.inf, 0.0, x)))


def _log_scaled_mass(a, b):
    """Logarithm of `(Phi(b) - Phi(a)) / phi(a)` for `a < b` with `a + b >= 0`."""
    width, centre = b - a, 0.5 * (a + b)
    exponent = width * centre
    narrow = jnp.where(a >= 0.0, exponent <= 2.0, width <= 2.0)
    tail = ~narrow & (a >= 0.0)
    half = 0.5 * jnp.where(narrow, width, 1.0)
    middle = jnp.where(narrow, centre, 0.0)
    total = sum(
        w * jnp.exp(-half * z * (middle + 0.5 * half * z))
        for z, w in zip(_NODES.tolist(), _WEIGHTS.tolist(), strict=True)
    )
    near = -0.5 * half * (jnp.where(narrow, a, 0.0) + middle) + jnp.log(half * total)
    start, end, drop = jnp.where(tail, a, 0.0), jnp.where(tail, b, 3.0), jnp.where(tail, exponent, 4.5)
    far = jnp.log(_mills(start) - jnp.exp(-drop) * _mills(end))
    left = jnp.where(narrow | tail, -2.0, a)
    return jnp.where(narrow, near, jnp.where(tail, far, _log_wide(left, b) + 0.5 * left * left + HALF_LOG_2PI))


def _log_wide(a, b):
    """Logarithm of the mass between `a < 0` and `b > 0`, from the two tails outside."""
    return jnp.log1p(-jnp.exp(_log_ndtr(a)) - jnp.exp(_log_ndtr(-b)))


def _ordered(lo, hi):
    """Reflect the interval so that its middle is not negative, and replace an empty one."""
    flip, proper = lo < -hi, lo < hi
    a, b = jnp.where(flip, -hi, lo), jnp.where(flip, -lo, hi)
    # Past these limits both the mass outside and its derivatives are below the smallest number.
    b = jnp.minimum(b, 1.5 * jnp.maximum(a, 0.0) + 100.0)
    return jnp.where(proper, jnp.maximum(a, -100.0), -3.0), jnp.where(proper, b, 5.0), flip, proper


def _end_densities(lo, hi):
    """Densities at the ends over the mass between them."""
    a, b, flip, proper = _ordered(lo, hi)
    mass = _log_scaled_mass(a, b)
    at_a, at_b = jnp.exp(-mass), jnp.exp(-0.5 * (b - a) * (a + b) - mass)
    lower = jnp.where(proper, jnp.where(flip, at_b, at_a), jnp.inf)
    return lower, jnp.where(proper, jnp.where(flip, at_a, at_b), jnp.inf)


@with_partials(lambda lo, hi: -_end_densities(lo, hi)[0], lambda lo, hi: _end_densities(lo, hi)[1])
def _log_ndtr_difference(lo, hi):
    a, b, _, proper = _ordered(lo, hi)
    wide = (a < 0.0) & (b - a > 2.0)
    scaled = _log_scaled_mass(a, b) - 0.5 * a * a - HALF_LOG_2PI
    value = jnp.where(wide, _log_wide(jnp.where(wide, a, -1.0), b), scaled)
    return jnp.where(proper, value, jnp.where(lo == hi, -jnp.inf, jnp.nan))


@elementwise
def log_ndtr_difference(lo: ArrayLike, hi: ArrayLike) -> jax.Array:
    """Logarithm of the standard normal probability of an interval, `log(Phi(hi) - Phi(lo))`.

    Args:
        lo: lower end, any shape; may be -inf.
        hi: upper end, a shape that broadcasts; may be inf.

    Returns:
        Broadcast shape, nats; -inf for an empty interval, NaN for a reversed one.

    Numerics: reflected into the upper tail, divided by the density at the inner end. Short intervals integrate the
        density by 14 Gauss-Legendre nodes, a sum of positive terms; long ones are a difference of Mills ratios whose
        second term is below 14% of the first, or one minus the two tails outside.
    """
    return _log_ndtr_difference(lo, hi)


@with_partials(lambda p: _SQRT_2PI * jnp.exp(0.5 * jnp.square(_ndtri(p))))
def _ndtri(p):
    return special.ndtri(p)


@with_partials(lambda log_p: _mills(-_ndtri_exp(log_p)))
def _ndtri_exp(log_p):
    deep = log_p < -5.0
    middle = jnp.where(deep, -1.0, log_p)
    upper = middle > -math.log(2.0)
    central = jnp.where(upper, -_ndtri(-jnp.expm1(jnp.where(upper, middle, -0.1))), _ndtri(jnp.exp(middle)))
    target = jnp.where(deep & ~jnp.isneginf(log_p), log_p, -8.0)
    x = -jnp.sqrt(-2.0 * (target + HALF_LOG_2PI) - jnp.log(-2.0 * target))
    for _ in range(4):
        x = x - (_log_ndtr(x) - target) * _mills(-x)
    return jnp.where(jnp.isneginf(log_p), -jnp.inf, jnp.where(deep, lax.stop_gradient(x), central))


@elementwise
def ndtri(p: ArrayLike) -> jax.Array:
    """Standard normal quantile of a probability.

    Args:
        p: any shape, in [0, 1].

    Returns:
        Same shape; infinite at the ends, NaN outside.
    """
    return _ndtri(p)


@elementwise
def ndtri_exp(log_p: ArrayLike) -> jax.Array:
    """Standard normal quantile of a probability given by its logarithm.

    Args:
        log_p: any shape, nats, `log_p <= 0`.

    Returns:
        Same shape; -inf at -inf, inf at zero, NaN for positive `log_p`.

    Numerics: below -5 four Newton steps on `log_ndtr` from its leading asymptotic term, elsewhere the quantile of
        whichever of the two tails is small. The derivative is the Mills ratio of minus the result.
    """
    return _ndtri_exp(log_p)
