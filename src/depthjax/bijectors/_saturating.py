"""Coordinatewise maps that saturate, or would without their linear tails."""

import math

import jax
import jax.numpy as jnp

from depthjax.bijectors._terms import Pointwise
from depthjax.core import constraints, record, static
from depthjax.numerics import clip_open, log_sech2


@record
class Softsign(Pointwise):
    """y = x / (1 + |x|), onto (-1, 1).

    Args:
        event_shape: shape of one event.

    Numerics:
        log slope = -2 log(1 + |x|). Outputs stay strictly inside (-1, 1); a saturated y alone has a finite but inexact
        log-det, so take densities with the carried x.

    Source:
        Bergstra et al., Quadratic Polynomials Learn Better Image Features (2009), sec. 2.
    """

    event_shape: tuple[int, ...] = static(default=())
    codomain = constraints.open_interval(-1.0, 1.0)

    def _terms(self, x):
        size = jnp.abs(x)
        return clip_open(x / (1.0 + size), -1.0, 1.0), -2.0 * jnp.log1p(size)

    def _inverse_terms(self, y):
        rest = 1.0 - jnp.abs(y)
        return y / rest, -2.0 * jnp.log(rest)


def leaky_tanh_terms(x: jax.Array, bound: float) -> tuple[jax.Array, jax.Array]:
    """Value and log slope of `LeakyTanh(bound)`, elementwise."""
    core = jnp.clip(x, -bound, bound)
    return jnp.tanh(core) + math.cosh(bound) ** -2 * (x - core), log_sech2(core)


@record
class LeakyTanh(Pointwise):
    """y = tanh(x) for |x| <= bound, continued by its tangents: onto the line, with a slope that never vanishes.

    Args:
        bound: static, positive, where the tangents begin; their slope is sech(bound)^2.
        event_shape: shape of one event.

    Raises:
        ValueError: bound not positive, or so large that the slope of the tails underflows.

    Source:
        The activation of FlowJAX's block neural autoregressive flows.
    """

    bound: float = static(default=3.0)
    event_shape: tuple[int, ...] = static(default=())

    @classmethod
    def _complete(cls, fields):
        if not 0.0 < fields["bound"] <= 40.0:
            raise ValueError(f"{cls.__name__}: bound must lie in (0, 40], got {fields['bound']}")
        return super()._complete(fields)

    def _terms(self, x):
        return leaky_tanh_terms(x, self.bound)

    def _inverse_terms(self, y):
        edge = jnp.tanh(jnp.asarray(self.bound, y.dtype))
        inner = jnp.abs(y) < edge
        tail = jnp.sign(y) * (self.bound + math.cosh(self.bound) ** 2 * (jnp.abs(y) - edge))
        x = jnp.where(inner, jnp.arctanh(jnp.where(inner, y, 0.0)), tail)
        return x, -log_sech2(jnp.clip(x, -self.bound, self.bound))
