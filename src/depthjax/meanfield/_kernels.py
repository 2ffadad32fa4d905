"""Covariances of infinitely wide networks."""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least, chosen
from depthjax.meanfield._activation import Activation, require_activation
from depthjax.meanfield._arguments import over_grid, require_scales
from depthjax.meanfield._correlation import next_covariance
from depthjax.meanfield._length import next_length
from depthjax.numerics import safe_norm
from depthjax.numerics._elementwise import promote


def nngp_kernel(
    q_a: ArrayLike, q_b: ArrayLike, q_ab: ArrayLike, sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation
) -> jax.Array:
    """Covariance of two pre-activations after one layer: sigma_w^2 E phi(u) phi(v) + sigma_b^2.

    Args:
        q_a: variance of u, any shape, positive.
        q_b: variance of v, a shape that broadcasts, positive.
        q_ab: their covariance, at most sqrt(q_a q_b) in size.
        sigma_w: standard deviation of weights times sqrt(fan_in).
        sigma_b: standard deviation of biases.
        activation: phi.

    Returns:
        Covariance, broadcast shape; NaN where (q_a, q_b, q_ab) is no covariance matrix.

    Raises:
        ValueError: sigma_w not positive, or sigma_b negative.

    Source:
        Lee et al., "Deep neural networks as Gaussian processes", 2018, eq. 5.
    """
    require_activation("nngp_kernel", activation)
    require_scales("nngp_kernel", sigma_w, sigma_b)
    return over_grid(lambda *a: next_covariance(*a, activation), q_a, q_b, q_ab, sigma_w, sigma_b)


def nngp_kernel_matrix(
    x1: ArrayLike, x2: ArrayLike, sigma_w: ArrayLike, sigma_b: ArrayLike, activation: Activation, num_layers: int
) -> jax.Array:
    """Covariance of the outputs of an infinitely wide network between inputs.

    K_0 = sigma_w^2 x.x'/d + sigma_b^2, then `num_layers` times K <- sigma_w^2 E phi(u) phi(v) + sigma_b^2.

    Args:
        x1: (n, d) inputs, none of them zero if sigma_b is.
        x2: (m, d) inputs.
        sigma_w: standard deviation of weights times sqrt(fan_in), ().
        sigma_b: standard deviation of biases, ().
        activation: phi.
        num_layers: static number of hidden layers, at least 0.

    Returns:
        (n, m).

    Raises:
        ValueError: shapes, a standard deviation out of range, or a negative number of layers.

    Cost:
        n m joint expectations a layer; one such is closed for linear, relu, leaky_relu, erf and sin, a few thousand
        operations for other piecewise linear activations, and a quadrature over a plane for the rest.

    Source:
        Lee et al. (2018), eq. 5.
    """
    name = "nngp_kernel_matrix"
    require_activation(name, activation)
    require_scales(name, sigma_w, sigma_b)
    at_least(name, "num_layers", num_layers, 0)
    dtype = promote(jnp.zeros((), jnp.result_type(x1, x2)), sigma_w, sigma_b)[0].dtype
    x1, x2 = jnp.asarray(x1).astype(dtype), jnp.asarray(x2).astype(dtype)
    if x1.ndim != 2 or x2.ndim != 2 or x1.shape[1] != x2.shape[1]:
        raise ValueError(f"{name}: x1 and x2 have shapes {x1.shape} and {x2.shape}, expected (n, d) and (m, d)")
    if jnp.ndim(sigma_w) or jnp.ndim(sigma_b):
        raise ValueError(
            f"{name}: sigma_w and sigma_b have shapes {jnp.shape(sigma_w)} and {jnp.shape(sigma_b)}, expected ()"
        )
    w, b = jnp.asarray(sigma_w, dtype), jnp.asarray(sigma_b, dtype)
    size = x1.shape[1]
    q1, q2 = (w**2 * jnp.sum(x * x, axis=1) / size + b**2 for x in (x1, x2))
    kernel = w**2 * jnp.matmul(x1, x2.T, precision="highest") / size + b**2
    along = jax.vmap(lambda q: next_length(q, w, b, activation))

    def row(args):
        q, covariances, others = args
        return jax.vmap(lambda q_ab, q_b: next_covariance(q, q_b, q_ab, w, b, activation))(covariances, others)

    for _ in range(num_layers):
        kernel = jax.lax.map(lambda args, q2=q2: row((*args, q2)), (q1, kernel))
        q1, q2 = along(q1), along(q2)
    return kernel


def arc_cosine_kernel(x: ArrayLike, y: ArrayLike, *, order: int) -> jax.Array:
    """Arc-cosine kernel |x|^n |y|^n J_n(t)/pi at the angle t between x and y.

    J_0 = pi - t, J_1 = sin t + (pi - t) cos t, J_2 = 3 sin t cos t + (pi - t)(1 + 2 cos^2 t). It is twice
    E relu(u)^n relu(v)^n over normal weights.

    Args:
        x: (d,).
        y: (d,).
        order: static n in {0, 1, 2}.

    Returns:
        () kernel; 0 where a vector is zero.

    Raises:
        ValueError: an order outside {0, 1, 2}, or vectors of different shapes.

    Numerics: the angle comes from the difference and the sum of the unit vectors, so it keeps its digits near 0 and pi.

    Source:
        Cho and Saul, "Kernel methods for deep learning", 2009, eq. 3 to 6.
    """
    chosen("arc_cosine_kernel", "order", order, (0, 1, 2))
    (x,), (y,) = promote(x), promote(y)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"arc_cosine_kernel: x and y have shapes {x.shape} and {y.shape}, expected one shape (d,)")
    size_x, size_y = safe_norm(x), safe_norm(y)
    present = (size_x > 0.0) & (size_y > 0.0)
    unit_x = x / jnp.where(size_x > 0.0, size_x, 1.0)
    unit_y = y / jnp.where(size_y > 0.0, size_y, 1.0)
    half_chord, half_sum = 0.5 * safe_norm(unit_x - unit_y), 0.5 * safe_norm(unit_x + unit_y)
    angle = 2.0 * jnp.arctan2(jnp.where(present, half_chord, 0.0), jnp.where(present, half_sum, 1.0))
    sine, cosine, rest = 2.0 * half_chord * half_sum, (half_sum - half_chord) * (half_sum + half_chord), jnp.pi - angle
    shape = (rest, sine + rest * cosine, 3.0 * sine * cosine + rest * (1.0 + 2.0 * cosine**2))[order]
    return jnp.where(present, (size_x * size_y) ** order * shape / jnp.pi, 0.0)
