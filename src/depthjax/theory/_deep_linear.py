"""Gradient flow of deep linear networks on whitened inputs."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.core._options import at_least, non_negative, positive
from depthjax.numerics._arguments import floats
from depthjax.ode import odeint_replay
from depthjax.theory._mode_clock import elapsed, log_ratio


def deep_linear_time(
    initial: ArrayLike, final: ArrayLike, target: ArrayLike, *, depth: int = 2, rate: float = 2.0
) -> jax.Array:
    """Time in which a mode of strength `initial` moves to `final`, under du/dt = rate N u^(2 - 2/N) (s - u).

    Args:
        initial: u_0, positive, any shape.
        final: strength reached, a shape that broadcasts; on the same side of the target as `initial`.
        target: s, positive.
        depth: static number of layers N.
        rate: of gradient descent, 2 for the squared error without a half.

    Returns:
        Broadcast shape; inf at the target, NaN beyond it, negative for a strength farther from the target.

    Raises:
        ValueError: a depth below one, or a concrete strength that is not positive.

    Source: Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning in deep linear neural
        networks (2014), eq. 9 and 14.
    """
    name = "deep_linear_time"
    at_least(name, "depth", depth, 1)
    positive(name, initial=initial, final=final, target=target)
    u, v, s = jnp.broadcast_arrays(*floats(initial, final, target))
    valid = (u > 0.0) & (v > 0.0) & (s > 0.0) & ((v == s) | ((u < s) & (v < s)) | ((u > s) & (v > s)))
    moves = valid & (u != v)
    u, v, s = (jnp.where(moves, x, y) for x, y in ((u, 0.25), (v, 0.5), (s, 1.0)))
    left = jnp.where(v == s, jnp.inf, jnp.log((s - u) / jnp.where(v == s, 1.0, s - v)))
    if depth == 1:
        time = left / rate
    elif depth == 2:
        time = (jnp.log(v / u) + left) / (rate * depth * s)
    else:
        y, end = jnp.log(u / s), jnp.log(v / s)
        shed = jnp.where(v == s, jnp.inf, jnp.log(y / jnp.where(v == s, 1.0, end)))
        time = elapsed(shed, y, end, jnp.log(v / u), depth) / (rate * depth * s ** (2.0 - 2.0 / depth))
    return jnp.where(moves, time, jnp.where(valid, 0.0, jnp.nan))


def deep_linear_mode(
    t: ArrayLike, target: ArrayLike, initial: ArrayLike, *, depth: int = 2, rate: float = 2.0
) -> jax.Array:
    """Strength at time t of a mode of a balanced deep linear network, du/dt = rate N u^(2 - 2/N) (s - u).

    One layer: s + (u_0 - s) exp(-rate t). Two: s/(1 + (s/u_0 - 1) exp(-2 rate s t)). More: the inverse of
    `deep_linear_time`.

    Args:
        t: time, any shape, nonnegative.
        target: s, a shape that broadcasts, positive: a singular value of the input-output correlation.
        initial: u_0, positive.
        depth: static number of layers N.
        rate: of gradient descent, 2 for the squared error without a half.

    Returns:
        u(t), broadcast shape; NaN where no solution was found.

    Raises:
        ValueError: a depth below one, or a concrete strength that is not positive, a negative time.

    Numerics: for three layers and more log(u/s) = log(u_0/s) exp(-a) is solved for a; derivatives of every order are
        those of the flow, also at t = 0 and at u_0 = s. The relative error is of the order of eps |log(u_0/s)|.

    Source: Saxe, McClelland and Ganguli (2014), eq. 9 to 14.
    """
    name = "deep_linear_mode"
    at_least(name, "depth", depth, 1)
    positive(name, target=target, initial=initial)
    non_negative(name, t=t)
    t, s, u = jnp.broadcast_arrays(*floats(t, target, initial))
    valid = (t >= 0.0) & (s > 0.0) & (u > 0.0)
    t, s, u = (jnp.where(valid, x, y) for x, y in ((t, 0.0), (s, 1.0), (u, 1.0)))
    if depth == 1:
        value = s + (u - s) * jnp.exp(-rate * t)
    elif depth == 2:
        value = s * u / (u + (s - u) * jnp.exp(-2.0 * rate * s * t))
    else:
        clock = rate * depth * s ** (2.0 - 2.0 / depth) * t
        value = s * jnp.exp(log_ratio(clock, jnp.log(u / s), depth))
    return jnp.where(valid, value, jnp.nan)


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
