"""Stein variational gradient descent as a gradient transformation, and a loop's two halves around one."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from depthjax.core import require_shape
from depthjax.stein._arguments import require_kernel
from depthjax.stein._bandwidth import CONVENTIONS, median_bandwidth, with_length_scale
from depthjax.stein._kernel import Kernel
from depthjax.stein._svgd import svgd_direction


class SteinState(NamedTuple):
    """State of `scale_by_stein`.

    Attributes:
        count: () steps taken.
        length_scale: () that of the last step; NaN before the first and for kernels that have none.
    """

    count: jax.Array
    length_scale: jax.Array


class SVGDInfo(NamedTuple):
    """What a step of `svgd` reports.

    Attributes:
        log_density: (n,) at the particles before the step.
        direction_norm: () root mean square of the direction before the optimizer.
    """

    log_density: jax.Array
    direction_norm: jax.Array


def _rows(name: str, tree: Any) -> tuple[jax.Array, Callable[[jax.Array], Any]]:
    """(n, d) of a tree whose leaves have n rows, and its inverse."""
    leaves = jax.tree.leaves(tree)
    if not leaves or any(jnp.ndim(leaf) == 0 for leaf in leaves) or len({jnp.shape(leaf)[0] for leaf in leaves}) > 1:
        shapes = [jnp.shape(leaf) for leaf in leaves]
        raise ValueError(f"{name}: leaves have shapes {shapes}, expected the same number of particles n as first axis")
    _, unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], tree))
    return jax.vmap(lambda row: ravel_pytree(row)[0])(tree), jax.vmap(unravel)


def _fitted(kernel, bandwidth, x):
    """The kernel at the length scale that `bandwidth` asks for."""
    if bandwidth is None:
        return kernel, jnp.full((), jnp.nan, x.dtype)
    if isinstance(bandwidth, str):
        h = median_bandwidth(kernel._whiten(x), convention=bandwidth)
    else:
        h = jnp.asarray(bandwidth(x) if callable(bandwidth) else bandwidth).astype(x.dtype)
        require_shape("scale_by_stein", "bandwidth", h, ())
    fitted, found = with_length_scale(kernel, h)
    return fitted, h if found else jnp.full((), jnp.nan, x.dtype)


def scale_by_stein(
    kernel: Kernel,
    *,
    bandwidth: str | float | Callable[[jax.Array], jax.Array] | None = "liu_wang",
    temperature: Callable[[jax.Array], jax.Array] | float | None = None,
    repulsion: float = 1.0,
    block_size: int | None = None,
) -> optax.GradientTransformation:
    """Turn the loss gradients -grad log p of particles into minus the direction of `svgd_direction`.

    It chains: `optax.chain(scale_by_stein(RBF()), optax.adagrad(0.1))`.

    Args:
        kernel: kernel record.
        bandwidth: of the kernel's length scale at each step: a convention of `median_bandwidth`, a number, a function
            of the particles (n, d), or None to leave the kernel alone. Kernels without a length scale ignore the names.
        temperature: factor of the scores, a number or a schedule of the step, such as `annealing_schedule`.
        repulsion: factor of the kernel's gradient.
        block_size: rows of a tile.

    Returns:
        An optax transformation whose `update` needs the particles as `params`; leaves have n rows.

    Raises:
        ValueError: an unknown convention; a number or function for a kernel without length scale; at trace time,
            particles whose leaves differ in n, or no `params`.

    Source:
        Liu and Wang, Stein Variational Gradient Descent (2016), algorithm 1.
    """
    require_kernel("scale_by_stein", kernel)
    if isinstance(bandwidth, str) and bandwidth not in CONVENTIONS:
        raise ValueError(f"scale_by_stein: bandwidth is {bandwidth!r}, expected one of {', '.join(CONVENTIONS)}")
    if bandwidth is not None and not isinstance(bandwidth, str) and not with_length_scale(kernel, jnp.ones(()))[1]:
        raise ValueError(f"scale_by_stein: {type(kernel).__name__} has no length scale; expected bandwidth=None")

    def init(params):
        x, _ = _rows("scale_by_stein", params)
        return SteinState(jnp.zeros((), jnp.int32), jnp.full((), jnp.nan, x.dtype))

    def update(updates, state, params=None):
        if params is None:
            raise ValueError("scale_by_stein: update needs the particles, update(updates, state, params)")
        x, _ = _rows("scale_by_stein", params)
        gradients, unravel = _rows("scale_by_stein", updates)
        fitted, h = _fitted(kernel, bandwidth, x)
        factor = 1.0 if temperature is None else temperature(state.count) if callable(temperature) else temperature
        direction = svgd_direction(
            x, -gradients, fitted, temperature=factor, repulsion=repulsion, block_size=block_size
        )
        return unravel(-direction), SteinState(state.count + 1, h)

    return optax.GradientTransformation(init, update)


def svgd(
    log_density: Callable[..., jax.Array],
    kernel: Kernel,
    optimizer: optax.GradientTransformation,
    *,
    bandwidth: str | float | Callable[[jax.Array], jax.Array] | None = "liu_wang",
    temperature: Callable[[jax.Array], jax.Array] | float | None = None,
    repulsion: float = 1.0,
    block_size: int | None = None,
) -> tuple[Callable[[Any], Any], Callable[..., tuple[Any, Any, SVGDInfo]]]:
    """Stein variational gradient descent as a pure pair.

    Args:
        log_density: (particle, *batch) -> () nats for one particle, an array or a tree.
        kernel: kernel record.
        optimizer: optax transformation that takes the direction.
        bandwidth: as in `scale_by_stein`.
        temperature: as in `scale_by_stein`.
        repulsion: as in `scale_by_stein`.
        block_size: as in `scale_by_stein`.

    Returns:
        `init(particles) -> state` and `step(particles, state, *batch) -> (particles, state, info)`; leaves of the
        particles have n rows. Both may be jitted, scanned and vmapped.

    Raises:
        ValueError: as `scale_by_stein`; a log density that is not a scalar.

    Source:
        Liu and Wang (2016), algorithm 1.
    """
    stein = scale_by_stein(
        kernel, bandwidth=bandwidth, temperature=temperature, repulsion=repulsion, block_size=block_size
    )

    def init(particles):
        return stein.init(particles), optimizer.init(particles)

    def step(particles, state, *batch):
        def loss(particle):
            value = log_density(particle, *batch)
            if jnp.shape(value) != ():
                raise ValueError(
                    f"svgd: log_density has shape {jnp.shape(value)}, expected (): it sees one particle, the library "
                    "adds vmap"
                )
            return -value

        values, gradients = jax.vmap(jax.value_and_grad(loss))(particles)
        descent, stein_state = stein.update(gradients, state[0], particles)
        with jax.numpy_dtype_promotion("standard"):  # optax mixes Python floats with its integer step counts
            updates, optimizer_state = optimizer.update(descent, state[1], particles)
        rows, _ = _rows("svgd", descent)
        info = SVGDInfo(-values, jnp.sqrt(jnp.mean(jnp.square(rows))))
        return optax.apply_updates(particles, updates), (stein_state, optimizer_state), info

    return init, step


def amortised_svgd_loss(
    params: Any,
    noise: jax.Array,
    generator: Callable[[Any, jax.Array], jax.Array],
    score_fn: Callable[[jax.Array], jax.Array],
    kernel: Kernel,
) -> jax.Array:
    """Loss whose gradient moves a generator's samples along the Stein direction: -mean_i phi_i . g(params, noise_i).

    Args:
        params: of the generator.
        noise: (n, k).
        generator: (params, noise (k,)) -> (d,).
        score_fn: grad log p, (d,) -> (d,).
        kernel: kernel record.

    Returns:
        (); no gradient goes through phi, so that the value itself means nothing.

    Raises:
        ValueError: the generator or the score gives other shapes.

    Source:
        Feng, Wang and Liu, Learning to Draw Samples with Amortized Stein Variational Gradient Descent (2017), eq. 7.
    """
    samples = jax.vmap(generator, (None, 0))(params, noise)
    fixed = jax.lax.stop_gradient(samples)
    direction = jax.lax.stop_gradient(svgd_direction(fixed, jax.vmap(score_fn)(fixed), kernel))
    return -jnp.mean(jnp.sum(direction * samples, axis=1))
