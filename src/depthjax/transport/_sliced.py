"""Transport seen along lines."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from depthjax.core import Estimate
from depthjax.core._options import at_least, positive
from depthjax.numerics._arguments import samples, weights
from depthjax.numerics._draws import standard_normal
from depthjax.transport._gaussian import laws
from depthjax.transport._one_dim import line_distance, line_power, power


def _directions(key: jax.Array, count: int, dim: int, dtype, *, orthogonal: bool) -> jax.Array:
    if not orthogonal:
        normal = standard_normal(key, (count, dim), dtype)
        return normal / jnp.linalg.norm(normal, axis=1, keepdims=True)
    blocks = -(-count // dim)
    basis, upper = jnp.linalg.qr(standard_normal(key, (blocks, dim, dim), dtype))
    signs = jnp.sign(jnp.diagonal(upper, axis1=1, axis2=2))
    return jnp.swapaxes(basis * signs[:, None, :], 1, 2).reshape(-1, dim)[:count]


def sliced_wasserstein_power(
    key: jax.Array,
    x: ArrayLike,
    y: ArrayLike,
    *,
    p: ArrayLike = 2.0,
    num_projections: int,
    orthogonal: bool = False,
    x_weights: ArrayLike | None = None,
    y_weights: ArrayLike | None = None,
) -> Estimate:
    """Mean over random directions of the one-dimensional W_p^p between projections.

    Args:
        key: PRNG key of the directions.
        x: (n, d) points.
        y: (m, d) points.
        p: () at least 1.
        num_projections: static number of directions.
        orthogonal: static, whether directions come in random orthonormal bases, which lowers the variance.
        x_weights: (n,) masses that sum to one; uniform if None.
        y_weights: (m,).

    Returns:
        () estimate of SW_p^p with its standard error over directions, over whole bases if `orthogonal` (NaN for one).

    Raises:
        ValueError: shapes, a concrete p below 1, no projections, concrete masses that are negative or do not sum to
            one; `orthogonal` with a number of projections that is no multiple of d.

    Cost: O(num_projections (n + m)(d + log(n + m))) time, O((n + m) d) memory: directions are taken in turn.

    Source: Bonneel et al., Sliced and Radon Wasserstein barycenters of measures (2015), definition 5.
    """
    name = "sliced_wasserstein_power"
    at_least(name, "num_projections", num_projections, 1)
    x, y = samples(name, x, y)
    dim = x.shape[1]
    if orthogonal and num_projections % dim:
        raise ValueError(f"{name}: num_projections is {num_projections}, expected a multiple of d = {dim}")
    a = None if x_weights is None else weights(name, "x_weights", x_weights, x.shape[0], x.dtype)
    b = None if y_weights is None else weights(name, "y_weights", y_weights, y.shape[0], y.dtype)
    exponent = power(name, p, x.dtype)
    directions = _directions(key, num_projections, dim, x.dtype, orthogonal=orthogonal)
    terms = jax.lax.map(jax.checkpoint(lambda u: line_power(x @ u, y @ u, a, b, exponent)), directions)
    groups = jnp.mean(terms.reshape(-1, dim), axis=1) if orthogonal else terms
    count = groups.shape[0]
    spread = jnp.std(groups, ddof=1) / np.sqrt(count) if count > 1 else jnp.full((), jnp.nan, x.dtype)
    return Estimate(jnp.mean(terms), spread.astype(x.dtype))


class MaxSliced(NamedTuple):
    """The direction along which two samples are farthest apart.

    Attributes:
        value: () W_p along it.
        direction: (d,) of unit length.
    """

    value: jax.Array
    direction: jax.Array


def max_sliced_wasserstein(
    key: jax.Array, x: ArrayLike, y: ArrayLike, *, num_steps: int, step_size: ArrayLike, p: ArrayLike = 2.0
) -> MaxSliced:
    """Largest one-dimensional W_p over directions, by projected gradient ascent.

    Args:
        key: PRNG key of the first direction.
        x: (n, d) points.
        y: (m, d) points.
        num_steps: static number of steps.
        step_size: () length of a step on the sphere, along the normalised gradient.
        p: () at least 1.

    Returns:
        `MaxSliced`, the best direction that was seen: a lower bound on the maximum, differentiable in the points at
        that direction.

    Raises:
        ValueError: shapes, a concrete p below 1, no steps, a concrete step size that is not positive.

    Source: Deshpande et al., Max-sliced Wasserstein distance and its use for GANs (2019), eq. 7.
    """
    name = "max_sliced_wasserstein"
    at_least(name, "num_steps", num_steps, 1)
    positive(name, step_size=step_size)
    x, y = samples(name, x, y)
    size, exponent = jnp.asarray(step_size, x.dtype), power(name, p, x.dtype)
    fixed_x, fixed_y = jax.lax.stop_gradient((x, y))

    def along(u):
        return line_power(fixed_x @ u, fixed_y @ u, None, None, exponent)

    def step(state, _):
        u, best, best_u = state
        value, slope = jax.value_and_grad(along)(u)
        best_u, best = jnp.where(value > best, u, best_u), jnp.maximum(best, value)
        norm = jnp.linalg.norm(slope)
        moved = u + size * slope / jnp.where(norm > 0.0, norm, 1.0)
        return (moved / jnp.linalg.norm(moved), best, best_u), None

    start = _directions(key, 1, x.shape[1], x.dtype, orthogonal=False)[0]
    begin = (start, jnp.full((), -jnp.inf, x.dtype), start)
    (last, best, best_u), _ = jax.lax.scan(step, begin, length=num_steps)
    direction = jnp.where(along(last) > best, last, best_u)
    return MaxSliced(line_distance(x @ direction, y @ direction, None, None, exponent), direction)


def sliced_w2_squared_gaussian(
    loc_a: ArrayLike, cov_a: ArrayLike, loc_b: ArrayLike, cov_b: ArrayLike, *, num_nodes: int
) -> jax.Array:
    """Sliced W2^2 between normal laws of the plane, the mean over the angle of W2^2 between projections.

    Args:
        loc_a: (2,) mean.
        cov_a: (2, 2) covariance.
        loc_b: (2,).
        cov_b: (2, 2).
        num_nodes: static number of equally spaced angles in [0, pi).

    Returns:
        () in the square of the unit; the error falls exponentially in `num_nodes` for regular covariances.

    Raises:
        ValueError: shapes, another dimension than two, or no nodes.

    Source: Bonneel et al. (2015), section 2.3, with the distance of normal laws on the line.
    """
    name = "sliced_w2_squared_gaussian"
    at_least(name, "num_nodes", num_nodes, 1)
    loc_a, cov_a, loc_b, cov_b = laws(name, loc_a, cov_a, loc_b, cov_b)
    if loc_a.shape != (2,):
        raise ValueError(f"{name}: loc_a has shape {loc_a.shape}, expected (2,)")
    angle = np.pi * np.arange(num_nodes) / num_nodes
    u = jnp.asarray(np.stack([np.cos(angle), np.sin(angle)], axis=1), loc_a.dtype)

    def scale(cov):
        variance = jnp.einsum("ki,ij,kj->k", u, cov, u)
        return jnp.where(variance > 0.0, jnp.sqrt(jnp.where(variance > 0.0, variance, 1.0)), 0.0)

    return jnp.mean((u @ (loc_a - loc_b)) ** 2 + (scale(cov_a) - scale(cov_b)) ** 2)
