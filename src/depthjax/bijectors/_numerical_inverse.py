"""An inverse by root finding for monotone maps that only know their forward direction."""

import jax
import jax.numpy as jnp

from depthjax.core import Bijector, derived, record, static
from depthjax.numerics import RootResult, invert_monotone


@record
class NumericalInverse(Bijector):
    """Adds a differentiable numerical inverse to a bijector whose own inverse is missing or slow.

    Elementwise maps are inverted coordinate by coordinate at once; other maps of vectors are taken to be monotone
    autoregressive (output i is increasing or decreasing in x_i and depends on x_1..x_i only) and are inverted one
    coordinate after another.

    Args:
        bijector: the map; only `_forward_and_log_det` is used.
        num_steps: most steps of each bracketed root search.

    Raises:
        ValueError: events that are neither elementwise nor vectors, or shapes that change.

    Numerics:
        NaN where a root was not bracketed or did not converge; `inverse_with_info` tells. Derivatives by the implicit
        function theorem, to every order.

    Cost:
        For autoregressive maps of d coordinates, d root searches, each of up to `num_steps` forward passes.
    """

    bijector: Bijector
    num_steps: int = static(default=64)
    event_shape: tuple[int, ...] = derived()

    inverse_kind = "iterative"

    @classmethod
    def _complete(cls, fields):
        inner = fields["bijector"]
        if inner.event_shape != inner.event_shape_out:
            raise ValueError(f"NumericalInverse: {inner.event_shape} to {inner.event_shape_out} changes the shape")
        if not inner.elementwise and len(inner.event_shape) > 1:
            raise ValueError(f"NumericalInverse: event {inner.event_shape} is neither elementwise nor a vector")
        return {**fields, "event_shape": inner.event_shape}

    @property
    def domain(self):
        """Domain of the map."""
        return self.bijector.domain

    @property
    def codomain(self):
        """Codomain of the map."""
        return self.bijector.codomain

    @property
    def elementwise(self):
        """As of the map."""
        return self.bijector.elementwise

    def _forward_and_log_det(self, x):
        return self.bijector.forward_and_log_det(x)

    def _inverse_and_log_det(self, y):
        return self._inverse_with_info(y)[:2]

    def _inverse_with_info(self, y):
        if self.elementwise or not self.event_shape:
            result = invert_monotone(forward_of, y, self.bijector, bracket=self._bracket(), num_steps=self.num_steps)
        else:
            result = solve_by_coordinate(self.bijector, y, bracket=self._bracket(), num_steps=self.num_steps)
        x = result.value
        log_det = -self.bijector.forward_log_det(jnp.where(jnp.isnan(x), jnp.ones_like(x), x))
        return x, jnp.where(jnp.any(jnp.isnan(x)), jnp.nan, log_det), result

    def _bracket(self):
        bounds = self.domain.bounds
        return None if bounds is None or bounds[:2] == (-jnp.inf, jnp.inf) else bounds[:2]


def solve_by_coordinate(
    bijector: Bijector, y: jax.Array, *, bracket: tuple[float, float] | None = None, num_steps: int = 64
) -> RootResult:
    """Invert a monotone autoregressive map of a vector, one bracketed root search for each coordinate in turn.

    Args:
        bijector: output i is increasing or decreasing in x_i and depends on x_1..x_i only.
        y: (d,).
        bracket: ends of the domain of a coordinate, if it is not the line.
        num_steps: most steps of each search.

    Returns:
        `RootResult` whose fields have shape (d,).
    """

    def step(x, index):
        result = invert_monotone(_output_of, y[index], bijector, x, index, bracket=bracket, num_steps=num_steps)
        return x.at[index].set(result.value), result

    return jax.lax.scan(step, jnp.zeros_like(y), jnp.arange(y.shape[0]))[1]


@jax.jit
def forward_of(x: jax.Array, bijector: Bijector) -> jax.Array:
    """bijector.forward(x); compiled once however often a root search names it."""
    return bijector.forward(x)


@jax.jit
def _output_of(value, bijector, x, index):
    return bijector.forward(x.at[index].set(value))[index]
