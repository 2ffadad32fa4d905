"""Conditioners from plain functions."""

from collections.abc import Callable
from typing import Any

import jax

from depthjax.core import record, static


@record
class Apply:
    """A conditioner h -> fn(variables, h): the way in for plain functions and flax linen modules.

    Also a field (t, z) -> fn(variables, t, z), as `ContinuousFlow` has one.

    Args:
        variables: pytree of parameters.
        fn: static function of the variables and the input; for a linen module, `lambda v, h: module.apply(v, h)`.

    Raises:
        TypeError: variables with linen collections other than "params", whose state would break invertibility.
    """

    variables: Any
    fn: Callable[..., jax.Array] = static()

    @classmethod
    def _complete(cls, fields):
        variables = fields["variables"]
        if isinstance(variables, dict) and "params" in variables and len(variables) > 1:
            others = ", ".join(sorted(set(variables) - {"params"}))
            raise TypeError(
                f"Apply: variables carry the collections {others} beside params. Statistics change between calls, so "
                f"a map conditioned on them would not invert"
            )
        return fields

    def __call__(self, *inputs: jax.Array) -> jax.Array:
        """Fn of the variables and the inputs."""
        return self.fn(self.variables, *inputs)
