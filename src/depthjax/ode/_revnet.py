"""Reversible nets: constant memory in depth, and an inverse."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import ArrayLike

from depthjax.ode._arguments import require_field, state
from depthjax.ode._first_order import first_order_only
from depthjax.ode._residual import num_layers

Block = Callable[[Any, Any], Any]


def _reversible(name: str, step: Callable, undo: Callable, params: Any, pair: Any, *, backwards: bool) -> Any:
    """Scan pair <- step(params_l, pair) over layers; the reverse pass undoes the layers instead of storing them."""
    params = state(name, params, "params")
    num_layers(name, params)
    pair = state(name, pair, "the pair of states")
    first = jax.tree.map(lambda leaf: leaf[0], params)
    require_field(name, lambda t, pair, p: step(p, pair), 0.0, pair, first)
    step, by_step = jax.closure_convert(step, first, pair)
    undo, by_undo = jax.closure_convert(undo, first, pair)
    return _scan((name, step, undo, backwards), params, pair, tuple(by_step), lax.stop_gradient(tuple(by_undo)))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _scan(static, params, pair, by_step, by_undo):
    _, step, _, backwards = static
    return lax.scan(lambda pair, p: (step(p, pair, *by_step), None), pair, params, reverse=backwards)[0]


def _forward(static, params, pair, by_step, by_undo):
    params, pair, by_step = first_order_only(static[0], (params, pair, by_step))
    out = _scan(static, params, pair, by_step, by_undo)
    return out, (params, out, by_step, by_undo)


def _backward(static, saved, cotangents):
    _, step, undo, backwards = static
    params, pair, by_step, by_undo = saved

    def back(carry, p):
        pair, cotangents, grads = carry
        pair = undo(p, pair, *by_undo)
        _, pull = jax.vjp(lambda p, pair, by: step(p, pair, *by), p, pair, by_step)
        dp, cotangents, more = pull(cotangents)
        return (pair, cotangents, jax.tree.map(jnp.add, grads, more)), dp

    start = (pair, first_order_only(static[0], cotangents), jax.tree.map(jnp.zeros_like, by_step))
    (_, cotangents, grads), dparams = lax.scan(back, start, params, reverse=not backwards)
    return dparams, cotangents, grads, jax.tree.map(jnp.zeros_like, by_undo)


_scan.defvjp(_forward, _backward)


def _plus(x, change, factor=None):
    if factor is None:
        return jax.tree.map(jnp.add, x, change)
    return jax.tree.map(lambda a, b: a + jnp.asarray(factor).astype(a.dtype) * b, x, change)


def _run(name, step, undo, params, pair, inverse):
    first, second = (undo, step) if inverse else (step, undo)
    return _reversible(name, first, second, params, pair, backwards=inverse)


@dataclasses.dataclass(frozen=True)
class RevNet:
    """Layers of additive couplings: y1 = x1 + a(params_a, x2), y2 = x2 + b(params_b, y1).

    Args:
        block_a: from the parameters of a layer and the second half to a change of the first.
        block_b: from the parameters of a layer and the first half to a change of the second.

    Numerics: first derivatives, in reverse mode, from states that are recomputed by the inverse; its rounding errors
        grow where a layer's Jacobian is badly conditioned.

    Cost: memory of the reverse pass independent of depth, and every block is computed twice there.

    Source: Gomez et al., The Reversible Residual Network (2017), eqs. 6 and 7.
    """

    block_a: Block
    block_b: Block

    def _steps(self):
        def step(p, pair):
            x1 = _plus(pair[0], self.block_a(p[0], pair[1]))
            return x1, _plus(pair[1], self.block_b(p[1], x1))

        def undo(p, pair):
            x2 = _plus(pair[1], self.block_b(p[1], pair[0]), -1.0)
            return _plus(pair[0], self.block_a(p[0], x2), -1.0), x2

        return step, undo

    def forward(self, params: tuple[Any, Any], x1: Any, x2: Any) -> tuple[Any, Any]:
        """Outputs of all layers.

        Args:
            params: stacked parameters of the two blocks; leaves lead with the number of layers.
            x1: first half of the state.
            x2: second half.

        Returns:
            The two halves.

        Raises:
            ValueError: params that are not stacked, or blocks that change shapes.
            TypeError: leaves that are not floats.
        """
        return _run("RevNet", *self._steps(), tuple(params), (x1, x2), inverse=False)

    def inverse(self, params: tuple[Any, Any], y1: Any, y2: Any) -> tuple[Any, Any]:
        """Inputs whose outputs are (y1, y2).

        Args:
            params: as in `forward`.
            y1: first half of the output.
            y2: second half.

        Returns:
            The two halves of the input.

        Raises:
            ValueError: as `forward`.
            TypeError: as `forward`.
        """
        return _run("RevNet", *self._steps(), tuple(params), (y1, y2), inverse=True)


def midpoint_net(
    block: Block, params: Any, x_before: Any, x: Any, *, step_size: ArrayLike = 1.0, inverse: bool = False
) -> tuple[Any, Any]:
    """Midpoint (two-step) net: x_{l+1} = x_{l-1} + 2 step_size block(params_l, x_l).

    Args:
        block: from the parameters of a layer and the state to its slope.
        params: stacked parameters; leaves lead with the number of layers.
        x_before: state x_{l-1} before the first layer.
        x: state x_l before the first layer.
        step_size: () step.
        inverse: static, undo the layers.

    Returns:
        The last two states, in the order of the arguments.

    Raises:
        ValueError: params that are not stacked, or a block that changes shapes.
        TypeError: leaves that are not floats.

    Numerics: stable for imaginary spectra only, as the leapfrog rule; derivatives as in `RevNet`.

    Cost: memory of the reverse pass independent of depth.

    Source: Chang et al., Reversible Architectures for Arbitrarily Deep Residual Neural Networks (2018), eq. 13.
    """

    def step(p, pair):
        return pair[1], _plus(pair[0], block(p, pair[1]), 2 * step_size)

    def undo(p, pair):
        return _plus(pair[1], block(p, pair[0]), -2 * step_size), pair[0]

    return _run("midpoint_net", step, undo, params, (x_before, x), inverse=inverse)


def leapfrog_net(
    block: Block, params: Any, x_before: Any, x: Any, *, step_size: ArrayLike = 1.0, inverse: bool = False
) -> tuple[Any, Any]:
    """Leapfrog net of a second-order equation: x_{l+1} = 2 x_l - x_{l-1} + step_size^2 block(params_l, x_l).

    Args:
        block: from the parameters of a layer and the state to its acceleration.
        params: stacked parameters; leaves lead with the number of layers.
        x_before: state x_{l-1} before the first layer.
        x: state x_l before the first layer.
        step_size: () step.
        inverse: static, undo the layers.

    Returns:
        The last two states, in the order of the arguments.

    Raises:
        ValueError: params that are not stacked, or a block that changes shapes.
        TypeError: leaves that are not floats.

    Cost: memory of the reverse pass independent of depth.

    Source: Chang et al., Reversible Architectures for Arbitrarily Deep Residual Neural Networks (2018), eq. 16.
    """

    def next_to(p, old, now):
        return _plus(jax.tree.map(lambda a, b: 2 * a - b, now, old), block(p, now), step_size * step_size)

    def step(p, pair):
        return pair[1], next_to(p, *pair)

    def undo(p, pair):
        return next_to(p, pair[1], pair[0]), pair[0]

    return _run("leapfrog_net", step, undo, params, (x_before, x), inverse=inverse)


def hamiltonian_net(
    k: ArrayLike, b: ArrayLike, x: ArrayLike, z: ArrayLike, h: ArrayLike, *, inverse: bool = False
) -> tuple[jax.Array, jax.Array]:
    """Hamiltonian net: x <- x + h K' tanh(K z + b), then z <- z - h K' tanh(K x + b), layer by layer.

    Args:
        k: matrices, (layers, m, d).
        b: offsets, (layers, m).
        x: (..., d).
        z: (..., d).
        h: () step.
        inverse: static, undo the layers.

    Returns:
        The pair (x, z) behind the last layer.

    Raises:
        ValueError: shapes.
        TypeError: leaves that are not floats.

    Numerics: a symplectic map, so volume is preserved; derivatives as in `RevNet`.

    Cost: memory of the reverse pass independent of depth.

    Source: Chang et al., Reversible Architectures for Arbitrarily Deep Residual Neural Networks (2018), eq. 10.
    """
    k, b, x, z = (jnp.asarray(v) for v in (k, b, x, z))
    if k.ndim != 3 or b.shape != k.shape[:2] or x.shape != z.shape or x.shape[-1:] != k.shape[2:]:
        raise ValueError(
            f"hamiltonian_net: k, b, x, z have shapes {k.shape}, {b.shape}, {x.shape}, {z.shape}, expected "
            f"(layers, m, d), (layers, m), (..., d), (..., d)"
        )

    def force(p, v):
        at = v @ p[0].T
        return jnp.tanh(at + jnp.broadcast_to(p[1], at.shape)) @ p[0]

    def step(p, pair):
        x = _plus(pair[0], force(p, pair[1]), h)
        return x, _plus(pair[1], force(p, x), -h)

    def undo(p, pair):
        z = _plus(pair[1], force(p, pair[0]), h)
        return _plus(pair[0], force(p, z), -h), z

    return _run("hamiltonian_net", step, undo, (k, b), (x, z), inverse=inverse)
