"""The Fuss-Catalan law of products of square Gaussian matrices."""

import math

import jax
import jax.numpy as jnp

from depthjax.core import constraints, float_dtype, param, record
from depthjax.core._options import is_concrete
from depthjax.freeprob._law import SpectralLaw
from depthjax.freeprob._marchenko_pastur import MarchenkoPastur
from depthjax.freeprob._moments import s_series_to_moments
from depthjax.freeprob._multiplicative import FreeMultiplicativePower
from depthjax.numerics import find_root, series_pow


@record
class FussCatalan(SpectralLaw):
    """Fuss-Catalan law of real order s: S(m) = (1 + m)^-s, `MarchenkoPastur(1, 1)` to the multiplicative power s.

    For integer s the squared singular values of a product of s square Gaussian matrices of unit gain. With
    x = sin^(s+1)((s+1) f)/(sin f sin^s(s f)), rho = sin^2 f sin^(s-1)(s f)/(pi sin^s((s+1) f)), 0 < f < pi/(s+1).

    Args:
        order: s, (), at least 1.

    Source:
        Penson and Zyczkowski (2011); Haagerup and Moller (2013).
    """

    order: jax.Array = param(constraints.real)

    @classmethod
    def _complete(cls, fields):
        fields = super()._complete(fields)
        if is_concrete(fields["order"]) and not float(fields["order"]) >= 1.0:
            raise ValueError(f"FussCatalan: order is {float(fields['order'])}, expected at least 1")
        return fields

    def _valid(self):
        return super()._valid() & (self.order >= 1.0)

    def _power(self):
        one = jnp.ones_like(self.order)
        return FreeMultiplicativePower(MarchenkoPastur(one, one), self.order)

    def _stieltjes(self, z):
        return self._power()._stieltjes(z)

    def _log_potential(self, z):
        return self._power()._log_potential(z)

    def _log_density(self, x):
        low, high = self._bounds()
        inside = (x > low) & (x < high)
        target = jnp.log(jnp.where(inside, x, 0.5 * high))
        # With f = u pi/(s + 1) the ends of the bracket are u = 0 (the upper edge) and u = 1 (zero).
        value = find_root(_log_place, jnp.zeros_like(x), jnp.ones_like(x), target, self.order, num_steps=100).value
        s, u = self.order, value
        angle = math.pi * u / (s + 1.0)
        lower = jnp.log(jnp.sin(math.pi * jnp.minimum(u, 1.0 - u)))
        rest = 2.0 * jnp.log(jnp.sin(angle)) + (s - 1.0) * jnp.log(jnp.sin(s * angle)) - s * lower
        outside = jnp.where(jnp.isnan(x), jnp.nan, -jnp.inf)
        return jnp.where(inside, rest - math.log(math.pi), outside)

    def _bounds(self):
        s = self.order
        return jnp.zeros_like(s), jnp.exp((s + 1.0) * jnp.log1p(s) - s * jnp.log(s))

    def _edges(self):
        return jnp.stack(self._bounds())[None]

    def _moments(self, order):
        base = jnp.zeros(order, float_dtype(self)).at[:2].set(1.0)
        return s_series_to_moments(series_pow(base, -self.order))


def _log_place(u, target, s):
    """Target minus log x at f = u pi/(s + 1), increasing in u."""
    angle = math.pi * u / (s + 1.0)
    top = jnp.log(jnp.sin(math.pi * jnp.where(u < 0.5, u, 1.0 - u)))
    value = (s + 1.0) * top - jnp.log(jnp.sin(angle)) - s * jnp.log(jnp.sin(s * angle))
    at_zero = (s + 1.0) * jnp.log1p(s) - s * jnp.log(s)
    return target - jnp.where(u <= 0.0, at_zero, value)
