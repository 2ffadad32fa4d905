"""How far a spectrum can be trusted: errors of the rule for E over h, of the last Newton step and of rounding."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.meanfield._jacobian_edges import Edges
from depthjax.meanfield._jacobian_equation import Place, Setting, equation, on_axis, path_sum

_ACCEPTED = {"float64": 1e-8, "float32": 1e-4}
_NEAR = 1e-2


def over_rules(fn: Callable[[Setting], Any], coarse: tuple[Setting, ...]) -> Any:
    """`fn` of settings that differ in their numbers of nodes, on a leading axis.

    One program for all of them: nodes that are added, block by block, have no weight.
    """
    blocks = coarse[0].law.blocks

    def filled(leaf, like):
        if leaf.size == like.size:
            return leaf
        rows = leaf.reshape(blocks.size, -1)
        return jnp.pad(rows, ((0, 0), (0, like.size // blocks.size - rows.shape[1]))).ravel()

    def bare(setting):
        return setting._replace(law=setting.law._replace(blocks=None))

    same = [jax.tree.map(filled, bare(setting), bare(coarse[0])) for setting in coarse]
    together = jax.tree.map(lambda *x: jnp.stack(x), *same)
    return jax.vmap(lambda setting: fn(setting._replace(law=setting.law._replace(blocks=blocks))))(together)


def last_error(first: jax.Array, second: jax.Array, *, power: float = 2.0) -> jax.Array:
    """Error of a value, relative to it, from its distance to that by half the nodes, and from there to a quarter.

    Where halving the nodes squares the error, the error shrinks by the square of the last ratio at least; where it
    divides it by a number, by the ratio itself. A first distance below the square of the second, faster than any rule
    converges, is taken for chance.
    """
    second = jnp.minimum(second, 1.0)
    first = jnp.maximum(first, second * second)
    ratio = jnp.minimum(first / jnp.where(second > 0.0, second, 1.0), 1.0)
    squares = first <= 10.0 * second**1.5
    return first * jnp.where(squares, 3.0 * ratio**power, ratio)


def relative_error(place: Place, m, log_z, gap, coarse: tuple[Setting, ...], gaussian: float) -> jax.Array:
    """Estimate of the relative error of Im m at the solution that left `gap`, of m itself where w is real."""
    if not coarse:
        return jnp.zeros_like(place.log_r)
    place, m, log_z, gap = lax.stop_gradient((place, m, log_z, gap))
    both = over_rules(lambda setting: equation(place, setting, gaussian), coarse)
    per_log_z = both.m_slope / both.slope
    m_half, m_quarter = both.m - per_log_z * (both.log_z - log_z[None])
    real = place.angle == 0.0

    whole = jnp.where(real, jnp.abs(m), jnp.abs(jnp.imag(m)))

    def share(change):
        return jnp.where(real, jnp.abs(change), jnp.abs(jnp.imag(change))) / whole

    eps = float(jnp.finfo(m.real.dtype).eps)
    # Rounding of Re log z moves lambda as rounding of log lambda would; that of Im log z is relative to arg w.
    along, across = jnp.abs(jnp.imag(per_log_z[0])), jnp.abs(jnp.real(per_log_z[0]))
    step = along * jnp.abs(jnp.real(gap)) + across * (jnp.abs(jnp.imag(gap)) + 4.0 * eps * place.theta)
    rounding = 0.5 * eps * path_sum(place, coarse[0].law)
    return last_error(share(m_half - m), share(m_quarter - m_half)) + (step + rounding) / whole


def edge_error(edges: Edges, coarse: tuple[Setting, ...], gaussian: float) -> jax.Array:
    """Estimate of the error of log lambda at the edges by the rule for E, in units of max(1, |log lambda|), (n, 2).

    log z is stationary at an edge, so that the other rules are asked at the same w.
    """
    log_w, log_lam = lax.stop_gradient((edges.log_w, edges.log_lam))
    known = jnp.isfinite(log_w) & jnp.isfinite(log_lam)
    if not coarse:
        return jnp.zeros_like(log_lam)
    at = jnp.where(known, log_w, 2.0)
    half, quarter = over_rules(lambda setting: on_axis(jnp.exp(at), jnp.expm1(at), setting, gaussian).log_z, coarse)
    unit = jnp.maximum(1.0, jnp.abs(log_lam))
    error = last_error(jnp.abs(half - log_lam) / unit, jnp.abs(quarter - half) / unit, power=1.0)
    return jnp.where(known, jnp.where(jnp.isnan(error), jnp.inf, error), 0.0)


def accepted(dtype) -> float:
    """The largest estimated error of a result that is called converged."""
    return _ACCEPTED[jnp.dtype(dtype).name]
