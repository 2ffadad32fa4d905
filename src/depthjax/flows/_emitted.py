"""A layer whose parameters depend on a context."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.core import Bijector, derived, ravel, record
from depthjax.flows._context import with_context


@record
class Emitted(Bijector):
    """A map like `template` whose unconstrained parameters a network moves by an amount that the context decides.

    Args:
        template: the map at a move of zero.
        net: `WithContext` of a network, (context_dim,) -> (number of parameters,).
    """

    template: Bijector
    net: Any
    event_shape: tuple[int, ...] = derived()

    @classmethod
    def _complete(cls, fields):
        return {**fields, "event_shape": fields["template"].event_shape}

    @property
    def inverse_kind(self):
        """As of the template."""
        return self.template.inverse_kind

    def _layer(self):
        vector, unravel = ravel(self.template)
        return unravel(vector + self.net(jnp.zeros(0, vector.dtype)))

    def _forward_and_log_det(self, x):
        return self._layer()._forward_and_log_det(x)

    def _inverse_and_log_det(self, y):
        return self._layer()._inverse_and_log_det(y)


def emitted(key: jax.Array, template: Bijector, context_dim: int, *, hidden: Sequence[int]) -> Bijector:
    """`template` with parameters that depend on a context, or itself if context_dim is 0.

    Args:
        key: PRNG key of the network, whose last layer starts at zero; folded, so that the template may split it too.
        template: a map with parameters.
        context_dim: size of the context that `bind` sets.
        hidden: widths of the network's hidden layers.
    """
    if not context_dim:
        return template
    from depthjax.flows._nets import mlp

    net = mlp(jax.random.fold_in(key, 2**16), context_dim, ravel(template)[0].size, hidden=hidden, activation=jnp.tanh)
    return Emitted(template, with_context(net, context_dim))
