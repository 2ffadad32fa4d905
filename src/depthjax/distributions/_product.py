"""Independent distributions joined into one flat event."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution, constraints, derived, float_dtype, record


def _is_part(value):
    return isinstance(value, Distribution)


@record
class Product(Distribution):
    """Independent distributions; the event is the concatenation of their raveled events.

    log p(x) = sum_i log p_i(x_i) with x = concatenate(ravel(x_i)), in the order of the tree's leaves.

    Args:
        components: a tuple, list or dict of distributions, nested if need be.

    Raises:
        TypeError: a leaf of the tree is not a distribution.
        ValueError: the tree is empty.
    """

    components: Any
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        parts = jax.tree.leaves(fields.get("components"), is_leaf=_is_part)
        if not parts:
            raise ValueError("Product: components is empty")
        for part in parts:
            if not isinstance(part, Distribution):
                raise TypeError(f"Product: components holds a {type(part).__name__}, expected distributions")
        return {**fields, "event_shape": (sum(math.prod(part.event_shape) for part in parts),)}

    def _parts(self):
        return jax.tree.leaves(self.components, is_leaf=_is_part)

    @property
    def support(self):
        """That of all components if they share one of plain intervals, else the real line or the integers."""
        supports = [part.support for part in self._parts()]
        first = supports[0]
        if all(s.event_ndim == 0 and constraints.implies(s, first) and constraints.implies(first, s) for s in supports):
            return first
        return constraints.integer if all(s.discrete for s in supports) else constraints.real

    @property
    def reparameterized(self):
        """The weakest over the components."""
        kinds = [part.reparameterized for part in self._parts()]
        return next((kind for kind in ("none", "implicit") if kind in kinds), "explicit")

    def split(self, x: ArrayLike) -> Any:
        """The events of the components, (*batch, n) -> tree of (*batch, *event_i)."""
        x, events, start = jnp.asarray(x), [], 0
        for part in self._parts():
            stop = start + math.prod(part.event_shape)
            events.append(x[..., start:stop].reshape(x.shape[:-1] + part.event_shape))
            start = stop
        treedef = jax.tree.structure(self.components, is_leaf=_is_part)
        return jax.tree.unflatten(treedef, events)

    def join(self, tree: Any) -> jax.Array:
        """Inverse of `split`, tree of (*batch, *event_i) -> (*batch, n); integers become floats beside floats."""
        treedef = jax.tree.structure(self.components, is_leaf=_is_part)
        flat = []
        for part, event in zip(self._parts(), treedef.flatten_up_to(tree), strict=True):
            event = jnp.asarray(event)
            flat.append(event.reshape(event.shape[: event.ndim - len(part.event_shape)] + (-1,)))
        if len({v.dtype for v in flat}) > 1:
            dtype = float_dtype(self)
            flat = [v.astype(dtype) for v in flat]
        return jnp.concatenate(flat, axis=-1)

    def _over_parts(self, fn, *trees):
        treedef = jax.tree.structure(self.components, is_leaf=_is_part)
        columns = [treedef.flatten_up_to(tree) for tree in trees]
        return [fn(part, *values) for part, *values in zip(self._parts(), *columns, strict=True)]

    def _log_prob(self, x):
        return sum(self._over_parts(lambda part, event: part.log_prob(event), self.split(x)))

    def _keys(self, key):
        return list(jax.random.split(key, len(self._parts())))

    def _tree(self, values):
        return jax.tree.unflatten(jax.tree.structure(self.components, is_leaf=_is_part), values)

    def _sample_many(self, key, sample_shape):
        pairs = zip(self._parts(), self._keys(key), strict=True)
        return self.join(self._tree([part.sample(k, sample_shape) for part, k in pairs]))

    def _sample_and_log_prob_many(self, key, sample_shape):
        pairs = zip(self._parts(), self._keys(key), strict=True)
        draws = [part.sample_and_log_prob(k, sample_shape) for part, k in pairs]
        return self.join(self._tree([x for x, _ in draws])), sum(log_prob for _, log_prob in draws)

    def _sample_noise(self, key, sample_shape):
        pairs = zip(self._parts(), self._keys(key), strict=True)
        return self._tree([part.sample_noise(k, sample_shape) for part, k in pairs])

    @property
    def _from_noise(self):
        self._all_offer("from_noise")

        def from_noise(noise):
            draws = self._over_parts(lambda part, value: part.from_noise(value), noise)
            return self.join(self._tree([x for x, _ in draws])), sum(log_prob for _, log_prob in draws)

        return from_noise

    def _all_offer(self, name):
        for part in self._parts():
            getattr(part, name)

    def _joined(self, name):
        self._all_offer(name)
        return lambda: self.join(self._tree([getattr(part, name)() for part in self._parts()]))

    @property
    def _mean(self):
        return self._joined("mean")

    @property
    def _variance(self):
        return self._joined("variance")

    @property
    def _entropy(self):
        self._all_offer("entropy")
        return lambda: sum(part.entropy() for part in self._parts())
