"""Laws made from another law by an affine map or a square root."""

import math

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.core import constraints, float_dtype, param, record
from depthjax.core._options import is_concrete
from depthjax.freeprob._branch import plus, times
from depthjax.freeprob._law import BoundaryResult, SpectralLaw, _nearest_atom, in_plane
from depthjax.freeprob._moments import affine_moments


@record
class Affine(SpectralLaw):
    """Law of loc + scale X.

    Args:
        law: law of X.
        loc: ().
        scale: (), not 0; negative scales mirror the law.
    """

    law: SpectralLaw
    loc: jax.Array = param(constraints.real, default=0.0)
    scale: jax.Array = param(constraints.real, default=1.0)

    @classmethod
    def _complete(cls, fields):
        fields = super()._complete(fields)
        if is_concrete(fields["scale"]) and float(fields["scale"]) == 0.0:
            raise ValueError("Affine: scale is 0, expected another number; a single point is Atomic([loc], [1])")
        return fields

    def _valid(self):
        return super()._valid() & (self.scale != 0.0)

    def _inner(self, z):
        """(z - loc)/scale, reflected to the upper side where scale < 0, and whether it was."""
        w = times(plus(z, -self.loc), 1.0 / self.scale)
        mirrored = self.scale < 0.0
        return jnp.where(mirrored, jnp.conj(w), w), mirrored

    def _stieltjes(self, z):
        w, mirrored = self._inner(z)
        result = self.law._stieltjes(w)
        value = times(jnp.where(mirrored, jnp.conj(result.value), result.value), 1.0 / self.scale)
        return result._replace(value=value)

    def _shift(self, z):
        w, mirrored = self._inner(z)
        value = self.law._shift(w)
        return plus(times(jnp.where(mirrored, jnp.conj(value), value), self.scale), -self.loc)

    def _log_potential(self, z):
        w, mirrored = self._inner(z)
        value = self.law._log_potential(w)
        turned = lax.complex(jnp.real(value), math.pi - jnp.imag(value))
        return plus(jnp.where(mirrored, turned, value), jnp.log(jnp.abs(self.scale)))

    def _log_density(self, x):
        return self.law._log_density((x - self.loc) / self.scale) - jnp.log(jnp.abs(self.scale))

    def _cdf(self, x):
        t = (x - self.loc) / self.scale
        atom, is_atom = _nearest_atom(self.law, t)
        t = jnp.where(is_atom, atom, t)
        places, masses = self.law._atoms()
        below = self.law._cdf(t) - jnp.sum(jnp.where(places == t, masses, 0.0))
        return jnp.where(self.scale > 0.0, self.law._cdf(t), 1.0 - below)

    def _bounds(self):
        low, high = (self.loc + self.scale * end for end in self.law._bounds())
        return jnp.minimum(low, high), jnp.maximum(low, high)

    def _edges(self):
        edges = self.loc + self.scale * self.law._edges()
        return sort_intervals(jnp.where(self.scale > 0.0, edges, edges[:, ::-1]))

    def _atoms(self):
        places, masses = self.law._atoms()
        return self.loc + self.scale * places, masses

    def _moments(self, order):
        return affine_moments(self.law._moments(order), self.loc, self.scale)

    def _free_cumulants(self, order):
        powers = self.scale ** jnp.arange(1, order + 1, dtype=float_dtype(self))
        return (self.law._free_cumulants(order) * powers).at[0].add(self.loc)

    def _sample_many(self, key, shape):
        return self.loc + self.scale * self.law._sample_many(key, shape)

    @property
    def _sample_matrix(self):
        inner = self.law._sample_matrix
        return lambda key, dim: self.loc * jnp.eye(dim, dtype=self.loc.dtype) + self.scale * inner(key, dim)


@record
class Symmetrised(SpectralLaw):
    """The even law of +-s, from a law of the squares s^2: singular values of a matrix with either sign.

    G(z) = z G_law(z^2), rho(x) = |x| rho_law(x^2).

    Args:
        law: a law on [0, inf).
    """

    law: SpectralLaw

    def _stieltjes(self, z):
        square, reflected = self._square(z)
        result = in_plane(self.law, square)
        value = jnp.where(reflected, jnp.conj(result.value), result.value)
        return BoundaryResult(z * value, result.residual, result.converged)

    def _square(self, z):
        """z^2 in the closed upper half plane, and whether it was reflected to get there."""
        square = z * z
        reflected = jnp.real(z) < 0.0
        return jnp.where(reflected, jnp.conj(square), square), reflected

    def _log_potential(self, z):
        square, reflected = self._square(z)
        value = self.law._log_potential(square)
        turned = lax.complex(jnp.real(value), 2.0 * math.pi - jnp.imag(value))
        return 0.5 * jnp.where(reflected, turned, value)

    def _log_density(self, x):
        away = x != 0.0
        safe = jnp.where(away, x, 1.0)
        value = jnp.log(jnp.abs(safe)) + self.law._log_density(safe * safe)
        tiny = jnp.sqrt(jnp.finfo(x.dtype).tiny)
        return jnp.where(away, value, 0.5 * jnp.log(tiny) + self.law._log_density(tiny))

    def _cdf(self, x):
        square = x * x
        atom, is_atom = _nearest_atom(self.law, square)
        square = jnp.where(is_atom, atom, square)
        places, masses = self.law._atoms()
        upper = self.law._cdf(square)
        below = upper - jnp.sum(jnp.where(places == square, masses, 0.0))
        return jnp.where(x >= 0.0, 0.5 + 0.5 * upper, jnp.where(x < 0.0, 0.5 - 0.5 * below, jnp.nan))

    def _bounds(self):
        high = jnp.sqrt(self.law._bounds()[1])
        return -high, high

    def _edges(self):
        edges = jnp.sqrt(jnp.maximum(self.law._edges(), 0.0))
        at_zero = edges[:, :1] == 0.0
        right = jnp.where(at_zero, jnp.nan, edges)
        left = jnp.concatenate([-edges[:, 1:], jnp.where(at_zero, edges[:, 1:], -edges[:, :1])], axis=1)
        return sort_intervals(jnp.concatenate([left, right]))

    def _atoms(self):
        places, masses = self.law._atoms()
        at_zero = places == 0.0
        roots = jnp.sqrt(jnp.where(at_zero, 1.0, places)) * jnp.where(at_zero, 0.0, 1.0)
        halves = jnp.where(at_zero, 0.0, 0.5 * masses)
        return jnp.concatenate([roots, -roots]), jnp.concatenate([jnp.where(at_zero, masses, halves), halves])

    def _moments(self, order):
        values = jnp.zeros(order, float_dtype(self))
        return values if order < 2 else values.at[1::2].set(self.law._moments(order // 2))

    def _sample_many(self, key, shape):
        first, second = jax.random.split(key)
        squares = self.law._sample_many(first, shape)
        return jnp.sqrt(squares) * jnp.where(jax.random.bernoulli(second, 0.5, shape), 1.0, -1.0)


def sort_intervals(edges):
    """Intervals in ascending order, NaN rows last."""
    return edges[jnp.argsort(edges[:, 0])]
