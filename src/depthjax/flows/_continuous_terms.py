"""What is integrated along a continuous flow beside its log-determinant."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from depthjax.core import Distribution, Estimate
from depthjax.core._options import at_least, non_negative
from depthjax.core._shapes import check_unstacked
from depthjax.flows._continuous_flow import ContinuousFlow
from depthjax.numerics import (
    jacobian_frobenius_squared,
    jacobian_frobenius_squared_with_probes,
    sample_probes,
)
from depthjax.numerics._trace_estimators import mean_of_terms
from depthjax.ode import Solution


class FlowSolution(NamedTuple):
    """A flow with its path's integrals, all over the time that passes, whatever its direction.

    Attributes:
        y: (*batch, d) end.
        log_det: (*batch) nats.
        kinetic: (*batch) integral of |f|^2.
        jacobian_frobenius: (*batch) integral of |df/dz|_F^2, estimated by |v^T df/dz|^2 where the flow has probes.
        curvature: (*batch) integral of |d^2 z/dt^2|^2, with d^2 z/dt^2 = df/dt + (df/dz) f.
        solution: account of the solver, with leading batch axes.
    """

    y: jax.Array
    log_det: jax.Array
    kinetic: jax.Array
    jacobian_frobenius: jax.Array
    curvature: jax.Array
    solution: Solution


def solve_flow(flow: ContinuousFlow, x: ArrayLike, *, reverse: bool = False) -> FlowSolution:
    """Run a continuous flow and the integrals that regularise it, in one solve.

    Args:
        flow: the bijector.
        x: (*batch, d).
        reverse: static, from t1 to t0.

    Returns:
        `FlowSolution`.

    Raises:
        ValueError: a wrong trailing shape, or a stacked flow.

    Source:
        Finlay et al., How to train your neural ODE (2020), eq. 10; Kelly et al. (2020) for the second derivative.
    """
    check_unstacked(flow, "solve_flow")
    x = jnp.asarray(x)
    if x.ndim == 0 or x.shape[-1:] != flow.event_shape:
        raise ValueError(f"solve_flow: x has shape {x.shape}, expected (*batch, {flow.event_shape[0]})")

    def one(x):
        zero = jnp.zeros((), x.dtype)
        forwards = jnp.where((flow.t1 >= flow.t0) != reverse, 1.0, -1.0).astype(x.dtype)

        def slope(t, y, _):
            z = y[0]
            value, trace = flow.trace_terms(t, z)
            square = _frobenius(flow, t, z)
            _, bend = jax.jvp(flow.field, (t, z), (jnp.ones_like(t), value))
            path = (jnp.sum(value**2), square, jnp.sum(bend**2))
            return (value, jnp.mean(trace), *(forwards * term for term in path))

        solution = flow.solve(slope, (x, zero, zero, zero, zero), reverse=reverse)
        return FlowSolution(*solution.y1, solution)

    for _ in range(x.ndim - 1):
        one = jax.vmap(one)
    return one(x)


def _frobenius(flow, t, z):
    if flow.probes is None:
        return jacobian_frobenius_squared(lambda v: flow.field(t, v), z)
    probes = jax.lax.stop_gradient(flow.probes).astype(z.dtype)
    return jnp.mean(jacobian_frobenius_squared_with_probes(lambda v: flow.field(t, v), z, probes))


def rnode_penalty(flow_solution: FlowSolution, *, kinetic_weight: ArrayLike, frobenius_weight: ArrayLike) -> jax.Array:
    """Mean over the batch of kinetic_weight * kinetic + frobenius_weight * jacobian_frobenius.

    Args:
        flow_solution: from `solve_flow`.
        kinetic_weight: () nonnegative.
        frobenius_weight: () nonnegative.

    Returns:
        () penalty.

    Raises:
        ValueError: a negative concrete weight.

    Source:
        Finlay et al. (2020), eq. 10.
    """
    non_negative("rnode_penalty", kinetic_weight=kinetic_weight, frobenius_weight=frobenius_weight)
    kinetic, frobenius = flow_solution.kinetic, flow_solution.jacobian_frobenius
    weights = [jnp.asarray(w, kinetic.dtype) for w in (kinetic_weight, frobenius_weight)]
    return jnp.mean(weights[0] * kinetic + weights[1] * frobenius)


def continuous_log_prob(
    key: jax.Array,
    flow: ContinuousFlow,
    base: Distribution,
    x: ArrayLike,
    *,
    law: str = "rademacher",
    num_samples: int = 1,
) -> Estimate:
    """Unbiased estimate of the log density of flow.forward(base), with fresh probes along one path.

    Args:
        key: PRNG key of the probes.
        flow: the bijector; its own probes are not used.
        base: distribution of event shape (d,).
        x: (d,).
        law: of the probes, as `numerics.sample_probes` takes it.
        num_samples: static number of probes, each held fixed along the path.

    Returns:
        () nats and the standard error over probes, NaN for one.

    Raises:
        ValueError: shapes, an unknown law, or no probes.

    Source:
        Grathwohl et al., FFJORD (2019), eq. 8.
    """
    at_least("continuous_log_prob", "num_samples", num_samples, 1)
    check_unstacked(flow, "continuous_log_prob")
    x = jnp.asarray(x)
    if x.shape != flow.event_shape:
        raise ValueError(
            f"continuous_log_prob: x has shape {x.shape}, expected {flow.event_shape}; use vmap for a batch"
        )
    probed = flow.with_probes(sample_probes(key, (num_samples, x.shape[0]), law=law, dtype=x.dtype))

    def slope(t, y, _):
        return probed.trace_terms(t, y[0])

    z, log_dets = probed.solve(slope, (x, jnp.zeros(num_samples, x.dtype)), reverse=True).y1
    return mean_of_terms(base.log_prob(z) + log_dets)
