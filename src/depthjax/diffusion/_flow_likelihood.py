"""Likelihoods by the probability-flow differential equation."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jax.typing import ArrayLike

from depthjax.core import Distribution
from depthjax.core._options import chosen, is_concrete
from depthjax.diffusion._arguments import PREDICTIONS, batch, same_event_shape
from depthjax.diffusion._continuous import ContinuousSchedule, EDMSchedule, VPLinear
from depthjax.diffusion._loss import Model
from depthjax.diffusion._predictions import convert_prediction
from depthjax.flows._continuous_flow import MOST_EXACT, ContinuousFlow
from depthjax.numerics import sample_probes
from depthjax.numerics._trace_estimators import mean_of_terms

_NAME = "probability_flow_log_prob"


class FlowLogProb(NamedTuple):
    """Log densities by the probability flow.

    Attributes:
        value: (n,) nats, NaN where not converged.
        standard_error: (n,) over probes: 0 for the exact trace, NaN for one probe.
        z: (n, *event) where the flow takes the events.
        converged: (n,) bool, the solver came to its end.
    """

    value: jax.Array
    standard_error: jax.Array
    z: jax.Array
    converged: jax.Array


def probability_flow_log_prob(
    schedule: ContinuousSchedule,
    model: Model,
    x: ArrayLike,
    *,
    key: jax.Array | None = None,
    probes: ArrayLike | None = None,
    prior: Distribution | None = None,
    prediction: str = "noise",
    start: ArrayLike | None = None,
    stop: ArrayLike | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    max_steps: int = 1024,
) -> FlowLogProb:
    """Log density of events under the deterministic flow with the marginals of a diffusion model.

    dz/dt = f(t) z - g(t)^2 score(z, t)/2 from the data at `start` to noise at `stop` > `start`, and
    log p(x) = log prior(z_stop) + the integral of the trace of its Jacobian.

    Args:
        schedule: continuous.
        model: (z (n, *event), t (n,)) -> (n, *event), called for one event at a time.
        x: (n, *event) data.
        key: PRNG key of one random probe, for events of more than 32 numbers.
        probes: (m, d) probes instead, d numbers in an event; any number of them, at any size.
        prior: distribution of the flattened noise, event shape (d,); independent normal of standard deviation 1, or
            sigma(stop) under `edm_schedule`, if None.
        prediction: what the network predicts.
        start: () first time: by default 1e-5 under `vp_linear`, where every prediction but "score" is singular at 0,
            sigma_min under `edm_schedule`, else 0. The density is that of the data with the noise of that time.
        stop: () last time, by default 1, or sigma_max.
        rtol: static, relative tolerance.
        atol: static, absolute tolerance.
        max_steps: static, steps at most.

    Returns:
        `FlowLogProb`, in nats an event (`flows.bits_per_dim` converts). Integer data must be dequantised before.

    Raises:
        ValueError: an unknown prediction, concrete times that do not increase, more than 32 numbers in an event with
            neither key nor probes, both of them, or probes or prior of another size.
        TypeError: a discrete schedule, or integer data.

    Numerics: the reverse-mode gradient is that of `ode.odeint_replay`.

    Cost: each slope is one network call with d (exact) or m products with its Jacobian.

    Source: Song et al., Score-Based Generative Modeling through Stochastic Differential Equations (2021), eq. 13, 39.
    """
    if not isinstance(schedule, ContinuousSchedule):
        raise TypeError(
            f"{_NAME}: schedule is {type(schedule).__name__}, expected a continuous one, as vp_linear gives"
        )
    chosen(_NAME, "prediction", prediction, PREDICTIONS)
    x = batch(_NAME, x)
    event = x.shape[1:]
    size = max(math.prod(event), 1)
    probes = _probes(key, probes, size, x.dtype)
    times = _window(schedule, prediction, start, stop, x.dtype)
    if prior is not None and prior.event_shape != (size,):
        raise ValueError(f"{_NAME}: prior has event shape {prior.event_shape}, expected ({size},), flattened events")

    def field(t, z):
        shaped = z.reshape(1, *event)
        value = same_event_shape(_NAME, "the result of model", model(shaped, t[None]), shaped)
        score = convert_prediction(value, shaped, t, schedule, source=prediction, target="score")
        slope = schedule.drift(t) * shaped - 0.5 * schedule.diffusion_squared(t) * score
        return slope.reshape(size).astype(z.dtype)

    options: dict[str, Any] = {"rtol": rtol, "atol": atol, "max_steps": max_steps, "exact": probes is None or None}
    flow = ContinuousFlow(Partial(field), *times, probes=probes, dim=size, **options)
    return jax.vmap(lambda v: _one(flow, prior, schedule, times[1], v.reshape(size), event))(x)


def _one(flow, prior, schedule, stop, x, event):
    count = 1 if flow.probes is None else flow.probes.shape[0]

    def slope(t, y, _):
        value, terms = flow.trace_terms(t, y[0])
        return value, jnp.broadcast_to(terms, (count,))

    solution = flow.solve(slope, (x, jnp.zeros(count, x.dtype)))
    z, terms = solution.y1
    if prior is None:
        scale = schedule.sigma(stop) if isinstance(schedule, EDMSchedule) else jnp.ones((), x.dtype)
        base = jnp.sum(-0.5 * (z / scale) ** 2 - jnp.log(scale) - 0.5 * math.log(2 * math.pi))
    else:
        base = prior.log_prob(z)
    found = mean_of_terms(base + terms)
    error = 0.0 * found.value if flow.probes is None else found.standard_error
    return FlowLogProb(found.value, error, z.reshape(event), solution.converged)


def _probes(key, probes, size, dtype):
    if key is not None and probes is not None:
        raise ValueError(f"{_NAME}: key and probes are both given, expected at most one")
    if probes is not None:
        return jnp.asarray(probes, dtype)
    if size <= MOST_EXACT:
        return None
    if key is None:
        raise ValueError(
            f"{_NAME}: events have {size} numbers; the exact trace costs as many products; pass key or probes"
        )
    return sample_probes(key, (1, size), dtype=dtype)


def _window(schedule, prediction, start, stop, dtype):
    if start is None:
        singular = isinstance(schedule, VPLinear) and prediction != "score"
        start = schedule.sigma_min if isinstance(schedule, EDMSchedule) else 1e-5 if singular else 0.0
    if stop is None:
        stop = schedule.sigma_max if isinstance(schedule, EDMSchedule) else 1.0
    if is_concrete(start) and is_concrete(stop) and not float(start) < float(stop):
        raise ValueError(
            f"{_NAME}: start is {float(start)} and stop {float(stop)}, expected start < stop, data to noise"
        )
    start, stop = jnp.asarray(start, dtype), jnp.asarray(stop, dtype)
    return jnp.where(start < stop, start, jnp.nan), stop
