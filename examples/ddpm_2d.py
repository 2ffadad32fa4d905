"""A diffusion model of two moons: one network, several samplers and numbers of steps.

The network predicts the noise of a schedule of 200 steps. The table gives the energy distance of samples from held-out
data; two disjoint parts of the data are the reference.

Run: python examples/ddpm_2d.py [--quick] [--seed 0]
"""

import jax
import jax.numpy as jnp
from _common import ACCENTS, figure, options, save
from _timed_net import apply, energy_distance, init, train
from sklearn.datasets import make_moons

from depthjax import diffusion

SCHEDULE = diffusion.linear_schedule(200, 1e-3, 0.06)


def model(params):
    """The network as samplers and losses call it."""
    return lambda z, t: apply(params, z, t / SCHEDULE.num_steps)


def loss(params, key, x):
    """Mean squared error of the predicted noise."""
    return diffusion.diffusion_loss(key, SCHEDULE, model(params), x)


def main():
    """Train, sample, print the table, draw the samples."""
    chosen = options(__doc__, "ddpm_2d")
    x, _ = make_moons(8_000, noise=0.07, random_state=chosen.seed)
    x = jnp.asarray((x - x.mean(axis=0)) / x.std(axis=0), jnp.float32)
    data, held_out, other = x[:4_000], x[4_000:6_000], x[6_000:]
    key = jax.random.key(chosen.seed)
    params, losses = train(
        key, init(key, 2), loss, lambda k: (data[jax.random.randint(k, (256,), 0, data.shape[0])],),
        num_steps=100 if chosen.quick else 6_000,
    )  # fmt: skip
    print(f"loss {float(jnp.mean(losses[-50:])):.3f}; energy distance of data from data "
          f"{energy_distance(other, held_out):.4f}\n")  # fmt: skip
    samplers = {"ddpm": diffusion.sample_ddpm, "ddim": diffusion.sample_ddim}
    counts = (200, 50, 10)
    fig, axes = figure(2, 3, (9.5, 6))
    print(f"{'sampler':<10}" + "".join(f"{f'{n} steps':>12}" for n in counts))
    for row, (name, sampler) in zip(axes, samplers.items(), strict=True):
        line = f"{name:<10}"
        for axis, count in zip(row, counts, strict=True):
            steps = range(200, 0, -(200 // count))
            out = sampler(jax.random.fold_in(key, count), SCHEDULE, model(params), (2_000, 2), timesteps=steps).x
            line += f"{energy_distance(out, held_out):12.4f}"
            axis.scatter(*out.T, s=1.5, color=ACCENTS[0])
            axis.set(xticks=[], yticks=[], xlim=(-2.5, 2.5), ylim=(-2.5, 2.5), title=f"{name}, {count} steps")
        print(line, flush=True)
    save(fig, chosen.out)


if __name__ == "__main__":
    main()
