"""How far a spectrum can be trusted: errors of the rule for E over h, of the last Newton step and of rounding."""

import jax
import jax.numpy as jnp
from jax import lax

from depthjax.meanfield._jacobian_edges import Edges
from depthjax.meanfield._jacobian_equation import Place, Setting, equation, on_axis, path_sum

_ACCEPTED = {"float64": 1e-8, "float32": 1e-4}
_NEAR = 1e-2


def stacked(coarse: tuple[Setting, ...]) -> Setting:
    """Settings of different numbers of nodes as one with a leading axis; nodes that are added have no weight."""

    def filled(leaf, like):
        return jnp.concatenate([leaf, jnp.zeros(like.size - leaf.size, leaf.dtype)]) if leaf.size < like.size else leaf

    same = [jax.tree.map(filled, setting, coarse[0]) for setting in coarse]
    return jax.tree.map(lambda *x: jnp.stack(x), *same)


def _last(first, second, *, power: float = 2.0):
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
    both = jax.vmap(lambda setting: equation(place, setting, gaussian))(stacked(coarse))
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
    return _last(share(m_half - m), share(m_quarter - m_half)) + (step + rounding) / whole


def edge_error(edges: Edges, coarse: tuple[Setting, ...], gaussian: float) -> jax.Array:
    """Estimate of the error of log lambda at the edges by the rule for E, in units of max(1, |log lambda|), (n, 2).

    log z is stationary at an edge, so that the other rules are asked at the same w.
    """
    log_w, log_lam = lax.stop_gradient((edges.log_w, edges.log_lam))
    known = jnp.isfinite(log_w) & jnp.isfinite(log_lam)
    if not coarse:
        return jnp.zeros_like(log_lam)
    at = jnp.where(known, log_w, 2.0)
    half, quarter = jax.vmap(lambda setting: on_axis(jnp.exp(at), jnp.expm1(at), setting, gaussian).log_z)(
        stacked(coarse)
    )
    unit = jnp.maximum(1.0, jnp.abs(log_lam))
    error = _last(jnp.abs(half - log_lam) / unit, jnp.abs(quarter - half) / unit, power=1.0)
    return jnp.where(known, jnp.where(jnp.isnan(error), jnp.inf, error), 0.0)


def accepted(dtype) -> float:
    """The largest estimated error of a result that is called converged."""
    return _ACCEPTED[jnp.dtype(dtype).name]
