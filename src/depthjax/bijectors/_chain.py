"""Compositions: different maps one after another, and one map in many layers."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.bijectors._reversible import reversible_scan
from depthjax.core import Bijector, constraints, derived, record, static


@record
class Chain(Bijector):
    """Applies the listed bijectors in order; log-dets add.

    Args:
        *bijectors: maps, the first applied first.

    Raises:
        ValueError: neighbours whose shapes or whose codomain and domain do not meet, naming positions.
    """

    bijectors: tuple[Bijector, ...]
    event_shape: tuple[int, ...] = derived()

    _variadic = True

    @classmethod
    def _complete(cls, fields):
        parts = fields.get("bijectors", ())
        if not parts:
            raise ValueError("Chain: give at least one bijector")
        for i, (a, b) in enumerate(zip(parts, parts[1:], strict=False)):
            if a.event_shape_out != b.event_shape:
                raise ValueError(
                    f"Chain: position {i} ({type(a).__name__}) gives shape {a.event_shape_out}, "
                    f"position {i + 1} ({type(b).__name__}) takes {b.event_shape}"
                )
            if not constraints.compatible(a.codomain, b.domain):
                raise ValueError(
                    f"Chain: position {i} ({type(a).__name__}) gives {a.codomain}, "
                    f"position {i + 1} ({type(b).__name__}) takes {b.domain}"
                )
        return {**fields, "bijectors": tuple(parts), "event_shape": parts[0].event_shape}

    @property
    def event_shape_out(self):
        """Output shape of the last map."""
        return self.bijectors[-1].event_shape_out

    @property
    def domain(self):
        """Domain of the first map."""
        return self.bijectors[0].domain

    @property
    def codomain(self):
        """Codomain of the last map."""
        return self.bijectors[-1].codomain

    @property
    def elementwise(self):
        """True when every part is."""
        return all(b.elementwise for b in self.bijectors)

    @property
    def inverse_kind(self):
        """The hardest of the parts."""
        kinds = {b.inverse_kind for b in self.bijectors}
        return next(k for k in ("iterative", "autoregressive", "closed") if k in kinds)

    def _forward_and_log_det(self, x):
        total = jnp.zeros((), x.dtype)
        for bijector in self.bijectors:
            x, log_det = bijector.forward_and_log_det(x)
            total = total + log_det
        return x, total

    def _inverse_and_log_det(self, y):
        total = jnp.zeros((), y.dtype)
        for bijector in reversed(self.bijectors):
            y, log_det = bijector.inverse_and_log_det(y)
            total = total + log_det
        return y, total


@record
class Scan(Bijector):
    """One compiled body for a stack of layers of the same kind, applied in order of the leading axis.

    Args:
        layers: a bijector whose leaves have a leading axis of length L (`stack_layers`); its input and output shapes
            are equal.
        backward: how reverse-mode differentiation gets at intermediate values: "stored" keeps them, O(L) memory;
            "recompute" keeps about sqrt(L) and recomputes the rest; "reversible" keeps none and inverts the layers,
            O(1) memory, reverse mode only, exact as far as the layers' inverses are.
        unroll: layers per loop iteration; more than one costs compile time and memory, and seldom saves time.

    Raises:
        ValueError: layers without leaves or of different depth, unknown `backward`, shapes that change.

    Cost:
        Compile time does not grow with L.

    Source:
        Recomputation: Chen et al., Training Deep Nets with Sublinear Memory Cost (2016), sec. 4. Reversible: Gomez et
        al., The Reversible Residual Network (2017), algorithm 1.
    """

    layers: Bijector
    backward: str = static(default="stored")
    unroll: int = static(default=1)
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        layers = fields["layers"]
        if fields["backward"] not in ("stored", "recompute", "reversible"):
            raise ValueError(f"Scan: backward is 'stored', 'recompute' or 'reversible', got {fields['backward']!r}")
        if layers.event_shape != layers.event_shape_out:
            raise ValueError(f"Scan: layers map {layers.event_shape} to {layers.event_shape_out}; shapes must be equal")
        if not constraints.compatible(layers.codomain, layers.domain):
            raise ValueError(f"Scan: layers map {layers.domain} to {layers.codomain}, which they do not take")
        _depth(layers)
        return {**fields, "event_shape": layers.event_shape}

    @property
    def num_layers(self) -> int:
        """L."""
        return _depth(self.layers)

    @property
    def domain(self):
        """Domain of a layer."""
        return self.layers.domain

    @property
    def codomain(self):
        """Codomain of a layer."""
        return self.layers.codomain

    @property
    def elementwise(self):
        """As of a layer."""
        return self.layers.elementwise

    @property
    def inverse_kind(self):
        """As of a layer."""
        return self.layers.inverse_kind

    def _forward_and_log_det(self, x):
        return self._run(_forward, _inverse, x, reverse=False)

    def _inverse_and_log_det(self, y):
        return self._run(_inverse, _forward, y, reverse=True)

    def _run(self, step, undo, x, *, reverse):
        depth = self.num_layers
        if self.backward == "reversible":
            return reversible_scan(step, undo, self.layers, x, reverse=reverse, unroll=self.unroll)

        def body(carry, layer):
            value, total = carry
            value, log_det = step(layer, value)
            return (value, total + log_det), None

        carry = (x, jnp.zeros((), x.dtype))
        if self.backward == "stored":
            return jax.lax.scan(body, carry, self.layers, reverse=reverse, unroll=self.unroll)[0]
        return _scan_in_chunks(body, carry, self.layers, depth, reverse=reverse)


def stack_layers(make: Callable[[jax.Array], Any], keys: jax.Array) -> Any:
    """A stack of records for `Scan`: `make` mapped over keys.

    Args:
        make: key -> record.
        keys: (L,) PRNG keys.

    Returns:
        The record with leaves of leading axis L.
    """
    return jax.vmap(make)(keys)


def _forward(layer, x):
    return layer.forward_and_log_det(x)


def _inverse(layer, y):
    return layer.inverse_and_log_det(y)


def _depth(layers):
    sizes = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(layers)}
    if len(sizes) != 1 or () in sizes:
        raise ValueError(f"Scan: leaves of {type(layers).__name__} need one common leading axis, got {sorted(sizes)}")
    return sizes.pop()[0]


def _scan_in_chunks(body, carry, layers, depth, *, reverse):
    """Outer scan over about sqrt(L) checkpointed inner scans; a remainder of layers gets a chunk of its own."""
    size = max(int(np.ceil(np.sqrt(depth))), 1)
    whole = depth // size * size

    @jax.checkpoint
    def chunk(state, part):
        return jax.lax.scan(body, state, part, reverse=reverse)[0]

    main = jax.tree.map(lambda leaf: leaf[:whole].reshape(whole // size, size, *leaf.shape[1:]), layers)
    rest = jax.tree.map(lambda leaf: leaf[whole:], layers)
    if reverse and whole < depth:
        carry = chunk(carry, rest)
    carry = jax.lax.scan(lambda state, part: (chunk(state, part), None), carry, main, reverse=reverse)[0]
    return chunk(carry, rest) if not reverse and whole < depth else carry
