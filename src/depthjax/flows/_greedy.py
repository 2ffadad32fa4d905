"""Density estimation by ascent, one simple map at a time."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from depthjax.bijectors import Chain, Invert, Scan, TriangularAffine
from depthjax.core import Bijector, constrain, unconstrain
from depthjax.distributions import Transformed
from depthjax.flows._layered_flows import standard_normal


class GreedyResult(NamedTuple):
    """What `fit_greedy` found.

    Attributes:
        flow: base pushed through the inverses of the layers and of the standardisation.
        log_likelihoods: (num_layers + 1,) mean log likelihood of the data before and after each layer, nats; never
            decreasing.
        validation: the same of the held-out data; empty without.
        num_accepted: layers that improved the likelihood; the others were left at the identity.
    """

    flow: Transformed
    log_likelihoods: np.ndarray
    validation: np.ndarray
    num_accepted: int


def fit_greedy(
    key: jax.Array,
    layer_fn: Callable[[jax.Array], Bijector],
    data: ArrayLike,
    *,
    num_layers: int,
    num_steps: int = 20,
    validation: ArrayLike | None = None,
    base: Any = None,
) -> GreedyResult:
    """Push data towards the base by one near-identity map after another, each fitted alone and then frozen.

    The data are standardised first. Layer k maximises the mean of log p_base(f(x)) + log|det df/dx| over its own
    parameters, from the identity, by L-BFGS with a line search; a layer that would lower it stays the identity. The
    maps act from the data to the base, so the likelihood costs one pass and no inverse while fitting.

    Args:
        key: PRNG key, split among the layers.
        layer_fn: key -> bijector of the event shape that is the identity, such as a radial map with beta = 0 about a
            random centre; all of one structure.
        data: (N, d).
        num_layers: number of layers.
        num_steps: L-BFGS steps for each layer.
        validation: (M, d) held out, only reported.
        base: distribution of event shape (d,); standard normal if None.

    Returns:
        `GreedyResult`.

    Raises:
        ValueError: data that are not (N, d) with N > d, or a layer that is not the identity to begin with.
        TypeError: layer_fn gives no bijector.

    Source:
        Tabak and Turner, A family of nonparametric density estimation algorithms (2013), sec. 3.
    """
    x = _as_matrix("data", data, None)
    held_out = None if validation is None else _as_matrix("validation", validation, x.shape[1])
    base = standard_normal(x.shape[1]) if base is None else base
    whiten = _standardisation(x)
    points, totals = whiten.forward_and_log_det(x)
    held = None if held_out is None else whiten.forward_and_log_det(held_out)
    layers, history, held_history, accepted = [], [_mean(base, points, totals)], [], 0
    held_history += [] if held is None else [_mean(base, *held)]
    for k in jax.random.split(key, num_layers):
        layer = layer_fn(k)
        if not isinstance(layer, Bijector):
            raise TypeError(f"fit_greedy: layer_fn gives {type(layer).__name__}, expected a Bijector")
        _check_identity(layer, points)
        layer, improved = _fit_layer(unconstrain(layer), base, points, num_steps)
        points, totals = _push(layer, points, totals)
        history.append(_mean(base, points, totals))
        if held is not None:
            held = _push(layer, *held)
            held_history.append(_mean(base, *held))
        layers.append(layer)
        accepted += int(improved)
    maps = [whiten] if not layers else [whiten, Scan(jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers))]
    flow = Transformed(base, Invert(Chain(*maps)))
    return GreedyResult(flow, np.asarray(history, np.float64), np.asarray(held_history, np.float64), accepted)


@partial(jax.jit, static_argnames="num_steps")
def _fit_layer(raw, base, x, num_steps):
    """The layer after L-BFGS, or as it was where that did not raise the likelihood; whether it did."""

    def loss(raw):
        y, log_det = constrain(raw).forward_and_log_det(x)
        return -jnp.mean(base.log_prob(y) + log_det)

    optimizer = optax.lbfgs()
    value_and_grad = optax.value_and_grad_from_state(loss)

    def step(carry, _):
        raw, state = carry
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            value, gradient = value_and_grad(raw, state=state)
            updates, state = optimizer.update(gradient, state, raw, value=value, grad=gradient, value_fn=loss)
            return (optax.apply_updates(raw, updates), state), None

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        (fitted, _), _ = jax.lax.scan(step, (raw, optimizer.init(raw)), length=num_steps)
    improved = loss(fitted) < loss(raw)
    return constrain(jax.tree.map(lambda new, old: jnp.where(improved, new, old), fitted, raw)), improved


@jax.jit
def _push(layer, x, totals):
    y, log_det = layer.forward_and_log_det(x)
    return y, totals + log_det


@jax.jit
def _mean(base, y, totals):
    return jnp.mean(base.log_prob(y) + totals)


def _standardisation(x):
    """The triangular affine map under which the data have mean zero and covariance one."""
    tril = jnp.linalg.cholesky(jnp.atleast_2d(jnp.cov(x, rowvar=False)))
    if not bool(jnp.all(jnp.isfinite(tril))):
        raise ValueError("fit_greedy: the covariance of the data is singular")
    inverse = jax.scipy.linalg.solve_triangular(tril, jnp.eye(x.shape[1], dtype=x.dtype), lower=True)
    return TriangularAffine(-inverse @ jnp.mean(x, axis=0), inverse)


def _check_identity(layer, x):
    moved = np.max(np.abs(np.asarray(layer.forward(x[:16]) - x[:16])))
    if not moved <= 1e-3:
        raise ValueError(
            f"fit_greedy: a layer must start as the identity, {type(layer).__name__} moves data by {moved}"
        )


def _as_matrix(name, data, dim):
    x = jnp.asarray(data)
    if x.ndim != 2 or (dim is None and x.shape[0] <= x.shape[1]) or (dim is not None and x.shape[1] != dim):
        expected = "(N, d) with N > d" if dim is None else f"(M, {dim})"
        raise ValueError(f"fit_greedy: {name} has shape {x.shape}, expected {expected}")
    return x
