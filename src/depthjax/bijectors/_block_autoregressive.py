"""Block neural autoregressive flow: one network whose blocks on the diagonal are positive."""

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.bijectors._numerical_inverse import solve_by_coordinate
from depthjax.bijectors._saturating import leaky_tanh_terms
from depthjax.core import Bijector, derived, param, record, static
from depthjax.numerics import log_add, log_sigmoid


@record
class BlockAutoregressive(Bijector):
    """y = (1 - alpha) x + alpha f(x), f a network with block lower triangular weights and positive diagonal blocks.

    Every coordinate has a block of units in each layer, which see the coordinates before it through free weights and
    itself through exp(log_diagonals); the activation increases. So y_i increases in x_i and depends on x_1..x_i.

    Args:
        weights: tuple of (d a_out, d a_in), one for each layer, used strictly below the diagonal blocks; a is the
            block size, 1 at both ends.
        log_diagonals: tuple of (d, a_out, a_in), logs of the diagonal blocks.
        biases: tuple of (d a_out,).
        raw_gate: (), alpha = sigmoid(raw_gate).
        bound: static; the activation is `LeakyTanh(bound)`, whose linear tails make f onto.

    Raises:
        ValueError: fewer than two layers, or sizes that do not agree.

    Numerics:
        log slopes are carried through the layers by logsumexp, never as products. The inverse is numerical, one
        bracketed root for each coordinate in turn; NaN where one did not converge, and differentiable.

    Cost:
        Forward, one pass. Inverse, d root searches of some tens of passes each.

    Source:
        De Cao, Titov, Aziz, Block Neural Autoregressive Flow (2019), eq. 7-14, with another activation.
    """

    weights: tuple[jax.Array, ...]
    log_diagonals: tuple[jax.Array, ...]
    biases: tuple[jax.Array, ...]
    raw_gate: jax.Array = param()
    bound: float = static(default=3.0)
    event_shape: tuple[int, ...] = derived()

    inverse_kind = "iterative"

    @classmethod
    def _complete(cls, fields):
        name = cls.__name__
        parts = {k: tuple(jnp.asarray(v) for v in fields[k]) for k in ("weights", "log_diagonals", "biases")}
        depth = len(parts["weights"])
        if depth < 2 or any(len(part) != depth for part in parts.values()):
            raise ValueError(f"{name}: needs two layers at least, and as many weights, log_diagonals and biases")
        dim, size = parts["log_diagonals"][0].shape[0], 1
        for layer, (weight, blocks, bias) in enumerate(zip(*parts.values(), strict=True)):
            above = blocks.shape[1] if layer < depth - 1 else 1
            wanted = (dim * above, dim * size), (dim, above, size), (dim * above,)
            if (weight.shape, blocks.shape, bias.shape) != wanted:
                raise ValueError(
                    f"{name}: layer {layer} has weights, log_diagonals and biases of shapes {weight.shape}, "
                    f"{blocks.shape}, {bias.shape}, expected {wanted[0]}, {wanted[1]}, {wanted[2]}"
                )
            size = above
        return {**fields, **parts, "event_shape": (dim,)}

    def _forward_and_log_det(self, x):
        (dim,) = self.event_shape
        h, log_slopes = x[:, None], jnp.zeros((dim, 1), x.dtype)
        for layer, parts in enumerate(zip(self.weights, self.log_diagonals, self.biases, strict=True)):
            if layer:
                h, log_slope = leaky_tanh_terms(h, self.bound)
                log_slopes = log_slopes + log_slope
            h, log_slopes = _dense_block(h, log_slopes, *parts)
        gate = self.raw_gate
        y = jax.nn.sigmoid(-gate) * x + jax.nn.sigmoid(gate) * h[:, 0]
        return y, jnp.sum(log_add(log_sigmoid(-gate), log_sigmoid(gate) + log_slopes[:, 0]))

    def _inverse_and_log_det(self, y):
        return self._inverse_with_info(y)[:2]

    def _inverse_with_info(self, y):
        result = solve_by_coordinate(self, y)
        return result.value, -self._forward_and_log_det(result.value)[1], result


def _dense_block(h, log_slopes, weight, log_blocks, bias):
    """One layer on (d, a_in) units with log slopes (d, a_in): the units above and theirs."""
    dim, size_above, size = log_blocks.shape
    below = np.tril(np.ones((dim, dim), bool), -1)[:, None, :, None]
    whole = weight.reshape(dim, size_above, dim, size)
    lower = jnp.where(np.broadcast_to(below, whole.shape), whole, 0.0).reshape(weight.shape)
    own = jnp.sum(jnp.exp(log_blocks) * jnp.broadcast_to(h[:, None, :], log_blocks.shape), axis=-1)
    units = own + (lower @ h.reshape(-1) + bias).reshape(dim, size_above)
    spread = jnp.broadcast_to(log_slopes[:, None, :], log_blocks.shape)
    return units, jax.nn.logsumexp(log_blocks + spread, axis=-1)


def block_autoregressive(
    key: jax.Array, dim: int, *, depth: int = 1, block_dim: int = 8, dtype: jnp.dtype | None = None
) -> BlockAutoregressive:
    """A `BlockAutoregressive` map that starts within a few thousandths of the identity.

    Args:
        key: PRNG key of the initial weights: normal with variance 1/(inputs), diagonal blocks log-normal with mean
            1/(block size below).
        dim: event size d.
        depth: number of hidden layers.
        block_dim: units of each coordinate in a hidden layer.
        dtype: of the parameters; JAX's default float if None.

    Raises:
        ValueError: sizes below one.
    """
    if min(dim, depth, block_dim) < 1:
        raise ValueError(
            f"block_autoregressive: sizes must be positive, got dim={dim}, depth={depth}, block_dim={block_dim}"
        )
    dtype = jnp.result_type(float) if dtype is None else dtype
    sizes = [1, *([block_dim] * depth), 1]
    keys = jax.random.split(key, (depth + 1, 2))
    weights, log_diagonals, biases = [], [], []
    for (weight_key, block_key), size, above in zip(keys, sizes[:-1], sizes[1:], strict=True):
        weights.append(jax.random.normal(weight_key, (dim * above, dim * size), dtype) * (dim * size) ** -0.5)
        noise = 0.5 * jax.random.normal(block_key, (dim, above, size), dtype)
        log_diagonals.append(noise - (0.125 + np.log(size)).astype(dtype))
        biases.append(jnp.zeros(dim * above, dtype))
    return BlockAutoregressive(tuple(weights), tuple(log_diagonals), tuple(biases), jnp.asarray(-6.0, dtype))
