"""Residual nets as Euler steps, changes of their depth, and padded features."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core._options import at_least
from depthjax.ode._arguments import require_field, state, state_dtype
from depthjax.ode._blocks import block_length, scan_steps


def num_layers(function: str, params: Any) -> int:
    """Common leading size of stacked parameters.

    Raises:
        ValueError: no array, a scalar leaf, or unequal leading sizes.
    """
    sizes = {leaf.shape[0] if jnp.ndim(leaf) else 0 for leaf in jax.tree.leaves(params)}
    if len(sizes) != 1 or 0 in sizes:
        raise ValueError(
            f"{function}: leading sizes of params are {sorted(sizes)}, expected one number of layers; stack "
            f"the layers: jax.tree.map(lambda *p: jnp.stack(p), *layers)"
        )
    return sizes.pop()


def residual_net(
    block: Callable[[Any, Any], Any], params: Any, x: Any, *, step_size: ArrayLike = 1.0, remat: str | int | None = None
) -> Any:
    """Residual net x <- x + step_size block(params_l, x), which is Euler's method on a field that reads layer t/h.

    Args:
        block: from the parameters of one layer and the state to a change of the state.
        params: stacked parameters; leaves lead with the number of layers.
        x: state, a pytree of floating arrays.
        step_size: () factor of every block.
        remat: static, as in `solve_fixed`.

    Returns:
        The last state.

    Raises:
        ValueError: params that are not stacked, a block that does not return the shape of x, or remat.
        TypeError: integer or complex x.

    Numerics: blocks of value zero give the identity; dropping one layer changes the output by O(step_size).

    Cost: one scan; compile time does not grow with depth. Memory of the reverse pass as in `solve_fixed`.

    Source: Haber and Ruthotto, Stable Architectures for Deep Neural Networks (2017), eq. 3.
    """
    name = "residual_net"
    x = state(name, x, "x")
    params = jax.tree.map(jnp.asarray, params)
    depth = num_layers(name, params)
    first = jax.tree.map(lambda leaf: leaf[0], params)
    require_field(name, lambda t, x, p: block(p, x), 0.0, x, first)

    def body(x, layer):
        p, h = layer
        return jax.tree.map(lambda a, b: a + h.astype(a.dtype) * b, x, block(p, x)), None

    h = jnp.broadcast_to(jnp.asarray(step_size).astype(state_dtype(x)), (depth,))
    return scan_steps(body, x, params, h, block_length(name, remat, depth))[0]


def drop_layer(params: Any, layer: int) -> Any:
    """Stacked parameters without one layer.

    Args:
        params: stacked parameters; leaves lead with the number of layers.
        layer: static index, negative ones from the end.

    Returns:
        Parameters of one layer fewer.

    Raises:
        ValueError: params that are not stacked, or no such layer.
    """
    depth = num_layers("drop_layer", params)
    if not -depth <= layer < depth:
        raise ValueError(f"drop_layer: layer is {layer}, expected an index of {depth} layers")
    layer %= depth
    return jax.tree.map(lambda leaf: jnp.concatenate([leaf[:layer], leaf[layer + 1 :]]), params)


def refine_depth(params: Any, factor: int) -> Any:
    """Stacked parameters with every layer repeated; run the net with `step_size / factor`.

    Args:
        params: stacked parameters; leaves lead with the number of layers.
        factor: static, repeats of each layer, at least 1.

    Returns:
        Parameters of `factor` times as many layers.

    Raises:
        ValueError: params that are not stacked, or factor below 1.

    Source: Chang et al., Multi-level Residual Networks from Dynamical Systems View (2018), section 4.
    """
    at_least("refine_depth", "factor", factor, 1)
    num_layers("refine_depth", params)
    return jax.tree.map(lambda leaf: jnp.repeat(leaf, factor, axis=0), params)


def augment(x: ArrayLike, num_extra: int) -> jax.Array:
    """Features padded with zeros behind, so that flows of more dimensions can pass by each other.

    Args:
        x: (..., d).
        num_extra: static, number of zeros.

    Returns:
        (..., d + num_extra).

    Raises:
        ValueError: a scalar x, or num_extra below 0.

    Source: Dupont, Doucet and Teh, Augmented Neural ODEs (2019).
    """
    at_least("augment", "num_extra", num_extra, 0)
    x = jnp.asarray(x)
    if x.ndim == 0:
        raise ValueError("augment: x has shape (), expected (..., d)")
    return jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, num_extra)])


def unaugment(y: ArrayLike, num_extra: int) -> jax.Array:
    """Features without the padding of `augment`.

    Args:
        y: (..., d + num_extra).
        num_extra: static, number of features to drop.

    Returns:
        (..., d).

    Raises:
        ValueError: fewer features than num_extra, or num_extra below 0.
    """
    at_least("unaugment", "num_extra", num_extra, 0)
    y = jnp.asarray(y)
    if y.ndim == 0 or y.shape[-1] < num_extra:
        raise ValueError(f"unaugment: y has shape {y.shape}, expected at least {num_extra} features")
    return y[..., : y.shape[-1] - num_extra]
