"""Fixed points of holomorphic self-maps of a half plane or a strip: the solver behind every free convolution.

The maps of subordination have one attracting fixed point in the closed half plane (Denjoy and Wolff), inside it where
the density is positive and on the real axis elsewhere, there with |T'| <= 1. The plain iteration may rotate about it
for ever; its average with the identity is again such a map and converges. Newton steps finish, and their result is
accepted only if it is that fixed point: in the open half plane, where it is unique, or real with |T'| <= 1.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

_AVERAGED = 8
_PHASE = 36
_PHASES = 24


class FixedPoint(NamedTuple):
    """Solution (k,), what is left of the equation relative to its terms, whether it can be trusted, its last iterate.

    `value` is NaN where the search failed, `last` never.
    """

    value: jax.Array
    residual: jax.Array
    converged: jax.Array
    last: jax.Array


class _State(NamedTuple):
    point: jax.Array
    anchor: jax.Array
    done: jax.Array
    count: jax.Array


def settle(
    fn: Callable[[jax.Array], jax.Array],
    start: jax.Array,
    floor: jax.Array,
    ceiling: jax.Array | float,
    scale: jax.Array,
    *,
    num_phases: int = _PHASES,
) -> FixedPoint:
    """Solve T(w) = w for w (k,), k = 1 or 2, in the closed strip floor <= Im w <= ceiling.

    Args:
        fn: the map T of the strip into itself.
        start: (k,) inside the strip.
        floor: (), lower end of the imaginary parts; the strip's lower edge is where solutions outside a support lie.
        ceiling: upper end, possibly infinite.
        scale: (), what counts as a unit of w.
        num_phases: how many rounds of averaged and Newton steps at most.
    """
    eps = jnp.finfo(scale.dtype).eps
    floor = jnp.broadcast_to(floor, start.shape)

    def clip(w):
        return lax.complex(jnp.real(w), jnp.clip(jnp.imag(w), floor, ceiling))

    def on_floor(w):
        return jnp.imag(w) - floor <= 64.0 * eps * (scale + jnp.abs(w))

    def look(w):
        value, columns = _with_jacobian(fn, w)
        gap = value - w
        step = _solve(_less(columns), gap)
        size = scale + jnp.abs(w)
        residual = jnp.max(jnp.abs(gap) / size)
        change = jnp.max(jnp.abs(step) / size)
        # A point that rounding alone holds off the floor is one of the floor: of those, most are repelling.
        trusted = ~jnp.all(on_floor(w)) | _contracts(columns)
        return value, step, residual, change, trusted

    def body(state):
        w, anchor, done, count = state
        value, step, residual, change, trusted = look(w)
        place = count % _PHASE
        averaged = clip(0.5 * w + 0.5 * value)
        averaged = jnp.where(_finite(averaged), averaged, lax.complex(jnp.real(w), jnp.imag(w) + 0.1 * scale))
        anchor = jnp.where(place < _AVERAGED, averaged, anchor)
        newton = clip(w + step)
        usable = _finite(newton)
        settled = trusted & ((residual <= 2.0 * eps) | (change <= 4.0 * eps))
        settled = settled | (trusted & (place == _PHASE - 1) & (residual <= 256.0 * eps))
        following = jnp.where(place < _AVERAGED, averaged, jnp.where(usable, newton, anchor))
        following = jnp.where(place == _PHASE - 1, anchor, following)
        point = jnp.where(settled, jnp.where(usable & (change <= 1e3 * eps), newton, w), following)
        keep = done
        return _State(jnp.where(keep, w, point), jnp.where(keep, state.anchor, anchor), done | settled, count + 1)

    first = _State(start, start, jnp.zeros((), bool), jnp.asarray(0, jnp.int32))
    state = lax.while_loop(lambda s: ~s.done & (s.count < num_phases * _PHASE), body, first)
    point = lax.complex(jnp.real(state.point), jnp.where(on_floor(state.point), floor, jnp.imag(state.point)))
    _, _, residual, _, trusted = look(point)
    converged = state.done & trusted & (residual <= 4096.0 * eps)
    return FixedPoint(jnp.where(converged, point, jnp.nan), residual, converged, point)


def attach(fn: Callable[[jax.Array], jax.Array], point: jax.Array) -> jax.Array:
    """The fixed point with its derivatives in what `fn` closes over, to third order: two Newton steps of size 0."""
    point = lax.stop_gradient(point)
    for _ in range(2):
        value, columns = _with_jacobian(fn, point)
        step = _solve(_less(columns), value - point)
        point = point + jnp.where(_finite(step), step - lax.stop_gradient(step), 0.0)
    return point


def _with_jacobian(fn, w):
    """T(w) and the columns of its complex derivative."""
    ones = jnp.eye(w.shape[0], dtype=w.dtype)
    value, columns = w, []
    for unit in ones:
        value, column = jax.jvp(fn, (w,), (unit,))
        columns.append(column)
    return value, columns


def _less(columns):
    """I - J, as columns."""
    ones = jnp.eye(len(columns), dtype=columns[0].dtype)
    return [unit - column for unit, column in zip(ones, columns, strict=True)]


def _solve(columns, right):
    """Solve a system of one or two complex equations given by its columns."""
    if len(columns) == 1:
        return right / columns[0]
    (a, c), (b, d) = columns
    return jnp.stack([d * right[0] - b * right[1], a * right[1] - c * right[0]]) / (a * d - b * c)


def _contracts(columns):
    """Whether the real Jacobian at a real point has no eigenvalue outside the unit circle."""
    slack = jnp.sqrt(jnp.finfo(columns[0].dtype).eps)
    if len(columns) == 1:
        return jnp.abs(columns[0][0]) <= 1.0 + slack
    (a, c), (b, d) = columns
    trace, det = jnp.real(a + d), jnp.real(a * d - b * c)
    return (jnp.abs(det) <= 1.0 + slack) & (jnp.abs(trace) <= 1.0 + det + slack)


def _finite(value):
    return jnp.all(jnp.isfinite(value))
