"""Gradient flow of deep linear networks on whitened inputs."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import at_least, positive
from depthjax.numerics import find_root, gauss_legendre_rule
from depthjax.numerics._arguments import floats
from depthjax.ode import odeint_replay


def deep_linear_time(
    initial: ArrayLike, final: ArrayLike, target: ArrayLike, *, depth: int = 2, rate: float = 2.0
) -> jax.Array:
    """Time in which a mode of strength `initial` grows to `final`, under du/dt = rate N u^(2 - 2/N) (s - u).

    With v = u^(1/N) the time is the integral of 1/(rate v^(N-1) (s - v^N)) dv, that is of v^(1-N)/(rate s) and of
    v/(rate s (s - v^N)), whose pole at v^N = s is taken out.

    Args:
        initial: u_0, positive, any shape.
        final: strength reached, a shape that broadcasts; on the same side of the target as `initial`.
        target: s, positive.
        depth: static number of layers N.
        rate: of gradient descent, 2 for the squared error without a half.

    Returns:
        Broadcast shape; inf at the target, NaN beyond it.

    Raises:
        ValueError: a depth below one, or a concrete strength that is not positive.

    Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear neural
        networks (2014), eq. 9 and 14.
    """
    name = "deep_linear_time"
    at_least(name, "depth", depth, 1)
    positive(name, initial=initial, final=final, target=target)
    return _time(*jnp.broadcast_arrays(*floats(initial, final, target)), depth, rate)


def _time(initial, final, target, depth, rate):
    radius = target ** (1.0 / depth)
    start, end = (initial / target) ** (1.0 / depth), (final / target) ** (1.0 / depth)
    growth = jnp.log(end / start) if depth == 2 else (end ** (2 - depth) - start ** (2 - depth)) / (2 - depth)
    ratio = (1.0 - end) / (1.0 - start)
    pole = -jnp.log(jnp.where(ratio > 0.0, ratio, 1.0)) / depth
    pole = jnp.where(ratio > 0.0, pole, jnp.where(ratio == 0.0, jnp.inf, jnp.nan))
    nodes, weights = gauss_legendre_rule(64)
    middle, half = 0.5 * (start + end), 0.5 * (end - start)
    x = middle[..., None] + half[..., None] * jnp.asarray(nodes, middle.dtype).reshape((1,) * middle.ndim + (-1,))
    rest = half * (_remainder(x, depth) @ jnp.asarray(weights, middle.dtype))
    return radius ** (2 - depth) / (rate * target) * (growth + pole + rest)


def _remainder(x, depth):
    """x/(1 - x^N) - 1/(N (1 - x)), a ratio of polynomials without the pole at one."""
    powers = [x**k for k in range(depth)]
    top = sum((sum(powers[1:k]) for k in range(2, depth)), start=jnp.zeros_like(x)) - 1.0
    return top / (depth * sum(powers))


def deep_linear_mode(
    t: ArrayLike, target: ArrayLike, initial: ArrayLike, *, depth: int = 2, rate: float = 2.0
) -> jax.Array:
    """Strength at time t of a mode of a balanced deep linear network, du/dt = rate N u^(2 - 2/N) (s - u).

    One layer: s + (u_0 - s) exp(-rate t). Two: s/(1 + (s/u_0 - 1) exp(-2 rate s t)). More: the inverse of
    `deep_linear_time`.

    Args:
        t: time, any shape, nonnegative.
        target: s, a shape that broadcasts, positive: a singular value of the input-output correlation.
        initial: u_0, positive, at most s for three layers and more.
        depth: static number of layers N.
        rate: of gradient descent, 2 for the squared error without a half.

    Returns:
        u(t), broadcast shape; NaN where no solution was found.

    Raises:
        ValueError: a depth below one, or a concrete strength that is not positive.

    Source: Saxe, McClelland and Ganguli (2014), eq. 9 to 14.
    """
    name = "deep_linear_mode"
    at_least(name, "depth", depth, 1)
    positive(name, target=target, initial=initial)
    t, s, u = jnp.broadcast_arrays(*floats(t, target, initial))
    if depth == 1:
        return s + (u - s) * jnp.exp(-rate * t)
    if depth == 2:
        decay = jnp.exp(-2.0 * rate * s * t)
        return s * u / (u + (s - u) * decay)

    def elapsed(gap, t, s, u):
        return _time(u, s * (1.0 - gap), s, depth, rate) - t

    least = 4.0 * jnp.finfo(t.dtype).eps
    done = elapsed(jnp.full_like(t, least), t, s, u) <= 0.0
    resting = (t == 0.0) | (u == s)
    safe_t = jnp.where(done | resting, 0.0, t)
    gap = find_root(elapsed, jnp.full_like(t, least), 1.0 - u / s, safe_t, s, u)
    value = jnp.where(gap.converged, s * (1.0 - gap.value), jnp.nan)
    return jnp.where(resting, u, jnp.where(done, s, value))


class DeepLinearPath(NamedTuple):
    """A path of gradient flow.

    Attributes:
        weights: a tuple of (num_times, rows, columns), a layer each.
        product: (num_times, out, in) of the layers, the last one first.
        converged: () bool, every interval was integrated; NaN where not.
    """

    weights: tuple[jax.Array, ...]
    product: jax.Array
    converged: jax.Array


def deep_linear_flow(
    w_init: Sequence[ArrayLike], gamma: ArrayLike, t: ArrayLike, *, rate: float = 2.0
) -> DeepLinearPath:
    """Layers W_1, ..., W_N of a linear network under gradient flow on whitened inputs, from any start.

    dW_l/dt = rate (W_N ... W_{l+1})^T (Gamma - W_N ... W_1) (W_{l-1} ... W_1)^T.

    Args:
        w_init: matrices at time 0, the first layer first; W_{l+1} W_l must be defined.
        gamma: (out, in) correlation of outputs with inputs, the map that is learned.
        t: (num_times,) increasing times, from 0 on.
        rate: 2 for the squared error without a half.

    Returns:
        `DeepLinearPath`.

    Raises:
        ValueError: shapes that do not fit.

    Numerics: integrated adaptively to 1e-10 (float32: 1e-6); W_{l+1}^T W_{l+1} - W_l W_l^T is conserved.

    Source: Saxe, McClelland and Ganguli (2014), eq. 3; Arora, Cohen and Hazan (2018) for the conserved differences.
    """
    *layers, gamma, t = floats(*w_init, gamma, t)
    shapes = [layer.shape for layer in layers]
    fits = all(len(s) == 2 for s in shapes) and all(a[0] == b[1] for a, b in zip(shapes, shapes[1:], strict=False))
    if not layers or not fits or gamma.shape != (shapes[-1][0], shapes[0][1]) or t.ndim != 1:
        raise ValueError(
            f"deep_linear_flow: w_init, gamma and t have shapes {shapes}, {gamma.shape} and {t.shape}, expected "
            f"matrices whose product, the last one first, has the shape of gamma, and (num_times,)"
        )
    tol = 1e-10 if jnp.finfo(t.dtype).bits == 64 else 1e-6

    def slope(_, layers, gamma):
        return jax.tree.map(lambda g: -0.5 * rate * g, jax.grad(lambda w: jnp.sum((gamma - _product(w)) ** 2))(layers))

    def interval(state, ends):
        layers, ok = state
        found = odeint_replay(slope, layers, ends[0], ends[1], gamma, rtol=tol, atol=tol, max_steps=4096)
        return (found.y1, ok & found.converged), found.y1

    starts = jnp.concatenate([jnp.zeros((1,), t.dtype), t[:-1]])
    (_, ok), path = lax.scan(interval, (tuple(layers), jnp.ones((), bool)), jnp.stack([starts, t], axis=1))
    return DeepLinearPath(path, jax.vmap(_product)(path), ok)


def _product(layers):
    total = layers[0]
    for layer in layers[1:]:
        total = layer @ total
    return total
