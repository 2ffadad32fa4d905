"""Maps between constrained values and unconstrained coordinates, on trailing axes, written with `jax.nn` alone."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core._smooth import arcsinh_ratio, log_kept, sech, softplus
from depthjax.core._triangles import diagonal_of, entries, fill_triangle, raw_diagonal, trailing_norms


def like(bound, x):
    """A bound as an array that compares with `x` under strict promotion; array bounds keep their shape."""
    return jnp.asarray(bound, jnp.result_type(float, x) if jnp.issubdtype(x.dtype, jnp.integer) else x.dtype)


def softplus_inverse(y):
    """Log(exp(y) - 1) = y + log(1 - exp(-y))."""
    return y + log_kept(y)


def interval_maps(low, high):
    """(to_raw, from_raw) of (low, high), either end of which may be infinite."""
    no_low = isinstance(low, float) and low == -math.inf
    no_high = isinstance(high, float) and high == math.inf
    if no_high:
        return (
            lambda y: softplus_inverse(y - like(low, y)),
            lambda raw: inside(softplus(raw) + like(low, raw), low, high),
        )
    if no_low:
        return (
            lambda y: -softplus_inverse(like(high, y) - y),
            lambda raw: inside(like(high, raw) - softplus(-raw), low, high),
        )

    def to_raw(y):
        lower, upper = like(low, y), like(high, y)
        return jnp.log(y - lower) - jnp.log(upper - y)

    def from_raw(raw):
        lower, upper = like(low, raw), like(high, raw)
        up = lower + (upper - lower) * jax.nn.sigmoid(raw)
        down = upper - (upper - lower) * jax.nn.sigmoid(-raw)
        return inside(jnp.where(raw < 0, up, down), low, high)

    return to_raw, from_raw


def inside(x, low, high):
    """`x` moved off the ends of (low, high) where rounding put it there; the derivative stays that of `x`."""
    lower, upper = (jax.lax.stop_gradient(like(end, x)) for end in (low, high))
    tiny = jnp.finfo(x.dtype).tiny
    floor = jnp.where(lower == 0, tiny, jnp.nextafter(lower, jnp.full_like(lower, jnp.inf)))
    ceiling = jnp.where(upper == 0, -tiny, jnp.nextafter(upper, jnp.full_like(upper, -jnp.inf)))
    held = jax.lax.stop_gradient(x)
    return x + (jnp.clip(held, floor, ceiling) - held)


def increasing(x):
    """`x` with every coordinate that rounding made equal to its predecessor moved up by one unit in the last place.

    On the integer line of floating-point numbers, y_k = max(x_k, y_{k-1} + 1) is a cumulative maximum of x_k - k.
    """
    held = jax.lax.stop_gradient(x)
    integer = jnp.dtype(f"int{8 * x.dtype.itemsize}")
    lowest = jnp.iinfo(integer).min
    bits = jax.lax.bitcast_convert_type(held, integer)
    line = jnp.where(bits < 0, lowest - bits, bits)
    count = jax.lax.broadcasted_iota(integer, x.shape, x.ndim - 1)
    line = _running(jnp.maximum, line - count) + count
    moved = jax.lax.bitcast_convert_type(jnp.where(line < 0, lowest - line, line), x.dtype)
    return x + jnp.where(jnp.isfinite(held), moved - held, 0)


def _running(combine, x):
    """Cumulative sums or maxima along the last axis; on processors faster than the windows of the library."""
    return jax.lax.associative_scan(combine, x, axis=x.ndim - 1)


def wrap_angle(raw):
    """The angle in (-pi, pi] that equals `raw` modulo 2 pi; derivative one."""
    return raw - jax.lax.stop_gradient(2 * math.pi * jnp.ceil(raw / (2 * math.pi) - 0.5))


def one_less(shape):
    """Raw shape of the simplex."""
    return (*shape[:-1], shape[-1] - 1)


def simplex_to_raw(x):
    """Log ratios to the last coordinate."""
    log_x = jnp.log(x)
    return log_x[..., :-1] - log_x[..., -1:]


def simplex_from_raw(raw):
    """Softmax with the last logit fixed at zero; where it underflows, the smallest normal number."""
    x = jax.nn.softmax(jnp.concatenate([raw, jnp.zeros_like(raw[..., :1])], axis=-1), axis=-1)
    return inside(x, 0.0, math.inf)


def ordered_to_raw(x):
    """First value, then the inverse softplus of each increment."""
    return jnp.concatenate([x[..., :1], softplus_inverse(jnp.diff(x, axis=-1))], axis=-1)


def ordered_from_raw(raw):
    """Cumulative sum of softplus increments."""
    first = _match(np.arange(raw.shape[-1]) == 0, raw)
    steps = jnp.where(first, raw, softplus(raw))
    return increasing(_running(jnp.add, steps))


def positive_ordered_to_raw(x):
    """Inverse softplus of the first value and of each increment."""
    return softplus_inverse(jnp.diff(x, axis=-1, prepend=jnp.zeros_like(x[..., :1])))


def positive_ordered_from_raw(raw):
    """Cumulative sum of softplus increments."""
    return increasing(_running(jnp.add, inside(softplus(raw), 0.0, math.inf)))


def unit_vector_from_raw(raw):
    """Projection onto the sphere; one way, NaN at the origin."""
    return raw / jnp.linalg.norm(raw, axis=-1, keepdims=True)


def lower_cholesky_raw_shape(shape):
    """(n, n) -> n (n + 1) / 2."""
    n = shape[-1]
    return (*shape[:-2], n * (n + 1) // 2)


def lower_cholesky_to_raw(tril):
    """Row-wise lower triangle, its diagonal through the inverse softplus."""
    rows, cols = np.tril_indices(tril.shape[-1])
    flat = entries(tril, rows, cols)
    return jnp.where(_match(rows == cols, flat), softplus_inverse(diagonal_of(tril))[..., rows], flat)


def lower_cholesky_from_raw(raw):
    """Inverse of `lower_cholesky_to_raw`."""
    tril = fill_triangle(raw)
    diagonal = inside(softplus(raw_diagonal(raw)), 0.0, math.inf)
    eye = _match(np.eye(tril.shape[-1], dtype=bool), tril)
    return jnp.where(eye, jnp.broadcast_to(diagonal[..., None], tril.shape), tril)


def corr_cholesky_raw_shape(shape):
    """(n, n) -> n (n - 1) / 2."""
    n = shape[-1]
    return (*shape[:-2], n * (n - 1) // 2)


def corr_cholesky_from_raw(raw):
    """Canonical partial correlations z = tanh(raw): row i is z_ij prod_{k<j} sqrt(1 - z_ik^2), then the remainder."""
    rest = jnp.cumprod(fill_triangle(sech(raw), -1, shift=1, elsewhere=1), axis=-1)
    eye = _match(np.eye(rest.shape[-1], dtype=bool), rest)
    return jnp.where(eye, inside(rest, 0.0, math.inf), fill_triangle(jnp.tanh(raw), -1) * rest)


def corr_cholesky_to_raw(tril):
    """Inverse of `corr_cholesky_from_raw`: arctanh(z_ij) = arcsinh(L_ij / |(L_i,j+1, ..., L_ii)|)."""
    rows, cols = np.tril_indices(tril.shape[-1], -1)
    norms = trailing_norms(tril)
    return arcsinh_ratio(entries(tril, rows, cols), entries(norms, rows, cols + 1), entries(norms, rows, cols))


def positive_definite_to_raw(matrix):
    """Raw coordinates of the Cholesky factor."""
    return lower_cholesky_to_raw(jnp.linalg.cholesky(matrix))


def positive_definite_from_raw(raw):
    """L L^T of the factor with these raw coordinates."""
    return gram(lower_cholesky_from_raw(raw))


def gram(tril):
    """L L^T, positive definite in the arithmetic at hand: its Cholesky factorisation succeeds for every such L.

    Scaled to a unit diagonal, the smallest eigenvalue is at least the determinant divided by e; where that is near
    rounding, the diagonal is raised by a few units in the last place (Higham, Accuracy and Stability of Numerical
    Algorithms, 2002, theorem 10.7). A diagonal entry that underflows is the smallest normal number.
    """
    product = jnp.matmul(tril, tril.mT, precision=jax.lax.Precision.HIGHEST)
    eye = _match(np.eye(tril.shape[-1], dtype=bool), product)
    lifted = product * (1 + jnp.broadcast_to(_lift(tril)[..., None, None], product.shape))
    return jnp.where(eye, jnp.maximum(lifted, jnp.finfo(tril.dtype).tiny), product)


def _lift(tril):
    """Relative amount by which the diagonal of L L^T must grow so that rounding cannot make it indefinite."""
    n, eps = tril.shape[-1], float(jnp.finfo(tril.dtype).eps)
    diagonal = jax.lax.stop_gradient(jnp.diagonal(tril, axis1=-2, axis2=-1))
    squares = jax.lax.stop_gradient(jnp.sum(tril * tril, axis=-1))
    log_ratio = jnp.sum(2 * jnp.log(diagonal) - jnp.log(squares), axis=-1)
    bound = 4 * n * (n + 1) * eps
    return jnp.where(log_ratio < math.log(bound) + 1, bound, 0).astype(tril.dtype)


def correlation_to_raw(matrix):
    """Raw coordinates of the Cholesky factor."""
    return corr_cholesky_to_raw(jnp.linalg.cholesky(matrix))


def correlation_from_raw(raw):
    """L L^T of the factor with these raw coordinates."""
    return correlation_gram(corr_cholesky_from_raw(raw))


def correlation_gram(tril):
    """L L^T with a diagonal of ones, positive definite in the arithmetic at hand, as `gram` is."""
    product = jnp.matmul(tril, tril.mT, precision=jax.lax.Precision.HIGHEST)
    eye = _match(np.eye(tril.shape[-1], dtype=bool), product)
    return jnp.where(eye, 1, product / (1 + jnp.broadcast_to(_lift(tril)[..., None, None], product.shape)))


@jax.custom_jvp
def orthogonal_from_raw(raw):
    """Q of the QR decomposition whose R has a positive diagonal; one way (an orthogonal matrix maps to itself).

    Q has no derivative at a singular matrix; there the entries of R's diagonal below rounding count as rounding.
    """
    return _positive_qr(raw)[0]


def _positive_qr(raw):
    q, r = jnp.linalg.qr(raw)
    sign = jnp.where(jnp.diagonal(r, axis1=-2, axis2=-1) < 0, -1, 1).astype(raw.dtype)
    return q * jnp.broadcast_to(sign[..., None, :], q.shape), r * jnp.broadcast_to(sign[..., :, None], r.shape)


@orthogonal_from_raw.defjvp
def _orthogonal_from_raw_jvp(primals, tangents):
    """Q (L - L^T), L the strictly lower part of Q^T dA R^-1."""
    (raw,), (tangent,) = primals, tangents
    q, r = orthogonal_from_raw(raw), _positive_qr(raw)[1]
    diagonal = jnp.diagonal(r, axis1=-2, axis2=-1)
    largest = jnp.broadcast_to(jnp.max(diagonal, axis=-1, keepdims=True), diagonal.shape)
    floor = jnp.where(largest > 0, jnp.finfo(raw.dtype).eps * largest, 1).astype(raw.dtype)
    eye = _match(np.eye(raw.shape[-1], dtype=bool), r)
    r = jnp.where(eye, jnp.broadcast_to(jnp.maximum(diagonal, floor)[..., None, :], r.shape), r)
    highest = jax.lax.Precision.HIGHEST
    turned = jnp.matmul(q.mT, tangent, precision=highest)
    lower = jnp.tril(jax.lax.linalg.triangular_solve(r, turned, left_side=False, lower=False), -1)
    return q, jnp.matmul(q, lower - lower.mT, precision=highest)


def _match(mask, x):
    """A host mask broadcast explicitly to the shape of `x`."""
    return jnp.broadcast_to(mask, x.shape)
