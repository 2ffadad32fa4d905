"""Edges of the continuous spectrum, and its atoms."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.meanfield._jacobian_equation import Setting, on_axis
from depthjax.meanfield._slope_law import SlopeLaw

_PARTS = 16
_ROUNDS = 8
_REACH = 40.0


class Edges(NamedTuple):
    """Intervals of the continuous spectrum: `log_lam` (n, 2) with NaN rows last, and log w at its two outer ends.

    `top_w` belongs to the highest edge, `bottom_w` to the lowest; the latter is -inf where the spectrum starts at zero.
    """

    log_lam: jax.Array
    log_w: jax.Array


def _gaps(law):
    """Ends of the gaps of the support of d^ above zero: below it, between its pieces, above it (to infinity)."""
    order = jnp.argsort(law.low)
    low, high = law.low[order], lax.cummax(law.high[order])
    zero, top = jnp.zeros_like(low[:1]), jnp.full_like(low[:1], jnp.inf)
    return jnp.concatenate([zero, high]), jnp.concatenate([low, top])


def find_edges(setting: Setting, gaussian: float) -> Edges:
    """All intervals of the continuous spectrum; no derivative in the positions of log w.

    In every gap of the support of d^, T = dlog z/dlog w is concave in log w on each of the two parts where K > 0 (m > 0
    on the left, E 1/(w - d^) < 0 on the right, the latter only for orthogonal weights), and the spectrum has a gap
    where T >= 0.
    """
    frozen = lax.stop_gradient(setting)
    left, right = _gaps(frozen.law)
    exists = right > left * (1.0 + 16.0 * jnp.finfo(left.dtype).eps)
    is_left, there = jnp.ones(left.shape, bool), exists & (left > 0.0)
    if gaussian:
        there = exists & ((left > 0.0) | (setting.depth <= 1.0))
    if not gaussian:
        # Ascending: the left part of a gap comes before its right part.
        left, right = jnp.repeat(left, 2), jnp.repeat(right, 2)
        is_left = jnp.arange(left.shape[0]) % 2 == 0
        there = jnp.where(is_left, jnp.repeat(there, 2), jnp.repeat(exists, 2) & jnp.isfinite(right))
    w, y, ok = _gaps_of_spectrum(frozen, gaussian, left, right, there, is_left)
    log_z = jnp.where(jnp.isfinite(w), _log_z(w, y, setting, gaussian, ok), w)
    edges = _between(*log_z, *jnp.log(w), ok)
    if gaussian:
        return edges
    # One orthogonal layer of a piecewise linear activation has atoms only.
    atomic = jnp.sum(frozen.law.masses) >= 1.0 - 16.0 * jnp.finfo(left.dtype).eps
    return jax.tree.map(lambda part: jnp.where(atomic & (setting.depth <= 1.0), jnp.nan, part), edges)


def _log_z(w, y, setting, gaussian, ok):
    usable = ok[None] & jnp.isfinite(w)
    away = jnp.max(setting.law.high) + 1.0
    # At an atom of d^, where the sums are infinite, K is its location; only orthogonal weights come here.
    on_atom = jnp.any(y[..., None] == setting.law.excess.reshape(1, 1, -1), axis=-1)
    at_zero = w == 0.0
    plain = usable & ~on_atom & ~at_zero
    value = on_axis(*(lax.stop_gradient(jnp.where(plain, x, away)) for x in (w, y)), setting, gaussian).log_z
    log_w = jnp.log(jnp.where(usable & ~at_zero, w, 1.0))
    return jnp.where(at_zero, -jnp.inf, jnp.where(plain, value, setting.depth * (setting.log_chi + log_w)))


def _gaps_of_spectrum(setting, gaussian, left, right, exists, is_left):
    """Both ends of the part of each gap where T >= 0, as w and as y = w - 1, (2, gaps), and whether there is one.

    Three searches by sections into many parts in one loop: for the end of the part where K > 0, for the maximum of T on
    it, and for the zeros of T on both sides of that. An error of log w counts by its square.
    """
    dtype = left.dtype
    bounded = jnp.isfinite(right)
    width = jnp.where(bounded, right - left, jnp.maximum(left, 1.0))
    one_gaussian = jnp.asarray(bool(gaussian)) & (setting.depth <= 1.0)

    def like(a, t):
        return a.reshape((1,) * (t.ndim - 1) + a.shape)

    def place(t):
        far = like(width, t) * jnp.where(like(bounded, t), jax.nn.sigmoid(t), jnp.exp(t))
        return like(left, t) + far, like(left - 1.0, t) + far

    # No nearer to an atom than rounding lets T be known; at zero it is known at any distance.
    near = -18.0 if dtype == jnp.float64 else -8.0
    lowest = jnp.where(left == 0.0, -80.0, near)
    shares = jnp.asarray(np.arange(_PARTS + 1) / _PARTS, dtype).reshape(-1, 1, 1)
    falls = jnp.asarray([False, True]).reshape(1, 2, 1)

    def search(index, state):
        def section(count, brackets):
            low, high, values = brackets
            step = (high - low) / _PARTS
            t = low[None] + (high - low)[None] * shares
            parts = on_axis(*place(t), setting, gaussian)
            slope = jnp.where(jnp.isnan(parts.slope), -jnp.inf, parts.slope)
            values = jnp.where(count == 0, jnp.stack([slope[0], slope[-1]]), values)
            # One layer has no factor K, and Gaussian weights want 1 + m > 0 only.
            before_end = jnp.where(like(is_left, t) & ~one_gaussian, parts.m > 0.0, parts.resolvent >= 0.0)
            holds = jnp.where(index == 0, before_end, (slope >= 0.0) == falls)
            switch = jnp.sum(holds[1:-1], axis=0).astype(dtype)
            best = jnp.argmax(slope, axis=0).astype(dtype)
            first = jnp.where(index == 1, jnp.maximum(best - 1.0, 0.0), switch)
            last = jnp.where(index == 1, jnp.minimum(best + 1.0, float(_PARTS)), switch + 1.0)
            return low + step * first, jnp.where(last < _PARTS, low + step * last, high), values

        lower, upper, *brackets = state
        low, high, values = lax.fori_loop(0, _ROUNDS, section, tuple(brackets))
        is_first = index == 0
        upper = jnp.where(is_first & is_left & bounded, low[0], upper)
        lower = jnp.where(is_first & ~is_left, high[0], lower)
        middle = 0.5 * low[0] + 0.5 * high[0]
        next_low = jnp.stack([lower, jnp.where(is_first, lower, middle)])
        next_high = jnp.stack([jnp.where(is_first, upper, middle), upper])
        found = index == 2
        return lower, upper, jnp.where(found, low, next_low), jnp.where(found, high, next_high), values

    lower, upper = lowest, jnp.where(bounded, -near, _REACH)
    both_low, both_high = jnp.stack([lower, lower]), jnp.stack([upper, upper])
    state = (lower, upper, both_low, both_high, jnp.stack([both_low, both_low]))
    lower, upper, low, high, values = lax.fori_loop(0, 3, search, state)
    at_lower, at_top, at_upper = values[0, 0], values[1, 0], values[1, 1]
    ok = exists & (jnp.maximum(at_top, jnp.maximum(at_lower, at_upper)) >= 0.0)
    low_w, low_y = place(jnp.stack([lower, high[0]]))
    high_w, high_y = place(jnp.stack([upper, low[1]]))
    at_atom = lower == lowest
    first_w = jnp.where(at_lower >= 0.0, jnp.where(at_atom, left, low_w[0]), low_w[1])
    first_y = jnp.where(at_lower >= 0.0, jnp.where(at_atom, left - 1.0, low_y[0]), low_y[1])
    to_end = at_upper >= 0.0
    last_w = jnp.where(to_end, jnp.where(is_left & bounded, high_w[0], right), high_w[1])
    last_y = jnp.where(to_end, jnp.where(is_left & bounded, high_y[0], right - 1.0), high_y[1])
    return jnp.stack([first_w, last_w]), jnp.stack([first_y, last_y]), ok


def _between(z_low, z_high, w_low, w_high, ok):
    """Intervals between the gaps of the spectrum."""
    before_z = jnp.concatenate([jnp.full_like(z_high[:1], -jnp.inf), jnp.where(ok, z_high, -jnp.inf)[:-1]])
    before_w = jnp.concatenate([jnp.full_like(z_high[:1], -jnp.inf), jnp.where(ok, w_high, -jnp.inf)[:-1]])
    best = lax.cummax(lax.stop_gradient(before_z))
    index = lax.cummax(jnp.where(lax.stop_gradient(before_z) >= best, jnp.arange(best.shape[0]), 0))
    before_z, before_w = before_z[index], before_w[index]
    # The gap that reaches down to zero has its lower end at log lambda = -inf.
    tol = 64.0 * jnp.finfo(z_low.dtype).eps * jnp.maximum(1.0, jnp.abs(z_low))
    valid = ok & (z_low > before_z + tol)
    order = jnp.argsort(~valid, stable=True)
    keep = valid[order]
    log_lam = jnp.stack([before_z, z_low], axis=-1)[order]
    log_w = jnp.stack([before_w, w_low], axis=-1)[order]
    return Edges(jnp.where(keep[:, None], log_lam, jnp.nan), jnp.where(keep[:, None], log_w, jnp.nan))


def find_atoms(setting: Setting, gaussian: float) -> tuple[jax.Array, jax.Array]:
    """Log locations and masses: at zero the largest of a layer; orthogonal weights, 1 - L (1 - p) at each atom of d."""
    mass, at_zero, log_d = _atoms_of_slopes(setting.law)
    lost, place = setting.depth * (1.0 - mass), setting.depth * (setting.log_chi + log_d)
    return _surviving(jnp.sum(jnp.where(at_zero, mass, 0.0)), at_zero, lost, place, gaussian)


def find_atoms_of_layers(laws: SlopeLaw, log_chi: jax.Array, gaussian: float) -> tuple[jax.Array, jax.Array]:
    """The same of layers of different lengths, their laws stacked: masses lost and logarithms add up."""
    mass, at_zero, log_d = jax.vmap(_atoms_of_slopes)(laws)
    largest = jnp.max(jnp.sum(jnp.where(at_zero, mass, 0.0), axis=1))
    place = jnp.sum(log_chi[:, None] + log_d, axis=0)
    return _surviving(largest, at_zero[0], jnp.sum(1.0 - mass, axis=0), place, gaussian)


def _atoms_of_slopes(law):
    """Mass of every piece, of all with one slope on the first of them; whether the slope is zero; log d^."""
    same = law.low[:, None] == law.low[None, :]
    flat = law.masses > 0.0
    first = jnp.argmax(same & flat[None, :], axis=1) == jnp.arange(law.low.shape[0])
    mass = jnp.where(flat & first, jnp.sum(jnp.where(same, law.masses[None, :], 0.0), axis=1), 0.0)
    at_zero = law.low == 0.0
    return mass, at_zero, jnp.log(jnp.where(at_zero, 1.0, law.low))


def _surviving(zero_mass, at_zero, lost, place, gaussian):
    survives = jnp.zeros_like(lost) if gaussian else jnp.maximum(0.0, 1.0 - lost)
    others = jnp.where(at_zero, 0.0, survives)
    locations = jnp.where(others > 0.0, place, -jnp.inf)
    masses = jnp.concatenate([zero_mass[None], others])
    return jnp.concatenate([jnp.full_like(locations[:1], -jnp.inf), locations]), masses
