"""One layer of orthogonal weights: the spectrum is the law of sigma_w^2 phi'(sqrt(q) h)^2 itself."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import ndtr

from depthjax.meanfield._activation import Activation, cast, slope_at
from depthjax.meanfield._contour import contour_of
from depthjax.numerics import implicit_root

_REACH = 12.0
_HALVINGS = 64


class OneLayer(NamedTuple):
    """Log density with respect to lambda and cdf, (n,) each."""

    log_density: jax.Array
    cdf: jax.Array


def has_one_layer(activation: Activation) -> bool:
    """Whether it is known between which points phi'^2 is monotone."""
    contour = contour_of(activation)
    if contour is not None:
        return contour.period is None
    return bool(activation.turning_points) and not activation.is_piecewise_linear


def one_layer(log_lam: jax.Array, activation: Activation, q: jax.Array, sigma_w: jax.Array) -> OneLayer:
    """Change of variables on each piece between breaks and turning points."""
    marks = sorted({*activation.breaks, *activation.turning_points})
    pieces = list(zip([-np.inf, *marks], [*marks, np.inf], strict=True))
    root, dtype = jnp.sqrt(jnp.where(q > 0.0, q, 1.0)), log_lam.dtype
    level = log_lam - 2.0 * jnp.log(sigma_w)
    cdf, smooth = jnp.zeros_like(log_lam), []
    for low, high in pieces:
        slope = _declared(activation, low)
        if slope is None:
            smooth.append((low, high))
            continue
        log_square = 2.0 * jnp.log(jnp.abs(cast(slope, dtype)))
        mass = _below(high, root) - _below(low, root)
        cdf = cdf + jnp.where(log_square <= level, mass, 0.0)

    def log_square_at(x, activation):
        return 2.0 * jnp.log(jnp.abs(slope_at(activation, x)))

    # Strictly inside, where phi' is that of the piece.
    ends = np.asarray([[a + _inside(a), b - _inside(b)] for a, b in smooth])
    low, high = (jnp.clip(jnp.asarray(side, dtype), -_REACH * root, _REACH * root) for side in ends.T)
    frozen, goal = lax.stop_gradient((activation, jnp.broadcast_to(level[None], (len(smooth), *level.shape))))
    start, stop = log_square_at(low, frozen), log_square_at(high, frozen)
    rises = (stop > start)[:, None]
    least, most = jnp.minimum(start, stop)[:, None], jnp.maximum(start, stop)[:, None]
    crosses = (goal > least) & (goal < most)

    def halve(_, bracket):
        left, right = bracket
        middle = 0.5 * left + 0.5 * right
        below = (log_square_at(middle, frozen) < goal) == rises
        return jnp.where(below, middle, left), jnp.where(below, right, middle)

    first = jax.tree.map(lambda x: lax.stop_gradient(jnp.broadcast_to(x[:, None], goal.shape)), (low, high))
    found = lax.fori_loop(0, _HALVINGS, halve, first)
    x = jnp.where(crosses, 0.5 * found[0] + 0.5 * found[1], 0.5 * first[0] + 0.5 * first[1])
    x = implicit_root(
        lambda x, a, t, c: jnp.where(c > 0.0, log_square_at(x, a) - t, x - lax.stop_gradient(x)),
        x,
        activation,
        jnp.broadcast_to(level[None], goal.shape),
        crosses.astype(dtype),
    )
    steep = jnp.abs(jax.jvp(lambda x: log_square_at(x, activation), (x,), (jnp.ones_like(x),))[1])
    h = x / root
    share = jnp.exp(-0.5 * h * h) / (math.sqrt(2.0 * math.pi) * root * jnp.where(crosses, steep, 1.0))
    total = jnp.sum(jnp.where(crosses, share, 0.0), axis=0)
    positive = total > 0.0
    log_density = jnp.where(positive, jnp.log(jnp.where(positive, total, 1.0)) - log_lam, -jnp.inf)

    before, after = (jnp.stack([_below(pair[side], root) for pair in smooth])[:, None] for side in (0, 1))
    part = jnp.where(rises, ndtr(h) - before, ndtr(-h) - (1.0 - after))
    part = jnp.where(crosses, part, jnp.where(goal >= most, after - before, 0.0))
    return OneLayer(log_density, cdf + jnp.sum(part, axis=0))


def _declared(activation, low):
    """The slope declared on the piece of the activation to the right of `low`, None if there is none."""
    if activation.slopes is None:
        return None
    index = sum(b <= low for b in activation.breaks)
    return activation.slopes[index]


def _below(end, root):
    """Probability of root h below a static end; at infinity without a derivative, which would be inf times 0."""
    return jnp.full((), float(end > 0), root.dtype) if np.isinf(end) else ndtr(jnp.asarray(end, root.dtype) / root)


def _inside(end):
    return 0.0 if np.isinf(end) else max(4e-7 * abs(end), 1e-30)
