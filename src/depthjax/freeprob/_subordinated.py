"""What laws found by subordination share: solution, transform, edges by search."""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.core import float_dtype
from depthjax.freeprob._branch import on_axis, upper_log
from depthjax.freeprob._fixed_point import FixedPoint, attach, settle
from depthjax.freeprob._law import BoundaryResult, SpectralLaw
from depthjax.numerics import implicit_root

_GRID = 256
_BISECTIONS = 52
_MOST_INTERVALS = 8


class Subordinated(SpectralLaw):
    """A law whose transform at z is that of known laws at a point w(z), the fixed point of a map T.

    A subclass writes `_map(w, z)`, (k,) -> (k,), on the half plane Im w >= Im z, or, with `_in_logs`, on the strip
    arg z <= Im w <= pi of logarithms; and `_at(w, z) -> (G, residual, converged)` and `_log_potential_at(w, z)`.
    """

    _in_logs = False
    _size = 1

    @classmethod
    def _complete(cls, fields: dict[str, Any]) -> dict[str, Any]:
        for name, value in fields.items():
            if not isinstance(value, (SpectralLaw, jax.Array)):
                raise TypeError(f"{cls.__name__}: {name} is {type(value).__name__}, expected a SpectralLaw")
        return super()._complete(fields)

    def _map(self, w, z):
        raise NotImplementedError

    def _at(self, w, z) -> BoundaryResult:
        raise NotImplementedError

    def _log_potential_at(self, w, z):
        raise NotImplementedError

    def _start(self, z):
        low, high = self._bounds()
        if self._in_logs:
            height = jnp.imag(upper_log(z))
            return lax.complex(jnp.log(jnp.abs(z)), 0.5 * height + 0.5 * math.pi), height, math.pi, jnp.ones_like(high)
        scale = jnp.maximum(high - low, jnp.finfo(high.dtype).tiny)
        height = jnp.imag(z)
        return lax.complex(jnp.real(z), height + 0.25 * scale), height, jnp.inf, scale

    def _search(self, z) -> FixedPoint:
        """The fixed point at one z, without derivative."""
        frozen, z = lax.stop_gradient((self, z))
        start, floor, ceiling, scale = frozen._start(z)
        return settle(lambda w: frozen._map(w, z), jnp.stack([start] * self._size), floor, ceiling, scale)

    def _solve(self, z):
        found = self._search(z)
        if self._size > 1:
            return attach(lambda w: self._map(w, z), found.value), found

        def gap(w, law, at):
            return law._map(w[None], at)[0] - w

        return implicit_root(gap, found.value[0], self, z)[None], found

    def _stieltjes(self, z):
        w, found = self._solve(z)
        inner = self._at(w, z)
        # Where w sits at a pole of what it enters, the value is 0 or infinite and its neighbours are not.
        return BoundaryResult(
            jnp.where(found.converged, inner.value, jnp.nan),
            jnp.maximum(found.residual, inner.residual),
            found.converged & inner.converged & ~jnp.isnan(inner.value),
        )

    def _log_potential(self, z):
        w, _ = self._solve(z)
        return self._log_potential_at(w, z)

    def _is_inside(self, x):
        """Whether the density at x is positive, also where the search left off unfinished."""
        found = self._search(on_axis(x))
        return jnp.any(jnp.imag(found.last) > 0.0)

    def _num_intervals(self):
        return _MOST_INTERVALS

    def _grid(self, low, high):
        """Points between the bounds, clustered at both."""
        share = jnp.asarray(0.5 - 0.5 * np.cos(np.pi * (np.arange(_GRID) + 0.5) / _GRID), low.dtype)
        return low + (high - low) * share

    def _edges(self):
        """Ends of the intervals, by a scan of the bounds and bisection; gaps narrower than the scan are not seen."""
        frozen = lax.stop_gradient(self)
        low, high = frozen._bounds()
        grid = jnp.concatenate([low[None], frozen._grid(low, high), high[None]])
        inside = jax.vmap(frozen._is_inside)(grid[1:-1])
        inside = jnp.concatenate([jnp.zeros(1, bool), inside, jnp.zeros(1, bool)])
        num = self._num_intervals()
        sides = []
        for before, after in ((~inside[:-1], inside[1:]), (inside[:-1], ~inside[1:])):
            changes = before & after
            place = jnp.nonzero(changes, size=num, fill_value=_GRID + 1)[0]
            exists = place <= _GRID
            place = jnp.minimum(place, _GRID)
            sides.append((grid[place], grid[place + 1], exists))
        starts = jax.vmap(lambda a, b, e: self._edge(a, b, e, is_start=True))(*sides[0])
        ends = jax.vmap(lambda a, b, e: self._edge(a, b, e, is_start=False))(*sides[1])
        return jnp.stack([starts, ends], axis=-1)

    def _edge(self, left, right, exists, *, is_start):
        """The point of (left, right) where the support begins or ends, with its derivative at fixed w."""
        frozen = lax.stop_gradient(self)

        def body(_, pair):
            left, right = pair
            middle = 0.5 * left + 0.5 * right
            goes_left = frozen._is_inside(middle) == is_start
            return jnp.where(goes_left, left, middle), jnp.where(goes_left, middle, right)

        left, right = lax.fori_loop(0, _BISECTIONS, body, (left, right))
        x = 0.5 * left + 0.5 * right
        if self._size > 1:
            return jnp.where(exists, self._edge_of_pair(x), jnp.nan)
        w = jnp.real(frozen._search(on_axis(x)).last)[0]
        w, x = frozen._polish_edge(w, x)

        def gap(x, law):
            return law._real_gap(w, x)

        return jnp.where(exists, implicit_root(gap, x, self), jnp.nan)

    def _edge_of_pair(self, x):
        """The edge near x of a law whose fixed point is a pair, with its derivative.

        There I - dT/dw is singular; along its left null vector l the derivative of l (T - w) in w vanishes, so that
        dx follows at fixed w.
        """
        frozen = lax.stop_gradient(self)
        w = jnp.real(frozen._search(on_axis(x)).last)

        def gap(w, x, law):
            return jnp.real(law._map(on_axis(w), on_axis(x))) - w

        def equations(unknown):
            w, x = unknown[:2], unknown[2]
            (a, b), (c, d) = jax.jacfwd(lambda w: gap(w, x, frozen))(w)
            return jnp.concatenate([gap(w, x, frozen), (a * d - b * c)[None]])

        def body(_, unknown):
            return unknown - jnp.linalg.solve(jax.jacfwd(equations)(unknown), equations(unknown))

        first = jnp.append(w, x)
        found = lax.fori_loop(0, 6, body, first)
        low, high = frozen._bounds()
        close = jnp.all(jnp.isfinite(found)) & (jnp.abs(found[2] - x) <= 1e-6 * (high - low))
        found = jnp.where(close & (jnp.max(jnp.abs(equations(found))) <= 1e-6), found, first)
        w, x = found[:2], found[2]
        (a, b), (c, d) = jax.jacfwd(lambda w: gap(w, x, frozen))(w)
        left = jnp.where(jnp.abs(a) + jnp.abs(c) > jnp.abs(b) + jnp.abs(d), jnp.stack([c, -a]), jnp.stack([d, -b]))
        return implicit_root(lambda x, law: left @ gap(w, x, law), x, self)

    def _real_gap(self, w, x):
        """Real part of T(w) - w at a real point, or at a logarithm with imaginary part 0."""
        point = on_axis(w)[None]
        return jnp.real(self._map(point, on_axis(x)) - point)[0]

    def _polish_edge(self, w, x):
        """Newton's method for T = w, dT/dw = 1, where square-root edges lie; unchanged where it leads away."""

        def equations(w, x):
            return jnp.stack(jax.jvp(lambda t: self._real_gap(t, x), (w,), (jnp.ones_like(w),)))

        def body(_, pair):
            w, x = pair
            value, by_w = jax.jvp(lambda t: equations(t, x), (w,), (jnp.ones_like(w),))
            by_x = jax.jvp(lambda t: equations(w, t), (x,), (jnp.ones_like(x),))[1]
            det = by_w[0] * by_x[1] - by_w[1] * by_x[0]
            dw = (value[0] * by_x[1] - value[1] * by_x[0]) / det
            dx = (by_w[0] * value[1] - by_w[1] * value[0]) / det
            return w - dw, x - dx

        low, high = self._bounds()
        new_w, new_x = lax.fori_loop(0, 6, body, (w, x))
        close = jnp.isfinite(new_w) & (jnp.abs(new_x - x) <= 1e-6 * (high - low))
        small = jnp.max(jnp.abs(equations(new_w, new_x))) <= 1e-6
        return jnp.where(close & small, new_w, w), jnp.where(close & small, new_x, x)


def from_log(v):
    """exp(v), exactly real at angles 0 and pi."""
    angle = jnp.imag(v)
    on_left = angle >= math.pi
    size = jnp.exp(jnp.real(v))
    value = jnp.exp(v)
    return jnp.where(on_left, lax.complex(-size, jnp.zeros_like(size)), value)


def pair_atoms(combine, first, second, dtype):
    """Locations and masses alpha + beta - 1 of the atoms of a free sum or product.

    Of all pairs only those with the heaviest atom of one law can have positive mass.
    """
    (xs, ps), (ys, qs) = first, second
    if not xs.shape[0] or not ys.shape[0]:
        return jnp.zeros((0,), dtype), jnp.zeros((0,), dtype)
    i, j = jnp.argmax(ps), jnp.argmax(qs)
    repeated = jnp.arange(xs.shape[0]) == i
    places = jnp.concatenate([combine(xs[i], ys), combine(xs, ys[j])])
    masses = jnp.concatenate([ps[i] + qs - 1.0, jnp.where(repeated, 0.0, ps + qs[j] - 1.0)])
    return places, jnp.maximum(masses, 0.0)


def pieces(law):
    """At most how many pieces the support of a law has: a static count."""
    return jax.eval_shape(law._edges).shape[0] + jax.eval_shape(law._atoms)[0].shape[0]


def parameter_like(law, value):
    """A number in the dtype of a law, or as given if it is an array of floats."""
    return jnp.asarray(value, float_dtype(law)) if not hasattr(value, "dtype") else jnp.asarray(value)
