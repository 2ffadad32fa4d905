"""Linear fields, whose flow is known in closed form."""

import math

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import constraints, param, record, require_shape
from depthjax.numerics._arguments import floats


@record
class LinearField:
    """f(t, z) = a z + b; made by `linear_field`."""

    a: jax.Array = param(constraints.real)
    b: jax.Array = param(constraints.real)

    @classmethod
    def _complete(cls, fields):
        a, b = floats(fields["a"], fields["b"])
        if a.ndim != 2 or a.shape[0] != a.shape[1]:
            raise ValueError(f"linear_field: a has shape {a.shape}, expected (d, d)")
        require_shape("linear_field", "b", b, a.shape[:1])
        return {"a": a, "b": b}

    @property
    def dim(self) -> int:
        """D."""
        return self.a.shape[-1]

    def __call__(self, t: jax.Array, z: jax.Array) -> jax.Array:
        """Slope at z, (d,)."""
        return self.a.astype(z.dtype) @ z + self.b.astype(z.dtype)


def linear_field(a: ArrayLike, b: ArrayLike) -> LinearField:
    """The field a z + b as a callable pytree, for `ContinuousFlow`.

    Args:
        a: (d, d).
        b: (d,).

    Returns:
        Callable (t, z) -> (d,).

    Raises:
        ValueError: shapes.
    """
    return LinearField(a, b)


def affine_flow_log_prob(a: ArrayLike, b: ArrayLike, t: ArrayLike, x: ArrayLike) -> jax.Array:
    """Log density at time t of z' = a z + b started from the standard normal law: the oracle of continuous flows.

    log N(z_0; 0, I) - t tr a, with z_0 = e^{-at} x plus the flow of 0 backwards by one exponential of [[a, b], [0, 0]].

    Args:
        a: (d, d), may be singular.
        b: (d,).
        t: () time.
        x: (d,).

    Returns:
        () nats.

    Raises:
        ValueError: shapes.

    Source:
        Chen et al., Neural Ordinary Differential Equations (2018), theorem 1, for a linear field.
    """
    a, b, t, x = floats(a, b, t, x)
    field = LinearField(a, b)
    require_shape("affine_flow_log_prob", "x", x, b.shape)
    size = field.dim
    block = jnp.zeros((size + 1, size + 1), a.dtype).at[:size, :size].set(a).at[:size, size].set(b)
    back = jax.scipy.linalg.expm(-t * block)
    start = back[:size, :size] @ x + back[:size, size]
    return -0.5 * jnp.sum(start**2) - 0.5 * size * math.log(2 * math.pi) - t * jnp.trace(a)
