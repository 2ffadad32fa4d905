"""The bijector from unconstrained coordinates onto a constraint's set."""

import math
from collections.abc import Callable

import jax.numpy as jnp

from depthjax.bijectors._block import Block
from depthjax.bijectors._chain import Chain
from depthjax.bijectors._lambda import Lambda
from depthjax.bijectors._ordered_maps import Ordered, PositiveOrdered
from depthjax.bijectors._pointwise import Identity, Sigmoid, Softplus
from depthjax.bijectors._simplex_maps import SoftmaxCentered
from depthjax.bijectors._triangular_maps import CorrCholesky, Correlation, LowerCholesky, PositiveDefinite
from depthjax.core import Bijector, Constraint, constraints

_BY_SIZE: dict[str, Callable[[int], Bijector]] = {
    "simplex": SoftmaxCentered,
    "ordered": Ordered,
    "positive_ordered": PositiveOrdered,
    "lower_cholesky": LowerCholesky,
    "corr_cholesky": CorrCholesky,
    "positive_definite": PositiveDefinite,
    "correlation": Correlation,
}


def biject_to(constraint: Constraint, event_shape: int | tuple[int, ...] = ()) -> Bijector:
    """The bijector whose values are those of `constraint.from_raw`, with its log-det.

    Args:
        constraint: a continuous set; intervals with static ends.
        event_shape: shape of a constrained value, or its length. Axes before those of one element are mapped over.

    Returns:
        A leafless bijector from `constraint.raw_shape(event_shape)` to `event_shape`.

    Raises:
        ValueError: a discrete set, a set whose raw map is not one to one (circular, unit_vector, orthogonal), an
            interval whose ends are arrays, or an event shape with too few axes.
    """
    shape = (event_shape,) if isinstance(event_shape, int) else tuple(event_shape)
    if len(shape) < constraint.event_ndim:
        raise ValueError(
            f"biject_to: an element of {constraint} has {constraint.event_ndim} axes, got event_shape {shape}"
        )
    if constraint.name in _BY_SIZE:
        inner = _BY_SIZE[constraint.name](shape[-1])
        leading = shape[: len(shape) - constraint.event_ndim]
        return Block(inner, leading) if leading else inner
    if constraint is constraints.circular or constraint.discrete or constraint.bounds is None:
        raise ValueError(f"biject_to: {constraint} has no bijector: {_reason(constraint)}")
    return _onto_interval(constraint, shape)


def _reason(constraint):
    if constraint.discrete:
        return "it is discrete"
    if constraint.name in ("circular", "unit_vector", "orthogonal"):
        return "its raw map is not one to one"
    return "its ends are arrays"


def _onto_interval(constraint, shape):
    low, high, _ = constraint.bounds
    if math.isinf(low) and math.isinf(high):
        return Identity(shape)
    if math.isinf(high):
        return Softplus(low, shape)
    if math.isinf(low):
        flip = Lambda(jnp.negative, jnp.negative, _zero, shape, elementwise=True)
        flip_back = Lambda(jnp.negative, jnp.negative, _zero, shape, codomain=constraint, elementwise=True)
        return Chain(flip, Softplus(-high, shape), flip_back)
    return Sigmoid(low, high, shape)


def _zero(x):
    return jnp.zeros((), x.dtype)
