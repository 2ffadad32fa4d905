"""The line between order and chaos."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.meanfield._activation import Activation, require_activation
from depthjax.meanfield._arguments import over_grid, require, require_scales
from depthjax.meanfield._expectation import second_moment, slope_moment
from depthjax.numerics import implicit_root
from depthjax.numerics._roots import solve_increasing

_LOG_GRID = np.linspace(np.log(1e-8), np.log(1e8), 97)


def _bias_variance(q, activation):
    """sigma_b^2 on the critical line: q - E phi^2/E phi'^2."""
    return q - second_moment(activation, q) / slope_moment(activation, q)


def critical_line(q: ArrayLike, activation: Activation) -> tuple[jax.Array, jax.Array]:
    """Standard deviations at which the fixed length is q and chi_1 is 1.

    sigma_w = 1/sqrt(E phi'^2), sigma_b^2 = q - E phi^2/E phi'^2.

    Args:
        q: variance of pre-activations, any shape, positive.
        activation: phi.

    Returns:
        (sigma_w, sigma_b), the shape of q; sigma_b is NaN where its square would be negative.

    Raises:
        ValueError: a concrete q that is not positive.

    Source:
        Pennington, Schoenholz and Ganguli, "Resurrecting the sigmoid", 2017, sec. 2.2.
    """
    require_activation("critical_line", activation)
    require("critical_line", "q", q, lambda v: v > 0.0, "positive (a variance)")

    def line(q):
        safe = jnp.where(q > 0.0, q, 1.0)
        square = _bias_variance(safe, activation)
        # Differences of rounding size count as zero: ReLU has sigma_b = 0 for every q.
        square = jnp.where(jnp.abs(square) <= 8.0 * jnp.finfo(q.dtype).eps * safe, 0.0 * square, square)
        ok = (q > 0.0) & (square >= 0.0)
        root = jnp.where(square > 0.0, jnp.sqrt(jnp.where(square > 0.0, square, 1.0)), 0.0)
        return (jnp.where(q > 0.0, 1.0 / jnp.sqrt(slope_moment(activation, safe)), jnp.nan),
                jnp.where(ok, root, jnp.nan))  # fmt: skip

    return over_grid(line, q)


class CriticalPoints(NamedTuple):
    """Where chi_1 is 1 at a given standard deviation of the biases.

    Attributes:
        sigma_w: (..., max_roots) ascending in q, NaN beyond the last.
        q: (..., max_roots) fixed length there.
        residual: (..., max_roots) |sigma_b^2 of the line at q - sigma_b^2|.
        num_roots: (...,) int32 how many were found, which may be more than `max_roots`.
    """

    sigma_w: jax.Array
    q: jax.Array
    residual: jax.Array
    num_roots: jax.Array


def critical_sigma_w(sigma_b: ArrayLike, activation: Activation, *, max_roots: int = 4) -> CriticalPoints:
    """All sigma_w with chi_1 = 1 at the fixed length, for a given sigma_b.

    Args:
        sigma_b: standard deviation of biases, any shape, nonnegative.
        activation: phi.
        max_roots: static number of entries.

    Returns:
        `CriticalPoints`. Without biases and with phi(0) = 0 the first is q = 0, sigma_w = 1/|phi'(0)|. A whole interval
        of lengths (ReLU without biases) counts once, by its lower end.

    Raises:
        ValueError: sigma_b negative, or no roots asked for.

    Numerics: sign changes of the line's sigma_b^2 on a table of log q between 1e-8 and 1e8, then safeguarded Newton
        steps; derivatives by the implicit function theorem.
    """
    require_activation("critical_sigma_w", activation)
    require_scales("critical_sigma_w", sigma_b=sigma_b)
    at_least("critical_sigma_w", "max_roots", max_roots, 1)
    return over_grid(lambda b: _all_points(b, activation, max_roots), sigma_b)


def _all_points(sigma_b, activation, max_roots):
    frozen = lax.stop_gradient((sigma_b, activation))
    grid = jnp.asarray(_LOG_GRID, sigma_b.dtype)
    lengths = jnp.exp(grid)
    gap = jax.vmap(lambda q: _bias_variance(q, frozen[1]))(lengths) - frozen[0] ** 2
    sign = jnp.where(jnp.abs(gap) <= 8.0 * jnp.finfo(gap.dtype).eps * lengths, 0.0, jnp.sign(gap))
    at_zero = (sigma_b == 0.0) & (second_moment(frozen[1], jnp.zeros_like(sigma_b)) == 0.0)
    changes = sign[:-1] * sign[1:] < 0.0
    order = jnp.argsort(jnp.where(changes, 0, 1), stable=True)[:max_roots]

    def polish(index):
        sense = jnp.where(sign[index] > 0.0, -1.0, 1.0)

        def value(t):
            return sense * (_bias_variance(jnp.exp(t), frozen[1]) - frozen[0] ** 2)

        low, high = grid[index], grid[index + 1]
        found = solve_increasing(lambda t: jax.jvp(value, (t,), (jnp.ones_like(t),)), low, high, 0.5 * (low + high))
        return jnp.where(changes[index], jnp.exp(found), jnp.nan)

    roots = jax.vmap(polish)(order)
    roots = jnp.where(at_zero, jnp.concatenate([jnp.zeros((1,), roots.dtype), roots[:-1]]), roots)

    def finish(root):
        known, positive = root >= 0.0, root > 0.0
        safe = jnp.where(positive, root, 1.0)
        q = implicit_root(lambda q, b, act: _bias_variance(q, act) - b**2, safe, sigma_b, activation)
        q = jnp.where(positive, q, 0.0)
        width = 1.0 / jnp.sqrt(slope_moment(activation, q))
        residual = jnp.where(positive, jnp.abs(_bias_variance(safe, frozen[1]) - frozen[0] ** 2), 0.0)
        return tuple(jnp.where(known, leaf, jnp.nan) for leaf in (width, q, residual))

    count = jnp.sum(changes, dtype=jnp.int32) + at_zero.astype(jnp.int32)
    return CriticalPoints(*jax.vmap(finish)(roots), count)
