"""The spectrum of J J^T of layers whose lengths differ.

All layers share m: with K_l = m_l/E 1/(w_l - d_l) and M = m/(1 + m), the unknowns log M, w_1, ..., w_L satisfy

    log K_l(w_l) - log w_l = log M,    log z = sum_l log K_l + a sum_l log(1 + m_l) - log M + sum_l log chi_l,

d_l in units of its mean, which with equal layers is the equation of one w. The matrix of derivatives is an arrow, so
that a step of Newton's method costs as much as an evaluation.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from depthjax.meanfield._jacobian_cdf import mean_log
from depthjax.meanfield._jacobian_equation import (
    Equation,
    Place,
    Setting,
    equation,
    turn_of,
    turn_slope,
)
from depthjax.meanfield._jacobian_solve import moved
from depthjax.meanfield._slope_law import SlopeLaw

_KNOTS = 128
_HALVINGS = 48
_REACH = 200.0
_ON_AXIS = 12
_STEPS = 2
_LAST = 14
_ANGLES = np.pi * 0.5 ** np.arange(1.0, 29.0)
_DEEP, _HIGH = -80.0, 40.0


class Layers(NamedTuple):
    """What besides w_1, ..., w_L the equations depend on: laws of all layers, stacked, and log chi of each, (L,)."""

    laws: SlopeLaw
    log_chi: jax.Array


class LayersSolution(NamedTuple):
    """Places of all layers, (L, n); m, arg(1 + m) and the turns; log z - log lambda with what else is left, (n,)."""

    place: Place
    m: jax.Array
    arg: jax.Array
    turn: jax.Array
    gap: jax.Array
    inside: jax.Array


def _equations(place: Place, layers: Layers) -> Equation:
    """Of every layer by itself, as of two layers without weights: log z = log w + log K."""

    def one(place, law):
        two = jnp.full_like(law.mean, 2.0)
        return equation(place, Setting(law, jnp.zeros_like(two), two), 0.0)

    return jax.vmap(one)(place, layers.laws)


class _Arrow(NamedTuple):
    """What is left of the equations, derivatives of log M_l and of the sum in log z, in log w_l; and the pivot layer.

    The pivot's log M stands for that of all. It is the layer whose M moves least: where a layer with the largest mass
    at zero holds M back, its w is known from log z alone.
    """

    each: jax.Array
    total: jax.Array
    slope: jax.Array
    weight: jax.Array
    pivot: jax.Array


def _at_pivot(values, pivot):
    return jnp.take_along_axis(values, pivot[None], axis=0)[0]


def _arrow(at: Equation, place: Place, target, layers: Layers, gaussian) -> _Arrow:
    v = lax.complex(place.log_r, place.theta)
    log_k, weight = at.log_z - v, at.slope - 1.0
    if gaussian:
        log_m = log_k + at.log_one_plus_m
        weight = weight + at.m_slope / at.one_plus_m
    else:
        log_m = log_k
    slope = at.m_slope / (at.m * at.one_plus_m)
    pivot = jnp.argmin(jnp.hypot(jnp.real(slope), jnp.imag(slope)), axis=0)
    ratio = log_k - v
    shared = _at_pivot(ratio, pivot)
    total = jnp.sum(log_m, axis=0) - shared + jnp.sum(layers.log_chi).astype(v.dtype) - target
    return _Arrow(ratio - shared[None], total, slope, weight, pivot)


def _step(arrow: _Arrow):
    """Newton's step of every log w."""
    steep = _at_pivot(arrow.slope, arrow.pivot)
    of_pivot = jnp.arange(arrow.slope.shape[0])[:, None] == arrow.pivot[None]
    share = jnp.where(of_pivot, 1.0, steep[None] / arrow.slope)
    first = _at_pivot(arrow.each, arrow.pivot)
    apart = jnp.where(of_pivot, 0.0, (first[None] - arrow.each) / arrow.slope)
    left = arrow.total - first + jnp.sum(arrow.weight * apart, axis=0)
    move = -left / (jnp.sum(arrow.weight * share, axis=0) - steep)
    return apart + share * move[None]


def _newton(place, target, layers, gaussian, count):
    def body(_, place):
        each = _step(_arrow(_equations(place, layers), place, target, layers, gaussian))
        size = jnp.hypot(jnp.real(each), jnp.imag(each))
        return moved(place, each, jnp.minimum(1.0, 0.7 / jnp.maximum(jnp.max(size, axis=0), 1e-30))[None])

    return lax.fori_loop(0, count, body, place)


def _on_negative_axis(log_r, layers, gaussian):
    """Re log M and log|z| of every layer at w = -r."""
    place = Place(log_r, jnp.zeros_like(log_r), jnp.ones(log_r.shape, bool))
    at = _equations(place, layers)
    log_k = jnp.real(at.log_z) - log_r
    return log_k - log_r, log_k + (jnp.real(at.log_one_plus_m) if gaussian else 0.0)


def _start(log_lam, layers, gaussian):
    """Log |w| of all layers at z = -lambda, where all is real and monotone, from a table of solutions there."""
    count, shift = layers.log_chi.shape[0], jnp.sum(layers.log_chi)
    least = jnp.minimum(jnp.min(log_lam) - shift, 0.0) + _DEEP
    most = jnp.maximum(jnp.max(log_lam) - shift, 0.0) + _HIGH
    knots = least + (most - least) * jnp.asarray(np.linspace(0.0, 1.0, _KNOTS), log_lam.dtype)
    same = jnp.broadcast_to(knots, (count, _KNOTS))
    ratio, _ = _on_negative_axis(same, layers, gaussian)
    shared = ratio[jnp.argmin(ratio[:, 0])]

    def halve(_, ends):
        low, high = ends
        middle = 0.5 * low + 0.5 * high
        above = _on_negative_axis(middle, layers, gaussian)[0] > shared[None]
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    low, high = lax.fori_loop(0, _HALVINGS, halve, (same - _REACH, same + _REACH))
    log_r = 0.5 * low + 0.5 * high
    level = jnp.sum(_on_negative_axis(log_r, layers, gaussian)[1], axis=0) - shared + shift
    return jax.vmap(lambda row: jnp.interp(log_lam, level, row))(log_r)


def _newton_on_axis(log_r, log_lam, layers, gaussian):
    target = lax.complex(log_lam, jnp.full_like(log_lam, np.pi))

    def body(_, log_r):
        place = Place(log_r, jnp.zeros_like(log_r), jnp.ones(log_r.shape, bool))
        each = jnp.real(_step(_arrow(_equations(place, layers), place, target, layers, gaussian)))
        return log_r + each * jnp.minimum(1.0, 2.0 / jnp.maximum(jnp.max(jnp.abs(each), axis=0), 1e-30))[None]

    return lax.fori_loop(0, _ON_AXIS, body, log_r)


def _solve(log_lam, layers, coarse, gaussian):
    """From z = -lambda along a half circle, on which everything is analytic, down to z = lambda."""
    log_r = _newton_on_axis(_start(log_lam, coarse, gaussian), log_lam, coarse, gaussian)
    place = Place(log_r, jnp.full_like(log_r, 1e-3), jnp.ones(log_r.shape, bool))

    def turn(index, place):
        angle = jnp.broadcast_to(jnp.asarray(_ANGLES, log_lam.dtype)[index], log_lam.shape)
        return _newton(place, lax.complex(log_lam, angle), coarse, gaussian, _STEPS)

    place = lax.fori_loop(0, _ANGLES.size, turn, place)
    before = jnp.max(place.angle, axis=0)
    target = lax.complex(log_lam, jnp.zeros_like(log_lam))
    place = _newton(place, target, layers, gaussian, _LAST)
    at = _equations(place, layers)
    arrow = _arrow(at, place, target, layers, gaussian)
    # In a gap all w go to the axis with z.
    inside = (jnp.max(place.angle, axis=0) > 0.01 * before) & (jnp.imag(at.m[0]) < 0.0)
    turns = jax.vmap(turn_of)(place, at, layers.laws)
    gap = jnp.maximum(jnp.max(jnp.hypot(jnp.real(arrow.each), jnp.imag(arrow.each)), axis=0), jnp.abs(arrow.total))
    return LayersSolution(place, at.m[0], jnp.imag(at.log_one_plus_m[0]), turns, gap, inside)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def solve_layers(gaussian: float, log_lam: jax.Array, layers: Layers, coarse: Layers) -> LayersSolution:
    """Solve for flat `log_lam`, (n,); derivatives in it and in `layers` by the implicit function.

    `coarse` holds laws of fewer nodes, good enough on the way.
    """
    return _solve(log_lam, layers, coarse, gaussian)


@solve_layers.defjvp
def _solve_layers_jvp(gaussian, primals, tangents):
    log_lam, layers, coarse = primals
    found = solve_layers(gaussian, log_lam, layers, coarse)
    at = _equations(found.place, layers)

    def fixed(log_lam, layers):
        at = _equations(found.place, layers)
        arrow = _arrow(at, found.place, lax.complex(log_lam, jnp.zeros_like(log_lam)), layers, gaussian)
        return arrow.each, arrow.total, at.m

    _, (each, total, d_m) = jax.jvp(fixed, (log_lam, layers), tuple(tangents[:2]))
    arrow = _arrow(at, found.place, jnp.zeros_like(found.m), layers, gaussian)
    dv = _step(arrow._replace(each=each, total=total))
    d_m = d_m + at.m_slope * dv
    d_arg = jnp.imag(d_m / (1.0 + at.m))
    d_turn = d_arg + jnp.imag(jax.vmap(turn_slope)(found.place, layers.laws) * dv)
    turned = found.place.turned
    along = jnp.where(turned, -jnp.imag(dv), jnp.imag(dv))
    place = Place(jnp.real(dv), along, np.zeros(turned.shape, jax.dtypes.float0))
    flags = np.zeros(found.inside.shape, jax.dtypes.float0)
    return found, LayersSolution(place, d_m[0], d_arg[0], d_turn, jnp.zeros_like(found.gap), flags)


def change_of_m(found: LayersSolution, log_lam, layers: Layers, gaussian: float) -> jax.Array:
    """How m would move if these were the layers, by one step of Newton's method."""
    at = _equations(found.place, layers)
    arrow = _arrow(at, found.place, lax.complex(log_lam, jnp.zeros_like(log_lam)), layers, gaussian)
    return at.m[0] + at.m_slope[0] * _step(arrow)[0] - found.m


def cdf_above_layers(found: LayersSolution, layers: Layers, gaussian: float) -> jax.Array:
    """P(> lambda): sum_l Im E log(1 - d_l/w_l) + (L - 1) arg(1 + m) + a L (Im m - arg(1 + m)), over pi."""
    count = layers.log_chi.shape[0]
    angles = jax.vmap(lambda place, law: mean_log(place, law)[1])(found.place, layers.laws)
    total = jnp.sum(angles + found.turn, axis=0) - found.arg
    if gaussian:
        total = total + count * (jnp.imag(found.m) - found.arg)
    return total / jnp.pi
