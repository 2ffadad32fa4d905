"""Every recipe on two moons: held-out nats, seconds, and the density each one draws.

The same data, optimiser and number of steps for all; none is tuned. The Gaussian is the baseline that a flow must beat.

Run: python examples/flow_two_moons.py [--quick] [--seed 0]
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
from _common import figure, options, save
from sklearn.datasets import make_moons

from depthjax import flows

RECIPES = {
    "planar_flow": {"num_layers": 32, "init_scale": 0.1},
    "radial_flow": {"num_layers": 32},
    "sylvester_flow": {"num_layers": 16},
    "nice": {"num_layers": 8},
    "realnvp": {"num_layers": 8},
    "maf": {"num_layers": 6},
    "iaf": {"num_layers": 6},
    "nsf_coupling": {"num_layers": 6},
    "nsf_autoregressive": {"num_layers": 4},
    "naf": {"num_layers": 4},
    "bnaf": {"num_layers": 4},
    "residual_flow": {"num_layers": 8},
}


def main():
    """Fit them all, print the table, draw the densities."""
    chosen = options(__doc__, "flow_two_moons")
    key = jax.random.key(chosen.seed)
    x, _ = make_moons(8_000, noise=0.1, random_state=chosen.seed)
    x = np.asarray((x - x.mean(axis=0)) / x.std(axis=0), np.float32)
    train, validation, test = x[:5_000], x[5_000:6_000], x[6_000:]
    gaussian = 0.5 * float(np.linalg.slogdet(2 * np.pi * np.e * np.cov(train.T))[1])
    names = ("nice", "nsf_coupling") if chosen.quick else tuple(RECIPES)
    print(f"{'':<20}{'held-out nats':>14}{'seconds':>9}   parameters\n")
    print(f"{'Gaussian':<20}{gaussian:14.3f}")
    score = jax.jit(lambda d, v: d.log_prob(v))
    ticks = np.linspace(-2.6, 2.6, 140, dtype=np.float32)
    plane = np.stack(np.meshgrid(ticks, ticks), -1)
    fig, axes = figure(2, max(len(names) // 2, 1), (14, 4.9) if not chosen.quick else (4, 6))
    for axis, name in zip(axes.ravel(), names, strict=True):
        started = time.perf_counter()
        flow = getattr(flows, name)(key, 2, **RECIPES[name])
        result = flows.fit_maximum_likelihood(
            key, flow, train, num_steps=100 if chosen.quick else 2_000, validation=validation, eval_every=100
        )
        nats = -float(jnp.mean(score(result.flow, test)))
        seconds = time.perf_counter() - started
        print(
            f"{name:<20}{nats:14.3f}{seconds:9.1f}   {sum(v.size for v in jax.tree.leaves(flow.bijector))}", flush=True
        )
        density = np.exp(np.asarray(score(result.flow, plane.reshape(-1, 2)))).reshape(plane.shape[:2])
        axis.imshow(density, extent=(-2.6, 2.6, -2.6, 2.6), origin="lower", cmap="magma")
        axis.set(xticks=[], yticks=[])
        axis.set_title(f"{name}  {nats:.2f}", fontsize=9)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
