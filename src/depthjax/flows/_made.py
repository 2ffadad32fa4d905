"""Masked autoregressive networks: one-pass evaluation, and generation that uses every weight once."""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.bijectors import made_degrees, made_masks
from depthjax.core import record, static
from depthjax.flows._in_columns import in_columns

Activation = Callable[[jax.Array], jax.Array]


@record
class MADE:
    """Network R^d -> R^(d x k) whose row i depends on the inputs before i, and on a context; natural order.

    Args:
        weights: tuple of (width, width below), one per layer, unmasked; the first has d + context_dim columns, the last
            d k rows.
        biases: tuple of (width,), one per layer.
        skip: (d k, d), unmasked weights from the inputs straight to the outputs, or None.
        dim: static number of inputs d.
        num_params: static number of outputs k per input.
        hidden_degrees: static degree, between 0 and d - 1, of every hidden unit; degree 0 sees the context alone.
        activation: static elementwise function between the layers.

    Source:
        Germain, Gregor, Murray, Larochelle, MADE (2015), eq. 8-13; direct connections, ibid. sec. 4.
    """

    weights: tuple[jax.Array, ...]
    biases: tuple[jax.Array, ...]
    skip: jax.Array | None
    dim: int = static()
    num_params: int = static()
    hidden_degrees: tuple[tuple[int, ...], ...] = static()
    activation: Activation = static(default=jnp.tanh)

    @property
    def context_dim(self) -> int:
        """Number of context inputs, which follow the d inputs."""
        return self.weights[0].shape[-1] - self.dim

    def __call__(self, h: jax.Array) -> jax.Array:
        """All parameters in one pass.

        Args:
            h: (d + context_dim,) inputs, then context.

        Returns:
            (d, k); row i depends on h[:i] and the context only.
        """
        weights, skip = self._masked()
        values = h
        for layer, (weight, bias) in enumerate(zip(weights, self.biases, strict=True)):
            values = bias + weight @ (values if layer == 0 else self.activation(values))
        if skip is not None:
            values = values + skip @ h[: self.dim]
        return values.reshape(self.dim, self.num_params)

    def generate(
        self,
        step: Callable[[jax.Array, jax.Array], jax.Array],
        given: jax.Array,
        context: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array]:
        """The sequential definition x_i = step(given_i, params_i(x_<i)) at the cost of about one dense pass.

        Hidden units are sorted by degree. Step i computes the units of degree i - 1, which no later input can change,
        and the k outputs of row i; each row of every weight matrix is used once.

        Args:
            step: (given_i (), parameters (k,)) -> x_i ().
            given: (d,).
            context: (context_dim,), for a network with context.

        Returns:
            x (d,) and the parameters (d, k) that made it.

        Numerics:
            Agrees with repeated full passes to rounding, whatever the scale of the weights; coordinates not known yet
            are zero, never garbage. Differentiable in both modes.
        """
        step, constants = jax.closure_convert(step, given[0], jnp.zeros(self.num_params, given.dtype))
        columns = (given[:, None], None if context is None else context[:, None])
        run = in_columns(lambda shared, columns: shared[0]._generate(step, shared[1], *columns))
        return jax.tree.map(lambda a: a[..., 0], run((self, constants), columns))

    def _generate(self, step, constants, given, context):
        """`generate` for columns (d, n) and (context_dim, n)."""
        groups = [_by_degree(degrees, self.dim) for degrees in self.hidden_degrees]
        weights, biases, skip = self._rows_by_step(groups, context)

        def settle(state, rows):
            x, hidden = state
            number, starts, row_weights, row_biases, row_skip, given_i = rows
            below, settled = x, []
            for weight, bias, units, start in zip(row_weights[:-1], row_biases[:-1], hidden, starts, strict=True):
                new = self.activation(bias + weight @ below)
                below = jax.lax.dynamic_update_slice_in_dim(units, new, start, axis=0)
                settled.append(below)
            raw = row_biases[-1] + row_weights[-1] @ below
            if row_skip is not None:
                raw = raw + row_skip @ x
            x_i = jax.vmap(lambda g, r: step(g, r, *constants), (0, 1))(given_i, raw)
            return (jax.lax.dynamic_update_slice_in_dim(x, x_i[None], number, axis=0), settled), raw

        starts = [jnp.asarray(group.starts) for group in groups]
        steps = (jnp.arange(self.dim), starts, weights, biases, skip, given)
        state, raws = (given[:0], [given[:0] for _ in groups]), []
        for first, last in itertools.pairwise(_stages(self.dim)):
            sizes = [last, *(group.size_until(last) for group in groups)]
            state = _grown(state[0], sizes[0]), [_grown(h, size) for h, size in zip(state[1], sizes[1:], strict=True)]
            number, begin, weight, bias, skipping, given_here = jax.tree.map(lambda a: a[first:last], steps)  # noqa: B023
            known = [w[:, :, :size] for w, size in zip(weight, sizes, strict=True)]
            skipping = None if skipping is None else skipping[:, :, :last]
            state, raw = jax.lax.scan(settle, state, (number, begin, known, bias, skipping, given_here))
            raws.append(raw)
        return state[0], jnp.concatenate(raws)

    def _masked(self):
        """Weights and skip weights times their masks."""
        inputs = np.concatenate([np.arange(1, self.dim + 1), np.zeros(self.context_dim, int)])
        outputs = np.repeat(np.arange(1, self.dim + 1), self.num_params)
        masks = made_masks(inputs, self.hidden_degrees, outputs)
        weights = [jnp.where(mask > 0, w, 0.0) for w, mask in zip(self.weights, masks, strict=True)]
        below = outputs[:, None] > np.arange(1, self.dim + 1)[None, :]
        return weights, None if self.skip is None else jnp.where(below, self.skip, 0.0)

    def _rows_by_step(self, groups, context):
        """Rows of every layer by step, (d, group, columns by degree), biases (d, group, 1 or n), skip (d, k, d)."""
        weights, skip = self._masked()
        biases = [bias[:, None] for bias in self.biases]
        if context is not None:
            biases[0] = biases[0] + weights[0][:, self.dim :] @ context
        weights[0] = weights[0][:, : self.dim]
        rows = [*(group.rows for group in groups), np.arange(self.dim * self.num_params).reshape(self.dim, -1)]
        columns = [np.arange(self.dim), *(group.order for group in groups)]
        weights = [
            jnp.pad(w, ((0, 1), (0, 1)))[r[:, :, None], c[None, None, :]]
            for w, r, c in zip(weights, rows, columns, strict=True)
        ]
        biases = [jnp.pad(b, ((0, 1), (0, 0)))[r] for b, r in zip(biases, rows, strict=True)]
        return weights, biases, None if skip is None else skip.reshape(self.dim, self.num_params, self.dim)


def made(
    key: jax.Array,
    dim: int,
    num_params: int,
    *,
    hidden: Sequence[int] = (64, 64),
    context_dim: int = 0,
    activation: Activation = jnp.tanh,
    linear_skip: bool = False,
    dtype: jnp.dtype | None = None,
) -> MADE:
    """A masked autoregressive network whose outputs start at zero.

    Args:
        key: PRNG key of the initial weights (LeCun normal over the unmasked inputs; zero in the last layer).
        dim: number of inputs d.
        num_params: outputs k per input.
        hidden: widths of the hidden layers, at least one.
        context_dim: number of context inputs.
        activation: elementwise function between the layers.
        linear_skip: let inputs reach the outputs of higher degree directly too, with weights that start at zero.
        dtype: of the parameters; JAX's default float if None.

    Returns:
        A callable record, (d + context_dim,) -> (d, k).

    Raises:
        ValueError: dim, num_params or a width below one, or no hidden layer.

    Source:
        Germain, Gregor, Murray, Larochelle, MADE (2015).
    """
    if dim < 1 or num_params < 1 or not hidden or min(hidden) < 1:
        raise ValueError(
            f"made: sizes must be positive, got dim={dim}, num_params={num_params}, hidden={tuple(hidden)}"
        )
    dtype = jnp.result_type(float) if dtype is None else dtype
    degrees = _hidden_degrees(dim, hidden, has_context=context_dim > 0)
    inputs = np.concatenate([np.arange(1, dim + 1), np.zeros(context_dim, int)])
    masks = made_masks(inputs, degrees, np.repeat(np.arange(1, dim + 1), num_params))
    keys = jax.random.split(key, len(hidden))
    weights = [
        jax.random.normal(k, mask.shape, dtype) / np.sqrt(np.maximum(mask.sum(1, keepdims=True), 1)).astype(dtype)
        for k, mask in zip(keys, masks[:-1], strict=True)
    ]
    weights.append(jnp.zeros(masks[-1].shape, dtype))
    biases = tuple(jnp.zeros(mask.shape[0], dtype) for mask in masks)
    skip = jnp.zeros((dim * num_params, dim), dtype) if linear_skip else None
    return MADE(
        tuple(weights), biases, skip, dim, num_params, tuple(tuple(int(m) for m in d) for d in degrees), activation
    )


def _hidden_degrees(dim, hidden, *, has_context):
    """Cyclic degrees 1..d-1; with context also 0, so that the first row can see it."""
    if dim == 1:
        return [np.zeros(width, int) for width in hidden]
    return [d - 1 for d in made_degrees(dim + 1, hidden)[1]] if has_context else made_degrees(dim, hidden)[1]


def _stages(dim):
    """Ends of the stretches of steps that share one compiled body: the first half needs half of the columns."""
    return (0, dim) if dim < 32 else (0, dim // 2, dim)


def _grown(rows, size):
    """Rows (*, n) with zeros up to the given number of rows."""
    return jnp.pad(rows, ((0, size - rows.shape[0]), (0, 0)))


class _Groups(NamedTuple):
    """Hidden units sorted by degree.

    A group that is shorter than the largest is computed with rows of zeros at its end. What they give lands on the
    units of the next degree, which no row of this degree reads and which the next step overwrites.

    Attributes:
        rows: (d, largest group) unit numbers, row m for degree m, short rows filled with the number of units.
        order: unit numbers by degree, with as many fill-ins at the end as a group can be short.
        starts: (d,) where the group of each degree starts in `order`.
    """

    rows: np.ndarray
    order: np.ndarray
    starts: np.ndarray

    def size_until(self, degree: int) -> int:
        """How many entries of `order` the groups of smaller degree can write."""
        return int(self.starts[degree - 1]) + self.rows.shape[1]


def _by_degree(degrees, dim):
    degrees = np.asarray(degrees)
    members = [np.flatnonzero(degrees == m) for m in range(dim)]
    sizes = np.array([len(m) for m in members])
    largest, fill = int(sizes.max()), len(degrees)
    rows = np.stack([np.pad(m, (0, largest - len(m)), constant_values=fill) for m in members])
    order = np.concatenate([*members, np.full(largest, fill)])
    return _Groups(rows, order, (np.cumsum(sizes) - sizes).astype(np.int32))
