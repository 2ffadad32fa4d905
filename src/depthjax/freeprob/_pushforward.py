"""The law of a function of a variable."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core import float_dtype, param, record, static
from depthjax.freeprob._law import BoundaryResult, SpectralLaw
from depthjax.numerics import find_root

_NODES = 512


@record
class Pushforward(SpectralLaw):
    """Law of fn(X): rho(y) = sum rho_X(t)/|fn'(t)| over the preimages t of y.

    Args:
        law: law of X, with square-root edges where its transform is to be had.
        fn: smooth, elementwise, strictly monotone between turning points; a static function.
        turning_points: (k,), ascending: where fn turns inside the support; `()` for a monotone function.

    Numerics: the transform is a sum over Chebyshev points of every interval, with the poles at real preimages taken
        out; `residual` compares two numbers of points, and far from convergence the value is NaN.
    """

    law: SpectralLaw
    fn: Callable = static()
    turning_points: jax.Array = param(None, default=())

    @classmethod
    def _complete(cls, fields):
        points = fields["turning_points"]
        if points.ndim != 1:
            raise ValueError(f"Pushforward: turning_points has shape {points.shape}, expected (k,)")
        return fields

    def _branches(self):
        """Ends of the monotone branches within the bounds of the law of X, (k + 1,) and (k + 1,)."""
        low, high = self.law._bounds()
        turns = jnp.clip(self.turning_points, low, high)
        return jnp.concatenate([low[None], turns]), jnp.concatenate([turns, high[None]])

    def _slope(self, t):
        return jax.jvp(self.fn, (t,), (jnp.ones_like(t),))[1]

    def _preimages(self, y):
        """(k + 1,) preimages, one on each branch, and whether there is one."""

        def solve(left, right):
            first, last = self.fn(left), self.fn(right)
            reached = (y >= jnp.minimum(first, last)) & (y <= jnp.maximum(first, last)) & (left < right)
            target = jnp.where(reached, y, first)
            result = find_root(lambda t, goal: self.fn(t) - goal, left, right, target)
            return jnp.where(reached & result.converged, result.value, left), reached & result.converged

        return jax.vmap(solve)(*self._branches())

    def _log_density(self, x):
        places, exist = self._preimages(x)
        slopes = jnp.abs(jax.vmap(self._slope)(places))
        terms = jax.vmap(self.law._log_density)(places) - jnp.log(jnp.where(slopes > 0.0, slopes, 1.0))
        usable = exist & (slopes > 0.0) & (terms > -jnp.inf)
        total = jnp.sum(jnp.where(usable, jnp.exp(jnp.where(usable, terms, 0.0)), 0.0))
        inside = total > 0.0
        outside = jnp.where(jnp.isnan(x), jnp.nan, -jnp.inf)
        return jnp.where(inside, jnp.log(jnp.where(inside, total, 1.0)), outside)

    def _cdf(self, x):
        lefts, rights = self._branches()
        places, exist = self._preimages(x)
        atoms, masses = self.law._atoms()
        rises = jax.vmap(self.fn)(rights) > jax.vmap(self.fn)(lefts)
        covers = jnp.where(rises, jax.vmap(self.fn)(rights), jax.vmap(self.fn)(lefts)) <= x

        def smooth(t):
            below = self.law._cdf(t)
            return below - jnp.sum(jnp.where(atoms <= t, masses, 0.0))

        at_place, at_left, at_right = (jax.vmap(smooth)(t) for t in (places, lefts, rights))
        part = jnp.where(rises, at_place - at_left, at_right - at_place)
        total = jnp.sum(jnp.where(exist, part, jnp.where(covers, at_right - at_left, 0.0)))
        total = total + jnp.sum(jnp.where(jax.vmap(self.fn)(atoms) <= x, masses, 0.0))
        return jnp.where(jnp.isnan(x), jnp.nan, total)

    def _nodes(self, num):
        """Chebyshev points of every interval of X, and their masses."""
        edges = self.law._edges()
        exists = ~jnp.isnan(edges[:, 0])
        edges = jnp.where(exists[:, None], edges, 0.0)
        angle = jnp.asarray(np.pi * (np.arange(num) + 0.5) / num, edges.dtype)
        half = 0.5 * (edges[:, 1] - edges[:, 0])
        x = 0.5 * (edges[:, :1] + edges[:, 1:]) + half[:, None] * jnp.cos(angle)[None, :]
        rho = jnp.exp(jax.vmap(jax.vmap(self.law._log_density))(x))
        mass = rho * half[:, None] * jnp.sin(angle)[None, :] * (np.pi / num)
        return x.ravel(), jnp.where(exists[:, None], mass, 0.0).ravel()

    def _sum(self, z, num):
        """E 1/(z - fn(X)) with the poles of the integrand at real preimages of Re z taken out."""
        x, mass = self._nodes(num)
        on_line = jnp.imag(z) == 0.0
        places, exist = self._preimages(jnp.real(z))
        slopes = jax.vmap(self._slope)(places)
        used = exist & on_line & (slopes != 0.0)
        safe = jnp.where(used, slopes, 1.0)
        terms = 1.0 / (z - jax.lax.complex(jax.vmap(self.fn)(x), jnp.zeros_like(x)))
        poles = jnp.where(used[:, None], 1.0 / (safe[:, None] * (places[:, None] - x[None, :])), 0.0)
        smooth = jax.lax.complex(jnp.real(terms) - jnp.sum(poles, axis=0), jnp.imag(terms))
        atoms, masses = self.law._atoms()
        found = jnp.sum(jax.lax.complex(jnp.real(smooth) * mass, jnp.imag(smooth) * mass))
        images = jax.vmap(self.fn)(atoms)
        at_atoms = 1.0 / (z - jax.lax.complex(images, jnp.zeros_like(images)))
        found = found + jnp.sum(
            jnp.where(masses > 0.0, jax.lax.complex(jnp.real(at_atoms) * masses, jnp.imag(at_atoms) * masses), 0.0)
        )
        points = jax.lax.complex(places, jnp.zeros_like(places))
        values = jax.vmap(lambda t: self.law._stieltjes(t).value)(points)
        # The law's own atoms are summed above and must leave its transform.
        gaps = jnp.where(masses[None, :] > 0.0, places[:, None] - atoms[None, :], 1.0)
        own = jnp.sum(jnp.where(masses[None, :] > 0.0, masses[None, :] / gaps, 0.0), axis=1)
        real = (jnp.real(values) - own) / safe
        imag = jnp.imag(values) / jnp.abs(safe)
        return found + jnp.sum(jnp.where(used, jax.lax.complex(real, imag), 0.0))

    def _stieltjes(self, z):
        fine, coarse = self._sum(z, _NODES), self._sum(z, _NODES // 2 + 1)
        residual = jnp.abs(fine - coarse) / (1.0 + jnp.abs(fine))
        converged = residual <= jnp.sqrt(jnp.finfo(residual.dtype).eps)
        return BoundaryResult(jnp.where(converged, fine, jnp.nan), residual, converged)

    def _bounds(self):
        lefts, rights = self._branches()
        values = jax.vmap(self.fn)(jnp.concatenate([lefts, rights]))
        return jnp.min(values), jnp.max(values)

    def _atoms(self):
        places, masses = self.law._atoms()
        return jax.vmap(self.fn)(places), masses

    def _edges(self):
        """Images of the intervals, cut at the turning points; images that overlap are merged."""
        edges = self.law._edges()
        lefts, rights = self._branches()
        starts = jnp.maximum(edges[:, None, 0], lefts[None, :]).ravel()
        ends = jnp.minimum(edges[:, None, 1], rights[None, :]).ravel()
        exists = starts < ends
        a, b = jax.vmap(self.fn)(jnp.where(exists, starts, 0.0)), jax.vmap(self.fn)(jnp.where(exists, ends, 0.0))
        low = jnp.where(exists, jnp.minimum(a, b), jnp.inf)
        high = jnp.where(exists, jnp.maximum(a, b), -jnp.inf)
        order = jnp.argsort(low)
        low, high = low[order], jax.lax.cummax(high[order])
        opens = jnp.concatenate([jnp.ones(1, bool), low[1:] > high[:-1]]) & jnp.isfinite(low)
        group = jnp.cumsum(opens) - 1
        count = low.shape[0]
        merged = jnp.full(count, -jnp.inf, low.dtype).at[group].max(jnp.where(jnp.isfinite(low), high, -jnp.inf))
        first = jnp.where(opens, low, jnp.inf)
        first = jnp.sort(first)
        valid = jnp.isfinite(first)
        return jnp.stack([jnp.where(valid, first, jnp.nan), jnp.where(valid, merged, jnp.nan)], axis=1)

    def _moments(self, order):
        x, mass = self._nodes(_NODES)
        atoms, masses = self.law._atoms()
        values = jnp.concatenate([jax.vmap(self.fn)(x), jax.vmap(self.fn)(atoms)])
        weights = jnp.concatenate([mass, masses]).astype(float_dtype(self))
        return jnp.cumprod(jnp.broadcast_to(values, (order, values.shape[0])), axis=0) @ weights

    def _sample_many(self, key, shape):
        return self.fn(self.law._sample_many(key, shape))
