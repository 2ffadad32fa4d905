"""Activation functions with what signal propagation needs to know of them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.core import record, static


@record
class Activation:
    """A nonlinearity phi, its derivative, and where the two are not smooth.

    Args:
        fn: phi, elementwise; a plain function, or a `jax.tree_util.Partial` whose arguments are parameters.
        derivative: phi', elementwise; by automatic differentiation if None.
        breaks: static increasing points where phi or a derivative jumps.
        slopes: phi' on each of the `len(breaks) + 1` pieces; declares phi piecewise linear, so that phi'^2 is exactly
            atomic. An entry may be None for a piece that is not linear.
        turning_points: static zeros of phi' and of phi'', between which phi'^2 is monotone.
        second_moment: closed form q -> E phi(sqrt(q) h)^2, if there is one.
        derivative_moments: closed form (q, order) -> (order,), the k-th entry E phi'(sqrt(q) h)^(2k).
        covariance: closed form (q_a, q_b, q_ab) -> E phi(u) phi(v) for normal (u, v) of these (co)variances.
        derivative_covariance: the same for phi'.

    Raises:
        ValueError: if `breaks` do not increase, or `slopes` are not one more than `breaks`.
    """

    fn: Any
    derivative: Any = None
    breaks: tuple[float, ...] = static(default=())
    slopes: Any = None
    turning_points: tuple[float, ...] = static(default=())
    second_moment: Any = None
    derivative_moments: Any = None
    covariance: Any = None
    derivative_covariance: Any = None

    @classmethod
    def _complete(cls, fields):
        breaks = tuple(float(b) for b in fields["breaks"])
        if any(not low < high for low, high in zip(breaks, breaks[1:], strict=False)):
            raise ValueError(f"Activation: breaks must increase, got {breaks}")
        slopes = fields["slopes"]
        if slopes is not None:
            slopes = tuple(None if slope is None else _constant(slope) for slope in slopes)
            if len(slopes) != len(breaks) + 1:
                raise ValueError(
                    f"Activation: expected {len(breaks) + 1} slopes, one more than breaks, got {len(slopes)} slopes "
                    f"for {len(breaks)} breaks; give the slope on each piece, from the left"
                )
        names = ("fn", "derivative", "second_moment", "derivative_moments", "covariance", "derivative_covariance")
        functions = {name: _as_tree(name, fields[name]) for name in names}
        turning = tuple(sorted(float(t) for t in fields["turning_points"]))
        return {**fields, **functions, "breaks": breaks, "slopes": slopes, "turning_points": turning}

    def __call__(self, x: jax.Array) -> jax.Array:
        """phi(x), elementwise."""
        return self.fn(x)

    @property
    def is_piecewise_linear(self) -> bool:
        """Whether the slope of every piece is declared."""
        return self.slopes is not None and all(slope is not None for slope in self.slopes)


def _constant(value):
    """A number as a float64 host array, which takes the dtype of what it meets; arrays and tracers as they are."""
    return np.asarray(value, np.float64) if isinstance(value, (int, float, np.generic)) else value


def _as_tree(name, fn):
    if fn is None or isinstance(fn, jax.tree_util.Partial):
        return fn
    if not callable(fn):
        raise TypeError(f"Activation: {name} must be a function, got {type(fn).__name__}")
    return jax.tree_util.Partial(fn)


def slope_at(activation: Activation, x: jax.Array) -> jax.Array:
    """phi'(x), elementwise; on a piece of declared slope, that slope."""
    value = _smooth_slope(activation, x)
    if activation.slopes is None:
        return value
    piece = jnp.searchsorted(jnp.asarray(np.asarray(activation.breaks), x.dtype), x, side="right")
    for index, slope in enumerate(activation.slopes):
        if slope is not None:
            value = jnp.where(piece == index, cast(slope, x.dtype), value)
    return value


def _smooth_slope(activation, x):
    if activation.is_piecewise_linear:
        return jnp.zeros_like(x)
    if activation.derivative is not None:
        return activation.derivative(x)
    return jax.jvp(activation.fn, (x,), (jnp.ones_like(x),))[1]


def cast(value: Any, dtype: Any) -> jax.Array:
    """`value` as an array of `dtype`."""
    return jnp.asarray(value).astype(dtype) if isinstance(value, jax.Array) else jnp.asarray(value, dtype)


def require_activation(name: str, activation: Any) -> Activation:
    """The activation, or a `TypeError` that tells how to make one."""
    if not isinstance(activation, Activation):
        raise TypeError(
            f"{name}: activation must be an Activation, got {type(activation).__name__}; use one of "
            "meanfield.activations, or meanfield.Activation(fn)"
        )
    return activation
