"""Edges of the continuous spectrum, and its atoms."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.meanfield._jacobian_equation import Setting, against, equation
from depthjax.meanfield._slope_law import SlopeLaw

_STEPS = 60
_REACH = 40.0


class Edges(NamedTuple):
    """Intervals of the continuous spectrum: `log_lam` (n, 2) with NaN rows last, and log w at its two outer ends.

    `top_w` belongs to the highest edge, `bottom_w` to the lowest; the latter is -inf where the spectrum starts at zero.
    """

    log_lam: jax.Array
    log_w: jax.Array


def _real_sums(y, law):
    """E 1/(w - d^) and m at real w = 1 + y outside the support."""
    inverse = 1.0 / against(y, law.excess)
    resolvent = inverse @ law.weights
    return resolvent, inverse @ (law.weights * (1.0 + law.excess))


def _bisect(holds, low, high, steps=_STEPS):
    """The end of the lower part of (low, high) on which `holds`."""

    def body(_, pair):
        low, high = pair
        middle = 0.5 * low + 0.5 * high
        inside = holds(middle)
        return jnp.where(inside, middle, low), jnp.where(inside, high, middle)

    return lax.fori_loop(0, steps, body, (low, high))


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
    where T >= 0: its maximum by ternary search, its two zeros by bisection.
    """
    frozen = lax.stop_gradient(setting)
    left, right = _gaps(frozen.law)
    exists = right > left * (1.0 + 16.0 * jnp.finfo(left.dtype).eps)
    sides = [(left, right, exists & (left > 0.0), True)]
    if not gaussian:
        sides.insert(0, (left, right, exists & jnp.isfinite(right), False))
    found = [_gap_of_spectrum(frozen, gaussian, *side) for side in sides]
    if len(found) == 2:
        pairs = [jnp.stack([a, b], axis=1).ravel() for a, b in zip(found[1], found[0], strict=True)]
    else:
        pairs = list(found[0])
    low_y, high_y, ok = pairs
    # Ascending: the left part of a gap comes before its right part.
    log_low, log_high = jnp.log1p(low_y), jnp.where(jnp.isfinite(high_y), jnp.log1p(high_y), jnp.inf)
    z_low = _log_z(low_y, setting, gaussian, ok)
    z_high = jnp.where(jnp.isfinite(high_y), _log_z(high_y, setting, gaussian, ok), jnp.inf)
    edges = _between(z_low, z_high, log_low, log_high, ok)
    if gaussian:
        return edges
    # One orthogonal layer of a piecewise linear activation has atoms only.
    atomic = jnp.sum(frozen.law.masses) >= 1.0 - 16.0 * jnp.finfo(left.dtype).eps
    return jax.tree.map(lambda part: jnp.where(atomic & (setting.depth <= 1.0), jnp.nan, part), edges)


def _log_z(y, setting, gaussian, ok):
    safe = jnp.where(ok & jnp.isfinite(y), y, setting.law.high.max() + 1.0)
    safe = lax.stop_gradient(safe)
    # At an atom of d^, where the sums are infinite, K is its location; only orthogonal weights come here.
    on_atom = jnp.any(against(safe, setting.law.excess) == 0.0, axis=-1)
    log_w = jnp.log1p(safe)
    moved = jnp.where(on_atom, safe + 1.0, safe)
    value = jnp.real(equation(lax.complex(jnp.log1p(moved), jnp.zeros_like(safe)), setting, gaussian).log_z)
    return jnp.where(on_atom, setting.depth * (setting.log_chi + log_w), value)


def _gap_of_spectrum(setting, gaussian, left, right, exists, is_left):
    """The part of each gap where T >= 0, as y = w - 1: (low, high, whether there is one)."""
    law = setting.law
    dtype = left.dtype
    bounded = jnp.isfinite(right)
    width = jnp.where(bounded, right - left, jnp.maximum(left, 1.0))
    start = left - 1.0

    def place(t):
        share = jnp.where(bounded, jax.nn.sigmoid(t), jnp.exp(t))
        return start + width * share

    # No nearer to an atom than rounding lets T be known.
    near = -18.0 if dtype == jnp.float64 else -8.0
    lower, upper = jnp.full_like(left, near), jnp.where(bounded, -near, _REACH)
    if is_left:
        upper, _ = _bisect(lambda t: (_real_sums(place(t), law)[1] > 0.0) | ~bounded, lower, upper)
        upper = jnp.where(bounded, upper, _REACH)
    else:
        _, lower = _bisect(lambda t: _real_sums(place(t), law)[0] >= 0.0, lower, upper)

    def slope(t):
        y = place(t)
        v = lax.complex(jnp.log1p(jnp.maximum(y, -1.0 + jnp.finfo(dtype).tiny)), jnp.zeros_like(y))
        value = jnp.real(equation(v, setting, gaussian).slope)
        return jnp.where(jnp.isnan(value), -jnp.inf, value)

    def ternary(_, pair):
        low, high = pair
        one, two = low + (high - low) / 3.0, high - (high - low) / 3.0
        better = slope(one) < slope(two)
        return jnp.where(better, one, low), jnp.where(better, high, two)

    low, high = lax.fori_loop(0, 80, ternary, (lower, upper))
    top = 0.5 * low + 0.5 * high
    candidates = jnp.stack([lower, top, upper])
    values = jnp.stack([slope(t) for t in candidates])
    top = jnp.take_along_axis(candidates, jnp.argmax(values, axis=0)[None], axis=0)[0]
    ok = exists & (jnp.max(values, axis=0) >= 0.0)
    first = _bisect(lambda t: slope(t) < 0.0, lower, top)[1]
    last = _bisect(lambda t: slope(t) >= 0.0, top, upper)[0]
    first_y = jnp.where(slope(lower) >= 0.0, jnp.where(lower == near, start, place(lower)), place(first))
    last_y = jnp.where(
        slope(upper) >= 0.0, jnp.where(bounded, jnp.where(is_left, place(upper), right - 1.0), jnp.inf), place(last)
    )
    return first_y, last_y, ok


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
    law: SlopeLaw = setting.law
    same = law.low[:, None] == law.low[None, :]
    flat = law.masses > 0.0
    first = jnp.argmax(same & flat[None, :], axis=1) == jnp.arange(law.low.shape[0])
    mass = jnp.where(flat & first, jnp.sum(jnp.where(same, law.masses[None, :], 0.0), axis=1), 0.0)
    at_zero = law.low == 0.0
    zero_mass = jnp.sum(jnp.where(at_zero, mass, 0.0))
    survives = 0.0 if gaussian else jnp.maximum(0.0, 1.0 - setting.depth * (1.0 - mass))
    others = jnp.where(at_zero, 0.0, survives)
    log_d = jnp.log(jnp.where(at_zero, 1.0, law.low))
    locations = jnp.where(others > 0.0, setting.depth * (setting.log_chi + log_d), -jnp.inf)
    masses = jnp.concatenate([zero_mass[None], others])
    return jnp.concatenate([jnp.full_like(locations[:1], -jnp.inf), locations]), masses
