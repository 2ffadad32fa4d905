"""Flow matching: pairs, the loss, the exact field between normal laws, and sampling."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import require_shape
from depthjax.core._options import at_least, chosen
from depthjax.diffusion._arguments import batch, floating, like, same_event_shape
from depthjax.numerics._arguments import floats
from depthjax.numerics._draws import standard_normal

Field = Callable[[jax.Array, jax.Array], jax.Array]
HIGHEST = jax.lax.Precision.HIGHEST


class FlowPair(NamedTuple):
    """Where a field is to be evaluated and what it should be there.

    Attributes:
        t: (n,) times in [0, 1].
        x_t: (n, *event) points of the paths.
        target: (n, *event) velocities of the paths.
    """

    t: jax.Array
    x_t: jax.Array
    target: jax.Array


def flow_matching_pair(
    key: jax.Array, x0: ArrayLike, x1: ArrayLike, *, path: str = "linear", sigma: float = 0.0
) -> FlowPair:
    """Random points of paths from noise to data, with their velocities.

    "linear": x_t = (1 - t) x0 + t x1, velocity x1 - x0. "vp": x_t = cos(pi t/2) x0 + sin(pi t/2) x1, whose variance
    stays that of x0 and x1 where these are equal, velocity (pi/2)(cos(pi t/2) x1 - sin(pi t/2) x0). Times are uniform.

    Args:
        key: PRNG key.
        x0: (n, *event) noise.
        x1: (n, *event) data, paired with x0 by `minibatch_coupling`.
        path: "linear" or "vp".
        sigma: standard deviation of normal noise added to x_t, not negative.

    Raises:
        ValueError: shapes differ, an unknown path, or a negative sigma.
        TypeError: integer data.

    Source:
        Lipman et al., Flow Matching (2023), eq. 9; Tong et al., Minibatch Optimal Transport (2024), eq. 14 and 15;
        Albergo and Vanden-Eijnden, Stochastic Interpolants (2023), eq. 5.
    """
    name = "flow_matching_pair"
    chosen(name, "path", path, ("linear", "vp"))
    if not sigma >= 0:
        raise ValueError(f"{name}: sigma is {sigma}, expected a nonnegative number")
    x0, x1 = batch(name, x0, "x0"), batch(name, x1, "x1")
    require_shape(name, "x1", x1, x0.shape)
    x1 = x1.astype(x0.dtype)
    time_key, noise_key = jax.random.split(key)
    t = jax.random.uniform(time_key, x0.shape[:1], x0.dtype)
    if path == "linear":
        x_t, target = x0 + like(t, x0) * (x1 - x0), x1 - x0
    else:
        half = 0.5 * math.pi
        cos, sin = like(jnp.cos(half * t), x0), like(jnp.sin(half * t), x0)
        x_t, target = cos * x0 + sin * x1, half * (cos * x1 - sin * x0)
    if sigma > 0:
        x_t = x_t + sigma * standard_normal(noise_key, x0.shape, x0.dtype)
    return FlowPair(t, x_t, target)


def flow_matching_loss(field: Field, t: ArrayLike, x_t: ArrayLike, target: ArrayLike) -> jax.Array:
    """Mean squared error of a field at points of paths, over events and coordinates.

    Its minimiser is E[target | x_t], the field that carries the law of x0 into that of x1; its minimum is positive.

    Args:
        field: (t (n,), x (n, *event)) -> (n, *event).
        t: (n,).
        x_t: (n, *event).
        target: (n, *event).

    Returns:
        ().

    Raises:
        ValueError: shapes that do not fit.
        TypeError: integer points.

    Source:
        Lipman et al. (2023), eq. 9 and theorem 2.
    """
    name = "flow_matching_loss"
    x_t, target = batch(name, x_t, "x_t"), jnp.asarray(target)
    t = jnp.asarray(t, x_t.dtype)
    require_shape(name, "t", t, x_t.shape[:1])
    require_shape(name, "target", target, x_t.shape)
    error = same_event_shape(name, "the result of field", field(t, x_t), x_t) - target.astype(x_t.dtype)
    return jnp.mean(error * error)


def gaussian_flow_field(loc0: ArrayLike, cov0: ArrayLike, loc1: ArrayLike, cov1: ArrayLike) -> Field:
    """The exact field of linear paths between independent normal vectors.

    With m_t = (1 - t) m_0 + t m_1 and C_t = (1 - t)^2 C_0 + t^2 C_1: v(t, x) = m_1 - m_0 + (t C_1 - (1 - t) C_0) C_t^-1
    (x - m_t), under which N(m_0, C_0) becomes N(m_t, C_t) at time t.

    Args:
        loc0: mean of the noise, (d,), or () for one dimension.
        cov0: covariance of the noise, (d, d), or ().
        loc1: as loc0, of the data.
        cov1: as cov0.

    Returns:
        The field: (t, x) -> like x, for x (*batch, d), or (*batch) in one dimension, and t () or the leading axes of x.

    Raises:
        ValueError: shapes that do not fit.

    Numerics:
        One Cholesky factor for each time; NaN where C_t is not positive definite.

    Source:
        Lipman et al. (2023), theorem 1, for the mixture over pairs of end points.
    """
    loc0, cov0, loc1, cov1 = floats(loc0, cov0, loc1, cov1)
    name, shape = "gaussian_flow_field", loc0.shape
    if len(shape) > 1:
        raise ValueError(f"{name}: loc0 has shape {shape}, expected (d,) or ()")
    for label, value, expected in (("loc1", loc1, shape), ("cov0", cov0, shape * 2), ("cov1", cov1, shape * 2)):
        require_shape(name, label, value, expected)

    def velocity(t, x):
        mean, cov = (1.0 - t) * loc0 + t * loc1, (1.0 - t) ** 2 * cov0 + t**2 * cov1
        slope, rest = t * cov1 - (1.0 - t) * cov0, x - mean.reshape((1,) * (x.ndim - len(shape)) + shape)
        shift = (loc1 - loc0).reshape((1,) * (x.ndim - len(shape)) + shape)
        if not shape:
            return shift + slope / cov * rest
        gain = jax.scipy.linalg.cho_solve((jnp.linalg.cholesky(cov), True), slope)
        return shift + jnp.einsum("...i,ij->...j", rest, gain, precision=HIGHEST)

    def field(t: ArrayLike, x: ArrayLike) -> jax.Array:
        x = floating(x).astype(loc0.dtype)
        t = jnp.asarray(t, loc0.dtype)
        if x.shape[x.ndim - len(shape) :] != shape or t.shape != x.shape[: t.ndim] or t.ndim > x.ndim - len(shape):
            raise ValueError(
                f"{name}: the field got t of shape {t.shape} and x of shape {x.shape}, expected x (*batch, *{shape}) "
                f"and t () or its leading axes"
            )
        fn = velocity
        for _ in range(t.ndim):
            fn = jax.vmap(fn)
        return fn(t, x)

    return field


_TABLEAUS = {
    "euler": ((), (1.0,)),
    "midpoint": ((0.5,), (0.0, 1.0)),
    "heun": ((1.0,), (0.5, 0.5)),
    "rk4": ((0.5, 0.5, 1.0), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
}


def sample_flow(field: Field, x0: ArrayLike, *, num_steps: int, method: str = "heun") -> jax.Array:
    """Carry noise to data along a field, dx/dt = v(t, x) from t = 0 to t = 1 in equal steps.

    Args:
        field: (t (n,), x (n, *event)) -> (n, *event).
        x0: (n, *event) noise.
        num_steps: static.
        method: "euler" (order 1, one call of the field a step), "midpoint", "heun" (order 2, two calls) or "rk4"
            (order 4, four calls).

    Returns:
        (n, *event).

    Raises:
        ValueError: no steps, an unknown method, or a field that changes the shape.
        TypeError: integer noise.

    Numerics:
        Exact with one Euler step where paths are straight lines run at constant speed. Only "rk4" and "heun" look at
        t = 1, where a field may be singular.

    Cost:
        One compiled step; memory does not grow with the steps, but in reverse mode does.

    Source:
        Lipman et al. (2023), eq. 1; Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I (1993),
        sec. II.1.
    """
    name = "sample_flow"
    at_least(name, "num_steps", num_steps, 1)
    chosen(name, "method", method, _TABLEAUS)
    x0 = batch(name, x0, "x0")
    nodes, weights = _TABLEAUS[method]
    size = 1.0 / num_steps

    def slope(t, x):
        return same_event_shape(name, "the result of field", field(jnp.full(x.shape[:1], t), x), x)

    def step(x, index):
        t = index * size
        slopes = [slope(t, x)]
        for node in nodes:
            slopes.append(slope(t + node * size, x + node * size * slopes[-1]))
        change = sum((w * k for w, k in zip(weights, slopes, strict=True) if w), jnp.zeros_like(x))
        return x + size * change, None

    return jax.lax.scan(step, x0, jnp.arange(num_steps).astype(x0.dtype))[0]
