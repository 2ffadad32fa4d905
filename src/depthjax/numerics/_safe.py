"""Guards that keep gradients finite: each sanitises the input, never only the output."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.numerics._elementwise import elementwise, promote

_HIGHEST = lax.Precision.HIGHEST


def safe_where(
    cond: ArrayLike,
    fn: Callable[[jax.Array], jax.Array],
    x: ArrayLike,
    fallback: ArrayLike,
    *,
    placeholder: float = 1.0,
) -> jax.Array:
    """Evaluate `fn(x)` where `cond` holds and return `fallback` elsewhere.

    Args:
        cond: Boolean mask that broadcasts with `x`.
        fn: elementwise function, differentiable where `cond` holds and at `placeholder`.
        x: argument, any shape.
        fallback: value elsewhere, a shape that broadcasts.
        placeholder: what `fn` sees in the place of a rejected `x`.

    Returns:
        Broadcast shape. The gradient in `x` is zero where `cond` fails, whatever `fn` does there.
    """
    (x,) = promote(x)
    cond = jnp.asarray(cond)
    shape = jnp.broadcast_shapes(cond.shape, x.shape, jnp.shape(fallback))
    cond, x = jnp.broadcast_to(cond, shape), jnp.broadcast_to(x, shape)
    out = fn(jnp.where(cond, x, placeholder))
    return jnp.where(cond, out, jnp.broadcast_to(jnp.asarray(fallback, out.dtype), shape))


def safe_norm(x: ArrayLike, axis: int | tuple[int, ...] | None = -1, *, keepdims: bool = False) -> jax.Array:
    """Euclidean norm whose gradient at zero is zero.

    Args:
        x: array with at least one axis, or any array with `axis=None`.
        axis: axes of the norm.
        keepdims: keep those axes with length one.

    Returns:
        Norms; the gradient is `x / |x|` and zero at `x = 0`.

    Numerics: scaled by the largest entry, so squares neither underflow at 1e-25 nor overflow at 1e25 in float32.
    """
    (x,) = promote(x)
    largest = jnp.max(jnp.abs(lax.stop_gradient(x)), axis=axis, keepdims=True)
    regular = (largest > 0.0) & jnp.isfinite(largest)
    scale = jnp.where(regular, largest, 1.0)
    safe = jnp.where(regular, x, 1.0) / scale
    norm = scale * jnp.sqrt(jnp.sum(safe * safe, axis=axis, keepdims=True))
    # The sum, unlike a maximum on some backends, never loses a NaN.
    edge = lax.stop_gradient(jnp.sum(jnp.abs(x), axis=axis, keepdims=True))
    out = jnp.where(regular & ~jnp.isnan(edge), norm, edge)
    return out if keepdims else jnp.squeeze(out, axis=axis)


@elementwise
def safe_sqrt(x: ArrayLike) -> jax.Array:
    """Square root whose gradient at zero is zero.

    Args:
        x: any shape, `x >= 0`.

    Returns:
        Same shape; NaN for negative `x`.
    """
    zero = x == 0.0
    return jnp.where(zero, 0.0, jnp.sqrt(jnp.where(zero, 1.0, x)))


@jax.custom_jvp
def _clip_straight_through(x, low, high):
    return jnp.clip(x, low, high)


@_clip_straight_through.defjvp
def _(primals, tangents):
    return _clip_straight_through(*primals), tangents[0]


def _next_up(x):
    """Return the neighbour above `x` among zero and the normal numbers (subnormals count as zero on most devices)."""
    tiny = jnp.finfo(x.dtype).tiny
    above = jnp.nextafter(x, jnp.full_like(x, jnp.inf))
    return jnp.where((x >= 0.0) & (x < tiny), tiny, jnp.where((x < 0.0) & (x >= -tiny), 0.0, above))


def clip_open(x: ArrayLike, low: ArrayLike, high: ArrayLike) -> jax.Array:
    """Clip `x` to the open interval `(low, high)`.

    Args:
        x: any shape.
        low: lower end, a shape that broadcasts; may be -inf.
        high: upper end, a shape that broadcasts; may be inf.

    Returns:
        Broadcast shape, strictly inside by one representable number; NaN stays NaN. The gradient in `x` is one
        everywhere (straight through), the gradient in the ends zero. With no number between the ends the
        result is meaningless.
    """
    dtype = promote(x)[0].dtype
    x, low, high = promote(x, jnp.asarray(low, dtype), jnp.asarray(high, dtype))
    return _clip_straight_through(x, _next_up(lax.stop_gradient(low)), -_next_up(-lax.stop_gradient(high)))


def unit_of(*points: jax.Array) -> jax.Array:
    """Size of the largest coordinate, in units of which no square overflows or vanishes; without derivative."""
    size = jnp.max(jnp.stack([jnp.max(jnp.abs(jax.lax.stop_gradient(v))) for v in points]))
    return jnp.where((size > 0.0) & jnp.isfinite(size), size, 1.0)


_MOST_IN_HALVES = 64  # axes; a loop of two long bodies is the fastest on processors, but longer to compile


@jax.custom_jvp
def _squared_distance(x, y):
    def add(total, pair):
        a, b = pair
        return total + jnp.square(a[:, None] - b[None, :]), None

    start = jnp.zeros((x.shape[0], y.shape[0]), x.dtype)
    halves = max(1, -(-x.shape[1] // 2)) if x.shape[1] <= _MOST_IN_HALVES else 1
    odd = ((0, x.shape[1] % 2 if halves > 1 else 0), (0, 0))
    return lax.scan(add, start, (jnp.pad(x.T, odd), jnp.pad(y.T, odd)), unroll=halves)[0]


@_squared_distance.defjvp
def _squared_distance_jvp(primals, tangents):
    (x, y), (dx, dy) = primals, tangents
    centre = jnp.mean(y, axis=0, keepdims=True)
    u, v = x - centre, y - centre
    across = jnp.matmul(dx, v.T, precision=_HIGHEST) + jnp.matmul(u, dy.T, precision=_HIGHEST)
    own = jnp.sum(u * dx, axis=1)[:, None] + jnp.sum(v * dy, axis=1)[None, :]
    return _squared_distance(x, y), 2.0 * (own - across)


def pairwise_squared_distance(x: ArrayLike, y: ArrayLike) -> jax.Array:
    """Squared Euclidean distances `|x_i - y_j|^2`.

    Args:
        x: points `(n, d)`.
        y: points `(m, d)`.

    Returns:
        Distances `(n, m)`, never negative, exactly zero for coinciding points.

    Raises:
        ValueError: if the shapes are not `(n, d)` and `(m, d)`.

    Numerics: sums squares of differences; the expansion `|x|^2 - 2 x.y + |y|^2` cancels for near points and can
        be negative. The derivative is by products of matrices of centred points, with an error of the order of
        eps times the spread of the points.

    Cost: O(n m d) time and O(n m) memory, of the derivative too: no array of differences is formed.
    """
    dtype = jnp.result_type(*(promote(points)[0].dtype for points in (x, y)))
    x, y = jnp.asarray(x, dtype), jnp.asarray(y, dtype)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise ValueError(
            f"pairwise_squared_distance: expected x of shape (n, d) and y of shape (m, d), got {x.shape} and {y.shape}"
        )
    return _squared_distance(x, y)
