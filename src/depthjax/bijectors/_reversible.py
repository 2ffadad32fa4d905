"""A scan over invertible layers whose reverse pass keeps no intermediate values."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

Step = Callable[[Any, jax.Array], tuple[jax.Array, jax.Array]]


def reversible_scan(
    step: Step, undo: Step, layers: Any, x: jax.Array, *, reverse: bool, unroll: int
) -> tuple[jax.Array, jax.Array]:
    """Run `step` over stacked layers; differentiate by inverting layer after layer with `undo`.

    Args:
        step: (layer, value) -> (value, log_det).
        undo: the inverse step.
        layers: pytree with a leading axis of length L.
        x: one event.
        reverse: start at the last layer.
        unroll: layers per loop iteration.

    Returns:
        The output event and the summed log-det. Reverse mode only.

    Source:
        Gomez et al., The Reversible Residual Network (2017), algorithm 1.
    """
    return _run(step, undo, reverse, unroll, layers, x)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1, 2, 3))
def _run(step, undo, reverse, unroll, layers, x):
    del undo

    def body(carry, layer):
        value, total = carry
        value, log_det = step(layer, value)
        return (value, total + log_det), None

    return jax.lax.scan(body, (x, jnp.zeros((), x.dtype)), layers, reverse=reverse, unroll=unroll)[0]


def _forward_pass(step, undo, reverse, unroll, layers, x):
    out = _run(step, undo, reverse, unroll, layers, x)
    y, log_det = out  # pyright: ignore[reportGeneralTypeIssues]
    return (y, log_det), (layers, y)


def _backward_pass(step, undo, reverse, unroll, residuals, cotangents):
    return _pull_back(step, undo, reverse, unroll)(*residuals, *cotangents)


_run.defvjp(_forward_pass, _backward_pass)


def _pull_back(step, undo, reverse, unroll):
    """The reverse pass (layers, y, y_bar, log_det_bar) -> (layers_bar, x_bar), which takes a mapped axis inside.

    Mapped from outside it would keep the cotangents of all layers for every example before they are summed; inside,
    each layer's cotangent is summed over the batch as it arises.
    """

    def pull(layers, y, y_bar, log_det_bar):
        def body(carry, layer):
            output, output_bar = carry
            value = jax.lax.stop_gradient(undo(layer, output)[0])
            _, pullback = jax.vjp(step, layer, value)
            layer_bar, value_bar = pullback((output_bar, log_det_bar))
            return (value, value_bar), layer_bar

        (_, x_bar), layers_bar = jax.lax.scan(body, (y, y_bar), layers, reverse=not reverse, unroll=unroll)
        return layers_bar, x_bar

    mapped = jax.custom_batching.custom_vmap(pull)

    @mapped.def_vmap
    def _(axis_size, in_batched, layers, *events):
        layers_batched, *events_batched = in_batched
        if any(jax.tree.leaves(layers_batched)):
            axes = jax.tree.map(lambda is_batched: 0 if is_batched else None, tuple(in_batched))
            out = jax.vmap(pull, in_axes=axes, axis_size=axis_size)(layers, *events)
            return out, jax.tree.map(lambda _: True, out)
        events = [
            event if is_batched else jnp.broadcast_to(event[None], (axis_size, *event.shape))
            for event, is_batched in zip(events, events_batched, strict=True)
        ]
        whole = (jax.vmap(fn, in_axes=(None, 0)) for fn in (step, undo))
        layers_bar, x_bar = _pull_back(*whole, reverse, unroll)(layers, *events)
        return (layers_bar, x_bar), (jax.tree.map(lambda _: False, layers_bar), True)

    return mapped
