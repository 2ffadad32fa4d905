"""The same flows in FlowJAX and distrax, for the benchmarks; a peer that is not installed is left out."""

import importlib.util
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

HIDDEN = (64, 64)
INTERVAL = 4.0
NUM_BINS = 8


def available(name: str) -> bool:
    """Whether a package can be imported."""
    return importlib.util.find_spec(name) is not None


def gradient_step(params: Any, loss: Callable[[Any, jax.Array], jax.Array]) -> tuple[Callable, Any]:
    """One Adam step on `loss(params, x)` and its first two arguments (params, optimizer state)."""
    optimizer = optax.adam(1e-3)

    def step(params, state, x):
        value, gradient = jax.value_and_grad(loss)(params, x)
        updates, state = optimizer.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    return step, (params, optimizer.init(params))


def flowjax_coupling(num_layers: int, dim: int) -> tuple[Callable, Any]:
    """Gradient step of FlowJAX's coupling flow; `knots` counts the inner ones, so 7 give eight bins."""
    from flowjax.bijections import RationalQuadraticSpline
    from flowjax.distributions import Normal
    from flowjax.flows import coupling_flow

    flow = coupling_flow(
        jax.random.key(0),
        base_dist=Normal(jnp.zeros(dim)),
        transformer=RationalQuadraticSpline(knots=NUM_BINS - 1, interval=INTERVAL),
        flow_layers=num_layers,
        nn_width=HIDDEN[0],
        nn_depth=len(HIDDEN),
    )
    params, build = _partition(flow)
    return gradient_step(params, lambda p, x: -build(p).log_prob(x).mean())


def flow_parts(recipe: str, seed: int, *, layers: int, width: int, spline: bool = False) -> tuple[Any, Callable]:
    """A two-dimensional FlowJAX flow by name: its parameters, and log_prob(parameters, x)."""
    import flowjax.flows
    from flowjax.bijections import RationalQuadraticSpline
    from flowjax.distributions import Normal

    options = {
        "coupling_flow": {"nn_width": width, "nn_depth": 2, "flow_layers": layers},
        "masked_autoregressive_flow": {"nn_width": width, "nn_depth": 2, "flow_layers": layers},
        "block_neural_autoregressive_flow": {"nn_block_dim": 8, "nn_depth": 1, "flow_layers": layers},
        "planar_flow": {"flow_layers": 4 * layers, "negative_slope": 0.1},
    }[recipe]
    if spline:
        options = options | {"transformer": RationalQuadraticSpline(knots=NUM_BINS - 1, interval=INTERVAL)}
    flow = getattr(flowjax.flows, recipe)(jax.random.key(seed), base_dist=Normal(jnp.zeros(2)), **options)
    params, build = _partition(flow)
    return params, lambda p, x: build(p).log_prob(x)


def flowjax_autoregressive(
    num_layers: int, dim: int, width: int, kind: str, scale: float
) -> tuple[Callable, tuple[Any]]:
    """The sampling direction of FlowJAX's masked autoregressive flow with its weights scaled, and its parameters."""
    from flowjax.bijections import RationalQuadraticSpline
    from flowjax.distributions import Normal
    from flowjax.flows import masked_autoregressive_flow

    spline = RationalQuadraticSpline(knots=NUM_BINS - 1, interval=INTERVAL)
    flow = masked_autoregressive_flow(
        jax.random.key(0),
        base_dist=Normal(jnp.zeros(dim)),
        transformer=spline if kind == "spline" else None,
        flow_layers=num_layers,
        nn_width=width,
        nn_depth=2,
    )
    params, build = _partition(flow)
    params = jax.tree.map(lambda a: a * scale, params)
    return lambda p, z: jax.vmap(build(p).bijection.transform_and_log_det)(z), (params,)


def distrax_coupling(num_layers: int, dim: int) -> tuple[Callable, Any]:
    """Gradient step of distrax's unrolled MaskedCoupling; 3K + 1 parameters, the end slopes set by its boundary."""
    import distrax

    num_params = 3 * NUM_BINS + 1
    sizes = (dim, *HIDDEN, dim * num_params)
    keys = jax.random.split(jax.random.key(0), num_layers)
    params = [
        [
            (jax.random.normal(k, (a, b)) / jnp.sqrt(a), jnp.zeros(b))
            for k, a, b in zip(jax.random.split(key, len(sizes) - 1), sizes, sizes[1:], strict=False)
        ]
        for key in keys
    ]

    def conditioner(net):
        def call(h):
            for kernel, bias in net[:-1]:
                h = jax.nn.relu(h @ kernel + bias)
            kernel, bias = net[-1]
            return (h @ kernel + bias).reshape(*h.shape[:-1], dim, num_params)

        return call

    def spline(raw):
        return distrax.RationalQuadraticSpline(raw, -INTERVAL, INTERVAL, boundary_slopes="identity")

    def loss(params, x):
        total, first = 0.0, jnp.arange(dim) < dim // 2
        for i, net in enumerate(params):
            mask = first if i % 2 == 0 else ~first
            x, log_det = distrax.MaskedCoupling(mask, conditioner(net), spline).forward_and_log_det(x)
            total = total + log_det
        base = distrax.Independent(distrax.Normal(jnp.zeros(dim), jnp.ones(dim)), 1)
        return -jnp.mean(base.log_prob(x) + total)

    return gradient_step(params, loss)


def _partition(flow):
    import equinox as eqx
    import paramax

    params, fixed = eqx.partition(
        flow, eqx.is_inexact_array, is_leaf=lambda leaf: isinstance(leaf, paramax.NonTrainable)
    )
    return params, lambda p: paramax.unwrap(eqx.combine(p, fixed))
