"""Recipes beside their equivalents in FlowJAX on two moons: held-out nats and seconds of the whole fit.

Same data, widths, depths, batches, number of steps and optimiser (Adam with clipping, warm-up and cosine decay), the
flow with the best validation loss of 20 evaluations. Seconds include compilation. Without FlowJAX its columns are left
out.

Run with `--quick` for 200 steps and two recipes.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import make_moons

from _peers import available, flow_parts
from depthjax import flows
from harness import save

WIDTH, LAYERS, BATCH = 64, 6, 256
PAIRS = {
    "realnvp": ("coupling_flow", {}),
    "nsf_coupling": ("coupling_flow", {"spline": True}),
    "maf": ("masked_autoregressive_flow", {}),
    "nsf_autoregressive": ("masked_autoregressive_flow", {"spline": True}),
    "bnaf": ("block_neural_autoregressive_flow", {}),
    "planar_flow": ("planar_flow", {}),
}


def optimizer(num_steps: int) -> optax.GradientTransformation:
    """The optimiser of both."""
    schedule = optax.warmup_cosine_decay_schedule(0.0, 5e-3, num_steps // 20, num_steps)
    return optax.chain(optax.clip_by_global_norm(10.0), optax.adam(schedule))


def ours(name: str, data: tuple[np.ndarray, ...], num_steps: int, seed: int) -> float:
    """Held-out nats of a recipe."""
    options: dict[str, Any] = {"num_layers": LAYERS}
    if name == "planar_flow":
        options |= {"num_layers": 4 * LAYERS, "init_scale": 0.1}
    elif name == "bnaf":
        options |= {"depth": 1, "block_dim": 8}
    else:
        options["hidden"] = (WIDTH, WIDTH)
    flow = getattr(flows, name)(jax.random.key(seed), 2, **options)
    train, validation, test = data
    result = flows.fit_maximum_likelihood(
        jax.random.key(seed),
        flow,
        train,
        num_steps=num_steps,
        optimizer=optimizer(num_steps),
        batch_size=BATCH,
        validation=validation,
        eval_every=num_steps // 20,
    )
    return -float(jnp.mean(jax.jit(lambda d, v: d.log_prob(v))(result.flow, test)))


def theirs(name: str, data: tuple[np.ndarray, ...], num_steps: int, seed: int) -> float:
    """Held-out nats of FlowJAX's equivalent, fitted by the same loop."""
    recipe, options = PAIRS[name]
    params, score = flow_parts(recipe, seed, layers=LAYERS, width=WIDTH, **options)
    train, validation, test = map(jnp.asarray, data)
    method = optimizer(num_steps)

    def step(carry, key):
        params, state = carry
        batch = train[jax.random.choice(key, train.shape[0], (BATCH,), replace=False)]
        gradient = jax.grad(lambda p: -jnp.mean(score(p, batch)))(params)
        updates, state = method.update(gradient, state, params)
        return (optax.apply_updates(params, updates), state), None

    run = jax.jit(lambda carry, keys: jax.lax.scan(step, carry, keys)[0])
    loss = jax.jit(lambda p, x: -jnp.mean(score(p, x)))
    carry, best = (params, method.init(params)), (np.inf, params)
    for keys in jax.random.split(jax.random.key(seed), (20, num_steps // 20)):
        carry = run(carry, keys)
        value = float(loss(carry[0], validation))
        best = (value, carry[0]) if value < best[0] else best
    return float(loss(best[1], test))


def timed(fit: Callable[..., float], *args: Any) -> tuple[float, float]:
    """What `fit` returns, and its seconds."""
    started = time.perf_counter()
    return fit(*args), time.perf_counter() - started


def main() -> None:
    """Print the table and write `results/recipes.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parsed = parser.parse_args()
    x = make_moons(8_000, noise=0.1, random_state=parsed.seed)[0]
    x = np.asarray((x - x.mean(axis=0)) / x.std(axis=0), np.float32)
    data, num_steps = (x[:5_000], x[5_000:6_000], x[6_000:]), 200 if parsed.quick else 2_000
    fits = {"depthjax": ours} | ({"flowjax": theirs} if available("flowjax") else {})
    print(f"{'':<20}" + "".join(f"{who + ' nats':>16}{'seconds':>9}" for who in fits))
    found = {}
    for name in list(PAIRS)[: 2 if parsed.quick else None]:
        found[name] = {who: timed(fit, name, data, num_steps, parsed.seed) for who, fit in fits.items()}
        cells = (f"{nats:16.4f}{seconds:9.1f}" for nats, seconds in found[name].values())
        print(f"{name:<20}" + "".join(cells), flush=True)
    save("recipes_quick" if parsed.quick else "recipes", [], held_out_nats_and_seconds=found)


if __name__ == "__main__":
    main()
