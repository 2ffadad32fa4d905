"""A continuous flow with a multilayer perceptron as its field."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from depthjax.core import record, static
from depthjax.core._options import at_least
from depthjax.distributions import Transformed
from depthjax.flows._continuous_flow import ContinuousFlow
from depthjax.flows._layered_flows import standard_normal
from depthjax.flows._nets import mlp
from depthjax.numerics import sample_probes


@record
class TimeField:
    """f(t, z) = net([z, t]).

    Args:
        net: callable pytree (d + 1,) -> (d,).
        dim: static, d.
    """

    net: Any
    dim: int = static()

    def __call__(self, t: jax.Array, z: jax.Array) -> jax.Array:
        """Slope at (t, z), (d,)."""
        return self.net(jnp.concatenate([z, jnp.asarray(t, z.dtype)[None]]))


def continuous_flow(
    key: jax.Array,
    dim: int,
    *,
    hidden: Sequence[int] = (64, 64),
    activation: Callable[[jax.Array], jax.Array] = jnp.tanh,
    base: Any = None,
    num_samples: int = 0,
    law: str = "rademacher",
    **options: Any,
) -> Transformed:
    """Continuous normalising flow whose field is a perceptron of the state and the time.

    Args:
        key: PRNG key of the initial parameters and of the probes.
        dim: event size d.
        hidden: widths of the hidden layers.
        activation: smooth function between layers.
        base: distribution of event shape (d,); standard normal if None.
        num_samples: fixed probes that estimate the trace; 0 takes it exactly, for d up to 32.
        law: of the probes.
        **options: of `ContinuousFlow`.

    Returns:
        A distribution of event shape (d,), at first the base.

    Raises:
        ValueError: sizes below one, a negative number of probes, or d above 32 without probes.

    Source:
        Grathwohl et al., FFJORD (2019).
    """
    at_least("continuous_flow", "dim", dim, 1)
    at_least("continuous_flow", "num_samples", num_samples, 0)
    for width in hidden:
        at_least("continuous_flow", "a width in hidden", width, 1)
    net_key, probe_key = jax.random.split(key)
    field = TimeField(mlp(net_key, dim + 1, dim, hidden=hidden, activation=activation), dim)
    probes = sample_probes(probe_key, (num_samples, dim), law=law) if num_samples else None
    flow = ContinuousFlow(field, probes=probes, **options)
    return Transformed(standard_normal(dim) if base is None else base, flow)
