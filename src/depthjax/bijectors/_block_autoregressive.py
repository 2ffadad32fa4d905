"""Block neural autoregressive flow: one network whose blocks on the diagonal are positive."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.bijectors._saturating import leaky_tanh_terms
from depthjax.core import Bijector, derived, param, record, static
from depthjax.numerics import find_root, log_add, log_sigmoid

_GATE_RATE = 8.0


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
        raw_gate: (), alpha = sigmoid(8 raw_gate); the factor lets an optimiser open the gate in some hundred steps.
        bound: static; the activation is `LeakyTanh(bound)`, whose linear tails make f onto.

    Raises:
        ValueError: fewer than two layers, or sizes that do not agree.

    Numerics:
        log slopes are carried through the layers by logsumexp, never as products. The inverse is numerical, one
        bracketed root for each coordinate in turn; NaN where one did not converge, and differentiable.

    Cost:
        Forward, one pass. Inverse, about one pass and d root searches, each through one coordinate's blocks only.

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
        gate = _GATE_RATE * self.raw_gate
        y = jax.nn.sigmoid(-gate) * x + jax.nn.sigmoid(gate) * h[:, 0]
        return y, jnp.sum(log_add(log_sigmoid(-gate), log_sigmoid(gate) + log_slopes[:, 0]))

    def _inverse_and_log_det(self, y):
        return self._inverse_with_info(y)[:2]

    def _inverse_with_info(self, y):
        """One coordinate after another; what the settled ones add to its layers is computed before the root search."""
        (dim,) = self.event_shape
        sizes = [blocks.shape[1:] for blocks in self.log_diagonals]
        rows = [w.reshape(dim, above, -1) for w, (above, _) in zip(self.weights, sizes, strict=True)]
        biases = [b.reshape(dim, above) for b, (above, _) in zip(self.biases, sizes, strict=True)]

        def settle(units, row):
            index, target, row_weights, log_blocks, row_biases = row
            offsets = [w @ h + b for w, h, b in zip(row_weights, units, row_biases, strict=True)]
            result = self._solve(target, log_blocks, offsets)
            own = _block_units(result.value, log_blocks, offsets, self.bound)
            starts = [index * block.shape[0] for block in own]
            pairs = zip(units, own, starts, strict=True)
            return [jax.lax.dynamic_update_slice(h, block, (start,)) for h, block, start in pairs], result

        units = [jnp.zeros(dim * size, y.dtype) for _, size in sizes]
        result = jax.lax.scan(settle, units, (jnp.arange(dim), y, rows, list(self.log_diagonals), biases))[1]
        return result.value, -self._forward_and_log_det(result.value)[1], result

    def _solve(self, target, log_blocks, offsets):
        """The root, bracketed by the value at zero and the least slope, 1 - alpha."""
        closed = jnp.maximum(jax.nn.sigmoid(-_GATE_RATE * self.raw_gate), jnp.finfo(target.dtype).tiny)
        arguments = target, log_blocks, offsets, self.raw_gate
        at_zero = _gap(jnp.zeros_like(target), *arguments, bound=self.bound)
        margin = 32 * jnp.finfo(target.dtype).eps * (1.0 + jnp.abs(target) + jnp.abs(at_zero))
        far, margin = -at_zero / closed, margin / closed
        gap = functools.partial(_gap, bound=self.bound)
        return find_root(gap, jnp.minimum(far, 0.0) - margin, jnp.maximum(far, 0.0) + margin, *arguments)


def _block_units(x, log_blocks, offsets, bound):
    """Inputs of one coordinate's blocks to each layer, given what the settled coordinates add to the layers below."""
    units = [x[None]]
    for log_block, offset in zip(log_blocks[:-1], offsets[:-1], strict=True):
        units.append(leaky_tanh_terms(jnp.exp(log_block) @ units[-1] + offset, bound)[0])
    return units


def _gap(x, target, log_blocks, offsets, raw_gate, *, bound):
    """y_i - target as a function of x_i."""
    gate = _GATE_RATE * raw_gate
    last = jnp.exp(log_blocks[-1]) @ _block_units(x, log_blocks, offsets, bound)[-1] + offsets[-1]
    return jax.nn.sigmoid(-gate) * x + jax.nn.sigmoid(gate) * last[0] - target


def _dense_block(h, log_slopes, weight, log_blocks, bias):
    """One layer on (d, a_in) units with log slopes (d, a_in): the units above and theirs."""
    dim, size_above, size = log_blocks.shape
    below = np.tril(np.ones((dim, dim), bool), -1)[:, None, :, None]
    whole = weight.reshape(dim, size_above, dim, size)
    lower = jnp.where(np.broadcast_to(below, whole.shape), whole, 0.0).reshape(weight.shape)
    own = jnp.sum(jnp.exp(log_blocks) * jnp.broadcast_to(h[:, None, :], log_blocks.shape), axis=-1)
    units = own + (lower @ h.reshape(-1) + bias).reshape(dim, size_above)
    return units, _log_product(log_blocks, log_slopes)


def _log_product(log_blocks, log_vectors):
    """Log of the product of every block (a_out, a_in) with its vector (a_in,)."""
    return jax.nn.logsumexp(log_blocks + jnp.broadcast_to(log_vectors[:, None, :], log_blocks.shape), axis=-1)


def block_autoregressive(
    key: jax.Array, dim: int, *, depth: int = 1, block_dim: int = 8, dtype: jnp.dtype | None = None
) -> BlockAutoregressive:
    """A `BlockAutoregressive` map that starts within a few thousandths of the identity.

    The network starts with a slope near one in every coordinate, behind a gate of sigmoid(-7), and the units of its
    hidden layers spread along the line.

    Args:
        key: PRNG key of the initial weights.
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
    keys = jax.random.split(key, (depth + 1, 3))
    weights, log_blocks, biases, log_gain = [], [], [], jnp.zeros((dim, 1), dtype)
    for (weight_key, block_key, bias_key), size, above in zip(keys, sizes[:-1], sizes[1:], strict=True):
        weights.append(jax.random.normal(weight_key, (dim * above, dim * size), dtype) * (dim * size) ** -0.5)
        log_blocks.append(0.5 * jax.random.normal(block_key, (dim, above, size), dtype) - float(np.log(size)))
        biases.append(jax.random.normal(bias_key, (dim * above,), dtype))
        log_gain = _log_product(log_blocks[-1], log_gain)
    log_blocks[-1] = log_blocks[-1] - log_gain[:, :, None]
    biases[-1] = jnp.zeros(dim, dtype)
    return BlockAutoregressive(tuple(weights), tuple(log_blocks), tuple(biases), jnp.asarray(-7.0 / _GATE_RATE, dtype))
