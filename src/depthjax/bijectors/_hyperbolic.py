"""Maps of the real line built from the hyperbolic sine."""

import math

import jax
import jax.numpy as jnp

from depthjax.bijectors._terms import Pointwise, Terms
from depthjax.core import constraints, derived, param, record, static
from depthjax.numerics import clip_open, log_cosh, with_partials

_INF = math.inf


def _hypotenuse(x):
    """sqrt(1 + x^2) without overflow."""
    size = jnp.abs(x)
    far = size > 1.0
    near = jnp.sqrt(1.0 + jnp.square(jnp.where(far, 0.0, x)))
    return jnp.where(far, size * jnp.sqrt(1.0 + jnp.square(1.0 / jnp.where(far, size, 1.0))), near)


@with_partials(lambda x: 1.0 / _hypotenuse(x))
def _arcsinh(x):
    """The library's own derivative is zero where x^2 overflows."""
    return jnp.arcsinh(x)


def _sinh(x):
    """The hyperbolic sine, the largest float where it overflows."""
    return clip_open(jnp.sinh(x), -_INF, _INF)


@record
class Sinh(Pointwise):
    """y = sinh(x).

    Args:
        event_shape: shape of one event.

    Numerics:
        log slope = log cosh(x). Where sinh overflows, y is the largest float and the log-det is still that of x.
    """

    event_shape: tuple[int, ...] = static(default=())

    def _terms(self, x):
        return _sinh(x), log_cosh(x)

    def _inverse_terms(self, y):
        x = _arcsinh(y)
        return x, -log_cosh(x)


@record
class Arcsinh(Pointwise):
    """y = arcsinh(x), linear near zero and logarithmic far out; the inverse of `Sinh`.

    Args:
        event_shape: shape of one event.

    Numerics:
        log slope = -log cosh(y), which does not overflow where x^2 does.
    """

    event_shape: tuple[int, ...] = static(default=())

    def _terms(self, x):
        y = _arcsinh(x)
        return y, -log_cosh(y)

    def _inverse_terms(self, y):
        return _sinh(y), log_cosh(y)


@record
class SinhArcsinh(Terms):
    """y = sinh(tailweight arcsinh(x) + skewness): bends a symmetric law to one side, thins or fattens its tails.

    log slope = log(tailweight) + log cosh(tailweight a + skewness) - log cosh(a) with a = arcsinh(x).

    Args:
        skewness: (*event).
        tailweight: (*event), positive; above one it makes tails heavier.

    Numerics:
        Neither cosh is formed, so that log-dets stay finite where values overflow; such a y is the largest float.

    Source:
        Jones and Pewsey, Sinh-arcsinh distributions (2009), eq. 1, in the direction from the base to the data.
    """

    skewness: jax.Array = param(constraints.real)
    tailweight: jax.Array = param(constraints.positive)
    event_shape: tuple[int, ...] = derived()

    def _terms(self, x):
        a = _arcsinh(x)
        b = self.tailweight * a + self.skewness
        return _sinh(b), self._log_slope(a, b)

    def _inverse_terms(self, y):
        b = _arcsinh(y)
        a = (b - self.skewness) / self.tailweight
        return _sinh(a), -self._log_slope(a, b)

    def _log_slope(self, a, b):
        return jnp.log(self.tailweight) + log_cosh(b) - log_cosh(a)
