"""The logarithm of E x^2/(E x)^2 where log E x^n is a function of n h, as an integral that does not cancel."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from depthjax.numerics import gauss_legendre_rule

_NODES, _WEIGHTS = gauss_legendre_rule(12)
# The triangular weight on [0, 2] of a second difference, one rule on each half.
_STEPS = np.concatenate([0.5 + 0.5 * _NODES, 1.5 + 0.5 * _NODES])
_TRIANGLE = np.concatenate([0.5 * _WEIGHTS, 0.5 * _WEIGHTS]) * np.minimum(_STEPS, 2.0 - _STEPS)


def second_difference(
    log_moment: Callable[[jax.Array], jax.Array], curvature: Callable[[jax.Array], jax.Array], h: jax.Array
) -> jax.Array:
    """f(2 h) - 2 f(h) for a function with f(0) = 0 that is smooth on [0, 2].

    Args:
        log_moment: f, elementwise.
        curvature: its second derivative, on (24, *h.shape).
        h: the step, positive; the integral of the curvature is used up to one.
    """
    fine = h <= 1.0
    step = jnp.where(fine, h, 1.0)[None]
    column = (-1,) + (1,) * h.ndim
    steps, weights = (jnp.asarray(v, h.dtype).reshape(column) for v in (_STEPS, _TRIANGLE))
    integral = jnp.sum(weights * curvature(step * steps), axis=0)
    coarse = jnp.where(fine, 1.0, h)
    direct = log_moment(2.0 * coarse) - 2.0 * log_moment(coarse)
    return jnp.where(fine, step[0] * step[0] * integral, direct)
